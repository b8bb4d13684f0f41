"""Whatever is passed to a compiled function, it answers or refuses as documented.

A short look at what `dev.py fuzz` does at length; beside other threads, `test_free_threads.py` does.
"""

import gc
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sfaudio
from sfaudio._kernels import force_kernel_level, kernel_level

from .hostile_calls import PARAMETERS, Fault, Fuzzer, run_batch
from .hostile_targets import Target, all_targets

kept: list[memoryview] = []


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threshold, level = gc.get_threshold(), kernel_level()
    gc.set_threshold(50)  # Garbage meddles when it is collected.
    yield
    gc.set_threshold(*threshold)
    force_kernel_level(level)


def test_every_parameter_of_every_compiled_function_has_a_recipe() -> None:
    names = {name for target in all_targets() for name in (*target.positional, *target.named)}
    assert names == PARAMETERS.keys()


def test_everything_public_that_is_compiled_is_called() -> None:
    plain = ("sfaudio._statistics", "sfaudio._portaudio")
    compiled = {name for name in sfaudio.__all__ if getattr(sfaudio, name).__module__ not in plain}
    assert compiled <= {target.name for target in all_targets()}


@pytest.mark.parametrize("batch", range(4))
def test_hostile_arguments_are_answered_or_refused_as_documented(batch: int) -> None:
    outcomes = run_batch(batch)
    assert outcomes["returned"] > 200
    assert outcomes["TypeError"] + outcomes["ValueError"] > 100


def many_calls(fuzzer: Fuzzer) -> None:
    for _ in range(100):
        fuzzer.call()


def keep(src: Any) -> None:
    kept.append(memoryview(src))


def overrun(src: Any) -> None:
    memory = memoryview(src).obj
    if isinstance(memory, bytearray) and memory:
        memory[-1] ^= 1


def stumble(src: Any) -> None:
    raise KeyError


@pytest.mark.parametrize(
    ("planted", "fault"),
    [(keep, "still holds"), (overrun, "beyond a buffer"), (stumble, "raised KeyError")],
)
def test_a_planted_fault_is_found(planted: Callable[[Any], None], fault: str) -> None:
    fuzzer = Fuzzer(random.Random(1), [Target("planted", planted, None, ("src",))], 0.0)
    with pytest.raises(Fault, match=fault):
        many_calls(fuzzer)
    kept.clear()

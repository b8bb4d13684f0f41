"""What a call costs: float32_to_int16 of 320 samples into `out`, by kind of buffer, beside calls that do nothing."""

import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sfaudio import float32_to_int16

pytestmark = pytest.mark.benchmark(max_time=0.06, min_rounds=5, warmup=True, warmup_iterations=10)

SAMPLES = np.random.default_rng(1).uniform(-1, 1, 320).astype(np.float32)
RAW = SAMPLES.tobytes()

KINDS: dict[str, tuple[Any, Any]] = {
    "numpy": (SAMPLES, np.zeros(320, np.int16)),
    "array": (array.array("f", RAW), array.array("h", bytes(640))),
    "bytes": (RAW, bytearray(640)),
    "bytearray": (bytearray(RAW), bytearray(640)),
    "memoryview": (memoryview(RAW).cast("f"), memoryview(bytearray(640)).cast("h")),
}


def empty(src: Any, out: Any = None, *, rule: str = "wire") -> Any:
    return out


CALLS = {"empty Python function": empty, "isinstance": isinstance}


@pytest.mark.parametrize("kind", KINDS)
def test_call(measure: Callable[..., None], kind: str) -> None:
    src, out = KINDS[kind]
    measure(
        "a call, 320 samples", f"sfaudio, {kind}", "f(a, b)", 500, f=float32_to_int16, a=src, b=out
    )


@pytest.mark.parametrize("name", CALLS)
def test_call_that_does_nothing(measure: Callable[..., None], name: str) -> None:
    """The Python function has our signature; `isinstance` is the plainest builtin of two arguments."""
    out = object if name == "isinstance" else KINDS["numpy"][1]
    measure("a call, 320 samples", name, "f(a, b)", 500, f=CALLS[name], a=SAMPLES, b=out)

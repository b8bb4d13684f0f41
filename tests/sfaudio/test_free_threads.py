"""Four threads at the same time, against the rules: an error for the intruder, nothing spoiled, nothing lost.

These mean most on a CPython without the GIL, for a minute each (`--misuse-seconds 60`), under ThreadSanitizer (with
`tsan_suppressions.txt`) and AddressSanitizer; `dev.py freethreaded` does all of that.
"""

import gc
import os
import random
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import sfaudio
from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine, _opened
from sfaudio._callback import StreamCallback
from sfaudio._kernels import force_kernel_level, kernel_level, kernel_levels
from sfaudio.stream import Stream

from .hostile_calls import OF_METHODS, check_books, resident_mib
from .hostile_targets import compiled_modules
from .misuse import OBJECTS as OBJECTS_FOR_ANY_CALL
from .misuse import ROUND, play_round
from .shared_filters import (
    OfEchoCanceller,
    OfEchoFilter,
    OfEchoGate,
    OfMeter,
    OfPlayoutLaw,
    OfResampler,
    OfStretcher,
)
from .shared_objects import CALL, ENGINE, STREAM, Call, Done, Shared, Spoiled
from .shared_queues import OfCaptureQueue, OfEngine, OfJitterBuffer, OfStreamCallback
from .test_stream_life import PortAudio, portaudio  # noqa: F401
from .threads import switch_interval

THREADS = 4
LONG_SECONDS = 10.0  # after which there was an intruder, however threads are scheduled
IS_SANITIZED = not os.environ.keys().isdisjoint(("ASAN_OPTIONS", "TSAN_OPTIONS"))
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

OBJECTS: dict[str, Callable[[], Shared]] = {
    "JitterBuffer": OfJitterBuffer,
    "CaptureQueue": OfCaptureQueue,
    "Resampler": OfResampler,
    "Meter": OfMeter,
    "PlayoutEngine": lambda: OfEngine("adaptive", 16_000),
    "PlayoutEngine, resampled": lambda: OfEngine("adaptive", 44_100),
    "PlayoutEngine, lossless": lambda: OfEngine("lossless", 16_000),
    "EchoCanceller": lambda: OfEchoCanceller(16_000),
    "EchoCanceller, in bands": lambda: OfEchoCanceller(48_000),
    "EchoFilter": OfEchoFilter,
    "EchoGate": OfEchoGate,
    "PlayoutLaw": OfPlayoutLaw,
    "Stretcher": OfStretcher,
    "StreamCallback": OfStreamCallback,
}


@pytest.fixture
def _level() -> Iterator[None]:
    before = kernel_level()
    yield
    force_kernel_level(before)


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--misuse-seconds"))


def in_threads(
    work: Callable[[int, Done], object], seconds: float, refusals: tuple[str, ...] = ()
) -> Done:
    """Each thread does its work, with its number, again and again. RuntimeErrors with these texts are counted."""
    everyone = threading.Barrier(THREADS)
    failures: list[BaseException] = []
    done = [Done() for _ in range(THREADS)]

    def run(number: int) -> None:
        everyone.wait()
        until = time.monotonic() + seconds
        try:
            while not failures and (time.monotonic() < until or not done[number]["rounds"]):
                try:
                    work(number, done[number])
                except RuntimeError as error:
                    if not any(refusal in str(error) for refusal in refusals):
                        raise
                    done[number]["refused"] += 1
                done[number]["rounds"] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    with switch_interval(1e-6):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for failure in failures:
        raise failure
    return sum(done, Done())


# ---- one object


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_four_threads_misuse_is_not_spoiled(name: str, seconds: float) -> None:
    shared = OBJECTS[name]()
    calls = [shared.calls() for _ in range(THREADS)]
    rngs = [random.Random(number) for number in range(THREADS)]

    def call(number: int, done: Done) -> None:
        rngs[number].choice(calls[number])(done)

    done = in_threads(call, seconds, shared.refusals)
    print(dict(done))
    books = list(shared.books(done))
    assert books == [(what, due, due) for what, _, due in books]
    for thing in shared.objects():
        check_books(thing)
    assert shared.works()
    if seconds >= LONG_SECONDS and not HAS_GIL:
        assert done["refused"] > 0 or not shared.refusals


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("name", OBJECTS_FOR_ANY_CALL)
def test_any_call_from_four_threads_is_answered_or_refused(name: str, seconds: float) -> None:
    """Also those with arguments that do not fit, and those that end an object."""
    allowed = {"returned", *(error.__name__ for error in OF_METHODS)}
    began, seed, warm = time.monotonic(), 0, 0.0
    while seed < 2 or time.monotonic() < began + seconds:
        outcomes = play_round(name, THREADS, seed, min(seconds / 4, ROUND))
        assert outcomes.keys() <= allowed
        seed += 1
        if not warm and time.monotonic() > began + seconds / 4:
            warm = resident_mib()
    if seconds >= LONG_SECONDS and not IS_SANITIZED:
        assert resident_mib() - warm < 16


# ---- objects that come and go


def makers(queue: JitterBuffer, capture: CaptureQueue) -> list[Callable[[], Any]]:
    """Of what has a side of one of these, and of some that stand alone."""
    return [
        lambda: PlayoutEngine(queue, output_samplerate=48_000),
        lambda: PlayoutEngine(queue, policy="lossless"),
        lambda: StreamCallback(capture, queue),
        lambda: StreamCallback(capture),
        *(lambda: JitterBuffer(9), lambda: sfaudio.Resampler(8000, 16_000)),
        *(lambda: sfaudio.EchoCanceller(32_000), lambda: sfaudio.EchoGate(8000)),
        lambda: sfaudio.Meter(8000),
    ]


def use(thing: Any) -> None:
    repr(thing)
    thing.statistics()
    if isinstance(thing, PlayoutEngine):
        thing.read_into(np.zeros(441, np.int16))
    elif isinstance(thing, StreamCallback):
        thing.run(None, np.zeros(64, np.float32))


def test_objects_are_made_used_and_dropped_by_different_threads(seconds: float) -> None:
    queue, capture = JitterBuffer(9000), CaptureQueue(9000)
    make, places = makers(queue, capture), [None] * 3
    rngs = [random.Random(number) for number in range(THREADS)]

    def work(number: int, done: Done) -> None:
        rng = rngs[number]
        place = rng.randrange(len(places))
        places[place] = (
            None  # It may be the last one who drops it, in the middle of a call of another one.
        )
        places[place] = rng.choice(make)()
        done["made"] += 1
        if (thing := places[rng.randrange(len(places))]) is not None:
            use(thing)

    done = in_threads(work, seconds, (CALL, STREAM, ENGINE))
    assert done["made"] > 0
    places.clear()
    gc.collect()
    queue.read(9)  # Nobody has it any more.
    queue.abort()
    capture.write(bytes(2))


def test_a_callback_that_four_threads_end_leaves_its_queues_once(seconds: float) -> None:
    playout, capture, until = JitterBuffer(900), CaptureQueue(900), time.monotonic() + seconds
    while True:
        callback = StreamCallback(capture, playout)
        ends: list[Call] = [
            lambda done, of=callback: of.userdata,  # type: ignore[misc]
            lambda done, of=callback: of.detach(),  # type: ignore[misc]
            lambda done, of=callback: of.close(),  # type: ignore[misc]
            lambda done, of=callback: of.run(np.ones(9, np.float32), np.ones(9, np.float32)),  # type: ignore[misc]
        ]
        refusals = CALL, "is held by native code", "is run by Python"
        in_threads(lambda number, done, ends=ends: ends[number](done), 0, refusals)  # type: ignore[misc]
        callback.close()
        capture.write(bytes(2))
        playout.read(9)
        if time.monotonic() >= until:
            break


def test_a_stream_that_four_threads_close_is_closed_once(
    portaudio: PortAudio,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    monkeypatch.setattr(_opened, "CLOSE_SECONDS", 60.0)
    capture, until, streams = CaptureQueue(900), time.monotonic() + seconds, 0
    while True:
        opened: list[Stream] = []

        def work(number: int, done: Done, opened: list[Stream] = opened) -> None:
            """All want the queue, one gets it; then all start it and close it."""
            try:
                opened.append(Stream(capture, samplerate=48_000))
            finally:
                for stream in opened:
                    repr((stream, stream.active, stream.statistics(), stream.position()))
                    stream.output_gain = 2.0
                    start(stream)
                    stream.close()
                    if stream.active:
                        raise Spoiled("it is active after it was closed")

        in_threads(work, 0, (STREAM,))
        streams += len(opened)
        assert portaudio.closes == streams > 0
        capture.write(bytes(2))
        if time.monotonic() >= until:
            break


def start(stream: Stream) -> None:
    with suppress(RuntimeError):  # It was closed before.
        stream.start()


# ---- functions


def conversions(src: Any, floats: Any, codes: Any) -> list[Any]:
    stereo = sfaudio.from_mono(src, 2)
    return [
        *(sfaudio.float32_to_int16(floats, rule=rule) for rule in ("wire", "symmetric")),
        *(sfaudio.int16_to_float32(src), sfaudio.byteswap_int16(src)),
        *(sfaudio.int16_to_ulaw(src), sfaudio.ulaw_to_int16(codes)),
        *(sfaudio.int16_to_alaw(src), sfaudio.alaw_to_int16(codes)),
        *(stereo, sfaudio.to_mono(stereo, 2), sfaudio.to_mono(src, 3), sfaudio.level(src)),
        sfaudio.apply_gain(src, 1.5, src.copy()),
    ]


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("frames", [480, 20_001])
def test_functions_give_the_same_in_four_threads(frames: int, seconds: float) -> None:
    """On the input of all, and each on its own; at whatever level of the processor, which one thread changes."""
    rng = np.random.default_rng(1)

    def inputs() -> tuple[Any, Any, Any]:
        src = rng.integers(-32768, 32768, frames).astype(np.int16)
        return src, rng.uniform(-1.2, 1.2, frames).astype(np.float32), src.astype(np.uint8)

    of_all = inputs()
    own = [inputs() for _ in range(THREADS)]
    due = [[conversions(*of) for of in (of_all, mine)] for mine in own]

    def work(number: int, done: Done) -> None:
        if number == 0:
            force_kernel_level(kernel_levels()[done["rounds"] % len(kernel_levels())])
        for of, expected in zip((of_all, own[number]), due[number], strict=True):
            if not all(map(np.array_equal, conversions(*of), expected)):
                raise Spoiled("another result")

    in_threads(work, seconds)


# ---- importing


MODULES = [module.__name__ for module in compiled_modules()]
IMPORT_ALL = """
import importlib, sys, threading
names, failures, everyone = sys.argv[1:], [], threading.Barrier(4)
def load(number):
    everyone.wait()
    try:
        importlib.import_module("sfaudio")  # Of a module that comes before its package, CPython may see a deadlock.
        for name in names[number:] + names[:number] if number % 2 else names[::-1]:
            importlib.import_module(name)
    except BaseException as error:
        failures.append(error)
threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
if failures: raise failures[0]
import sfaudio
assert sfaudio.JitterBuffer(9).write(b"1234") == 4
print(getattr(sys, "_is_gil_enabled", lambda: True)())
"""


def test_four_threads_import_all_and_the_gil_stays_as_it_is() -> None:
    """Of a free-threaded Python it stays off, without a variable that says so."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    names = [*MODULES, "sfaudio.stream", "sfaudio.checkup"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL, *names],
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str(not sysconfig.get_config_var("Py_GIL_DISABLED"))


def test_the_gil_is_off_where_it_can_be() -> None:
    """So that what is above means something there."""
    assert bool(sysconfig.get_config_var("Py_GIL_DISABLED")) is not HAS_GIL

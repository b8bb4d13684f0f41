"""Each side of a queue, and each object with a state, has one user at a time; a second one is told who has it.

The native callback is called as PortAudio does it: by its address, in a thread without the GIL.
"""

import ctypes
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from sfaudio import CaptureQueue, EchoCanceller, EchoGate, JitterBuffer, Meter, Resampler
from sfaudio._callback import StreamCallback
from sfaudio._echo_filter import EchoFilter

PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)
STREAM = "is held by a stream that is open: close it first"
FRAMES = 200_000  # of a block that keeps the callback busy for a while


def native(callback: StreamCallback, frames: int) -> Callable[[], Any]:
    """The callback of a stream of one channel, as PortAudio has it."""
    function, userdata = PROTOTYPE(callback.address), callback.userdata
    recorded = np.full(frames, 0.5, np.float32)
    played = np.zeros(frames, np.float32)

    def call() -> Any:
        # ctypes gives up the GIL.
        function(recorded.ctypes.data, played.ctypes.data, frames, None, 0, userdata)
        return played

    return call


@contextmanager
def calling(call: Callable[[], Any]) -> Iterator[None]:
    """Another thread calls, again and again."""
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            call()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Held:
    """Queues that a stream has, and the calls that it does not allow."""

    def __init__(self) -> None:
        self.capture, self.playout = CaptureQueue(900), JitterBuffer(900)
        self.played, self.reference = CaptureQueue(900), CaptureQueue(900)
        self.callback = StreamCallback(
            self.capture, self.playout, self.played, reference=self.reference
        )

    def refused(self) -> list[Callable[[], object]]:
        return [
            lambda: self.playout.read_into(bytearray(20)),
            self.playout.abort,
            lambda: self.capture.write(bytes(20)),
            lambda: self.played.write(np.zeros(9, np.float32)),
            lambda: self.reference.write(bytes(20)),
            lambda: StreamCallback(self.capture),
            lambda: StreamCallback(playout=self.playout),
            lambda: StreamCallback(CaptureQueue(9), JitterBuffer(9), self.played),
            lambda: StreamCallback(None, JitterBuffer(9), reference=self.reference),
        ]

    def allowed(self) -> list[Callable[[], object]]:
        return [
            lambda: self.playout.write(bytes(20)),
            self.playout.flush,
            self.playout.drain,
            self.playout.statistics,
            lambda: (self.playout.queued_frames, self.playout.writable_frames),
            lambda: self.capture.read(9),
            lambda: self.capture.read(9, pad=True),
            lambda: self.capture.read_into(bytearray(20)),
            lambda: self.capture.drop(9),
            self.capture.flush,
            self.capture.statistics,
            lambda: self.capture.queued_frames,
        ]

    def assert_held(self) -> None:
        for call in self.refused():
            with pytest.raises(RuntimeError, match=STREAM):
                call()
        for call in self.allowed():
            call()

    def assert_free(self) -> None:
        for call in self.refused():
            call()


def test_a_stream_has_its_sides_until_it_is_closed() -> None:
    held = Held()
    held.assert_held()
    held.callback.close()
    held.callback.close()
    held.assert_free()


def test_a_detached_stream_has_left_its_sides() -> None:
    held = Held()
    call = native(held.callback, 100)
    held.playout.write(np.full(100, 8192, np.int16))
    assert held.callback.detach()
    held.assert_free()
    held.playout.write(np.full(100, 8192, np.int16))
    assert not call().any()
    held.callback.close()


def test_a_stream_that_was_dropped_before_native_code_had_it_leaves_its_sides() -> None:
    held = Held()
    del held.callback
    held.assert_free()


def test_what_native_code_may_call_outlives_its_object() -> None:
    held = Held()
    call = native(held.callback, 100)
    del held.callback
    held.playout.write(np.full(100, 8192, np.int16))
    assert (call() == 0.25).all()
    held.assert_held()


def test_the_queues_outlive_the_object_too() -> None:
    class Kept(JitterBuffer):
        pass

    kept, freed = Kept(100), Kept(100)
    references = weakref.ref(kept), weakref.ref(freed)
    call = native(StreamCallback(playout=kept), 100)
    closed = StreamCallback(playout=freed)
    assert closed.userdata
    closed.close()
    del kept, freed, closed
    gc.collect()
    assert references[0]() is not None
    assert references[1]() is None
    assert not call().any()


@pytest.mark.parametrize("queues", ["same", "taken"])
def test_a_stream_that_is_refused_leaves_nothing_half_held(queues: str) -> None:
    first, buffer = CaptureQueue(9), JitterBuffer(9)
    other = StreamCallback(CaptureQueue(9), None, first) if queues == "taken" else None
    capture = CaptureQueue(9) if queues == "taken" else first
    with pytest.raises(RuntimeError, match=f"the writing side of this CaptureQueue {STREAM}"):
        StreamCallback(capture, buffer, first)
    buffer.read_into(bytearray(2))
    capture.write(bytes(2))
    assert other is None or other.statistics().callbacks == 0


def test_python_does_not_run_what_native_code_may_call() -> None:
    callback = StreamCallback(playout=JitterBuffer(9))
    callback.run(None, bytearray(4))
    assert callback.userdata == callback.userdata
    with pytest.raises(RuntimeError, match="this StreamCallback is held by native code"):
        callback.run(None, bytearray(4))
    callback.close()
    callback.run(None, bytearray(4))


def test_every_call_against_a_running_callback_is_refused_or_right() -> None:
    """What would spoil a queue shows as a crash, or as books that do not balance."""
    held = Held()
    with calling(native(held.callback, 480)):
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            held.assert_held()
            counts = held.playout.statistics()
            assert counts.written_frames == (
                counts.read_frames + counts.queued_frames + counts.dropped_frames
            )
            position = held.callback.position()
            assert position is None or position.input_frames == position.output_frames + 480
        # In the middle of a block or not: when it has left, the sides are ours at once.
        assert held.callback.detach()
        held.assert_free()
    held.callback.close()


def test_an_argument_may_use_the_object_that_it_is_for() -> None:
    """Its code runs before the object is taken."""
    resampler = Resampler(8000, 16000)
    queue = CaptureQueue(100)

    class Number(int):
        def __int__(self) -> int:
            resampler.reset()
            queue.flush()
            return 10

    assert len(resampler.process(bytes(10), Number(10))) == 10
    assert len(queue.read(Number(10), pad=True)) == 20
    assert queue.drop(Number(10)) == 0


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (JitterBuffer, {"capacity": 9}),
        (CaptureQueue, {"capacity": 9}),
        (Resampler, {"samplerate_in": 8000, "samplerate_out": 16000}),
        (EchoCanceller, {"samplerate": 48_000}),
        (EchoFilter, {"samplerate": 8000}),
        (EchoGate, {"samplerate": 8000}),
        (Meter, {"samplerate": 8000}),
        (StreamCallback, {"input_channels": 1}),
    ],
)
def test_a_constructor_may_be_watched_by_its_argument(
    cls: type, arguments: dict[str, float]
) -> None:
    """Which finds the object among those of the collector, and uses it, before it is made."""
    refused: list[RuntimeError] = []

    class Kept(cls):  # type: ignore[misc]
        pass

    def meddle(thing: Any) -> None:
        uses: dict[str, list[Any]] = {"write": [bytes(2)], "read_into": [bytearray(2)]}
        uses |= {"read": [1], "process": [bytes(2)], "output_frames": [1], "input_frames": [1]}
        uses |= {"flush": [], "abort": [], "run": [bytes(4), None], "statistics": []}
        uses |= {"hear": [bytes(2), 0], "read_segments": []}
        if hasattr(thing, "skip"):  # one for two streams
            uses |= {"skip": [bytes(4)], "process": [bytes(4), bytes(4)]}
        for name in uses.keys() & set(dir(thing)):
            try:
                getattr(thing, name)(*uses[name])
            except RuntimeError as error:
                refused.append(error)

    class Meddles(float):
        def __int__(self) -> int:
            for thing in [thing for thing in gc.get_objects() if type(thing) is Kept]:
                meddle(thing)
            return super().__int__()

    Kept(**{name: Meddles(value) for name, value in arguments.items()})
    assert all("held by its constructor" in str(error) for error in refused)
    assert refused


def test_an_argument_may_shrink_another_one() -> None:
    """No pointer into a buffer is taken before all code of the arguments has run."""
    block = np.ones(1000, np.int16)
    resampler = Resampler(8000, 8000)

    class Shrinks:
        def __int__(self) -> int:
            block.resize(0, refcheck=False)
            return 1000

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    resampler.process(block, Shrinks())  # type: ignore[arg-type]
    assert resampler.statistics().input_frames == 0


# ---- what is told is bounded


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_is_told_what_it_can_be() -> None:
    """There the callback has stopped in the middle of a block, most of the time, and never goes on."""
    playout = JitterBuffer(FRAMES)
    callback = StreamCallback(None, playout)
    playout.write(bytes(2 * FRAMES))
    with calling(native(callback, FRAMES)):
        for _ in range(10):
            child = os.fork()
            if child == 0:
                began = time.monotonic()
                told = playout.statistics(), callback.statistics(), playout.queued_frames
                freed = callback.detach()
                playout.read_into(bytearray(20))
                callback.close()
                in_time = time.monotonic() - began < 1
                os._exit(0 if in_time and freed and told[0].written_frames == FRAMES else 1)
            assert os.waitpid(child, 0)[1] == 0
    callback.close()


# ---- methods are of their own class


@pytest.mark.parametrize(
    "method",
    [
        getattr(cls, name)
        for cls in (JitterBuffer, CaptureQueue, Resampler, EchoCanceller, EchoGate, StreamCallback)
        for name in vars(cls)
        if not name.startswith("_") and callable(getattr(cls, name))
    ],
)
def test_a_method_takes_nothing_but_its_own_object(method: Callable[..., object]) -> None:
    for stranger in (None, 42, JitterBuffer(1), CaptureQueue(1), Resampler(8000, 16000)):
        if method.__name__ in dir(stranger):
            continue
        with pytest.raises(TypeError, match="doesn't apply to"):
            method(stranger)

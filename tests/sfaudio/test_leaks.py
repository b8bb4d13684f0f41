"""Nothing that is called over and over, with success or failure, keeps memory."""

import array
import contextlib
import gc
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sfaudio import (
    CaptureQueue,
    EchoCanceller,
    EchoGate,
    JitterBuffer,
    Meter,
    PlayoutEngine,
    Resampler,
    alaw_to_int16,
    apply_gain,
    byteswap_int16,
    float32_to_int16,
    from_mono,
    int16_to_alaw,
    int16_to_float32,
    int16_to_ulaw,
    level,
    to_mono,
    ulaw_to_int16,
)
from sfaudio._callback import StreamCallback

resource = pytest.importorskip("resource")

TIMES = 1_000_000
ALLOWED = 2048  # KiB: about two bytes a call

FLOATS, INTS = np.zeros(64, np.float32), np.zeros(64, np.int16)
DOUBLES, FROZEN = np.zeros(64), bytes(128)
jitter_buffer = JitterBuffer(100, prefill=10, fade=5)
capture_queue = CaptureQueue(100)
up = Resampler(16000, 48000)
meter = Meter(8000)
gate = EchoGate(8000)
canceller = EchoCanceller(8000)
engine = PlayoutEngine(JitterBuffer(1000), output_samplerate=48_000, log_pieces=100)


held_buffer, held_queue = JitterBuffer(9), CaptureQueue(9)
holder = StreamCallback(held_queue, held_buffer, capture_meter=Meter(8000))
held_engine = PlayoutEngine(JitterBuffer(900))
engine_holder = StreamCallback(None, held_engine)


def opened_and_closed() -> None:
    callback = StreamCallback(CaptureQueue(9), JitterBuffer(9), reference=CaptureQueue(9))
    assert callback.userdata
    callback.close()


def engine_opened_and_closed() -> None:
    callback = StreamCallback(None, PlayoutEngine(JitterBuffer(900), log_pieces=9))
    assert callback.userdata
    callback.close()


def spoken() -> None:
    engine.queue.write(INTS)
    engine.queue.drain()
    engine.read_into(FLOATS)


def call(name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return pytest.param(function, arguments, named, id=name)


CALLS = [
    call("float32_to_int16", float32_to_int16, FLOATS),
    call("float32_to_int16 out", float32_to_int16, FLOATS, INTS, rule="symmetric"),
    call("float32_to_int16 raw", float32_to_int16, bytes(64)),
    call("float32_to_int16 rule", float32_to_int16, FLOATS, rule="browser"),
    call("float32_to_int16 type", float32_to_int16, DOUBLES),
    call("float32_to_int16 list", float32_to_int16, [0.0]),
    call("float32_to_int16 strided", float32_to_int16, FLOATS[::2]),
    call("float32_to_int16 odd", float32_to_int16, bytes(7)),
    call("float32_to_int16 0-d", float32_to_int16, np.float32(1)),
    call("float32_to_int16 small", float32_to_int16, FLOATS, INTS[:2]),
    call("float32_to_int16 frozen", float32_to_int16, FLOATS, FROZEN),
    call("float32_to_int16 overlap", float32_to_int16, FLOATS, FLOATS.view(np.int16)),
    call("int16_to_float32", int16_to_float32, INTS),
    call("int16_to_float32 out", int16_to_float32, INTS, array.array("f", bytes(256))),
    call("int16_to_float32 type", int16_to_float32, FLOATS),
    call("int16_to_float32 small", int16_to_float32, INTS, FLOATS[:2]),
    call("byteswap_int16", byteswap_int16, INTS),
    call("byteswap_int16 type", byteswap_int16, FLOATS),
    call("to_mono", to_mono, INTS, 2),
    call("to_mono channels", to_mono, INTS, 3),
    call("from_mono", from_mono, INTS, 2),
    call("from_mono small", from_mono, INTS, 2, bytearray(4)),
    call("apply_gain", apply_gain, INTS, 0.5, INTS),
    call("apply_gain NaN", apply_gain, INTS, float("nan"), INTS),
    call("int16_to_ulaw", int16_to_ulaw, INTS),
    call("int16_to_ulaw out", int16_to_ulaw, INTS, bytearray(64)),
    call("int16_to_ulaw type", int16_to_ulaw, FLOATS),
    call("int16_to_ulaw out type", int16_to_ulaw, INTS, FLOATS),
    call("int16_to_ulaw small", int16_to_ulaw, INTS, bytearray(4)),
    call("int16_to_ulaw frozen", int16_to_ulaw, INTS, FROZEN),
    call("int16_to_alaw", int16_to_alaw, INTS),
    call("int16_to_alaw overlap", int16_to_alaw, INTS, INTS.view(np.uint8)),
    call("ulaw_to_int16", ulaw_to_int16, FROZEN),
    call("ulaw_to_int16 out", ulaw_to_int16, bytes(64), INTS),
    call("ulaw_to_int16 type", ulaw_to_int16, INTS),
    call("ulaw_to_int16 list", ulaw_to_int16, [0]),
    call("ulaw_to_int16 0-d", ulaw_to_int16, np.uint8(1)),
    call("ulaw_to_int16 strided", ulaw_to_int16, INTS.view(np.uint8)[::2]),
    call("alaw_to_int16", alaw_to_int16, FROZEN),
    call("alaw_to_int16 small", alaw_to_int16, FROZEN, INTS),
    call("level", level, INTS),
    call("level type", level, DOUBLES),
    call("JitterBuffer", JitterBuffer, 100),
    call("JitterBuffer error", JitterBuffer, 100, prefill=101),
    call("JitterBuffer.write", jitter_buffer.write, FROZEN),
    call("JitterBuffer.write error", jitter_buffer.write, INTS[::2]),
    call("JitterBuffer.write type", jitter_buffer.write, FLOATS),
    call("JitterBuffer.write array", jitter_buffer.write, INTS),
    call("JitterBuffer.read_into held", held_buffer.read_into, INTS),
    call("JitterBuffer.abort held", held_buffer.abort),
    call("JitterBuffer.read_into", jitter_buffer.read_into, FLOATS),
    call("JitterBuffer.read_into error", jitter_buffer.read_into, DOUBLES),
    call("JitterBuffer.read", jitter_buffer.read, 10),
    call("JitterBuffer.flush", jitter_buffer.flush),
    call("JitterBuffer.drain", jitter_buffer.drain),
    call("JitterBuffer.abort", jitter_buffer.abort),
    call("JitterBuffer.statistics", jitter_buffer.statistics),
    call("JitterBuffer.queued_frames", lambda: jitter_buffer.queued_frames),
    call("JitterBuffer.writable_frames", lambda: jitter_buffer.writable_frames),
    call("CaptureQueue", CaptureQueue, 100),
    call("CaptureQueue error", CaptureQueue, 0),
    call("CaptureQueue.write", capture_queue.write, FLOATS),
    call("CaptureQueue.write held", held_queue.write, INTS),
    call("CaptureQueue.write error", capture_queue.write, DOUBLES),
    call("CaptureQueue.read", capture_queue.read, 10),
    call("CaptureQueue.read error", capture_queue.read, -1),
    call("CaptureQueue.read_into", capture_queue.read_into, INTS),
    call("CaptureQueue.read_into float32", capture_queue.read_into, FLOATS),
    call("CaptureQueue.read_into error", capture_queue.read_into, DOUBLES),
    call("CaptureQueue.read_into stereo", capture_queue.read_into, INTS.reshape(32, 2)),
    call("CaptureQueue.flush", capture_queue.flush),
    call("CaptureQueue.statistics", capture_queue.statistics),
    call("Resampler error", Resampler, 48000, 16000.5),
    call("Resampler.process", up.process, INTS),
    call("Resampler.process error", up.process, DOUBLES),
    call("Resampler.process_into", up.process_into, INTS, np.zeros(192, np.int16)),
    call("Resampler.process_into overlap", up.process_into, INTS, INTS),
    call("Resampler.drain", up.drain),
    call("Resampler.statistics", up.statistics),
    call("Resampler.process_into small", up.process_into, INTS, INTS[:1]),
    call("Resampler.process_into type", up.process_into, INTS, FLOATS),
    call("Resampler.output_frames", up.output_frames, 10**6),
    call("Resampler.output_frames float", up.output_frames, 1e6),
    call("Resampler.output_frames error", up.output_frames, 0.5),
    call("Resampler.reset", up.reset),
    call("Meter", Meter, 8000),
    call("Meter error", Meter, 999),
    call("Meter.hear", meter.hear, FLOATS, 0.0),
    call("Meter.hear error", meter.hear, FLOATS, None),
    call("Meter.level", meter.level),
    call("Meter.read_segments", meter.read_segments),
    call("Meter.statistics", meter.statistics),
    call("Meter.speech_until", lambda: meter.speech_until),
    call("EchoCanceller error", EchoCanceller, 8001),
    call("EchoCanceller.process", canceller.process, np.zeros(80, np.int16), bytes(160)),
    call("EchoCanceller.process length", canceller.process, np.zeros(80, np.int16), bytes(2)),
    call("EchoCanceller.process block", canceller.process, INTS, INTS),
    call("EchoCanceller.process type", canceller.process, INTS, FLOATS),
    call("EchoCanceller.skip", canceller.skip, bytes(20)),
    call("EchoCanceller.skip type", canceller.skip, DOUBLES),
    call("EchoCanceller.path_changed", canceller.path_changed),
    call("EchoCanceller.statistics", canceller.statistics),
    call("EchoGate", EchoGate, 8000, delay_seconds=0.1),
    call("EchoGate error", EchoGate, 8001),
    call("EchoGate delay", EchoGate, 8000, delay_seconds=None),
    call("EchoGate.process", gate.process, np.zeros(80, np.int16), bytes(160)),
    call("EchoGate.process length", gate.process, np.zeros(80, np.int16), bytes(2)),
    call("EchoGate.process block", gate.process, INTS, INTS),
    call("EchoGate.process type", gate.process, INTS, DOUBLES),
    call("EchoGate.skip", gate.skip, bytes(160)),
    call("EchoGate.skip block", gate.skip, INTS),
    call("EchoGate.statistics", gate.statistics),
    call("PlayoutEngine", PlayoutEngine, JitterBuffer(9), log_pieces=9),
    call("PlayoutEngine held", PlayoutEngine, held_engine.queue),
    call("PlayoutEngine rate", PlayoutEngine, JitterBuffer(9), log_pieces=9, output_samplerate=1),
    call("PlayoutEngine policy", PlayoutEngine, JitterBuffer(9), policy="browser"),
    call("PlayoutEngine used", spoken),
    call("PlayoutEngine.read_into", engine.read_into, INTS),
    call("PlayoutEngine.read_into type", engine.read_into, DOUBLES),
    call("PlayoutEngine.read_into held", held_engine.read_into, INTS),
    call("PlayoutEngine.read_log", engine.read_log),
    call("PlayoutEngine.read_log none", held_engine.read_log),
    call("PlayoutEngine.abort", engine.abort),
    call("PlayoutEngine.abort held", held_engine.abort),
    call("PlayoutEngine.queued_frames", lambda: engine.queued_frames),
    call("PlayoutEngine.statistics", engine.statistics),
    call("StreamCallback", StreamCallback, CaptureQueue(9), JitterBuffer(9), CaptureQueue(9)),
    call("StreamCallback held", StreamCallback, CaptureQueue(9), held_buffer),
    call("StreamCallback channels", StreamCallback, capture_queue, input_channels=65),
    call("StreamCallback closed", opened_and_closed),
    call("StreamCallback engine", StreamCallback, None, held_engine),
    call("StreamCallback engine closed", engine_opened_and_closed),
    call("StreamCallback.run engine", engine_holder.run, None, FLOATS),
    call("StreamCallback.run", holder.run, FLOATS, FLOATS),
    call("StreamCallback.run error", holder.run, FLOATS, DOUBLES),
    call("StreamCallback.detach", StreamCallback().detach),
    call("StreamCallback reference", StreamCallback, held_queue, reference=CaptureQueue(9)),
    call("StreamCallback.position", holder.position),
    call("StreamCallback.statistics", holder.statistics),
]


def peak() -> int:
    usage: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage


def repeat(function: Callable[..., Any], arguments: Any, named: Any, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            function(*arguments, **named)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "arguments", "named"), CALLS)
def test_calls_leave_no_memory_behind(
    function: Callable[..., Any], arguments: Any, named: Any
) -> None:
    repeat(function, arguments, named, 2000)
    gc.collect()
    before = peak()
    repeat(function, arguments, named, TIMES)
    assert peak() - before < ALLOWED


def used_jitter_buffer() -> None:
    JitterBuffer(1 << 16).write(bytes(1 << 17))


def used_capture_queue() -> None:
    CaptureQueue(1 << 15).write(bytes(1 << 17))


def large_log() -> None:
    PlayoutEngine(JitterBuffer(900), output_samplerate=48_000, log_pieces=1 << 14)


def large_resampler() -> None:
    Resampler(1001, 1024)


@pytest.mark.parametrize(
    "make", [used_jitter_buffer, used_capture_queue, large_log, large_resampler]
)
def test_objects_give_their_memory_back(make: Callable[[], None]) -> None:
    repeat(make, (), {}, 10)
    before = peak()
    repeat(make, (), {}, 200)  # each holds 128 KiB or more
    assert peak() - before < 5000


ENGINES = 2000
WITHOUT_WAVEFORMS = f"""
import resource
from sfaudio import JitterBuffer, PlayoutEngine
queues = [JitterBuffer(1000) for _ in range({ENGINES})]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
engines = [PlayoutEngine(queue, policy="lossless") for queue in queues]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="tells it in another unit")
def test_an_engine_that_does_not_stretch_has_no_memory_to_do_so() -> None:
    """Twenty KiB in each of a thousand calls without a device."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_WAVEFORMS], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) < 6 * ENGINES

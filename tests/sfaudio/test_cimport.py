"""Another package is built against the installed one, and uses it from Cython without the GIL."""

import importlib.util
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pytest

from sfaudio import (
    CaptureQueue,
    CaptureQueueStatistics,
    JitterBuffer,
    Meter,
    PlayoutEngine,
    PlayoutEngineStatistics,
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

from .queues import conserved

pytest.importorskip("Cython")
pytest.importorskip("setuptools")
compiler = (sysconfig.get_config_var("CC") or "").split()
pytestmark = pytest.mark.skipif(
    sys.platform != "win32" and not (compiler and shutil.which(compiler[0])),
    reason="no C compiler",
)

EXAMPLE = Path(__file__).with_name("cimport_example")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("cimport") / "example"
    shutil.copytree(EXAMPLE, folder)
    build = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "CFLAGS": "-O1 -g0"},  # compiles in half the time
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    (path,) = folder.glob(f"example*{sysconfig.get_config_var('EXT_SUFFIX')}")
    spec = importlib.util.spec_from_file_location("example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_uses_all_that_can_be_cimported() -> None:
    door = files("sfaudio").joinpath("__init__.pxd").read_text()
    lines = re.findall(r"^from \S+ cimport (.+)$", door, re.MULTILINE)
    names = [name for line in lines for name in line.split(", ")]
    assert "CaptureQueue" in names
    _, _, below_the_imports = (EXAMPLE / "example.pyx").read_text().partition("\n)\n")
    assert [name for name in names if not re.search(rf"\b{name}\b", below_the_imports)] == []


def test_conversion_is_the_same_from_cython(example: Any) -> None:
    floats = np.random.default_rng(1).uniform(-1.2, 1.2, 1000).astype(np.float32)
    for rule in ("wire", "symmetric"):
        out = np.zeros(1000, np.int16)
        example.to_int16(floats, out, rule == "wire")
        assert np.array_equal(out, float32_to_int16(floats, rule=rule))
    back = np.zeros(1000, np.float32)
    example.to_float32(out, back)
    assert np.array_equal(back, int16_to_float32(out))


@pytest.mark.parametrize(
    ("alaw", "encode", "decode"),
    [(False, int16_to_ulaw, ulaw_to_int16), (True, int16_to_alaw, alaw_to_int16)],
)
def test_g711_is_the_same_from_cython(example: Any, alaw: bool, encode: Any, decode: Any) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 1001).astype(np.int16)
    codes, back = np.zeros(1001, np.uint8), np.zeros(1001, np.int16)
    example.encode(samples, codes, alaw)
    assert np.array_equal(codes, encode(samples))
    example.decode(codes, back, alaw)
    assert np.array_equal(back, decode(codes))


def test_blocks_are_the_same_from_cython(example: Any) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 1002).astype(np.int16)
    out, mono = np.zeros(1002, np.int16), np.zeros(334, np.int16)
    example.byteswap(samples, out)
    assert np.array_equal(out, byteswap_int16(samples))
    example.mix(samples, mono, 3)
    assert np.array_equal(mono, to_mono(samples, 3).ravel())
    example.spread(mono, out, 3)
    assert np.array_equal(out, from_mono(mono, 3).ravel())
    louder = np.zeros(1002, np.int16)
    assert example.scale(samples, out, 1.5) == apply_gain(samples, 1.5, louder) > 0
    assert np.array_equal(out, louder)
    found = example.measure(louder)
    assert (found["peak"] / 32768, found["clipped"]) == (level(louder).peak, level(louder).clipped)
    assert found["sum_squares"] == (louder.astype(np.int64) ** 2).sum()


def test_a_jitter_buffer_is_written_and_read_from_cython(example: Any) -> None:
    buffer = JitterBuffer(100, prefill=10, fade=4)
    out = np.full(6, 77, np.int16)
    floats = np.full(4, 77, np.float32)
    assert example.feed(buffer, np.full(60, 0x4000, "<i2").tobytes()) == 120
    assert example.play_int16(buffer, out) == 6
    assert out.tolist() == [0x4000] * 6
    assert example.play_float32(buffer, floats) == 4
    assert floats.tolist() == [0.5] * 4
    example.flush(buffer)
    assert example.play_int16(buffer, out) == 4
    assert out.tolist() == [0x3000, 0x2000, 0x1000, 0, 0, 0]
    assert example.feed(buffer, bytes([1, 0, 2])) == 3
    example.drain(buffer)
    assert example.play_int16(buffer, out) == 1
    assert out.tolist() == [1, 0, 0, 0, 0, 0]
    statistics = buffer.statistics()
    assert (statistics.written_frames, statistics.read_frames) == (61, 15)
    assert (statistics.partial_bytes, statistics.underruns) == (1, 0)


def test_a_jitter_buffer_is_aborted_from_cython(example: Any) -> None:
    buffer = JitterBuffer(100, fade=10)
    buffer.write(bytes(100))
    example.abort(buffer)
    statistics = buffer.statistics()
    assert (statistics.queued_frames, statistics.dropped_frames) == (0, 50)


def test_a_reader_in_cython_may_decide_itself_what_becomes_of_each_frame(example: Any) -> None:
    buffer = JitterBuffer(10)
    out = np.full(6, 77, np.int16)
    buffer.write(np.array([1, 2, 0, 3, 4, 5, 6, 7, 8, 9], np.int16))
    assert example.play_before_speech(buffer, out) == -1
    buffer.drain()
    assert example.play_before_speech(buffer, out) == 2
    assert out.tolist() == [1, 2, 77, 77, 77, 77]
    assert example.play_before_speech(buffer, out) == 6
    assert out.tolist() == [3, 4, 5, 6, 7, 8]
    buffer.flush()
    assert example.play_before_speech(buffer, out) == -1
    statistics = buffer.statistics()
    assert (statistics.read_frames, statistics.dropped_frames) == (8, 1)


def test_a_capture_queue_is_written_and_read_from_cython(example: Any) -> None:
    queue = CaptureQueue(4)
    example.capture_int16(queue, np.array([1, 2, 3], np.int16))
    example.capture_float32(queue, np.array([0.5, -1], np.float32))
    out = np.full(6, 77, np.int16)
    assert example.take(queue, out) == 4
    assert out.tolist() == [2, 3, 16383, -32768, 77, 77]
    assert queue.statistics() == CaptureQueueStatistics(5, 4, 0, 1, 1)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_resampler_is_used_from_cython(example: Any, dtype: Any) -> None:
    samples = np.random.default_rng(1).integers(-9999, 9999, 1000).astype(dtype)
    assert example.input_frames_of(Resampler(44100, 48000), 480) == 441
    expected = Resampler(44100, 48000).process(samples)
    out = np.zeros(len(expected), dtype)
    counts = example.resample(Resampler(44100, 48000), samples, out)
    assert counts == (len(expected), len(expected))
    assert np.array_equal(out, expected)


def test_a_meter_hears_from_cython(example: Any) -> None:
    meter = Meter(8000)
    example.hear(meter, np.full(240, 8192, np.int16), np.full(80, 0.5, np.float32), 3.0)
    assert meter.level() == (0.5, pytest.approx((0.25**2 * 3 + 0.5**2) ** 0.5 / 2), 0)
    assert meter.read_segments() == [(True, 3.0)]
    assert meter.speech_until == pytest.approx(3.04)


def test_what_native_code_holds_is_refused_to_python_until_it_is_released(example: Any) -> None:
    engine = PlayoutEngine(JitterBuffer(1000), log_pieces=1)
    held = JitterBuffer(10), CaptureQueue(10), Resampler(16000, 48000), engine, Meter(8000)
    buffer, queue, resampler, engine, meter = held
    out, block = bytearray(20), bytes(20)
    calls: dict[str, list[Callable[[], object]]] = {
        "the writing side of this JitterBuffer": [
            lambda: buffer.write(block),
            buffer.flush,
            buffer.drain,
            buffer.abort,
        ],
        "the reading side of this JitterBuffer": [
            lambda: buffer.read(10),
            lambda: buffer.read_into(out),
            lambda: StreamCallback(playout=buffer),
        ],
        "the writing side of this CaptureQueue": [
            lambda: queue.write(block),
            lambda: StreamCallback(capture=queue),
            lambda: StreamCallback(played=queue),
            lambda: StreamCallback(None, JitterBuffer(1), reference=queue),
        ],
        "the reading side of this CaptureQueue": [
            lambda: queue.read(10),
            lambda: queue.read(10, pad=True),
            lambda: queue.read_into(out),
            lambda: queue.drop(10),
            queue.flush,
        ],
        "this Resampler": [
            lambda: resampler.process(block),
            lambda: resampler.process(block, 30),
            lambda: resampler.process_into(block, bytearray(60)),
            lambda: resampler.output_frames(1),
            lambda: resampler.input_frames(1),
            resampler.drain,
            resampler.reset,
            resampler.statistics,
        ],
        "the reading side of this PlayoutEngine": [
            lambda: engine.read_into(out),
            engine.abort,
            lambda: StreamCallback(playout=engine),
        ],
        "the writing side of this Meter": [
            lambda: meter.hear(block, 0),
            lambda: StreamCallback(CaptureQueue(1), capture_meter=meter),
            lambda: StreamCallback(None, JitterBuffer(1), playout_meter=meter),
        ],
    }
    buffer.write(block)
    queue.write(block)
    before = buffer.statistics(), queue.statistics(), resampler.statistics()
    example.hold(*held)
    for side, refused in calls.items():
        for call in refused:
            with pytest.raises(RuntimeError, match=f"^{side} is held by the example$"):
                call()
    with pytest.raises(RuntimeError, match="held by the example"):
        example.hold(*held)
    assert (buffer.queued_frames, buffer.writable_frames, queue.queued_frames) == (10, 0, 10)
    assert (buffer.statistics(), queue.statistics()) == before[:2]
    assert (engine.queued_frames, engine.statistics().read_frames, engine.read_log()) == (0, 0, [])
    example.release(*held)
    assert resampler.statistics() == before[2]
    for call in itertools.chain(*calls.values()):
        call()


class Player:
    """Reads on another core, without the GIL, while this thread writes and looks."""

    def __init__(self, play: Callable[..., int], *arguments: object) -> None:
        self.stop = bytearray(1)
        self.answer: list[int] = []
        self.thread = threading.Thread(
            target=lambda: self.answer.append(play(*arguments, self.stop))
        )

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.thread.join(0 if error else 30)  # it ends by itself, unless frames were lost
        self.end()

    def end(self) -> None:
        self.stop[0] = 1
        self.thread.join()

    def plays(self) -> bool:
        return self.thread.is_alive()


@pytest.mark.parametrize(("capacity", "frames"), [(64, 50_000), (1000, 1_000_000)])
def test_a_reader_on_another_core_gets_every_frame_in_order(
    example: Any, capacity: int, frames: int
) -> None:
    buffer = JitterBuffer(capacity)
    rest = memoryview(np.arange(frames).astype("<u2").tobytes())
    rng = random.Random(2)
    seen = buffer.statistics()
    with Player(example.play_ramp, buffer, frames, 480) as player:
        while rest and player.plays():
            rest = rest[buffer.write(rest[: rng.choice([1, 7, capacity, 4 * capacity])]) :]
            now = buffer.statistics()
            assert conserved(now)
            assert now.queued_frames <= capacity
            assert now.read_frames >= seen.read_frames
            assert now.padded_frames >= seen.padded_frames
            assert now.underruns >= seen.underruns
            seen = now
    assert player.answer == [-1]
    assert buffer.statistics().read_frames == frames


def test_statistics_are_consistent_while_another_core_reads(example: Any) -> None:
    frames = 1 << 24
    ramp = np.tile(np.arange(1 << 16, dtype="<u2"), frames >> 16).tobytes()
    for _ in range(4):
        buffer = JitterBuffer(frames)
        buffer.write(ramp)
        # It changes the counters all the time, a frame or two at a time.
        with Player(example.play_ramp, buffer, frames, 2) as player:
            while player.plays():
                now = buffer.statistics()
                assert frames == now.read_frames + now.queued_frames
        assert player.answer == [-1]


SPEECH = (9000 * np.sin(np.arange(16_000) / 12)).astype(np.int16)


def balanced(of: PlayoutEngineStatistics) -> bool:
    kept = of.read_frames + of.queued_frames + of.dropped_frames
    return of.written_frames == kept + of.removed_frames - of.inserted_frames


@pytest.mark.parametrize("output_samplerate", [16_000, 44_100])
def test_the_books_of_an_engine_balance_while_another_core_plays(
    example: Any, output_samplerate: int
) -> None:
    buffer = JitterBuffer(90_000)
    engine = PlayoutEngine(buffer, output_samplerate=output_samplerate)
    with Player(example.play_engine, engine, 3) as player:
        buffer.write(SPEECH[:4000])
        while not engine.statistics().read_frames:  # a busy machine has the other core come late
            time.sleep(0.001)
        for i in range(2000):
            buffer.write(SPEECH[: 1 + 37 * i % 4000])
            if i % 100 == 99:
                buffer.flush()
            # One look may meet a reader that lost its processor in the midst of a block; not five.
            assert any(balanced(engine.statistics()) for _ in range(5))
        player.end()
    told = engine.statistics()
    assert balanced(told)
    assert min(told.read_frames, told.dropped_frames) > 0


@pytest.mark.parametrize("capacity", [100, 513, 5000])  # blocks above and below it
def test_a_reader_overtaken_by_another_core_gets_whole_frames_in_order(
    example: Any, capacity: int
) -> None:
    frames = 100_000_000
    queue = CaptureQueue(capacity)
    # It records without the GIL, while this thread reads and looks.
    writer = threading.Thread(target=example.capture_ramp, args=(queue, 0, frames))
    before = CaptureQueueStatistics(0, 0, 0, 0, 0)
    writer.start()
    while True:
        last_look = not writer.is_alive()
        block = np.frombuffer(queue.read(capacity), np.uint16)
        after = queue.statistics()
        assert conserved(after)
        assert after.read_frames == before.read_frames + len(block)
        if len(block):
            assert (np.diff(block) == 1).all()
            lost = (int(block[0]) - before.read_frames - before.dropped_frames) % 65536
            assert lost <= after.dropped_frames - before.dropped_frames
        before = after
        if last_look and not len(block):
            break
    writer.join()
    assert before.written_frames == frames
    assert before.overruns > 0

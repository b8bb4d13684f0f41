"""The queue from an audio callback to a network task, against a model of it and scene by scene."""

import ctypes
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sfaudio import CaptureQueue, CaptureQueueStatistics, float32_to_int16

samples_lists = st.lists(st.integers(-32768, 32767), max_size=60)


def int16(samples: Any) -> Any:
    return np.array(samples, np.int16)


def read(queue: CaptureQueue, frames: int) -> list[int]:
    return np.frombuffer(queue.read(frames), np.int16).tolist()


def check_conservation(statistics: CaptureQueueStatistics) -> None:
    s = statistics
    assert s.written_frames == s.read_frames + s.queued_frames + s.dropped_frames


# ---- the model


@dataclass
class Model:
    """What the docstrings say: the newest frames are kept, a loss is noted when looked at."""

    capacity: int
    kept: list[int] = field(default_factory=list)
    lost: int = 0  # since the reader was here last
    written_frames: int = 0
    read_frames: int = 0
    dropped_frames: int = 0
    overruns: int = 0

    def write(self, samples: list[int]) -> None:
        self.written_frames += len(samples)
        self.kept += samples
        surplus = max(0, len(self.kept) - self.capacity)
        self.lost += surplus
        del self.kept[:surplus]

    def find_out(self) -> None:
        self.dropped_frames += self.lost
        self.overruns += self.lost > 0
        self.lost = 0

    def read(self, frames: int) -> list[int]:
        self.find_out()
        taken = self.kept[:frames]
        del self.kept[:frames]
        self.read_frames += len(taken)
        return taken

    def flush(self) -> None:
        self.find_out()
        self.dropped_frames += len(self.kept)
        self.kept.clear()

    def statistics(self) -> CaptureQueueStatistics:
        return CaptureQueueStatistics(
            written_frames=self.written_frames,
            read_frames=self.read_frames,
            queued_frames=len(self.kept),
            dropped_frames=self.dropped_frames + self.lost,
            overruns=self.overruns + (self.lost > 0),
        )


class Pair:
    """A queue and its model, given the same orders and compared after each."""

    def __init__(self, capacity: int) -> None:
        self.queue = CaptureQueue(capacity)
        self.model = Model(capacity)

    def write(self, samples: list[int]) -> None:
        self.queue.write(int16(samples))
        self.model.write(samples)

    def write_float32(self, samples: list[int]) -> None:
        block = (int16(samples) / np.float32(20000)).astype(np.float32)  # beyond full scale too
        self.queue.write(block)
        self.model.write(float32_to_int16(block).tolist())

    def read(self, frames: int) -> None:
        assert read(self.queue, frames) == self.model.read(frames)

    def read_into(self, frames: int) -> None:
        expected = self.model.read(frames)
        room = np.full(frames + 2, 99, np.int16)
        assert self.queue.read_into(room[1:-1]) == len(expected)
        untouched = frames - len(expected)
        assert room.tolist() == [99, *expected, *[99] * untouched, 99]

    def flush(self) -> None:
        self.queue.flush()
        self.model.flush()

    def compare(self) -> None:
        statistics = self.queue.statistics()
        assert statistics == self.model.statistics()
        check_conservation(statistics)
        assert self.queue.queued_frames == len(self.model.kept)


class AgainstTheModel(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 40))
    def make(self, capacity: int) -> None:
        self.pair = Pair(capacity)

    @rule(samples=samples_lists)
    def write(self, samples: list[int]) -> None:
        self.pair.write(samples)

    @rule(samples=samples_lists)
    def write_float32(self, samples: list[int]) -> None:
        self.pair.write_float32(samples)

    @rule(frames=st.integers(0, 50))
    def read(self, frames: int) -> None:
        self.pair.read(frames)

    @rule(frames=st.integers(0, 50))
    def read_into(self, frames: int) -> None:
        self.pair.read_into(frames)

    @rule()
    def flush(self) -> None:
        self.pair.flush()

    @invariant()
    def same(self) -> None:
        self.pair.compare()


AgainstTheModel.TestCase.settings = settings(max_examples=80, stateful_step_count=30)
TestAgainstTheModel = AgainstTheModel.TestCase


@pytest.mark.parametrize("seed", range(30))
def test_long_random_lives_agree_with_the_model(seed: int) -> None:
    rng = random.Random(seed)
    capacity = rng.choice([1, 2, 3, 7, 8, 31, 64, 300])
    pair = Pair(capacity)
    for _ in range(400):
        samples = [rng.randint(-32768, 32767) for _ in range(rng.randint(0, 2 * capacity))]
        frames = rng.randint(0, capacity + 2)
        rng.choices(
            [
                lambda samples=samples: pair.write(samples[: capacity // 2]),
                lambda samples=samples: pair.write(samples),
                lambda samples=samples: pair.write_float32(samples),
                lambda frames=frames: pair.read(frames),
                lambda frames=frames: pair.read_into(frames),
                pair.flush,
            ],
            [6, 1, 1, 5, 5, 1],
        )[0]()
        pair.compare()


# ---- scenes


def test_samples_come_out_in_order() -> None:
    queue = CaptureQueue(10)
    queue.write(int16([1, -2, 3]))
    queue.write(int16([-32768, 32767]))
    assert read(queue, 2) == [1, -2]
    assert read(queue, 10) == [3, -32768, 32767]
    assert queue.read(10) == b""


def test_a_late_reader_finds_the_newest_frames_and_the_loss_counted() -> None:
    queue = CaptureQueue(4)
    for first in (1, 4, 7):
        queue.write(int16([first, first + 1, first + 2]))
    assert queue.queued_frames == 4
    assert queue.statistics() == CaptureQueueStatistics(9, 0, 4, 5, 1)
    assert read(queue, 3) == [6, 7, 8]
    assert queue.statistics() == CaptureQueueStatistics(9, 3, 1, 5, 1)


def test_each_time_the_reader_comes_too_late_is_one_overrun() -> None:
    queue = CaptureQueue(4)
    for times in (1, 2, 3):
        queue.write(int16(range(5)))
        queue.write(int16(range(5)))
        assert queue.statistics().overruns == times  # seen before the reader comes
        read(queue, 4)
        assert queue.statistics().overruns == times
    queue.write(int16(range(4)))
    read(queue, 4)
    assert queue.statistics().overruns == 3  # a full queue is not yet too late


def test_frames_lost_before_a_flush_remain_an_overrun() -> None:
    queue = CaptureQueue(4)
    queue.write(int16(range(10)))
    assert queue.statistics() == CaptureQueueStatistics(10, 0, 4, 6, 1)
    queue.flush()
    assert queue.statistics() == CaptureQueueStatistics(10, 0, 0, 10, 1)


def test_a_flush_drops_what_is_queued_and_is_no_overrun() -> None:
    queue = CaptureQueue(4)
    queue.write(int16([1, 2, 3]))
    queue.flush()
    assert queue.statistics() == CaptureQueueStatistics(3, 0, 0, 3, 0)
    queue.write(int16([4]))
    assert read(queue, 4) == [4]


@pytest.mark.parametrize("frames", [9, 15, 16, 17, 31, 32, 33, 1000])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_block_larger_than_the_ring_leaves_its_newest_frames(frames: int, dtype: Any) -> None:
    queue = CaptureQueue(8)
    queue.write(np.zeros(3, dtype))
    scale = 32767 if dtype is np.float32 else 1
    block = (np.arange(1, frames + 1) / scale).astype(dtype)
    queue.write(block)
    expected = (float32_to_int16(block) if dtype is np.float32 else block)[-8:].tolist()
    assert read(queue, 8) == expected
    assert queue.statistics() == CaptureQueueStatistics(frames + 3, 8, 0, frames - 5, 1)


@pytest.mark.parametrize("frames", [1, 255, 256, 257, 511, 512, 513, 1000])
def test_float32_blocks_are_converted_by_the_wire_rule(frames: int) -> None:
    bits = np.random.default_rng(frames).integers(0, 2**32, frames, np.uint32)
    block = bits.view(np.float32)
    block[::2] = np.linspace(-1.2, 1.2, len(block[::2]))
    queue = CaptureQueue(1000)
    queue.write(block)
    assert queue.read(1000) == float32_to_int16(block, rule="wire").tobytes()


def test_every_kind_of_block_is_queued() -> None:
    samples = int16([1, -2, 32767])
    floats = np.array([0.5, -1, 2], np.float32)
    queue = CaptureQueue(10)
    for block in (
        samples,
        samples.tobytes(),
        bytearray(samples.tobytes()),
        memoryview(b"." + samples.tobytes())[1:],
        samples.reshape(3, 1),
        (ctypes.c_int16 * 3)(*samples),
    ):
        assert queue.write(block) is None
        assert read(queue, 10) == samples.tolist()
    for block in (floats, floats.reshape(1, 3), memoryview(floats), (ctypes.c_float * 3)(*floats)):
        queue.write(block)
        assert read(queue, 10) == [16383, -32768, 32767]


@pytest.mark.parametrize("make", [bytearray, lambda size: memoryview(bytearray(size + 1))[1:]])
def test_every_kind_of_int16_buffer_is_filled(make: Any) -> None:
    queue = CaptureQueue(10)
    queue.write(int16([1, -2, 3]))
    out = make(4)
    assert queue.read_into(out) == 2
    assert out == int16([1, -2]).tobytes()


@given(capacity=st.integers(1, 9), sizes=st.lists(st.integers(0, 9), max_size=60))
def test_nothing_is_lost_while_the_reader_keeps_up(capacity: int, sizes: list[int]) -> None:
    queue = CaptureQueue(capacity)
    position = 0
    for size in sizes:
        block = list(range(position, position + min(size, capacity)))
        queue.write(int16(block))
        assert read(queue, capacity) == block
        position += len(block)
    assert queue.statistics() == CaptureQueueStatistics(position, position, 0, 0, 0)


@pytest.mark.parametrize("frames", [4, 5, 10**6, 2**30])
def test_reading_more_than_there_is_gives_what_there_is(frames: int) -> None:
    queue = CaptureQueue(4)
    queue.write(int16([1, 2]))
    assert read(queue, frames) == [1, 2]


# ---- bad input


@pytest.mark.parametrize(
    ("capacity", "error", "message"),
    [
        (0, ValueError, "capacity must be between 1 and .* frames, not 0"),
        (-5, ValueError, "capacity must be between 1 and .* frames, not -5"),
        (2**30 + 1, ValueError, "capacity must be between .*not 1073741825"),
        (10**30, ValueError, "capacity must be between"),
        (2.0, TypeError, "capacity must be a whole number of frames, not 2.0"),
        ("4", TypeError, "capacity must be a whole number of frames, not '4'"),
        (None, TypeError, "capacity must be a whole number of frames, not None"),
    ],
)
def test_a_capacity_out_of_range_is_refused(
    capacity: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CaptureQueue(capacity)


def test_a_new_queue_tells_its_capacity_and_zeros() -> None:
    queue = CaptureQueue(5)
    assert (queue.capacity, queue.queued_frames) == (5, 0)
    assert queue.statistics() == CaptureQueueStatistics(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (None, TypeError, "block must be a buffer of int16 or float32 samples"),
        ([1, 2], TypeError, "block must be a buffer of int16 or float32 samples .*not list"),
        (np.zeros(2), TypeError, "block must hold native int16 or float32 samples.*format 'd'"),
        (np.zeros(2, np.dtype(np.float32).newbyteorder("S")), TypeError, "block must hold native"),
        (b"abc", ValueError, "block has 3 bytes, which is not a whole number of 2-byte int16"),
        (np.zeros(4, np.int16)[::2], ValueError, "block must be C-contiguous"),
        (np.zeros((), np.int16), ValueError, "block is zero-dimensional"),
    ],
)
def test_a_bad_block_is_refused_and_nothing_queued(
    block: Any, error: type[Exception], message: str
) -> None:
    queue = CaptureQueue(4)
    with pytest.raises(error, match=message):
        queue.write(block)
    assert queue.statistics() == CaptureQueueStatistics(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (None, TypeError, "out must be a buffer of int16 samples"),
        (np.zeros(2, np.float32), TypeError, "out must hold native int16 samples.*format 'f'"),
        (bytes(4), ValueError, "out must be writable"),
        (bytearray(3), ValueError, "out has 3 bytes"),
        (np.zeros(4, np.int16)[::2], ValueError, "out must be writable and C-contiguous"),
        (np.zeros((), np.int16), ValueError, "out is zero-dimensional"),
    ],
)
def test_reading_into_a_bad_buffer_takes_nothing(
    out: Any, error: type[Exception], message: str
) -> None:
    queue = CaptureQueue(4)
    queue.write(int16([1, 2, 3]))
    with pytest.raises(error, match=message):
        queue.read_into(out)
    assert queue.statistics() == CaptureQueueStatistics(3, 0, 3, 0, 0)


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (-1, ValueError, "frames must be between 0 and .* frames, not -1"),
        (2**30 + 1, ValueError, "frames must be between"),
        (1.0, TypeError, "frames must be a whole number of frames, not 1.0"),
        (None, TypeError, "frames must be a whole number of frames, not None"),
    ],
)
def test_reading_a_bad_number_of_frames_takes_nothing(
    frames: Any, error: type[Exception], message: str
) -> None:
    queue = CaptureQueue(4)
    queue.write(int16([1, 2, 3]))
    with pytest.raises(error, match=message):
        queue.read(frames)
    assert queue.statistics() == CaptureQueueStatistics(3, 0, 3, 0, 0)


def test_buffers_are_let_go_after_success_and_error() -> None:
    queue = CaptureQueue(10)
    block, out = bytearray(5), bytearray(5)
    with pytest.raises(ValueError, match="5 bytes"):
        queue.write(block)
    with pytest.raises(ValueError, match="5 bytes"):
        queue.read_into(out)
    block.append(0)  # BufferError while exported
    out.append(0)
    queue.write(block)
    queue.read_into(out)
    block.append(0)
    out.append(0)


# ---- two threads


@pytest.mark.parametrize("capacity", [100, 4000])
def test_a_slow_reader_thread_gets_samples_in_order_with_gaps_that_are_counted(
    capacity: int,
) -> None:
    # A sample is its position, so a gap shows its length, modulo 2^16.
    frames = 400_000
    sent = np.arange(frames).astype(np.uint16).view(np.int16)
    queue = CaptureQueue(capacity)
    done = threading.Event()

    def write_all() -> None:
        rng = random.Random(3)
        position = 0
        while position < frames:
            size = rng.choice([1, 10, 64, capacity // 2, 2 * capacity])
            queue.write(sent[position : position + size])
            position += size
            if rng.random() < 0.05:
                time.sleep(0)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    writer = threading.Thread(target=write_all)
    writer.start()
    rng = random.Random(4)
    before = CaptureQueueStatistics(0, 0, 0, 0, 0)
    try:
        while True:
            last_look = done.is_set()
            block = np.frombuffer(queue.read(rng.randint(1, capacity)), np.uint16)
            after = queue.statistics()
            check_conservation(after)
            assert after.read_frames == before.read_frames + len(block)
            assert after.queued_frames <= capacity
            assert after.overruns >= before.overruns
            assert (after.overruns == 0) == (after.dropped_frames == 0)
            if len(block):
                assert (np.diff(block) == 1).all()  # in order, and whole
                lost = (int(block[0]) - before.read_frames - before.dropped_frames) % 65536
                assert lost <= after.dropped_frames - before.dropped_frames
            before = after
            if last_look and not len(block):
                break
    finally:
        writer.join()
        sys.setswitchinterval(interval)
    assert before.written_frames == frames
    assert before.queued_frames == 0
    assert before.read_frames > 0
    assert before.overruns > 0  # a block of twice the capacity is one for certain

"""The capture queue keeps the newest frames, in order, and counts what was lost."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import CaptureQueue, CaptureQueueStatistics, float32_to_int16

from .queues import int16, take


def test_samples_come_out_in_order() -> None:
    queue = CaptureQueue(10)
    queue.write(int16([1, -2, 3]))
    queue.write(int16([-32768, 32767]))
    assert take(queue, 2) == [1, -2]
    assert take(queue, 10) == [3, -32768, 32767]
    assert queue.read(10) == b""


def test_a_late_reader_finds_the_newest_frames_and_the_loss_counted() -> None:
    queue = CaptureQueue(4)
    for first in (1, 4, 7):
        queue.write(int16([first, first + 1, first + 2]))
    assert queue.queued_frames == 4
    assert queue.statistics() == CaptureQueueStatistics(9, 0, 4, 5, 1)
    assert take(queue, 3) == [6, 7, 8]
    assert queue.statistics() == CaptureQueueStatistics(9, 3, 1, 5, 1)


def test_each_time_the_reader_comes_too_late_is_one_overrun() -> None:
    queue = CaptureQueue(4)
    for times in (1, 2, 3):
        queue.write(int16(range(5)))
        queue.write(int16(range(5)))
        assert queue.statistics().overruns == times  # seen before the reader comes
        take(queue, 4)
        assert queue.statistics().overruns == times
    queue.write(int16(range(4)))
    take(queue, 4)
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
    assert take(queue, 4) == [4]


@pytest.mark.parametrize("frames", [9, 15, 16, 17, 31, 32, 33, 1000])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_block_larger_than_the_ring_leaves_its_newest_frames(frames: int, dtype: Any) -> None:
    queue = CaptureQueue(8)
    queue.write(np.zeros(3, dtype))
    scale = 32767 if dtype is np.float32 else 1
    block = (np.arange(1, frames + 1) / scale).astype(dtype)
    queue.write(block)
    expected = (float32_to_int16(block) if dtype is np.float32 else block)[-8:].tolist()
    assert take(queue, 8) == expected
    assert queue.statistics() == CaptureQueueStatistics(frames + 3, 8, 0, frames - 5, 1)


@pytest.mark.parametrize("frames", [1, 255, 256, 257, 511, 512, 513, 1000])
def test_float32_blocks_are_converted_by_the_wire_rule(frames: int) -> None:
    bits = np.random.default_rng(frames).integers(0, 2**32, frames, np.uint32)
    block = bits.view(np.float32)
    block[::2] = np.linspace(-1.2, 1.2, len(block[::2]))
    queue = CaptureQueue(1000)
    queue.write(block)
    assert queue.read(1000) == float32_to_int16(block, rule="wire").tobytes()


@given(capacity=st.integers(1, 9), sizes=st.lists(st.integers(0, 9), max_size=60))
def test_nothing_is_lost_while_the_reader_keeps_up(capacity: int, sizes: list[int]) -> None:
    queue = CaptureQueue(capacity)
    position = 0
    for size in sizes:
        block = list(range(position, position + min(size, capacity)))
        queue.write(int16(block))
        assert take(queue, capacity) == block
        position += len(block)
    assert queue.statistics() == CaptureQueueStatistics(position, position, 0, 0, 0)


@pytest.mark.parametrize("frames", [4, 5, 10**6, 2**30])
def test_reading_more_than_there_is_gives_what_there_is(frames: int) -> None:
    queue = CaptureQueue(4)
    queue.write(int16([1, 2]))
    assert take(queue, frames) == [1, 2]

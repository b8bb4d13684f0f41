"""What the capture queue accepts and refuses: its capacity, and the buffers it is given."""

import ctypes
from typing import Any

import numpy as np
import pytest

from sfaudio import CaptureQueue, CaptureQueueStatistics

from .queues import int16, take

# ---- capacity


@pytest.mark.parametrize(
    ("capacity", "error", "message"),
    [
        (0, ValueError, "capacity must be between 1 and .* frames, not 0"),
        (-5, ValueError, "capacity must be between 1 and .* frames, not -5"),
        (2**30 + 1, ValueError, "capacity must be between .*not 1073741825"),
        (10**30, ValueError, "capacity must be between"),
        (2.5, TypeError, "capacity must be a whole number of frames, not 2.5"),
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


# ---- buffers of every kind


def test_every_kind_of_block_is_queued() -> None:
    samples = int16([1, -2, 32767])
    floats = np.array([0.5, -1, 2], np.float32)
    queue = CaptureQueue(10)
    for block in (
        samples,
        samples.tobytes(),
        bytearray(samples.tobytes()),
        np.frombuffer(samples.tobytes(), np.uint8),
        memoryview(b"." + samples.tobytes())[1:],
        samples.reshape(3, 1),
        (ctypes.c_int16 * 3)(*samples),
    ):
        assert queue.write(block) is None
        assert take(queue, 10) == samples.tolist()
    for block in (floats, floats.reshape(1, 3), memoryview(floats), (ctypes.c_float * 3)(*floats)):
        queue.write(block)
        assert take(queue, 10) == [16383, -32768, 32767]


@pytest.mark.parametrize("make", [bytearray, lambda size: memoryview(bytearray(size + 1))[1:]])
def test_every_kind_of_int16_buffer_is_filled(make: Any) -> None:
    queue = CaptureQueue(10)
    queue.write(int16([1, -2, 3]))
    out = make(4)
    assert queue.read_into(out) == 2
    assert out == int16([1, -2]).tobytes()


def test_float32_is_filled_with_the_same_samples_and_no_more() -> None:
    """In steps of its own: 600 frames are more than two of them."""
    queue, samples = CaptureQueue(1000), (np.arange(600) * 50 - 15_000).astype(np.int16)
    queue.write(samples)
    out = np.full(700, 9, np.float32)
    assert queue.read_into(out) == 600
    assert (out[:600] == samples / np.float32(32768)).all()
    assert (out[600:] == 9).all()
    assert queue.statistics() == CaptureQueueStatistics(600, 600, 0, 0, 0)


# ---- bad input


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
        (None, TypeError, "out must be a buffer of int16 or float32 samples"),
        (np.zeros(2), TypeError, "out must hold native int16 or float32 samples.*format 'd'"),
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
        (1.5, TypeError, "frames must be a whole number of frames, not 1.5"),
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

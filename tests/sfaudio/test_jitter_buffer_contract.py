"""What the jitter buffer accepts and refuses: parameters, and the buffers it is given."""

import array
import ctypes
import re
from typing import Any

import numpy as np
import pytest

from sfaudio import CaptureQueue, JitterBuffer, JitterBufferStatistics

from .queues import pcm, play, ramp

# ---- parameters


def test_a_new_buffer_tells_its_parameters_and_zeros() -> None:
    buffer = JitterBuffer(100, prefill=30, fade=5)
    assert (buffer.capacity, buffer.prefill) == (100, 30)
    assert (buffer.queued_frames, buffer.writable_frames) == (0, 100)
    assert buffer.statistics() == JitterBufferStatistics(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"capacity": 0}, ValueError, "capacity must be between 1 and .* frames, not 0"),
        ({"capacity": -1}, ValueError, "capacity must be between .*not -1"),
        ({"capacity": 2**30 + 1}, ValueError, "capacity must be between .*not 1073741825"),
        ({"capacity": 10**30}, ValueError, "capacity must be between"),
        ({"capacity": 1.5}, TypeError, "capacity must be a whole number of frames, not 1.5"),
        ({"capacity": "9"}, TypeError, "capacity must be a whole number of frames, not '9'"),
        ({"capacity": None}, TypeError, "capacity must be a whole number of frames, not None"),
        ({"prefill": 11}, ValueError, "prefill must be between 0 and 10 frames, not 11"),
        ({"prefill": -1}, ValueError, "prefill must be between 0 and 10 frames, not -1"),
        ({"prefill": 0.5}, TypeError, "prefill must be a whole number of frames, not 0.5"),
        ({"fade": 11}, ValueError, "fade must be between 0 and 10 frames, not 11"),
        ({"fade": -1}, ValueError, "fade must be between 0 and 10 frames, not -1"),
        ({"fade": b"1"}, TypeError, "fade must be a whole number of frames, not b'1'"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        JitterBuffer(**{"capacity": 10, **parameters})


def test_whole_numbers_of_any_type_are_taken() -> None:
    buffer = JitterBuffer(np.int64(10), prefill=5.0, fade=np.float32(2))
    assert (buffer.capacity, buffer.prefill) == (10, 5)
    queue = CaptureQueue(10.0)
    queue.write(bytes(10))
    assert queue.capacity == 10
    assert len(queue.read(np.uint8(2))) == 4
    assert queue.drop(1.0) == 1


def test_the_limits_of_the_parameters_are_allowed() -> None:
    assert JitterBuffer(1, prefill=1, fade=1).capacity == 1
    assert JitterBuffer(10, prefill=10, fade=10).prefill == 10


# ---- buffers of every kind


@pytest.mark.parametrize(
    "block",
    [
        bytearray(8),
        memoryview(bytearray(9))[1:],
        np.zeros(4, np.int16),
        np.zeros((4, 1), np.int16),
        (ctypes.c_int16 * 4)(),
    ],
    ids=["bytearray", "misaligned", "array", "column", "ctypes"],
)
def test_every_kind_of_int16_block_is_filled(block: Any) -> None:
    buffer = JitterBuffer(8)
    buffer.write(pcm([1, -2, 32767]))
    assert buffer.read_into(block) == 3
    assert memoryview(block).tobytes() == pcm([1, -2, 32767, 0])


def test_just_so_many_frames_are_read_with_silence_for_what_is_missing() -> None:
    buffer = JitterBuffer(8)
    buffer.write(pcm([1, -2, 3]))
    assert buffer.read(2) == pcm([1, -2])
    assert buffer.read(3) == pcm([3, 0, 0])
    assert buffer.read(0) == b""
    said = buffer.statistics()
    assert (said.read_frames, said.padded_frames, said.underruns) == (3, 2, 1)


@pytest.mark.parametrize("frames", [-1, 2**30 + 1, 1.5, None])
def test_reading_a_bad_number_of_frames_takes_nothing(frames: Any) -> None:
    buffer = JitterBuffer(8)
    buffer.write(pcm([1]))
    with pytest.raises((TypeError, ValueError), match="frames must be"):
        buffer.read(frames)
    assert play(buffer, 1) == [1]


def test_an_array_of_bytes_is_filled_and_no_byte_beyond() -> None:
    buffer, memory = JitterBuffer(8), np.full(16, 7, np.uint8)
    buffer.write(pcm(ramp(8)))
    assert buffer.read_into(memory[:8]) == 4
    assert memory.tobytes() == pcm(ramp(4)) + bytes([7] * 8)


@pytest.mark.parametrize(
    "data",
    [
        pcm([1, -2]),
        bytearray(pcm([1, -2])),
        memoryview(b"." + pcm([1, -2]))[1:],
        np.array([1, -2], "<i2"),
        np.array([[1], [-2]], "<i2"),
        (ctypes.c_int16 * 2)(1, -2),
    ],
    ids=["bytes", "bytearray", "misaligned", "array", "column", "ctypes"],
)
def test_every_kind_of_contiguous_buffer_is_queued(data: Any) -> None:
    buffer = JitterBuffer(8)
    assert buffer.write(data) == 4
    assert play(buffer, 2) == [1, -2]


@pytest.mark.parametrize("empty", [b"", np.zeros(0, np.int16), np.zeros((0, 2), np.int16)])
def test_no_bytes_are_queued_from_an_empty_buffer(empty: Any) -> None:
    buffer = JitterBuffer(8)
    assert buffer.write(empty) == 0
    assert buffer.statistics().written_frames == 0


def test_an_empty_block_changes_nothing() -> None:
    buffer = JitterBuffer(20, prefill=2, fade=4)
    buffer.write(pcm(ramp(10)))
    play(buffer, 2)
    buffer.flush()
    before = buffer.statistics()
    assert buffer.read_into(np.zeros(0, np.int16)) == 0
    assert buffer.statistics() == before
    assert len(set(play(buffer, 4))) > 1


# ---- bad input


@pytest.mark.parametrize("data", [None, "text", 3, [1, 2]])
def test_writing_what_is_no_buffer_is_refused(data: Any) -> None:
    buffer = JitterBuffer(10)
    with pytest.raises(TypeError, match=r"bytes-like|buffer"):
        buffer.write(data)
    assert buffer.statistics().written_frames == 0


@pytest.mark.parametrize(
    "data",
    [
        np.ones(4, np.float32),
        np.ones(4, np.float64),
        np.ones(4, ">i2"),
        np.ones(4, np.uint16),
        np.ones(4, np.int32),
        np.ones(4, bool),
        array.array("f", [1, 1]),
        memoryview(bytes(8)).cast("d"),
    ],
    ids=lambda data: memoryview(data).format,
)
def test_samples_that_are_not_int16_are_refused_and_not_taken_for_bytes(data: Any) -> None:
    buffer = JitterBuffer(100)
    kind = re.escape(repr(memoryview(data).format))
    with pytest.raises(TypeError, match=f"data must hold native int16.*not items of format {kind}"):
        buffer.write(data)
    assert buffer.statistics().written_frames == 0


def test_a_sample_without_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="data is zero-dimensional"):
        JitterBuffer(100).write(np.int16(1))


def test_writing_what_is_not_contiguous_is_refused() -> None:
    buffer = JitterBuffer(10)
    with pytest.raises((TypeError, ValueError), match="contiguous"):
        buffer.write(np.zeros(8, np.int16)[::2])
    assert buffer.statistics().written_frames == 0


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (None, TypeError, "out must be a buffer of int16 or float32 samples"),
        ([0, 0], TypeError, "out must be a buffer of int16 or float32 samples .*not list"),
        (np.zeros(2), TypeError, "out must hold native int16.* format 'd'"),
        (np.zeros(2, np.dtype(np.int16).newbyteorder("S")), TypeError, "out must hold native"),
        (bytes(4), ValueError, "out must be writable"),
        (bytearray(3), ValueError, "out has 3 bytes"),
        (np.zeros(4, np.int16)[::2], ValueError, "out must be writable and C-contiguous"),
        (np.zeros((), np.int16), ValueError, "out is zero-dimensional"),
    ],
)
def test_reading_into_a_bad_buffer_takes_nothing(
    out: Any, error: type[Exception], message: str
) -> None:
    buffer = JitterBuffer(10)
    buffer.write(pcm([1, 2, 3]))
    before = buffer.statistics()
    with pytest.raises(error, match=message):
        buffer.read_into(out)
    assert buffer.statistics() == before
    assert play(buffer, 3) == [1, 2, 3]


def test_buffers_are_let_go_after_success_and_error() -> None:
    buffer = JitterBuffer(10)
    data, out = bytearray(4), bytearray(5)
    buffer.write(data)
    with pytest.raises(ValueError, match="5 bytes"):
        buffer.read_into(out)
    out.append(0)  # BufferError while exported
    buffer.read_into(out)
    out.append(0)
    data.append(0)

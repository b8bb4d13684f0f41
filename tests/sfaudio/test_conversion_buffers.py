"""float32 <-> int16: from every kind of buffer into every kind, of any size, at any address."""

import array
import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from .conversions import every_conversion, same_bits, samples_of


def unaligned(size: int, offset: int) -> memoryview:
    """`size` writable bytes at `offset` beyond a multiple of 64, with 64 more on either side."""
    room = np.full(size + 256, 0xA5, np.uint8)
    start = 64 + -room.ctypes.data % 64 + offset
    return memoryview(room)[start : start + size]


@every_conversion
@pytest.mark.parametrize("source_offset", [0, 1, 6, 31])
@pytest.mark.parametrize("out_offset", [0, 2, 3, 44, 63])
def test_any_count_at_any_address_is_converted_and_no_byte_beyond(
    convert: Any, expected: Any, source: Any, target: Any, source_offset: int, out_offset: int
) -> None:
    # 200 samples are several blocks of the widest vector unit, with every possible remainder.
    samples = samples_of(source, 200)
    wanted = expected(samples).tobytes()
    src = unaligned(samples.nbytes, source_offset)
    src[:] = samples.tobytes()
    for count in range(201):
        size = count * np.dtype(target).itemsize
        out = unaligned(size, out_offset)
        convert(src[: count * samples.itemsize], out)
        assert out.tobytes() == wanted[:size], count
        around = np.asarray(out.obj, np.uint8)
        assert np.count_nonzero(around == 0xA5) >= around.size - size
        before = out_offset + 64 + -around.ctypes.data % 64
        assert set(around[:before]) | set(around[before + size :]) == {0xA5}, count


def buffers(samples: Any) -> Iterator[Any]:
    """The same samples in every kind of buffer."""
    raw = samples.tobytes()
    code = samples.dtype.char
    kind = {"f": ctypes.c_float, "h": ctypes.c_int16}[code]
    misaligned = unaligned(len(raw), 1)
    misaligned[:] = raw
    read_only = samples.copy()
    read_only.flags.writeable = False
    yield from (raw, bytearray(raw), memoryview(raw), memoryview(bytearray(raw)), misaligned)
    yield memoryview(raw).cast("c")
    yield memoryview(raw).cast("b")
    yield memoryview(raw).cast(code)
    yield array.array(code, raw)
    yield (kind * len(samples)).from_buffer_copy(raw)
    yield (kind.__ctype_le__ * len(samples)).from_buffer_copy(raw)
    yield samples
    yield read_only
    yield samples.astype(samples.dtype.newbyteorder("="))
    yield np.frombuffer(misaligned, samples.dtype)  # a numpy array at an odd address


@every_conversion
def test_every_kind_of_buffer_is_read(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = samples_of(source, 77)
    for buffer in buffers(samples):
        result = convert(buffer)
        assert isinstance(result, np.ndarray)
        assert result.shape == (77,)
        assert same_bits(result, expected(samples))


@every_conversion
@pytest.mark.parametrize(
    "shape", [(60,), (20, 3), (5, 4, 3), (60, 1), (1, 60), (0,), (0, 2), (3, 0)]
)
def test_a_new_result_has_the_shape_of_the_source(
    convert: Any, expected: Any, source: Any, target: Any, shape: tuple[int, ...]
) -> None:
    samples = samples_of(source, int(np.prod(shape))).reshape(shape)
    result = convert(samples)
    assert result.shape == shape
    assert result.flags.c_contiguous
    assert same_bits(result, expected(samples))


@every_conversion
def test_raw_bytes_of_any_shape_give_a_flat_result(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = samples_of(source, 12)
    result = convert(memoryview(samples.tobytes()).cast("B", (3, 4 * samples.itemsize)))
    assert result.shape == (12,)
    assert same_bits(result, expected(samples))


@every_conversion
def test_every_kind_of_writable_buffer_is_filled_and_returned(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = samples_of(source, 24)
    wanted = expected(samples)
    size = wanted.nbytes
    code = wanted.dtype.char
    kind = {"f": ctypes.c_float, "h": ctypes.c_int16}[code]
    outs = [
        bytearray(size),
        memoryview(bytearray(size)),
        memoryview(bytearray(size)).cast(code),
        unaligned(size, 1),
        array.array(code, bytes(size)),
        (kind * 24)(),
        np.zeros(24, target),
        np.zeros((4, 6), target),
        np.zeros(size, np.uint8),
    ]
    for out in outs:
        assert convert(samples, out) is out
        assert memoryview(out).tobytes() == wanted.tobytes(), out


@every_conversion
def test_samples_of_out_beyond_those_of_src_are_left_alone(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = samples_of(source, 10)
    out = np.full(15, 99, target)
    assert convert(samples, out) is out
    assert same_bits(out[:10], expected(samples))
    assert out[10:].tolist() == [99] * 5


@every_conversion
def test_src_and_out_may_lie_side_by_side(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = samples_of(source, 40)
    wanted = expected(samples).tobytes()
    for first in ("src", "out"):
        memory = bytearray(samples.nbytes + len(wanted))
        split = samples.nbytes if first == "src" else len(wanted)
        low, high = memoryview(memory)[:split], memoryview(memory)[split:]
        src, out = (low, high) if first == "src" else (high, low)
        src[:] = samples.tobytes()
        convert(src, out)
        assert (src, out) == (samples.tobytes(), wanted)


@every_conversion
def test_no_samples_give_no_samples(convert: Any, expected: Any, source: Any, target: Any) -> None:
    for nothing in (b"", bytearray(), np.zeros(0, source), array.array("B")):
        result = convert(nothing)
        assert (result.shape, result.dtype) == ((0,), np.dtype(target))
        out = np.full(3, 5, target)
        assert convert(nothing, out) is out
        assert out.tolist() == [5, 5, 5]
    empty = bytearray()
    assert convert(b"", empty) is empty


@every_conversion
@pytest.mark.parametrize("count", [16383, 16384, 16385, 100_003])
def test_long_buffers_are_converted_like_short_ones(
    convert: Any, expected: Any, source: Any, target: Any, count: int
) -> None:
    samples = samples_of(source, count)
    assert same_bits(convert(samples), expected(samples))

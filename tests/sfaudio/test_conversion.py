"""float32 <-> int16: exact for every input, whatever the buffer."""

import array
import ctypes
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import float32_to_int16, int16_to_float32

# ---- the rules, once more, in numpy's double precision

ALL_INT16 = np.arange(-32768, 32768, dtype=np.int16)


def wire(samples: Any) -> Any:
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        s = np.clip(np.nan_to_num(samples.astype(np.float64)), -1, 1)
    return np.trunc(np.where(s < 0, s * 32768, s * 32767)).astype(np.int16)


def symmetric(samples: Any) -> Any:
    with np.errstate(invalid="ignore"):
        s = np.clip(np.nan_to_num(samples.astype(np.float64)), -2, 2)
    return np.clip(np.rint(s * 32768), -32768, 32767).astype(np.int16)


REFERENCE = {"wire": wire, "symmetric": symmetric}
every_rule = pytest.mark.parametrize("rule", REFERENCE)

SPECIAL = np.concatenate(
    [
        np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, np.inf, -np.inf], np.float32),
        np.array([1e-45, -1e-45, 1e-38, -1e-38, 3.4e38, -3.4e38], np.float32),
        # NaNs of both signs, quiet and signalling, with the smallest and the largest payload.
        np.array(
            [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32
        ).view(np.float32),
    ]
)


def near(values: Any) -> Any:
    """The float32 nearest to each value, and the three on either side of it."""
    low = high = values.astype(np.float32)
    found = [low]
    for _ in range(3):
        low, high = np.nextafter(low, np.float32(-9)), np.nextafter(high, np.float32(9))
        found += [low, high]
    return np.concatenate(found)


def floats(count: int) -> Any:
    """Samples from the whole range, boundaries and special values, the same each time."""
    rng = np.random.default_rng(20260527)
    bits = rng.integers(0, 2**32, count, np.uint32).view(np.float32)
    return rng.choice(np.concatenate([SPECIAL, near(np.linspace(-1.1, 1.1, count)), bits]), count)


def same_bits(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


# ---- the values

CONFORMANCE = json.loads(Path(__file__).with_name("float32_to_int16.json").read_text())
BLOCK = 1 << 24  # bit patterns per digest


def converted_block(block: int) -> Any:
    bits = np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.uint32)
    return float32_to_int16(bits.view(np.float32)).astype("<i2", copy=False)


# Zeros and denormals; 2^-15, the least that is heard; values near one; infinities and NaNs; and
# their negatives.
@pytest.mark.parametrize(
    "block", [0x00, 0x38, 0x3E, 0x3F, 0x7F, 0xBF, 0xFF], ids=lambda block: f"{block:02X}"
)
def test_wire_rule_gives_the_bytes_of_a_browser(block: int) -> None:
    digest = hashlib.sha256(converted_block(block)).hexdigest()
    assert digest == CONFORMANCE["sha256_per_block"][block]


@pytest.mark.slow
def test_wire_rule_gives_the_bytes_of_a_browser_for_all_float32() -> None:
    total = hashlib.sha256()
    wrong = []
    for block, digest in enumerate(CONFORMANCE["sha256_per_block"]):
        converted = converted_block(block)
        total.update(converted)
        if hashlib.sha256(converted).hexdigest() != digest:
            wrong.append(f"{block:02X}")
    assert (wrong, total.hexdigest()) == ([], CONFORMANCE["sha256_total"])


def test_wire_rule_is_right_on_either_side_of_every_step() -> None:
    steps = np.arange(-32769, 32770)
    values = np.concatenate([near(steps / 32768), near(steps / 32767), SPECIAL])
    assert same_bits(float32_to_int16(values), wire(values))


def test_symmetric_rule_is_right_on_either_side_of_every_step() -> None:
    steps = np.arange(-32770, 32770)
    values = np.concatenate([near(steps / 32768), near((steps + 0.5) / 32768), SPECIAL])
    assert same_bits(float32_to_int16(values, rule="symmetric"), symmetric(values))


@pytest.mark.slow
def test_symmetric_rule_is_right_for_all_float32() -> None:
    wrong = []
    piece = 1 << 18  # small enough to stay in the cache
    for start in range(0, 1 << 32, piece):
        values = np.arange(start, start + piece, dtype=np.uint32).view(np.float32)
        if not same_bits(float32_to_int16(values, rule="symmetric"), symmetric(values)):
            wrong.append(f"{start:08X}")
    assert wrong == []


@every_rule
@given(bits=st.lists(st.integers(0, 2**32 - 1), max_size=100))
def test_each_sample_is_converted_for_itself(rule: Any, bits: list[int]) -> None:
    values = np.array(bits, np.uint32).view(np.float32)
    assert same_bits(float32_to_int16(values, rule=rule), REFERENCE[rule](values))


def test_wire_is_the_default_rule() -> None:
    values = floats(1000)
    assert same_bits(float32_to_int16(values), float32_to_int16(values, rule="wire"))
    assert not same_bits(float32_to_int16(values), float32_to_int16(values, rule="symmetric"))


def test_int16_to_float32_divides_every_value_by_32768() -> None:
    expected = (np.arange(-32768, 32768) / 32768).astype(np.float32)
    assert same_bits(int16_to_float32(ALL_INT16), expected)


def test_round_trip_is_exact_under_the_symmetric_rule() -> None:
    assert same_bits(float32_to_int16(int16_to_float32(ALL_INT16), rule="symmetric"), ALL_INT16)


def test_round_trip_lowers_each_positive_sample_by_one_under_the_wire_rule() -> None:
    back = float32_to_int16(int16_to_float32(ALL_INT16), rule="wire")
    assert same_bits(back, ALL_INT16 - (ALL_INT16 > 0).astype(np.int16))


# ---- the buffers


def to_int16(rule: str) -> Callable[..., Any]:
    return lambda src, out=None: float32_to_int16(src, out, rule=rule)


CONVERSIONS = {
    "wire": (to_int16("wire"), wire, np.float32, np.int16),
    "symmetric": (to_int16("symmetric"), symmetric, np.float32, np.int16),
    "to_float32": (
        int16_to_float32,
        lambda samples: samples / np.float32(32768),
        np.int16,
        np.float32,
    ),
}
every_conversion = pytest.mark.parametrize(
    ("convert", "expected", "source", "target"), CONVERSIONS.values(), ids=CONVERSIONS
)


def samples_of(source: Any, count: int) -> Any:
    if source is np.float32:
        return floats(count)
    return np.random.default_rng(7).choice(ALL_INT16, count)


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


@every_conversion
def test_other_python_threads_run_during_a_long_conversion(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = np.zeros(1 << 22, source)
    out = np.zeros(1 << 22, target)
    go = threading.Lock()
    ran = threading.Event()

    def other() -> None:
        with go:
            ran.set()

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=other)
    go.acquire()
    thread.start()
    try:
        sys.setswitchinterval(1000)  # the GIL changes hands only where it is given up
        go.release()
        for _ in range(200):
            convert(samples, out)
            if ran.is_set():
                break
        released = ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert released


# ---- bad input


def read_only(dtype: Any) -> Any:
    samples = np.zeros(4, dtype)
    samples.flags.writeable = False
    return samples


F4, I2 = np.float32, np.int16

BAD_SOURCES = {
    # name: (source, error, what it says), each for float32_to_int16 and for int16_to_float32
    "no buffer": (
        lambda dtype: [0] * 4,
        TypeError,
        r"src must be a buffer of {wanted} samples .*not list",
    ),
    "none": (lambda dtype: None, TypeError, r"src must be a buffer .*not NoneType"),
    "text": (lambda dtype: "abcd", TypeError, r"src must be a buffer .*not str"),
    "number": (lambda dtype: 1.0, TypeError, r"src must be a buffer .*not float"),
    "double": (
        lambda dtype: np.zeros(4),
        TypeError,
        r"src must hold native {wanted} samples .*not items of format 'd'",
    ),
    "int32": (lambda dtype: np.zeros(4, np.int32), TypeError, r"{wanted} samples .*format 'i'"),
    "uint16": (lambda dtype: np.zeros(4, np.uint16), TypeError, r"{wanted} samples .*format 'H'"),
    "half": (lambda dtype: np.zeros(4, np.float16), TypeError, r"{wanted} samples .*format 'e'"),
    "bool": (lambda dtype: np.zeros(4, bool), TypeError, r"{wanted} samples .*format '\?'"),
    "complex": (lambda dtype: np.zeros(4, "c8"), TypeError, r"{wanted} samples .*format 'Zf'"),
    "record": (
        lambda dtype: np.zeros(4, [("sample", dtype)]),
        TypeError,
        r"{wanted} samples .*format 'T\{{",
    ),
    "the other type": (
        lambda dtype: np.zeros(4, I2 if dtype is F4 else F4),
        TypeError,
        r"src must hold native {wanted} samples .*not items of format '[fh]'",
    ),
    "other byte order": (
        lambda dtype: np.zeros(4, np.dtype(dtype).newbyteorder("S")),
        TypeError,
        r"src must hold native {wanted} samples .*format '[<>][fh]'",
    ),
    "odd byte count": (
        lambda dtype: bytes(7),
        ValueError,
        r"src has 7 bytes, which is not a whole number of {itemsize}-byte {wanted} samples",
    ),
    "one byte": (lambda dtype: b"x", ValueError, r"src has 1 bytes"),
    "every other": (
        lambda dtype: np.zeros(8, dtype)[::2],
        ValueError,
        r"src must be C-contiguous",
    ),
    "backwards": (lambda dtype: np.zeros(4, dtype)[::-1], ValueError, r"src must be C-contiguous"),
    "fortran order": (
        lambda dtype: np.zeros((2, 2), dtype, order="F"),
        ValueError,
        r"src must be C-contiguous",
    ),
    "strided bytes": (
        lambda dtype: memoryview(bytes(16))[::2],
        ValueError,
        r"src must be C-contiguous",
    ),
    "released": (
        lambda dtype: released_view(),
        ValueError,
        r"src must be C-contiguous: .*released",
    ),
    "zero-dimensional": (lambda dtype: np.zeros((), dtype), ValueError, r"src is zero-dimensional"),
    "scalar": (lambda dtype: dtype(0), ValueError, r"src is zero-dimensional"),
}

BAD_OUTS = {
    # name: (out of four samples, error, what it says)
    "no buffer": (
        lambda dtype: [0] * 4,
        TypeError,
        r"out must be a buffer of {wanted} samples .*not list",
    ),
    "not none": (lambda dtype: False, TypeError, r"out must be a buffer .*not bool"),
    "double": (
        lambda dtype: np.zeros(4),
        TypeError,
        r"out must hold native {wanted} samples .*format 'd'",
    ),
    "the other type": (
        lambda dtype: np.zeros(4, I2 if dtype is F4 else F4),
        TypeError,
        r"out must hold native {wanted} samples .*format '[fh]'",
    ),
    "other byte order": (
        lambda dtype: np.zeros(4, np.dtype(dtype).newbyteorder("S")),
        TypeError,
        r"out must hold native {wanted} samples .*format '[<>][fh]'",
    ),
    "odd byte count": (
        lambda dtype: bytearray(17),
        ValueError,
        r"out has 17 bytes, which is not a whole number of {itemsize}-byte {wanted} samples",
    ),
    "too small": (
        lambda dtype: np.zeros(3, dtype),
        ValueError,
        r"out has room for 3 samples, but src has 4",
    ),
    "no room": (lambda dtype: bytearray(), ValueError, r"out has room for 0 samples"),
    "every other": (
        lambda dtype: np.zeros(8, dtype)[::2],
        ValueError,
        r"out must be writable and C-contiguous",
    ),
    "bytes": (lambda dtype: bytes(16), ValueError, r"out must be writable and C-contiguous"),
    "read-only": (read_only, ValueError, r"out must be writable and C-contiguous"),
    "zero-dimensional": (lambda dtype: np.zeros((), dtype), ValueError, r"out is zero-dimensional"),
}


def released_view() -> memoryview:
    view = memoryview(bytes(8))
    view.release()
    return view


both_ways = pytest.mark.parametrize(
    ("convert", "source", "target"),
    [(float32_to_int16, F4, I2), (int16_to_float32, I2, F4)],
    ids=["float32_to_int16", "int16_to_float32"],
)


def what_it_says(pattern: str, dtype: Any) -> str:
    return pattern.format(wanted=dtype.__name__, itemsize=np.dtype(dtype).itemsize)


@both_ways
@pytest.mark.parametrize("bad", BAD_SOURCES)
def test_a_bad_source_is_refused_and_nothing_written(
    convert: Any, source: Any, target: Any, bad: str
) -> None:
    make, error, message = BAD_SOURCES[bad]
    out = np.full(16, 77, target)
    with pytest.raises(error, match=what_it_says(message, source)):
        convert(make(source), out)
    assert set(out.tolist()) == {77}
    with pytest.raises(error, match=what_it_says(message, source)):
        convert(make(source))


@both_ways
@pytest.mark.parametrize("bad", BAD_OUTS)
def test_a_bad_out_is_refused_and_nothing_written(
    convert: Any, source: Any, target: Any, bad: str
) -> None:
    make, error, message = BAD_OUTS[bad]
    out = make(target)
    with pytest.raises(error, match=what_it_says(message, target)):
        convert(np.full(4, 1, source), out)
    if not isinstance(out, list | bool):
        assert not any(memoryview(out).tobytes())


@both_ways
@pytest.mark.parametrize("shift", [-3, -1, 0, 1, 3])
def test_an_out_that_shares_memory_with_src_is_refused(
    convert: Any, source: Any, target: Any, shift: int
) -> None:
    memory = np.frombuffer(bytearray(range(64)), np.uint8)
    before = memory.copy()
    src = memory[16 : 16 + 4 * np.dtype(source).itemsize]
    size = 4 * np.dtype(target).itemsize
    out = memory[16 + shift : 16 + shift + size]
    with pytest.raises(ValueError, match="out must not share memory with src"):
        convert(src, out)
    ends_at_last_byte = memory[16 + src.size - 1 :][:size]
    starts_at_last_byte = memory[16 - size + 1 : 16 + 1]
    for touching in (ends_at_last_byte, starts_at_last_byte, memory[:48]):
        with pytest.raises(ValueError, match="out must not share memory with src"):
            convert(src, touching)
    assert memory.tolist() == before.tolist()


@pytest.mark.parametrize("rule", ["browser", "WIRE", "", b"wire", None, 0])
def test_an_unknown_rule_is_refused_and_nothing_written(rule: Any) -> None:
    out = np.full(4, 77, np.int16)
    with pytest.raises(ValueError, match='rule must be "wire" or "symmetric", not') as caught:
        float32_to_int16(np.ones(4, np.float32), out, rule=rule)
    assert repr(rule) in str(caught.value)
    assert out.tolist() == [77] * 4


def test_the_rule_is_given_by_name_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        float32_to_int16(b"", None, "wire")  # type: ignore[misc]


@both_ways
def test_no_buffer_stays_locked_after_success_or_error(
    convert: Any, source: Any, target: Any
) -> None:
    src, out = bytearray(16), bytearray(64)
    convert(src, out)
    for arguments in [(src, bytearray()), (src, b""), (src, src), (src, [])]:
        with pytest.raises((TypeError, ValueError)):
            convert(*arguments)
    with pytest.raises(ValueError, match="bytes"):
        convert(src, bytearray(65))
    with pytest.raises(TypeError):
        convert([], out)
    src.append(0)  # BufferError while exported
    out.append(0)
    with pytest.raises(ValueError, match="src has 17 bytes"):
        convert(src, out)
    src.append(0)
    out.append(0)

"""float32 <-> int16: what is refused, with nothing written and no buffer held."""

from typing import Any

import numpy as np
import pytest

from sfaudio import float32_to_int16, int16_to_float32


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

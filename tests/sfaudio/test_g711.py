"""G.711: every sample and every code, against the recommendation's own tables and against audioop."""

import array
import ctypes
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import alaw_to_int16, int16_to_alaw, int16_to_ulaw, ulaw_to_int16

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop: Any = importlib.import_module("audioop")  # audioop-lts from Python 3.13 on
except ImportError:
    audioop = None

ALL_INT16 = np.arange(-32768, 32768).astype(np.int16)
ALL_CODES = np.arange(256).astype(np.uint8)
COUNTS = [*range(100), 1000, 16383, 16384, 50_001]

ENCODE: dict[str, Callable[..., Any]] = {"ulaw": int16_to_ulaw, "alaw": int16_to_alaw}
DECODE: dict[str, Callable[..., Any]] = {"ulaw": ulaw_to_int16, "alaw": alaw_to_int16}
OPERATIONS = {f"to {law}": ENCODE[law] for law in ENCODE}
OPERATIONS |= {f"from {law}": DECODE[law] for law in DECODE}
every_law = pytest.mark.parametrize("law", ENCODE)
every_operation = pytest.mark.parametrize("operation", OPERATIONS)


def source(operation: str, count: int) -> Any:
    """The same each time."""
    rng = np.random.default_rng(count)
    return rng.choice(ALL_INT16 if operation.startswith("to") else ALL_CODES, count)


def room(operation: str, count: int) -> Any:
    return np.full(count, 77, np.uint8 if operation.startswith("to") else np.int16)


# ---- the recommendation: the decision values of tables 1a and 2a, in units of 13 and 14 bits

DECISIONS = {
    "alaw": np.cumsum([0] + [2] * 16 + [step for k in range(1, 8) for step in [1 << k] * 16]),
    "ulaw": np.cumsum([0, 1] + [2] * 15 + [step for k in range(2, 9) for step in [1 << k] * 16]),
}


def interval(law: str, magnitude: Any) -> Any:
    """Number 0 begins at zero, and the last one is without end."""
    return np.searchsorted(DECISIONS[law][1:-1], magnitude, side="right")


def code(law: str, number: Any, negative: Any) -> Any:
    """The character signal, with the inversions that the recommendation asks for."""
    word = np.where(negative, number, number | 0x80).astype(np.uint8)
    return word ^ np.uint8(0x55 if law == "alaw" else 0x7F)


def encoded(law: str, samples: Any) -> Any:
    if law == "alaw":
        linear = samples.astype(int) >> 3
        return code(law, interval(law, np.where(linear < 0, ~linear, linear)), linear < 0)
    linear = samples.astype(int) >> 2
    return code(law, interval(law, abs(linear)), linear < 0)


def test_the_tables_are_those_of_the_recommendation() -> None:
    for law, last in (("alaw", 4096), ("ulaw", 8159)):
        assert len(DECISIONS[law]) == 129
        assert DECISIONS[law][-1] == last
    assert {64, 128, 256, 512, 1024, 2048} <= set(DECISIONS["alaw"].tolist())
    assert {31, 95, 223, 479, 991, 2015, 4063} <= set(DECISIONS["ulaw"].tolist())


@every_law
def test_every_sample_gets_the_code_of_its_interval(law: str) -> None:
    assert np.array_equal(ENCODE[law](ALL_INT16), encoded(law, ALL_INT16))


@every_law
def test_every_code_is_decoded_to_the_middle_of_its_interval(law: str) -> None:
    middles = (DECISIONS[law][:-1] + DECISIONS[law][1:]) // 2  # and that of mu-law's first is 0
    samples = middles * (8 if law == "alaw" else 4)
    numbers = np.arange(128)
    assert np.array_equal(DECODE[law](code(law, numbers, False)), samples)
    assert np.array_equal(DECODE[law](code(law, numbers, True)), -samples)


@pytest.mark.skipif(audioop is None, reason="audioop-lts is not installed")
@every_law
def test_audioop_gives_the_same(law: str) -> None:
    raw = ALL_INT16.tobytes()
    assert ENCODE[law](ALL_INT16).tobytes() == getattr(audioop, f"lin2{law}")(raw, 2)
    codes = ALL_CODES.tobytes()
    assert DECODE[law](codes).tobytes() == getattr(audioop, f"{law}2lin")(codes, 2)


def test_the_reference_code_of_the_itu_differs_as_the_docstring_says() -> None:
    """It takes the one's complement of 16 bits, then shifts."""
    samples = ALL_INT16.astype(int)
    magnitude = np.where(samples < 0, ~samples, samples)
    ours = int16_to_ulaw(ALL_INT16)
    theirs = code("ulaw", interval("ulaw", magnitude >> 2), samples < 0)
    differ = ours != theirs
    reach = [4 * -decision + k for decision in DECISIONS["ulaw"][1:-1] for k in range(4)]
    assert sorted(samples[differ].tolist()) == sorted(reach)
    assert len(reach) == 508
    assert (theirs[differ] - ours[differ] == 1).all()  # toward 0x7F, negative zero
    alaw = code("alaw", interval("alaw", magnitude >> 3), samples < 0)
    assert np.array_equal(int16_to_alaw(ALL_INT16), alaw)


# ---- what follows from it


@every_law
def test_codes_come_back_and_a_second_encoding_changes_nothing(law: str) -> None:
    expected = ALL_CODES.copy()
    if law == "ulaw":
        expected[0x7F] = 0xFF  # There is but one zero in int16.
    assert np.array_equal(ENCODE[law](DECODE[law](ALL_CODES)), expected)
    once = ENCODE[law](ALL_INT16)
    assert np.array_equal(ENCODE[law](DECODE[law](once)), once)


@every_law
def test_a_louder_sample_is_never_decoded_softer(law: str) -> None:
    there_and_back = DECODE[law](ENCODE[law](ALL_INT16))
    assert (np.diff(there_and_back.astype(int)) >= 0).all()
    assert len(set(there_and_back.tolist())) == (255 if law == "ulaw" else 256)


@every_operation
@given(data=st.data())
def test_any_split_gives_the_same(operation: str, data: st.DataObject) -> None:
    run = OPERATIONS[operation]
    src = source(operation, data.draw(st.integers(0, 70)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(src)), max_size=5)))
    parts = [run(part).tobytes() for part in np.split(src, cuts)]
    assert b"".join(parts) == run(src).tobytes()


@every_operation
def test_any_number_will_do_and_none_beyond_is_written(operation: str) -> None:
    law = operation.split()[1]
    values = encoded(law, ALL_INT16) if operation.startswith("to") else DECODE[law](ALL_CODES)
    for count in COUNTS:
        src, out = source(operation, count), room(operation, count + 9)
        expected = values[src.astype(int) + (32768 if operation.startswith("to") else 0)]
        assert OPERATIONS[operation](src, out) is out
        assert np.array_equal(out[:count], expected), count
        assert set(out[count:].tolist()) == {77}


# ---- the buffers


@every_operation
def test_any_address_and_kind_of_buffer_will_do(operation: str) -> None:
    run, src = OPERATIONS[operation], source(operation, 70)
    wanted = run(src)
    for offset in (0, 1, 2, 31):
        memory = bytearray(offset) + src.tobytes()
        odd = memoryview(memory)[offset:]
        kinds = [odd, bytes(odd), bytearray(odd), np.frombuffer(odd, src.dtype)]
        kinds += [array.array(src.dtype.char, bytes(odd)), memoryview(src), odd.toreadonly()]
        kinds += [(ctypes.c_ubyte * len(odd)).from_buffer(memory, offset)]
        for buffer in kinds:
            around = np.full(400, 0xA5, np.uint8)
            out = around[33 + offset :][: wanted.nbytes]
            assert run(buffer, out) is out
            assert out.tobytes() == wanted.tobytes()
            out[:] = 0xA5
            assert set(around.tolist()) == {0xA5}
            assert np.array_equal(run(buffer), wanted)


@every_operation
def test_any_kind_of_out_will_do(operation: str) -> None:
    run, src = OPERATIONS[operation], source(operation, 70)
    wanted = run(src)
    around = bytearray(wanted.nbytes + 1)
    outs: list[Any] = [bytearray(wanted.nbytes), array.array(wanted.dtype.char, wanted.tolist())]
    outs += [np.zeros_like(wanted), np.zeros((7, 10), wanted.dtype), memoryview(around)[1:]]
    outs += [(ctypes.c_ubyte * wanted.nbytes)()]
    for out in outs:
        memoryview(out).cast("B")[:] = bytes(wanted.nbytes)
        assert run(src, out) is out
        assert bytes(out) == wanted.tobytes()
    assert around[0] == 0


@every_operation
def test_a_new_array_has_the_shape_of_src(operation: str) -> None:
    run, src = OPERATIONS[operation], source(operation, 24)
    dtype = np.uint8 if operation.startswith("to") else np.int16
    for shape in [(24,), (8, 3), (2, 3, 4)]:
        new = run(src.reshape(shape))
        assert (type(new), new.dtype, new.shape) == (np.ndarray, dtype, shape)
        assert new.ravel().tolist() == run(src).tolist()
    assert run(src.tobytes()).shape == (24,)
    assert (run(b"").shape, run(b"").dtype) == ((0,), dtype)
    raw = np.zeros((4, 6), np.uint8)
    assert run(raw).shape == ((12,) if operation.startswith("to") else (4, 6))


# ---- bad input

U1, I2 = np.uint8, np.int16
NOT_SAMPLES = {
    "no buffer": ([0] * 8, TypeError, "must be a buffer of int16 samples .*, not list"),
    "text": ("ab", TypeError, "must be a buffer of int16 samples .*, not str"),
    "float32": (np.zeros(8, np.float32), TypeError, "must hold native int16 samples .*format 'f'"),
    "uint16": (np.zeros(8, np.uint16), TypeError, "must hold native int16 samples .*format 'H'"),
    "order": (np.zeros(8, np.dtype(I2).newbyteorder("S")), TypeError, "native int16 .*'[<>]h'"),
    "odd": (bytearray(17), ValueError, "has 17 bytes, which is not a whole number of 2-byte int16"),
    "strided": (np.zeros(16, I2)[::2], ValueError, "must be (writable and )?C-contiguous: "),
    "0-d": (np.zeros((), I2), ValueError, "is zero-dimensional: give it at least one dimension"),
}
REMEDY = "give it bytes, or an array of numpy.uint8"
NOT_CODES = {
    "no buffer": ([0] * 8, TypeError, "must be a buffer of uint8 codes .*, not list"),
    "text": ("ab", TypeError, "must be a buffer of uint8 codes .*, not str"),
    "int16": (np.zeros(8, I2), TypeError, f"uint8 codes, not items of format 'h': {REMEDY}"),
    "int8": (np.zeros(8, np.int8), TypeError, f"must hold uint8 codes, .*format 'b': {REMEDY}"),
    "bool": (np.zeros(8, np.bool_), TypeError, f"must hold uint8 codes, .*format '\\?': {REMEDY}"),
    "pairs": (np.zeros(8, "u1,u1"), TypeError, f"must hold uint8 codes, .*format 'T.*': {REMEDY}"),
    "strided": (np.zeros(16, U1)[::2], ValueError, "must be (writable and )?C-contiguous: "),
    "backwards": (np.zeros(8, U1)[::-1], ValueError, "must be (writable and )?C-contiguous: "),
    "columns": (np.zeros((4, 4), U1).T[:3], ValueError, "must be (writable and )?C-contiguous: "),
    "0-d": (np.zeros((), U1), ValueError, "is zero-dimensional: give it at least one dimension"),
}


def bad_buffers(operation: str, side: str) -> dict[str, Any]:
    return NOT_CODES if operation.startswith("to") == (side == "out") else NOT_SAMPLES


@pytest.mark.parametrize(
    ("operation", "bad"), [(o, bad) for o in OPERATIONS for bad in bad_buffers(o, "src")]
)
def test_a_bad_source_is_refused_and_nothing_written(operation: str, bad: str) -> None:
    src, error, message = bad_buffers(operation, "src")[bad]
    out = room(operation, 64)
    with pytest.raises(error, match=f"^src .*{message}"):
        OPERATIONS[operation](src, out)
    assert set(out.tolist()) == {77}


@every_operation
def test_none_is_no_source(operation: str) -> None:
    with pytest.raises(TypeError, match=r"src must be a buffer of .*, not NoneType"):
        OPERATIONS[operation](None)


@pytest.mark.parametrize(
    ("operation", "bad"),
    [(o, bad) for o in OPERATIONS for bad in [*bad_buffers(o, "out"), "bytes", "frozen", "small"]],
)
def test_a_bad_out_is_refused_and_nothing_written(operation: str, bad: str) -> None:
    encodes = operation.startswith("to")
    frozen, small = np.zeros(64, U1 if encodes else I2), np.zeros(7, U1 if encodes else I2)
    frozen.flags.writeable = False
    few = "7 codes, but src has 8 samples" if encodes else "7 samples, but src has 8 codes"
    more = {
        "bytes": (bytes(64), ValueError, "must be writable and C-contiguous: "),
        "frozen": (frozen, ValueError, "must be writable and C-contiguous: "),
        "small": (small, ValueError, f"has room for {few}$"),
    }
    out, error, message = more.get(bad) or bad_buffers(operation, "out")[bad]
    src = np.ones(8, I2 if encodes else U1)
    with pytest.raises(error, match=f"^out .*{message}"):
        OPERATIONS[operation](src, out)
    if isinstance(out, np.ndarray | bytearray):
        assert not any(np.asarray(out).tobytes())


@every_operation
@pytest.mark.parametrize("shift", [-7, -1, 0, 1, 15])
def test_an_out_that_overlaps_src_is_refused(operation: str, shift: int) -> None:
    memory = np.arange(64, dtype=np.uint8)
    src, out = (16, 8) if operation.startswith("to") else (8, 16)
    shift = min(shift, src - 1)
    with pytest.raises(ValueError, match="out must not share memory with src: give it a buffer"):
        OPERATIONS[operation](memory[16:][:src], memory[16 + shift :][:out])
    assert np.array_equal(memory, np.arange(64))
    for beside in (memory[16 + src :][:out], memory[16 - out :][:out]):
        assert OPERATIONS[operation](memory[16:][:src], beside) is beside


@every_operation
def test_no_buffer_stays_locked_after_success_or_error(operation: str) -> None:
    run = OPERATIONS[operation]
    src, out = bytearray(16), bytearray(32)
    run(src, out)
    floats = array.array("f", bytes(64))
    bad_outs: list[Any] = [floats, bytearray(1), b"", []]
    for bad_out in bad_outs:
        with pytest.raises((TypeError, ValueError)):
            run(src, bad_out)
    with pytest.raises(TypeError, match="src must hold"):
        run(floats, out)
    src.append(0)  # BufferError while exported
    out.append(0)
    floats.append(0)

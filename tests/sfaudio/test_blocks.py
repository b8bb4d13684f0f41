"""Byte order, channels, gain and level of int16 blocks, at every level of kernels."""

import array
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfaudio import Level, _kernels, apply_gain, byteswap_int16, from_mono, level, to_mono

ALL_INT16 = np.arange(-32768, 32768, dtype=np.int16)
EXTREMES = np.array([-32768, -32767, -1, 0, 1, 32766, 32767], np.int16)
COUNTS = [*range(100), 1000, 16383, 16384, 50_001]
CHANNELS = [1, 2, 3, 6, 1024]
GAINS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 0.1, 2.0, -7.3, 1e-40, 3e38, -3e38, 32767 / 32768]


@pytest.fixture(params=_kernels.kernel_levels(), autouse=True, scope="module")
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _kernels.kernel_level()
    _kernels.force_kernel_level(request.param)
    yield request.param
    _kernels.force_kernel_level(before)


def samples(count: int) -> Any:
    """The same each time: half of them from anywhere, half from the ends."""
    rng = np.random.default_rng(count)
    pool = np.concatenate([ALL_INT16, np.resize(EXTREMES, ALL_INT16.size)])
    return rng.choice(pool, count)


# ---- the formulas, once more, in numpy


def mean(src: Any, channels: int) -> Any:
    total = src.reshape(-1, channels).astype(np.int64).sum(axis=1)
    return ((2 * total + channels) // (2 * channels)).astype(np.int16)


def scaled(src: Any, gain: float) -> tuple[Any, int]:
    with np.errstate(over="ignore", under="ignore"):
        product = np.rint(src.astype(np.float32) * np.float32(gain))
    clipped = np.clip(product, -32768, 32767)
    return clipped.astype(np.int16), np.count_nonzero(clipped != product)


def measured(src: Any) -> tuple[float, float, int]:
    if not len(src):
        return (0.0, 0.0, 0)
    wide = src.astype(np.int64)
    clipped = np.count_nonzero((src == -32768) | (src == 32767))
    mean_square = int((wide * wide).sum()) / len(src)
    return int(np.abs(wide).max()) / 32768, math.sqrt(mean_square) / 32768, clipped


# ---- the values


@pytest.mark.parametrize("channels", CHANNELS)
def test_mono_is_the_mean_of_each_frame_with_halves_rounded_up(channels: int) -> None:
    for frames in COUNTS[:120] if channels < 9 else (0, 1, 7, 40):
        src = samples(frames * channels)
        assert np.array_equal(to_mono(src, channels), mean(src, channels))


def test_the_mean_of_any_two_samples_is_right() -> None:
    src = np.column_stack([ALL_INT16, ALL_INT16[::-1] ^ 1]).ravel()
    assert np.array_equal(to_mono(src, 2), mean(src, 2))
    both = np.array([(a, b) for a in EXTREMES for b in EXTREMES], np.int16)
    assert np.array_equal(to_mono(both, 2), mean(both, 2))
    assert to_mono(np.array([1, 2, -1, -2, -1, 0], np.int16), 2).tolist() == [2, -1, 0]


@pytest.mark.parametrize("channels", CHANNELS)
def test_mono_is_repeated_for_every_channel_and_comes_back(channels: int) -> None:
    for count in COUNTS[:120] if channels < 9 else (0, 1, 7, 40):
        src = samples(count)
        spread = from_mono(src, channels)
        assert np.array_equal(spread, np.repeat(src, channels))
        assert np.array_equal(to_mono(spread, channels), src)


def test_one_channel_is_frames_too() -> None:
    block = np.arange(6, dtype=np.int16)
    for convert in (to_mono, from_mono):
        out = convert(block.reshape(6, 1), 1.0)
        assert out.shape == (6,)
        assert np.array_equal(out, block)
        with pytest.raises(ValueError, match="must have 1 channels in its last dimension, not 3"):
            convert(block.reshape(2, 3), 1)
        with pytest.raises(ValueError, match=r"give it a buffer of its own$"):
            convert(block, 1, block)


def test_bytes_are_swapped() -> None:
    for count in COUNTS:
        src = samples(count)
        assert np.array_equal(byteswap_int16(src), src.byteswap())
    assert byteswap_int16(b"\x01\x02", bytearray(2)) == b"\x02\x01"
    assert byteswap_int16(ALL_INT16.reshape(256, 256)).shape == (256, 256)


@pytest.mark.parametrize("gain", GAINS)
def test_gain_rounds_to_even_saturates_and_counts(gain: float) -> None:
    out = np.zeros_like(ALL_INT16)
    expected, clipped = scaled(ALL_INT16, gain)
    assert apply_gain(ALL_INT16, gain, out) == clipped
    assert np.array_equal(out, expected)
    for count in COUNTS:
        src = samples(count)
        out = np.full(count + 1, 77, np.int16)
        expected, clipped = scaled(src, gain)
        assert apply_gain(src, gain, out) == clipped, count
        assert np.array_equal(out[:-1], expected), count
        assert out[-1] == 77


def test_level_is_peak_and_rms_in_full_scale_and_what_clipped() -> None:
    for count in COUNTS:
        assert tuple(level(samples(count))) == measured(samples(count))
    for value in EXTREMES:
        assert tuple(level(np.full(100, value))) == measured(np.full(100, value))
    assert level(ALL_INT16) == Level(1.0, measured(ALL_INT16)[1], 2)
    assert level(b"") == Level(peak=0.0, rms=0.0, clipped=0)
    assert level(np.full(1 << 20, -32768, np.int16)) == Level(1.0, 1.0, 1 << 20)


@given(src=st.lists(st.integers(-32768, 32767), max_size=80), gain=st.floats(-4, 4, width=32))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_hold_for_any_samples(src: list[int], gain: float) -> None:
    block = np.array(src, np.int16)
    out = np.zeros_like(block)
    expected, clipped = scaled(block, gain)
    assert (apply_gain(block, gain, out), out.tolist()) == (clipped, expected.tolist())
    assert tuple(level(block)) == measured(block)
    assert byteswap_int16(byteswap_int16(block)).tolist() == src
    for channels in (2, 3):
        even = block[: len(block) // channels * channels]
        assert np.array_equal(to_mono(even, channels), mean(even, channels))


# ---- the buffers

OPERATIONS: dict[str, Callable[..., Any]] = {
    "byteswap_int16": byteswap_int16,
    "to_mono": lambda src, out=None: to_mono(src, 2, out),
    "from_mono": lambda src, out=None: from_mono(src, 2, out),
    "apply_gain": lambda src, out: apply_gain(src, 1.5, out),
    "level": lambda src, out=None: level(src),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS)
OUTS = ["byteswap_int16", "to_mono", "from_mono", "apply_gain"]


@every_operation
def test_any_address_and_kind_of_buffer_will_do_and_no_byte_beyond(operation: str) -> None:
    run = OPERATIONS[operation]
    src = samples(70)
    wanted = np.zeros(140, np.int16)
    measure = run(src, wanted)
    for offset in (0, 1, 2, 31):
        room = bytearray(70 * 2 + offset)
        room[offset:] = src.tobytes()
        odd = memoryview(room)[offset:]
        for buffer in (odd, np.frombuffer(odd, np.int16), bytes(odd), array.array("h", bytes(odd))):
            memory = np.full(400, 0xA5, np.uint8)
            out = memory[33 + offset :][: wanted.nbytes]
            out[:] = 0
            found = run(buffer, out)
            assert out.tobytes() == wanted.tobytes()
            if operation in ("apply_gain", "level"):
                assert found == measure
            out[:] = 0xA5
            assert set(memory.tolist()) == {0xA5}


@pytest.mark.parametrize("count", COUNTS)
def test_gain_and_byte_order_work_in_place(count: int) -> None:
    block = samples(count)
    expected = block.byteswap()
    assert byteswap_int16(block, block) is block
    assert np.array_equal(block, expected)
    expected, clipped = scaled(block, 1.5)
    assert apply_gain(block, 1.5, block) == clipped
    assert np.array_equal(block, expected)
    raw = bytearray(block.tobytes())
    byteswap_int16(raw, raw)
    assert raw == block.byteswap().tobytes()


def test_a_result_is_given_back_or_new() -> None:
    src, out = samples(12), np.zeros(24, np.int16)
    for operation in ("byteswap_int16", "to_mono", "from_mono"):
        run = OPERATIONS[operation]
        assert run(src, out) is out
        new = run(src)
        assert (type(new), new.dtype) == (np.ndarray, np.int16)
        assert np.array_equal(new, out[: len(new)])


def test_frames_may_have_a_dimension_of_their_own() -> None:
    frames = samples(24).reshape(8, 3)
    assert np.array_equal(to_mono(frames, 3), mean(frames, 3))
    assert np.array_equal(from_mono(frames[:, :1].copy(), 2), np.repeat(frames[:, 0], 2))
    with pytest.raises(ValueError, match="src must have 8 channels in its last dimension, not 3"):
        to_mono(frames, 8)
    with pytest.raises(ValueError, match="src must have 1 channels in its last dimension, not 3"):
        from_mono(frames, 2)


# ---- bad input

F4, I2 = np.float32, np.int16
BAD = {
    "no buffer": ([0] * 8, TypeError, "must be a buffer of int16 samples .*not list"),
    "none": (None, TypeError, "must be a buffer of int16 samples"),
    "float32": (np.zeros(8, F4), TypeError, "must hold native int16 samples .*not .*format 'f'"),
    "uint16": (np.zeros(8, np.uint16), TypeError, "must hold native int16 samples .*'H'"),
    "byte order": (
        np.zeros(8, np.dtype(I2).newbyteorder("S")),
        TypeError,
        "must hold native int16 .*'[<>]h'",
    ),
    "odd": (bytearray(17), ValueError, "has 17 bytes, which is not a whole number of 2-byte int16"),
    "strided": (np.zeros(16, I2)[::2], ValueError, "must be (writable and )?C-contiguous"),
    "backwards": (np.zeros(8, I2)[::-1], ValueError, "must be (writable and )?C-contiguous"),
    "0-d": (np.zeros((), I2), ValueError, "is zero-dimensional"),
}


@every_operation
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_source_is_refused_and_nothing_written(operation: str, bad: str) -> None:
    src, error, message = BAD[bad]
    out = np.full(64, 77, np.int16)
    with pytest.raises(error, match=f"src {message}"):
        OPERATIONS[operation](src, out)
    assert set(out.tolist()) == {77}


@pytest.mark.parametrize("operation", OUTS)
@pytest.mark.parametrize("bad", [*BAD, "bytes", "frozen", "small"])
def test_a_bad_out_is_refused(operation: str, bad: str) -> None:
    frozen = np.zeros(64, np.int16)
    frozen.flags.writeable = False
    read_only = "out must be writable and C-contiguous"
    more = {
        "bytes": (bytes(64), ValueError, read_only),
        "frozen": (frozen, ValueError, read_only),
        "small": (np.zeros(3, I2), ValueError, "out has room for 3 samples, but"),
        "none": (None, TypeError, "out must be a buffer of int16 samples"),
    }
    out, error, message = more.get(bad) or BAD[bad]
    if bad == "none" and operation != "apply_gain":
        return  # A new array, then.
    with pytest.raises(error, match=message):
        OPERATIONS[operation](np.ones(8, np.int16), out)
    if isinstance(out, np.ndarray):
        assert not out.any()


@pytest.mark.parametrize("operation", OUTS)
@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_an_out_that_overlaps_src_is_refused(operation: str, shift: int) -> None:
    memory = np.arange(64, dtype=np.uint8)
    in_place = operation in ("byteswap_int16", "apply_gain")
    if shift == 0 and in_place:
        return
    end = 16 + shift + (32 if operation == "from_mono" else 16)
    with pytest.raises(ValueError, match="out must not share memory with src") as caught:
        OPERATIONS[operation](memory[16:32], memory[16 + shift : end])
    assert ("or src itself" in str(caught.value)) == in_place
    assert np.array_equal(memory, np.arange(64))


@pytest.mark.parametrize("gain", [math.nan, math.inf, -math.inf, 1e39, -1e300, 10**400])
def test_a_gain_that_is_not_finite_is_refused(gain: float) -> None:
    out = np.full(4, 77, np.int16)
    with pytest.raises(ValueError, match="gain must be finite as a float32, not"):
        apply_gain(np.ones(4, np.int16), gain, out)
    assert out.tolist() == [77] * 4


@pytest.mark.parametrize("gain", ["1", None, 1j, b"1", []])
def test_a_gain_that_is_no_number_is_refused(gain: Any) -> None:
    with pytest.raises(TypeError, match="gain must be a number, not "):
        apply_gain(np.ones(4, np.int16), gain, np.zeros(4, np.int16))


def test_channels_out_of_range_are_refused() -> None:
    src = np.ones(8, np.int16)
    unit = "samples to a frame"
    for convert in (to_mono, from_mono):
        for channels in (0, -1, 1025, 2**31, 2**64, -(2**70)):
            with pytest.raises(
                ValueError, match=f"channels must be between 1 and 1024 {unit}, not"
            ):
                convert(src, channels)
        for what in (2.5, "2", None):
            with pytest.raises(TypeError, match=f"channels must be a whole number of {unit}, not"):
                convert(src, what)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="src has 8 samples, which is no whole number of frames"):
        to_mono(src, 3)


@every_operation
def test_no_buffer_stays_locked_after_success_or_error(operation: str) -> None:
    run = OPERATIONS[operation]
    src, out = bytearray(16), bytearray(64)
    run(src, out)
    for bad_out in (bytearray(1), b"", []):
        if operation != "level":
            with pytest.raises((TypeError, ValueError)):
                run(src, bad_out)
    src.append(0)  # BufferError while exported
    out.append(0)
    with pytest.raises(ValueError, match="src has 17 bytes"):
        run(src, out)
    src.append(0)

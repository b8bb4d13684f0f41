"""The streaming resampler: what it does to signals, and that chunking does nothing."""

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio import Resampler

RATES = (48000, 44100, 32000, 24000, 22050, 16000, 8000)
PAIRS = [*itertools.permutations(RATES, 2), (16000, 16000)]
# The ends of what is allowed: the largest ratios, and more phases than any common pair has.
EXTREMES = [
    (12000, 768000), (768000, 12000), (1000, 64000), (64000, 1000), (1001, 1024), (8191, 8192 // 8),
]  # fmt: skip

every_pair = pytest.mark.parametrize(
    ("rate_in", "rate_out"), PAIRS, ids=[f"{a}-{b}" for a, b in PAIRS]
)
every_pair_and_extreme = pytest.mark.parametrize(
    ("rate_in", "rate_out"), PAIRS + EXTREMES, ids=[f"{a}-{b}" for a, b in PAIRS + EXTREMES]
)


def passband(rate_in: int, rate_out: int) -> float:
    """Hz up to which a signal passes unharmed."""
    lower = min(rate_in, rate_out)
    return lower * (0.40 if lower <= 8000 else 0.43)


def noise(frames: int, dtype: Any = np.float32) -> Any:
    samples = np.random.default_rng(frames).uniform(-1, 1, frames)
    return (samples * 32767).astype(np.int16) if dtype is np.int16 else samples.astype(np.float32)


def tone(hertz: float, samplerate: int, frames: int, level: float = 0.9) -> Any:
    return level * np.sin(2 * np.pi * hertz * np.arange(frames) / samplerate)


def expected_frames(rate_in: int, rate_out: int, frames: int) -> int:
    """Output frames whose time is not later than that of the last of `frames` input frames."""
    return -(-frames * rate_out // rate_in)


def fit(samples: Any, hertz: float, samplerate: int, start: int = 0) -> tuple[complex, float]:
    """The tone in `samples`, as a complex amplitude, and how far below it all else lies, in dB."""
    angle = 2 * np.pi * hertz * (np.arange(len(samples)) + start) / samplerate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    (sine, cosine), *_ = np.linalg.lstsq(basis, samples.astype(np.float64), rcond=None)
    rest = samples - basis @ (sine, cosine)
    power = (sine**2 + cosine**2) / 2
    return complex(sine, cosine), 10 * math.log10(power / max(float(np.mean(rest**2)), 1e-30))


def settled(resampler: Resampler) -> int:
    """Output frames until the silence before the stream has left the filter."""
    return math.ceil(2 * resampler.delay * resampler.samplerate_out) + 1


# ---- signals


@every_pair
def test_tones_of_the_passband_keep_level_and_timing_and_gain_nothing(
    rate_in: int, rate_out: int
) -> None:
    top = passband(rate_in, rate_out)
    for hertz in (100.0, 0.31 * top, 0.77 * top, top):
        resampler = Resampler(rate_in, rate_out)
        given = tone(hertz, rate_in, rate_in // 4).astype(np.float32)
        start = settled(resampler)
        amplitude, snr = fit(resampler.process(given)[start:], hertz, rate_out, start)
        assert snr > 90
        assert abs(abs(amplitude) / 0.9 - 1) < 1e-3
        # Group delay, from the phase; a tone tells it but for whole periods.
        late = -np.angle(amplitude) / (2 * np.pi * hertz)
        error = (late - resampler.delay + 0.5 / hertz) % (1 / hertz) - 0.5 / hertz
        assert abs(error) < 1e-7


@every_pair
def test_the_delay_is_at_most_two_milliseconds(rate_in: int, rate_out: int) -> None:
    assert 0 < Resampler(rate_in, rate_out).delay <= 0.002


@pytest.mark.parametrize(
    ("rate_in", "rate_out"),
    [(high, low) for high, low in PAIRS if low - passband(high, low) < high / 2],
)
def test_what_would_fold_into_the_passband_is_stopped(rate_in: int, rate_out: int) -> None:
    lowest = rate_out - passband(rate_in, rate_out)
    for hertz in np.linspace(lowest, rate_in / 2, 7, endpoint=False):
        resampler = Resampler(rate_in, rate_out)
        given = tone(hertz, rate_in, rate_in // 8, 1.0).astype(np.float32)
        heard = resampler.process(given)[settled(resampler) :].astype(np.float64)
        assert 10 * math.log10(2 * np.mean(heard**2)) < -90


@every_pair
def test_int16_tones_stay_clean_too(rate_in: int, rate_out: int) -> None:
    hertz = 0.7 * passband(rate_in, rate_out)
    given = np.rint(32767 * tone(hertz, rate_in, rate_in // 4)).astype(np.int16)
    resampler = Resampler(rate_in, rate_out)
    start = settled(resampler)
    amplitude, snr = fit(resampler.process(given)[start:], hertz, rate_out, start)
    assert abs(abs(amplitude) / (0.9 * 32767) - 1) < 1e-3
    assert snr > 88  # two roundings to 16 bits leave 94


@every_pair_and_extreme
def test_a_constant_stays_what_it_is(rate_in: int, rate_out: int) -> None:
    for dtype, level, error in (
        (np.float32, 0.5, 1e-6),
        (np.int16, 12345, 0),
        (np.int16, -32768, 0),
    ):
        resampler = Resampler(rate_in, rate_out)
        # Once through all phases, after the beginning.
        given = np.full(math.ceil(4 * resampler.delay * rate_in) + 2000, level, dtype)
        heard = resampler.process(given)[settled(resampler) :].astype(np.float64)
        assert len(heard)
        assert np.abs(heard - level).max() <= error


@every_pair
def test_an_impulse_is_heard_at_once_and_peaks_after_the_delay(rate_in: int, rate_out: int) -> None:
    resampler = Resampler(rate_in, rate_out)
    response = resampler.process(np.array([1], np.float32))
    assert len(response) == expected_frames(rate_in, rate_out, 1)
    assert response[0] != 0  # the first coefficient, not the silence of a filled buffer
    response = np.concatenate([response, resampler.process(np.zeros(rate_in // 50, np.float32))])
    assert abs(int(response.argmax()) - resampler.delay * rate_out) <= 1
    assert not response[settled(resampler) :].any()  # and it ends


@every_pair_and_extreme
def test_every_output_frame_is_given_with_the_input_frame_it_ends_at(
    rate_in: int, rate_out: int
) -> None:
    resampler = Resampler(rate_in, rate_out)
    total = 0
    for frames, sample in enumerate(noise(700), start=1):
        due = expected_frames(rate_in, rate_out, frames)
        assert resampler.output_frames(1) == due - total
        assert len(resampler.process(sample.reshape(1))) == due - total
        total = due


def test_full_scale_int16_saturates_and_does_not_wrap() -> None:
    for rate_in, rate_out in PAIRS:
        square = np.where(np.arange(rate_in // 10) * 400 // rate_in % 2, 32767, -32768)
        as_int16 = Resampler(rate_in, rate_out).process(square.astype(np.int16))
        as_float = Resampler(rate_in, rate_out).process((square / 32768).astype(np.float32))
        assert np.abs(as_float).max() > 1.01  # the overshoot that could wrap
        clipped = np.clip(as_float * 32768.0, -32768, 32767)
        assert np.abs(as_int16 - clipped).max() <= 1


def test_a_nan_leaves_with_the_filter() -> None:
    resampler, other = Resampler(16000, 48000), Resampler(16000, 48000)
    spoilt = noise(1000)
    spoilt[100] = np.nan
    heard = resampler.process(spoilt)
    bad = np.flatnonzero(np.isnan(heard))
    assert (bad[0], bad[-1]) == (300, 300 + 3 * 48 - 1)
    assert np.array_equal(heard[bad[-1] + 1 :], other.process(noise(1000))[bad[-1] + 1 :])


# ---- chunks


def in_chunks(resampler: Resampler, samples: Any, sizes: list[int]) -> Any:
    given = []
    at = 0
    for size in [*sizes, len(samples)]:
        chunk = samples[at : at + size]
        due = resampler.output_frames(len(chunk))
        given.append(resampler.process(chunk))
        assert len(given[-1]) == due
        at += size
    return np.concatenate(given)


@every_pair_and_extreme
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@given(sizes=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 700)), max_size=12))
@settings(max_examples=10)
def test_any_chunking_gives_the_same_bits(
    rate_in: int, rate_out: int, dtype: Any, sizes: list[int]
) -> None:
    samples = noise(1500, dtype)
    whole = Resampler(rate_in, rate_out).process(samples)
    assert whole.dtype == dtype
    assert len(whole) == expected_frames(rate_in, rate_out, 1500)
    chunked = in_chunks(Resampler(rate_in, rate_out), samples, sizes)
    assert chunked.tobytes() == whole.tobytes()


@given(
    rate_in=st.integers(1000, 768_000),
    up=st.integers(1, 40),
    down=st.integers(1, 40),
    sizes=st.lists(st.integers(0, 400), max_size=5),
)
@settings(max_examples=60)
def test_odd_rates_chunk_and_count_alike(
    rate_in: int, up: int, down: int, sizes: list[int]
) -> None:
    rate_in = max(1000, rate_in // down) * down
    rate_out = rate_in // down * up
    if not (1000 <= rate_out <= 768_000 and rate_in <= 768_000):
        rate_out = rate_in
    for dtype in (np.float32, np.int16):
        samples = noise(900, dtype)
        whole = Resampler(rate_in, rate_out).process(samples)
        assert len(whole) == expected_frames(rate_in, rate_out, 900)
        assert in_chunks(Resampler(rate_in, rate_out), samples, sizes).tobytes() == whole.tobytes()


@every_pair_and_extreme
def test_int16_and_float32_agree(rate_in: int, rate_out: int) -> None:
    samples = (noise(3000, np.int16) // 2).astype(np.int16)
    as_int16 = Resampler(rate_in, rate_out).process(samples)
    as_float = Resampler(rate_in, rate_out).process(samples / np.float32(32768))
    assert np.array_equal(as_int16, np.rint(as_float * 32768.0))


def test_a_stream_of_minutes_does_not_drift() -> None:
    resampler = Resampler(44100, 48000)
    block = np.zeros(44100 + 7, np.float32)
    out = np.zeros(48010, np.float32)
    total = sum(resampler.process_into(block, out) for _ in range(600))
    assert total == expected_frames(44100, 48000, 600 * len(block))


@every_pair
def test_after_reset_it_is_as_new(rate_in: int, rate_out: int) -> None:
    used = Resampler(rate_in, rate_out)
    for frames in (1, 500, 333):
        used.process(noise(frames))
    used.reset()
    new = Resampler(rate_in, rate_out)
    for frames in (0, 1, 2, 3, 100):
        assert used.output_frames(frames) == new.output_frames(frames)
    samples = noise(600)
    assert used.process(samples).tobytes() == new.process(samples).tobytes()


# ---- buffers


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize("spare", [0, 3])
def test_process_into_fills_out_and_leaves_the_rest_alone(dtype: Any, spare: int) -> None:
    one, other = Resampler(44100, 48000), Resampler(44100, 48000)
    rng = random.Random(1)
    for _ in range(30):
        samples = noise(rng.randint(0, 500), dtype)
        due = one.output_frames(len(samples))
        out = np.full(due + spare, 77, dtype)
        assert one.process_into(samples, out) == due
        assert np.array_equal(out[:due], other.process(samples))
        assert out[due:].tolist() == [77] * spare


def test_every_kind_of_buffer_is_read_and_filled() -> None:
    samples = noise(90, np.int16)
    expected = Resampler(16000, 48000).process(samples)
    raw = samples.tobytes()
    octets = np.frombuffer(raw, np.uint8)
    for src in (raw, bytearray(raw), memoryview(b"." + raw)[1:], samples.reshape(90, 1), octets):
        result = Resampler(16000, 48000).process(src)
        assert result.dtype == np.int16
        assert result.tobytes() == expected.tobytes()
        for out in (bytearray(540), memoryview(bytearray(541))[1:], np.zeros((270, 1), np.int16)):
            assert Resampler(16000, 48000).process_into(src, out) == 270
            assert memoryview(out).tobytes() == expected.tobytes()
    floats = noise(90)
    out = bytearray(1080)
    assert Resampler(16000, 48000).process_into(floats, out) == 270
    assert out == Resampler(16000, 48000).process(memoryview(floats)).tobytes()


BAD_CALLS = [
    # source, out, error, what it says; 100 frames give 300
    (noise(100), np.zeros(299, np.float32), ValueError, "out has room for 299 .*300 are due"),
    (noise(100, np.int16), np.zeros(0, np.int16), ValueError, "out has room for 0 .*300 are due"),
    (noise(100), np.zeros(300, np.int16), TypeError, "out must hold native float32.*'h'"),
    (noise(100, np.int16), np.zeros(300, np.float32), TypeError, "out must hold native int16.*'f'"),
    (noise(100), bytearray(1201), ValueError, "out has 1201 bytes"),
    (noise(100), bytes(1200), ValueError, "out must be writable"),
    (noise(100), np.zeros(600, np.float32)[::2], ValueError, "out must be writable and C-cont"),
    (noise(100), None, TypeError, "out must be a buffer of float32 samples.*NoneType"),
    (noise(100)[::2], np.zeros(300, np.float32), ValueError, "src must be C-contiguous"),
    (np.zeros(100), np.zeros(300), TypeError, "src must hold native int16 or float32.*'d'"),
    (bytes(7), np.zeros(300, np.int16), ValueError, "src has 7 bytes"),
    ([0.0], np.zeros(300, np.float32), TypeError, "src must be a buffer of int16 or float32"),
    (np.zeros((), np.float32), np.zeros(300, np.float32), ValueError, "src is zero-dimensional"),
]


@pytest.mark.parametrize(("src", "out", "error", "message"), BAD_CALLS)
def test_a_bad_call_takes_nothing_and_writes_nothing(
    src: Any, out: Any, error: type[Exception], message: str
) -> None:
    resampler, untroubled = Resampler(16000, 48000), Resampler(16000, 48000)
    assert resampler.process(noise(50)).tobytes() == untroubled.process(noise(50)).tobytes()
    with pytest.raises(error, match=message):
        resampler.process_into(src, out)
    if out is not None:
        assert not any(memoryview(out).tobytes())
    if message.startswith("src"):
        with pytest.raises(error, match=message):
            resampler.process(src)
    assert resampler.process(noise(70)).tobytes() == untroubled.process(noise(70)).tobytes()


def test_buffers_are_let_go_after_success_and_error() -> None:
    resampler = Resampler(16000, 48000)
    src, out = bytearray(20), bytearray(60)
    resampler.process(src)
    resampler.process_into(src, out)
    with pytest.raises(ValueError, match="are due"):
        resampler.process_into(src, out[:10])
    with pytest.raises(ValueError, match="writable"):
        resampler.process_into(src, b"")
    src.append(0)  # BufferError while exported
    out.append(0)
    with pytest.raises(ValueError, match="21 bytes"):
        resampler.process_into(src, out)
    src.append(0)
    with pytest.raises(ValueError, match="61 bytes"):
        resampler.process_into(src, out)
    out.append(0)


def test_it_tells_its_rates_which_do_not_change() -> None:
    resampler = Resampler(48000, 16000)
    assert (resampler.samplerate_in, resampler.samplerate_out) == (48000, 16000)
    for name in ("samplerate_in", "samplerate_out", "delay"):
        with pytest.raises(AttributeError):
            setattr(resampler, name, 8000)


@pytest.mark.parametrize("frames", [-1, -(10**30), 2**40 + 1, 2**62, 2**63, 10**30])
def test_a_count_of_frames_out_of_range_is_refused(frames: int) -> None:
    resampler = Resampler(44100, 48000)
    message = f"frames must be between 0 and {2**40} frames, not {frames}"
    for ask in (resampler.output_frames, resampler.input_frames):
        with pytest.raises(ValueError, match=message):
            ask(frames)
    with pytest.raises(ValueError, match=message):
        resampler.process(b"", frames)


@every_pair_and_extreme
def test_the_largest_count_of_frames_is_counted_exactly(rate_in: int, rate_out: int) -> None:
    resampler = Resampler(rate_in, rate_out)
    assert resampler.output_frames(2**40) == -(-(2**40) * rate_out // rate_in)
    assert resampler.input_frames(2**40) == (2**40 - 1) * rate_in // rate_out + 1


@pytest.mark.parametrize("frames", ["3", None, 2.5])
def test_a_count_of_frames_that_is_no_whole_number_is_refused(frames: Any) -> None:
    with pytest.raises(TypeError, match=f"frames must be a whole number of frames, not {frames!r}"):
        Resampler(48000, 16000).output_frames(frames)


@pytest.mark.parametrize(
    ("rate_in", "rate_out", "error", "message"),
    [
        (44100.5, 16000, TypeError, "samplerate_in must be a whole number of Hz, not 44100.5"),
        (math.nan, 16000, TypeError, "samplerate_in must be a whole number of Hz, not nan"),
        (48000, "16000", TypeError, "samplerate_out must be a whole number of Hz, not '16000'"),
        (None, 16000, TypeError, "samplerate_in must be a whole number of Hz, not None"),
        (0, 16000, ValueError, "samplerate_in must be between 1000 and 768000 Hz, not 0"),
        (48000, -16000, ValueError, "samplerate_out must be between .*not -16000"),
        (999, 16000, ValueError, "samplerate_in must be between 1000 and 768000 Hz, not 999"),
        (48000, 768001, ValueError, "samplerate_out must be between .*not 768001"),
        (48000, 10**30, ValueError, "samplerate_out must be between"),
        (1000, 64001, ValueError, "the ratio of 1000 Hz to 64001 Hz is over 64"),
        (64001, 1000, ValueError, "the ratio of 64001 Hz to 1000 Hz is over 64"),
        (48000, 47999, ValueError, "48000 Hz to 47999 Hz takes 47999 phases: at most 1024"),
        (1024, 1025, ValueError, "takes 1025 phases: at most 1024"),
    ],
)
def test_rates_out_of_range_are_refused(
    rate_in: Any, rate_out: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Resampler(rate_in, rate_out)


def test_more_taps_pass_more_and_delay_longer() -> None:
    sharp = Resampler(48_000, 16_000, taps=160)
    assert sharp.delay == pytest.approx(0.005, abs=2e-5)
    passed = sharp.process(tone(7600.0, 48_000, 48_000).astype(np.float32))[1000:]
    stopped = sharp.process(tone(8500.0, 48_000, 48_000).astype(np.float32))[1000:]
    assert np.abs(passed).max() > 0.85
    assert np.abs(stopped).max() < 1e-4


@pytest.mark.parametrize(
    ("taps", "error"), [(15, ValueError), (513, ValueError), (48.5, TypeError), ("48", TypeError)]
)
def test_taps_out_of_range_are_refused(taps: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="taps must be"):
        Resampler(48_000, 16_000, taps=taps)


@pytest.mark.parametrize(("src", "out"), [(0, 0), (0, 2), (2, 0), (319, 0), (0, 319)])
def test_memory_that_is_read_and_written_at_once_is_refused(src: int, out: int) -> None:
    memory = np.arange(2000, dtype=np.int16)
    resampler = Resampler(16000, 48000)
    with pytest.raises(ValueError, match="out must not share memory with src"):
        resampler.process_into(memory[src : src + 320], memory[out : out + 960])
    assert resampler.statistics().input_frames == 0
    assert np.array_equal(memory, np.arange(2000))


def test_rates_and_counts_of_any_type_are_taken() -> None:
    resampler = Resampler(np.int32(16000), 48000.0)  # type: ignore[arg-type]
    assert (resampler.samplerate_in, resampler.samplerate_out) == (16000, 48000)
    assert len(resampler.process(bytes(200), np.float64(300))) == 300
    assert resampler.output_frames(np.int64(10)) == resampler.output_frames(10.0)

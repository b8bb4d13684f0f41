"""What is done to a waveform to play it faster, slower or across a gap: bit for bit as in numpy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sfaudio._stretch import Stretcher

from .playout_reference import cross_fade, fade_out, insert, looped, mirror, remove, rise

RATES = (8000, 16000, 24000, 32000, 44100, 48000)
AT_ALL_RATES = {rate: Stretcher(rate) for rate in RATES}
LOWEST, HIGHEST = -(2**15), 2**15 - 1

Samples = NDArray[np.int16]
stretchers = st.sampled_from(list(AT_ALL_RATES.values()))


def noise(seed: int, frames: int, kind: str = "any") -> Samples:
    rng = np.random.default_rng(seed)
    if kind == "full scale":
        return rng.choice([LOWEST, HIGHEST], frames).astype(np.int16)
    return rng.integers(LOWEST, HIGHEST, frames, np.int16, endpoint=True)


def tone(period: float, frames: int, peak: int = 8000) -> Samples:
    """Four harmonics, so that nothing shorter than the period is alike."""
    at = 2 * np.pi * np.arange(frames) / period
    wave = sum(np.cos(k * at + k) / k for k in range(1, 5))
    return np.rint(peak * wave / 2.1).astype(np.int16)


def recent(of: Stretcher, x: Samples) -> Samples:
    return x[: of.block + of.lag_max]


sounds = st.builds(
    noise, st.integers(0, 2**32), st.just(3000), st.sampled_from(["any", "full scale"])
)


@pytest.mark.parametrize(
    ("samplerate", "frames"),
    [
        (8000, (80, 20, 120, 40, 480)),
        (16000, (160, 40, 240, 80, 960)),
        (24000, (240, 60, 360, 120, 1440)),
        (44100, (441, 110, 661, 220, 2646)),
        (48000, (480, 120, 720, 240, 2880)),
    ],
)
def test_the_lengths_are_those_of_the_rate(samplerate: int, frames: tuple[int, ...]) -> None:
    of = Stretcher(samplerate)
    assert (of.block, of.lag_min, of.lag_max, of.fade, of.history) == frames


@pytest.mark.parametrize("samplerate", [7900, 48100, 22050, 0, -16000, 10**30])
def test_a_rate_without_whole_blocks_is_refused(samplerate: int) -> None:
    with pytest.raises(ValueError, match=f"samplerate must be .*Hz.*not {samplerate}"):
        Stretcher(samplerate)


# ---- fades


@pytest.mark.parametrize("frames", [1, 2, 3, 40, 80, 97, 240, 441, 720])
def test_a_fade_is_a_raised_cosine(frames: int) -> None:
    exact = 2**15 * (0.5 - 0.5 * np.cos(np.pi * (np.arange(frames) + 0.5) / frames))
    assert np.abs(rise(frames) - exact).max() < 0.6
    assert (np.diff(rise(frames)) >= 0).all()
    full = np.full(frames, 2**14, np.int16)
    up = Stretcher(48000).remove(np.concatenate([0 * full, full]), frames)
    assert np.abs(up - exact / 2).max() < 1


@given(of=stretchers, x=sounds, data=st.data())
def test_remove_and_insert_are_those_of_numpy(of: Stretcher, x: Samples, data: Any) -> None:
    lag = data.draw(st.integers(1, of.lag_max))
    assert np.array_equal(of.remove(x, lag), remove(x, lag))
    assert np.array_equal(of.insert(x, lag), insert(x, lag))


@given(of=stretchers, x=sounds, data=st.data())
def test_a_signal_faded_into_itself_is_itself(of: Stretcher, x: Samples, data: Any) -> None:
    lag = data.draw(st.integers(1, of.lag_max))
    period = x[:lag]
    twice = np.concatenate([period, period])
    assert np.array_equal(of.remove(twice, lag), period)
    assert np.array_equal(of.insert(twice, lag), twice)


@given(of=stretchers, x=sounds, data=st.data())
def test_a_mix_lies_between_the_two(of: Stretcher, x: Samples, data: Any) -> None:
    lag = data.draw(st.integers(1, of.lag_max))
    mixed = of.remove(x, lag)
    before, after = x[:lag], x[lag : 2 * lag]
    assert (mixed >= np.minimum(before, after)).all()
    assert (mixed <= np.maximum(before, after)).all()


def test_removing_and_inserting_join_without_a_step() -> None:
    """A ramp falls by a period's worth at a splice: over a fade, and never by more than its share."""
    x = np.arange(0, 16000, 10, dtype=np.int16)
    lag, of = 200, Stretcher(16000)
    faster = np.concatenate([of.remove(x, lag), x[2 * lag :]])
    slower = np.concatenate([of.insert(x, lag), x[lag:]])
    largest = 10 + 10 * lag * np.pi / 2 / lag + 1
    assert faster[0] == 0
    assert np.abs(np.diff(faster)).max() <= largest
    assert np.abs(np.diff(slower)).max() <= largest


# ---- search


@pytest.mark.parametrize("samplerate", RATES)
@pytest.mark.parametrize("hertz", [70, 110, 180, 250, 390])
def test_the_lag_is_the_pitch_period(samplerate: int, hertz: int) -> None:
    of = AT_ALL_RATES[samplerate]
    period = samplerate / hertz
    lag, likeness = of.best_lag(recent(of, tone(period, 2000)))
    turns = round(lag / period)
    assert abs(lag - turns * period) <= 0.5 * turns + 0.5
    assert likeness > 0.95
    assert of.lag_min <= lag <= of.lag_max


def correlation(x: NDArray[np.float64], lag: int, window: int) -> float:
    a, b = x[:window], x[lag : lag + window]
    return float(a @ b / np.sqrt((a @ a) * (b @ b) + 1e-9))


def searched(x: Samples, of: Stretcher, decimate: int) -> tuple[int, float]:
    """The specification of the search, in double precision: coarse at 4 kHz, then fine."""
    y = x / 32768
    low = y[: len(y) // decimate * decimate].reshape(-1, decimate).mean(1)
    few = range(of.lag_min // decimate, of.lag_max // decimate + 1)
    near = decimate * max(few, key=lambda lag: correlation(low, lag, of.block // decimate))
    lags = range(max(of.lag_min, near - decimate), min(of.lag_max, near + decimate) + 1)
    best = max(lags, key=lambda lag: correlation(y, lag, of.block))
    return best, correlation(y, best, of.block)


@pytest.mark.parametrize("peak", [8000, 20], ids=["loud", "quiet"])
@pytest.mark.parametrize(
    ("samplerate", "decimate"), [(8000, 2), (8100, 2), (16000, 4), (24000, 6), (44100, 11)]
)
def test_the_search_is_that_of_the_specification(samplerate: int, decimate: int, peak: int) -> None:
    of = Stretcher(samplerate)
    rng = np.random.default_rng(5)
    for period in rng.uniform(of.lag_min, of.lag_max, 30):
        x = recent(
            of, tone(period, 2000, peak) + rng.integers(-peak // 4, peak // 4, 2000, np.int16)
        )
        lag, likeness = of.best_lag(x)
        assert (lag, likeness) == pytest.approx(searched(x, of, decimate), abs=1e-6)


def test_with_fewer_samples_only_lags_are_found_that_they_have_room_for() -> None:
    of = Stretcher(16000)
    for frames in range(200, 400):
        for period in (41, 60, 97, 150, 239):
            lag, likeness = of.best_lag(tone(period, frames))
            assert 40 <= lag <= frames - 160
            if frames - 160 >= period:
                assert abs(lag - round(lag / period) * period) <= 1
                assert likeness > 0.99


@given(of=stretchers, x=sounds)
def test_a_search_answers_within_its_range(of: Stretcher, x: Samples) -> None:
    lag, likeness = of.best_lag(recent(of, x))
    assert of.lag_min <= lag <= of.lag_max
    assert -1 - 1e-6 <= likeness <= 1 + 1e-6


@pytest.mark.parametrize("samplerate", RATES)
def test_silence_resembles_nothing_but_may_be_cut(samplerate: int) -> None:
    of = AT_ALL_RATES[samplerate]
    x = np.zeros(of.block + of.lag_max, np.int16)
    assert of.best_lag(x) == (of.lag_min, 0.0)
    assert of.may_operate(x)


@pytest.mark.parametrize(("size", "may"), [(131, True), (132, False)])
def test_noise_may_be_cut_where_it_is_quiet(size: int, may: bool) -> None:
    """0.004 of full scale is a root mean square of 131.07."""
    of = Stretcher(16000)
    x = np.random.default_rng(0).choice([-size, size], 400).astype(np.int16)
    assert of.best_lag(x)[1] < 0.5
    assert of.may_operate(x) is may


def test_where_a_waveform_is_alike_enough_it_may_be_cut() -> None:
    of = Stretcher(16000)
    found = {}
    for blend in np.linspace(0, 1, 300):
        x = (tone(100, 400) * blend + noise(3, 400) / 4 * (1 - blend)).astype(np.int16)
        found[of.best_lag(x)[1]] = of.may_operate(x)
    assert all(may is (likeness >= 0.7) for likeness, may in found.items())
    assert np.abs(np.array(list(found)) - 0.7).min() < 0.01


# ---- a gap, and a pause


@given(of=stretchers, x=sounds)
def test_a_concealment_is_that_of_numpy(of: Stretcher, x: Samples) -> None:
    history = recent(of, x)
    lag, likeness = of.best_lag(np.ascontiguousarray(history[::-1]))
    loop = looped(history, lag if likeness >= 0.5 else of.lag_max, of.history)
    assert np.array_equal(of.conceal(history), fade_out(loop))


@pytest.mark.parametrize("samplerate", RATES)
def test_a_tone_is_concealed_by_itself_as_it_fades(samplerate: int) -> None:
    of = AT_ALL_RATES[samplerate]
    period = samplerate // 200
    x = tone(period, 6000)
    end = 10 * period + 7
    concealed = of.conceal(x[:end])
    expected = fade_out(x[end : end + of.history])
    assert np.abs(concealed - expected.astype(int)).max() <= 1


def test_a_loop_closes_without_a_step() -> None:
    """Noise has a step where its last period begins again: it is spread over the period."""
    of = Stretcher(16000)
    slow = np.convolve(noise(1, 1000), np.ones(64) / 64, "valid").astype(np.int16)
    history = slow[:400]
    whole = np.concatenate([history, of.conceal(history)]).astype(int)
    assert np.abs(np.diff(whole[399:])).max() <= 1.3 * np.abs(np.diff(history.astype(int))).max()
    assert abs(whole[-1]) <= 1


@given(
    of=stretchers, x=sounds, step=st.integers(0, 10**6), frames=st.integers(0, 3000), more=st.data()
)
def test_a_mirror_is_that_of_numpy_in_any_parts(
    of: Stretcher, x: Samples, step: int, frames: int, more: Any
) -> None:
    split = more.draw(st.integers(0, frames))
    parts = [of.mirror(x, step, split), of.mirror(x, step + split, frames - split)]
    assert np.array_equal(np.concatenate(parts), mirror(x[-of.history :], step, frames))


def test_a_mirror_begins_before_the_last_sample_and_turns_at_both_ends() -> None:
    of = Stretcher(8000)
    x = np.arange(480, dtype=np.int16)
    assert of.mirror(x, 0, 3).tolist() == [478, 477, 476]
    assert of.mirror(x, 477, 4).tolist() == [1, 0, 1, 2]
    assert of.mirror(x, 2 * 479 - 2, 4).tolist() == [478, 479, 478, 477]


# ---- what is refused


@pytest.mark.parametrize(
    ("method", "few", "arguments"),
    [
        ("best_lag", 199, ()),
        ("may_operate", 199, ()),
        ("conceal", 399, ()),
        ("remove", 199, (100,)),
        ("insert", 199, (100,)),
        ("mirror", 959, (0, 100)),
    ],
)
def test_too_few_samples_are_refused(method: str, few: int, arguments: tuple[int, ...]) -> None:
    call = getattr(Stretcher(16000), method)
    call(noise(0, few + 1), *arguments)
    with pytest.raises(ValueError, match=f"src has {few} samples, but {few + 1} are looked at"):
        call(noise(0, few), *arguments)


@pytest.mark.parametrize("lag", [0, 241, -1])
def test_a_lag_out_of_range_is_refused(lag: int) -> None:
    of = Stretcher(16000)
    for call in (of.remove, of.insert):
        with pytest.raises(ValueError, match="lag must be between 1 and 240 frames"):
            call(noise(0, 1000), lag)


@settings(max_examples=20)
@given(x=sounds, frames=st.integers(1, 700))
def test_a_fade_in_two_parts_is_the_whole(x: Samples, frames: int) -> None:
    """Of the reference, whose resumes may lie across pieces."""
    before, after, weights = x[:frames], x[frames : 2 * frames], rise(frames)
    half = frames // 2
    parts = [
        cross_fade(before[:half], after[:half], weights[:half]),
        cross_fade(before[half:], after[half:], weights[half:]),
    ]
    assert np.array_equal(np.concatenate(parts), cross_fade(before, after))

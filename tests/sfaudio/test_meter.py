"""The meter: levels, exact zeros, and when somebody speaks."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sfaudio import Level, Meter, Segment, float32_to_int16, level

RATE = 16_000
BEGAN = 100.0

Signal = NDArray[np.float32]


def dbfs(power: float) -> float:
    """The amplitude of a sine of this power."""
    return float(np.sqrt(2) * 10 ** (power / 20))


def tone(seconds: float, power: float, rate: int = RATE) -> Signal:
    at = np.arange(round(seconds * rate)) / rate
    return (dbfs(power) * np.sin(2 * np.pi * 500 * at)).astype(np.float32)


def silence(seconds: float, rate: int = RATE) -> Signal:
    return np.zeros(round(seconds * rate), np.float32)


def noise(seconds: float, power: float) -> Signal:
    samples = np.random.default_rng(1).standard_normal(round(seconds * RATE))
    return (samples * 10 ** (power / 20)).astype(np.float32)


def heard(*parts: Signal, rate: int = RATE, blocksize: int = 160) -> Meter:
    """All of it, in blocks, the first at `BEGAN`."""
    meter, signal = Meter(rate), np.concatenate(parts)
    for at in range(0, len(signal), blocksize):
        meter.hear(signal[at : at + blocksize], BEGAN + at / rate)
    return meter


def segments_of(meter: Meter) -> list[tuple[bool, float]]:
    return [(is_beginning, round(at - BEGAN, 6)) for is_beginning, at in meter.read_segments()]


@pytest.mark.parametrize(
    ("rate", "blocksize"),
    [(8000, 1), *product((8000, 16_000, 44_100, 48_000), (99, 160, 441, 100_000))],
)
def test_speech_is_told_when_it_sounded_whatever_the_blocks(rate: int, blocksize: int) -> None:
    parts = (silence(1, rate), tone(0.7, -20, rate), silence(0.6, rate))
    assert segments_of(heard(*parts, rate=rate, blocksize=blocksize)) == [(True, 1.0), (False, 1.7)]


def test_its_times_are_those_of_the_blocks_in_which_it_was() -> None:
    """Where a device stood still, the clock did not."""
    meter = Meter(RATE)
    assert meter.heard_until is None
    meter.hear(silence(1), 5.0)
    assert meter.heard_until == pytest.approx(6.0)
    meter.hear(tone(0.5, -20), 60.0)
    assert meter.heard_until == pytest.approx(60.5)
    assert meter.speech_until == pytest.approx(60.5)
    meter.hear(silence(1), 60.5)
    assert meter.read_segments() == [Segment(True, 60.0), Segment(False, pytest.approx(60.5))]
    assert meter.read_segments() == []


def test_a_click_is_no_speech() -> None:
    meter = heard(*(silence(1), tone(0.03, -6)) * 3, silence(1))
    assert meter.read_segments() == []
    assert meter.speech_until is None
    assert meter.statistics().speech_seconds == 0.0


def test_a_click_after_speech_does_not_draw_it_out() -> None:
    click = tone(0.03, -6)
    meter = heard(silence(1), tone(0.3, -20), silence(0.3), click, silence(0.5))
    assert segments_of(meter) == [(True, 1.0), (False, 1.3)]
    near = heard(silence(1), tone(0.3, -20), silence(0.05), click, silence(0.5))
    assert segments_of(near) == [(True, 1.0), (False, 1.38)]


def test_a_pause_between_words_ends_nothing() -> None:
    meter = heard(silence(1), tone(0.3, -20), silence(0.49), tone(0.3, -20), silence(0.5))
    assert segments_of(meter) == [(True, 1.0), (False, 2.09)]
    assert meter.statistics().speech_seconds == pytest.approx(1.09)


def test_a_longer_one_does() -> None:
    meter = heard(silence(1), tone(0.3, -20), silence(0.5), tone(0.3, -20))
    assert segments_of(meter) == [(True, 1.0), (False, 1.3), (True, 1.8)]
    assert meter.speech_until == pytest.approx(BEGAN + 2.1)


@pytest.mark.parametrize("room", [-90.0, -60.0, -45.0, -40.0])
def test_a_room_is_no_speech_and_what_is_10_db_above_it_is(room: float) -> None:
    background = noise(4, room)
    spoken = background.copy()
    spoken[2 * RATE : 3 * RATE] += tone(1, max(room, -60) + 12)
    assert segments_of(heard(background)) == []
    assert segments_of(heard(spoken)) == [(True, 2.0), (False, 3.0)]


def test_what_is_loud_is_speech_from_the_first_block_on() -> None:
    assert segments_of(heard(tone(1, -20), silence(1))) == [(True, 0.0), (False, 1.0)]


def test_the_level_is_that_of_the_last_tenth_of_a_second() -> None:
    signal = np.concatenate([tone(1, -3), tone(0.1, -30)])
    assert heard(signal).level() == level(float32_to_int16(signal[-1600:], rule="symmetric"))
    assert heard(signal[:320]).level() == level(
        float32_to_int16(signal[:320], rule="symmetric")
    )  # the first 20 ms
    assert heard(signal[:159]).level() == Level(0.0, 0.0, 0)


def test_what_is_beyond_full_scale_is_clipped() -> None:
    meter = Meter(RATE)
    meter.hear(np.array([0.5, 1.5, -7, -1, 0.999] * 32, np.float32), 0)
    assert meter.level() == (1.0, pytest.approx(((3 + 0.25 + 0.998) / 5) ** 0.5, abs=1e-4), 96)
    assert meter.statistics().clipped == 96


def test_exact_zeros_are_counted_until_now() -> None:
    meter = Meter(RATE)
    meter.hear(silence(1), 0)
    assert meter.zero_frames == RATE
    meter.hear(np.array([0, 1e-30, 0, 0], np.float32), 1)  # which no int16 could tell from zero
    assert meter.zero_frames == 2
    meter.hear(np.array([0, 0, -1, 0, 0, 0], np.int16), 1)
    assert meter.zero_frames == 3
    assert meter.statistics().longest_zero_frames == RATE


@seed(1)
@settings(max_examples=30, deadline=None, database=None)
@given(
    samples=st.lists(st.sampled_from([0, 0, 0, 1, -300, 32767, -32768]), max_size=700),
    cuts=st.lists(st.integers(0, 700), max_size=6),
    is_float=st.booleans(),
)
def test_statistics_are_of_all_samples_however_they_came(
    samples: list[int], cuts: list[int], is_float: bool
) -> None:
    whole = np.array(samples, np.int16)
    meter = Meter(8000)
    for block in np.split(whole, sorted(cuts)):
        meter.hear(block.astype(np.float32) / 32768 if is_float else block, 0.0)
    said, due = meter.statistics(), level(whole)
    assert (said.frames, said.peak, said.clipped) == (len(samples), due.peak, due.clipped)
    assert said.rms == pytest.approx(due.rms, abs=1e-3 / max(len(samples), 1) ** 0.5)
    assert said.zero_frames == len(samples) - max(np.flatnonzero(whole), default=-1) - 1


def test_what_is_soft_adds_up_however_small_the_blocks() -> None:
    meter, soft = Meter(8000), np.tile(np.array([1, -2], np.int16), 4000)
    for block in np.split(soft, 2000):
        meter.hear(block, 0.0)
    assert meter.statistics().rms == pytest.approx(2.5**0.5 / 32768, rel=0.01)


def test_segments_without_room_are_lost_and_counted() -> None:
    turns = (tone(0.1, -20), silence(0.5)) * 40
    meter = heard(silence(1), *turns)
    assert len(meter.read_segments()) == 64
    assert meter.statistics().lost_segments == 16
    meter.hear(np.concatenate([tone(0.1, -20), silence(0.5)]), 0.0)
    assert meter.read_segments() == [Segment(True, 0.0), Segment(False, pytest.approx(0.1))]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), None, "1"])
def test_a_time_that_is_none_is_refused(seconds: object) -> None:
    meter = Meter(RATE)
    with pytest.raises((TypeError, ValueError), match="seconds must be"):
        meter.hear(silence(1), seconds)  # type: ignore[arg-type]
    assert meter.statistics().frames == 0

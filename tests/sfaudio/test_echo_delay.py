"""The delay of an echo is seen in half a second of it, and nothing is seen where there is none."""

import numpy as np
import pytest

from sfaudio._echo_delay import HEARD_SECONDS, LONGEST_SECONDS, Look, look

from .echo_scenes import Samples, echo, noise, silence, voice


def seen(played: Samples, captured: Samples, samplerate: int = 16_000) -> Look | None:
    """A look at the end of both."""
    heard = round(HEARD_SECONDS * samplerate)
    lags = round(LONGEST_SECONDS * samplerate)
    return look(played[-heard - lags :], captured[-heard:], samplerate)


@pytest.mark.parametrize("samplerate", [8000, 16_000])
@pytest.mark.parametrize("delay", [0.0, 0.005, 0.3, 1.0, 1.19])
def test_the_delay_is_seen_to_a_millisecond(samplerate: int, delay: float) -> None:
    played = voice(2, 1, samplerate)
    captured = echo(played, delay, 2, samplerate) + noise(2, -60, 3, samplerate)
    found = seen(played, captured, samplerate)
    assert found is not None
    assert found.seconds == pytest.approx(delay, abs=0.001)
    assert found.over_next > 2.5
    assert found.over_all > 22
    assert found.is_likely


def test_of_two_ways_that_are_as_loud_the_first_is_seen() -> None:
    played = voice(2, 1)
    captured = echo(played, 0.2, 2, loss_db=11) + echo(played, 0.215, 2, loss_db=10)
    found = seen(played, captured)
    assert found is not None
    assert found.over_next > 2.5
    assert found.over_all > 22
    assert found.seconds == pytest.approx(0.2, abs=0.001)


def test_another_voice_is_no_echo() -> None:
    for seed in range(20):
        found = seen(voice(2, seed), voice(2, seed + 100))
        assert found is not None
        assert not found.is_likely


def test_where_one_is_silent_there_is_nothing_to_see() -> None:
    assert seen(silence(2), voice(2, 1)) is None
    assert seen(voice(2, 1), silence(2)) is None
    assert seen(noise(2, -70, 1), noise(2, -70, 1)) is None


def test_a_click_that_comes_back_is_not_enough() -> None:
    played = silence(2)
    played[-3000:-1500] = voice(1, 3)[:1500]
    assert seen(played, echo(played, 0.05)) is None


def test_looks_that_are_two_milliseconds_apart_agree() -> None:
    assert Look(0.1, 9, 99).is_near(0.1019)
    assert not Look(0.1, 9, 99).is_near(0.103)


def test_looking_changes_nothing() -> None:
    played, captured = voice(2, 1), voice(2, 2)
    before = played.copy(), captured.copy()
    seen(played, captured)
    assert np.array_equal(played, before[0])
    assert np.array_equal(captured, before[1])

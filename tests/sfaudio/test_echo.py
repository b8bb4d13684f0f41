"""The echo canceller: what it passes, silences and cancels, and when it knows the delay."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio import EchoCanceller
from sfaudio._echo_delay import Look

from .echo_scenes import (
    Heard,
    Samples,
    decibels,
    echo,
    hear,
    noise,
    reduction,
    scaled,
    silence,
    voice,
)

RATES = (8000, 16_000, 32_000, 48_000, 96_000)
ROOM = -70  # dBFS


def below(hertz: float, samples: Samples, samplerate: int) -> Samples:
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / samplerate) > hertz] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def after_silence(samples: Samples, seconds: float = 0.3) -> Samples:
    return np.concatenate([silence(seconds), samples])


def scene(seconds: float, delay: float, seed: int = 1) -> tuple[Samples, Samples]:
    """Of an agent who speaks from 0.3 s on: its echo, and what was played."""
    played = after_silence(voice(seconds - 0.3, seed))
    return echo(played, delay, seed), played


def heard(echoes: Samples, played: Samples, near: Samples | None = None, **settings: Any) -> Heard:
    captured = echoes + noise(len(played) / 16_000, ROOM, 5)
    if near is not None:
        captured = captured + near
    return hear(EchoCanceller(comfort_noise=False, **settings), captured, played)


# ---- what passes


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("samplerate", RATES)
def test_while_nothing_is_played_all_passes_bit_for_bit_late_by_the_latency(
    samplerate: int, dtype: type
) -> None:
    canceller = EchoCanceller(samplerate)
    captured = np.random.default_rng(1).integers(-32768, 32768, samplerate // 2).astype(np.int16)
    line_noise = np.random.default_rng(2).integers(-10, 11, samplerate // 2).astype(np.int16)
    if dtype == np.float32:
        captured, line_noise = captured.astype(dtype) / 32768, line_noise.astype(dtype) / 32768
    late = round(canceller.latency * samplerate)
    assert late / samplerate == canceller.latency <= 0.02
    out = canceller.process(captured, line_noise)
    assert out.dtype == dtype
    assert np.array_equal(out[late:], captured[:-late])
    assert not out[:late].any()
    assert canceller.statistics().passed_frames == canceller.statistics().frames == len(captured)


def test_what_is_played_silences_until_the_delay_is_known_and_nothing_of_it_comes_out() -> None:
    echoes, played = scene(1.5, 0.2)
    found = heard(echoes, played)
    known = found.when("cancelling")
    assert 0.5 < known < 0.75
    assert found.out[:4640].any()  # the room, up to 10 ms before
    assert not found.out[4800 : round(known * 16_000) - 320].any()


def test_a_sound_too_short_to_tell_the_delay_silences_for_just_1200_ms() -> None:
    played = silence(2)
    played[3200:3360] = voice(1, 3)[:160]
    captured = noise(2, -30, 5)
    found = hear(EchoCanceller(), captured, played)
    begin, end = 3200, 3360 + 19_200
    assert np.array_equal(found.out[: begin - 160], captured[: begin - 160])
    assert not found.out[begin : end - 320].any()
    assert np.array_equal(found.out[end:-160], captured[end:-160])
    assert found.told[-1].state == "searching"
    # The fades to and fro are no clicks.
    steps = np.abs(np.diff(found.out))
    assert steps.max() < 1.1 * np.abs(np.diff(captured)).max()


def test_when_the_agent_is_silent_again_all_passes_bit_for_bit() -> None:
    played = np.concatenate([silence(0.3), voice(1, 1), silence(2)])
    near = np.concatenate([silence(1.6), voice(1.7, 8)])
    captured = echo(played, 0.1) + near + noise(3.3, ROOM, 5)
    found = hear(EchoCanceller(), captured, played)
    quiet = round(2.52 * 16_000)
    assert found.told[-1].state == "cancelling"
    assert np.array_equal(found.out[quiet:-160], captured[quiet:-160])


def test_after_a_long_delay_it_waits_for_the_room_to_ring_out() -> None:
    played = np.concatenate([silence(0.3), voice(1.5, 1), silence(1.6)])
    found = heard(echo(played, 1.1), played)
    assert found.told[-1].delay_seconds == pytest.approx(1.1, abs=0.001)
    passed = [told.passed_frames for told in found.told]
    assert passed[180 + 140] == passed[180 + 110]  # it is still held
    assert passed[-1] > passed[180 + 151]


# ---- the delay


@pytest.mark.parametrize("delay", [0.0, 0.1, 1.0])
def test_the_delay_is_known_soon_and_what_comes_out_is_30_db_down(delay: float) -> None:
    echoes, played = scene(3.3 + delay, delay)
    found = heard(echoes, played)
    known = found.when("cancelling")
    assert found.told[-1].delay_seconds == pytest.approx(delay, abs=0.001)
    assert known < 0.3 + delay + 0.35
    assert reduction(echoes, found.out, known + 0.2, 3.3 + delay) > 30
    assert (found.told[-1].erle_db or 0) > 25
    assert not found.told[-1].is_leaking


def test_a_headset_has_no_echo_after_1300_ms_and_then_all_passes_bit_for_bit() -> None:
    near, played = voice(3, 9), after_silence(voice(2.7, 1))
    found = heard(silence(3), played, near)
    known = found.when("no echo")
    assert 1.8 < known < 2
    at = round(known * 16_000)
    assert np.array_equal(found.out[at:-160], (near + noise(3, ROOM, 5))[at:-160])
    assert found.told[-1].delay_seconds is None


def test_noise_that_begins_with_the_agents_first_word_is_no_echo() -> None:
    found = hear(EchoCanceller(), noise(0.4, ROOM, 5007), voice(1, 7)[:6400])
    assert {told.state for told in found.told} == {"searching"}


def test_one_look_alone_is_no_echo_however_sure_it_seems(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([Look(0.1, 9.0, 99.0)])
    monkeypatch.setattr("sfaudio._echo.look", lambda *_: next(looks, None))
    found = hear(EchoCanceller(), noise(1, ROOM, 5), voice(1, 7))
    assert next(looks, None) is None
    assert {told.state for told in found.told} == {"searching"}


def test_an_echo_without_direct_sound_is_found_after_all() -> None:
    played = after_silence(voice(5.7, 1))
    taps = np.arange(6400)
    room = np.random.default_rng(3).standard_normal(6400) * 10 ** (-3 * taps / 6400)
    rung = np.fft.irfft(np.fft.rfft(played, 1 << 17) * np.fft.rfft(room, 1 << 17))
    echoes = scaled(np.concatenate([silence(0.1), rung])[: len(played)], -33)
    found = heard(echoes, played)
    assert found.when("cancelling") < 4
    assert found.told[-1].delay_seconds == pytest.approx(0.1, abs=0.01)
    assert reduction(echoes, found.out, 5, 6) > 20


def test_a_caller_with_a_headset_who_resembles_an_echo_is_not_silenced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = after_silence(voice(3.2, 1))
    captured = voice(3.5, 9)
    canceller = EchoCanceller()
    hear(canceller, captured[:32_000], played[:32_000])
    assert canceller.statistics().state == "no echo"
    looks = itertools.count()
    likely = Look(0.1, 2.0, 20.0), Look(0.4, 2.0, 20.0)
    monkeypatch.setattr("sfaudio._echo.look", lambda *_: likely[next(looks) % 2])
    found = hear(canceller, captured[32_000:], played[32_000:])
    assert next(looks) > 9
    assert np.array_equal(found.out[:-160], captured[32_000:-160])


def test_a_word_is_not_enough_to_tell_a_headset() -> None:
    played = np.concatenate([silence(0.3), voice(0.9, 1), silence(1.8)])
    found = heard(silence(3), played, voice(3, 9))
    assert {told.state for told in found.told} == {"searching"}


def test_an_echo_that_appears_after_a_headset_is_found_within_half_a_second() -> None:
    echoes, played = scene(4.5, 0.15)
    echoes[: 3 * 16_000] = 0
    found = heard(echoes, played)
    assert found.when("no echo") < 2
    known = found.when("cancelling", 2)
    assert 3 < known < 3.5
    assert reduction(echoes, found.out, known + 0.2, 4.5) > 25


@pytest.mark.parametrize(("before", "after"), [(0.1, 0.2), (0.25, 0.1)])
def test_a_delay_that_jumps_is_found_anew(before: float, after: float) -> None:
    first, played = scene(5, before)
    echoes = np.concatenate([first[: 16_000 * 3], echo(played, after, 1)[16_000 * 3 :]])
    found = heard(echoes, played)
    assert found.told[299].delay_seconds == pytest.approx(before, abs=0.001)
    assert found.told[380].delay_seconds == pytest.approx(after, abs=0.001)
    assert found.told[-1].realignments == 1
    assert reduction(echoes, found.out, 4, 5) > 25


def test_a_wall_that_comes_nearer_is_no_other_delay() -> None:
    first, played = scene(4, 0.1)
    echoes = np.concatenate([first[:32_000], echo(played, 0.094, 2)[32_000:]])
    found = heard(echoes, played)
    assert found.told[-1].realignments == 0
    assert reduction(echoes, found.out, 3.5, 4) > 20


def test_of_another_path_that_it_is_told_of_nothing_comes_out_until_it_is_known() -> None:
    echoes, played = scene(5, 0.1)
    other = np.concatenate([silence(3.2), echo(played, 0.3, 7, loss_db=4)[51_200:]])
    echoes[48_000:] = 0  # The device changes, and the other one plays from then on.
    echoes += other
    captured = echoes + noise(5, ROOM, 5)
    canceller = EchoCanceller(comfort_noise=False)
    first = hear(canceller, captured[:48_000], played[:48_000])
    canceller.path_changed()
    assert canceller.statistics().delay_seconds is None
    then = hear(canceller, captured[48_000:], played[48_000:])
    known = then.when("cancelling")
    assert first.told[-1].state == "cancelling"
    assert known < 0.2 + 0.35
    assert not then.out[: round(known * 16_000) - 320].any()
    assert reduction(echoes[48_000:], then.out, known + 0.3, 2) > 25
    assert then.told[-1].path_changes >= 1


def test_a_microphone_that_gives_zeros_tells_of_no_headset_and_unlearns_nothing() -> None:
    echoes, played = scene(6, 0.1)
    captured = echoes + noise(6, ROOM, 5)
    captured[:32_000] = captured[64_000:72_000] = 0
    found = hear(EchoCanceller(comfort_noise=False), captured, played)
    assert {told.state for told in found.told[:200]} == {"searching"}
    assert not found.out[:31_840].any()
    assert found.when("cancelling") < 2.35
    assert not found.out[64_000:72_000].any()
    assert reduction(echoes, found.out, 4.51, 5) > 25


def test_a_microphone_that_gives_zeros_in_each_pause_lets_none_of_the_agent_out_between_them() -> (
    None
):
    echoes, played = scene(4, 0.1)
    gated = np.arange(len(played)) % 3200 < 1600
    captured = np.where(gated, 0, echoes + noise(4, ROOM, 5)).astype(np.float32)
    found = hear(EchoCanceller(comfort_noise=False), captured, played)
    known = found.when("cancelling")
    assert known > 0.7
    assert not found.out[4800 : round(known * 16_000) - 320].any()
    for opens in range(round(2.1 * 16_000), 60_000, 3200):
        first = slice(opens, opens + 160)
        assert decibels(found.out[first]) < max(decibels(captured[first]) - 10, -65)


def test_neither_hum_nor_a_constant_offset_is_taken_for_a_leak() -> None:
    echoes, played = scene(3.5, 0.1)
    hum = 0.014 * np.sin(2 * np.pi * 50 * np.arange(len(played)) / 16_000)
    for offset in (hum.astype(np.float32), np.full(len(played), 0.01, np.float32)):
        found = heard(echoes + offset, played)
        assert not any(told.is_leaking for told in found.told)
        assert (found.told[-1].erle_db or 0) > 25


# ---- losses


def lose(canceller: EchoCanceller, captured: Samples, played: Samples, told: bool) -> Heard:
    """0.2 s, and half a block, are lost at 2 s."""
    first = hear(canceller, captured[:32_000], played[:32_000])
    if told:
        canceller.skip(played[32_000:35_280])
    then = hear(canceller, captured[35_280:-80], played[35_280:-80])
    return Heard(np.concatenate([first.out, then.out]), first.told + then.told)


def test_what_was_lost_of_the_captured_is_made_good_by_skipping() -> None:
    echoes, played = scene(3, 0.2)
    captured = echoes + noise(3, ROOM, 5)
    remaining = np.concatenate([echoes[:32_000], echoes[35_280:-80]])
    canceller = EchoCanceller(comfort_noise=False)
    found = lose(canceller, captured, played, told=True)
    assert reduction(remaining, found.out, 2.02, 2.5) > 25
    statistics = canceller.statistics()
    assert statistics.realignments == 0
    assert statistics.skipped_frames == 3280
    assert statistics.frames == len(remaining)
    untold = lose(EchoCanceller(comfort_noise=False), captured, played, told=False)
    assert reduction(remaining, untold.out, 2.02, 2.2) < 15


def test_a_minute_may_be_skipped() -> None:
    canceller = EchoCanceller(48_000)
    canceller.skip(np.full(60 * 48_000 + 7, 999, np.int16))
    assert canceller.statistics().skipped_frames == 60 * 48_000 + 7
    canceller.process(bytes(960), bytes(960))
    assert canceller.statistics().silenced_frames == 480


# ---- rates and types


@pytest.mark.parametrize("samplerate", [8000, 48_000])
def test_at_other_rates_the_echo_is_as_far_down(samplerate: int) -> None:
    played = np.concatenate([silence(0.3, samplerate), voice(2.2, 1, samplerate)])
    played = below(6500, played, samplerate)
    captured = echo(played, 0.1, 1, samplerate)
    found = hear(EchoCanceller(samplerate, comfort_noise=False), captured, played)
    assert found.told[-1].delay_seconds == pytest.approx(0.1, abs=0.001)
    span = slice(round(samplerate * 0.9), round(samplerate * 2.4))
    assert decibels(captured[span]) - decibels(found.out[span]) > 25


def test_what_the_caller_says_above_8_khz_is_untouched() -> None:
    played = np.concatenate([silence(0.3, 48_000), voice(2.2, 1, 48_000)])
    played = below(6500, played, 48_000)
    near = noise(2.5, -30, 4, 48_000)
    found = hear(EchoCanceller(48_000), echo(played, 0.1, 1, 48_000) + near, played)
    assert found.told[-1].state == "cancelling"
    begin, end = 48_000, -1000
    want = near[begin:end] - below(10_000, near[begin:end] * np.hanning(71_000), 48_000)
    left = (found.out - near)[begin:end] * np.hanning(71_000)
    assert decibels(left - below(10_000, left, 48_000)) < decibels(want) - 50


def test_an_agents_s_is_cancelled_where_the_bands_meet() -> None:
    played = np.concatenate([silence(0.3, 48_000), voice(2.2, 1, 48_000)])
    hiss = noise(2.5, -30, 6, 48_000)
    played = (played + below(7500, hiss, 48_000) - below(7000, hiss, 48_000)).astype(np.float32)
    echoes = echo(played, 0.1, 1, 48_000)
    out = hear(EchoCanceller(48_000, comfort_noise=False), echoes, played).out
    meeting = [below(7500, x, 48_000) - below(7000, x, 48_000) for x in (echoes, out)]
    assert decibels(meeting[1][72_000:-2000]) < decibels(meeting[0][72_000:-2000]) - 30


def test_int16_is_cancelled_as_float32_is() -> None:
    echoes, played = scene(2, 0.1)
    as_int16 = [np.round(samples * 32768).astype(np.int16) for samples in (echoes, played)]
    as_float32 = [samples.astype(np.float32) / 32768 for samples in as_int16]
    whole = EchoCanceller().process(*as_int16)
    fractions = EchoCanceller().process(*as_float32)
    assert np.abs(whole - fractions * 32768).max() <= 0.5


@settings(max_examples=10, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_the_same_comes_out_in_any_chunking(cuts: list[int]) -> None:
    echoes, played = scene(1.2, 0.1)
    captured = echoes + noise(1.2, ROOM, 5)
    canceller, at, outs = EchoCanceller(), 0, []
    while at < len(captured):
        end = at + 160 * cuts[len(outs) % len(cuts)]
        outs.append(canceller.process(captured[at:end], played[at:end]))
        at = end
    assert np.array_equal(np.concatenate(outs), EchoCanceller().process(captured, played))
    assert canceller.statistics().state == "cancelling"


def test_what_is_no_sample_is_harmless() -> None:
    echoes, played = scene(2.5, 0.1)
    captured = echoes + noise(2.5, ROOM, 5)
    captured[20_000:20_003] = np.nan, np.inf, -3e38
    played[21_000:21_003] = np.nan, np.inf, -3e38
    found = hear(EchoCanceller(comfort_noise=False), captured, played)
    assert np.isfinite(found.out).all()
    assert np.abs(found.out).max() <= 1
    assert reduction(echoes, found.out, 2, 2.5) > 20


def test_full_scale_is_harmless() -> None:
    square = np.where(np.random.default_rng(1).random(32_000) < 0.5, -32768, 32767)
    canceller = EchoCanceller()
    out = canceller.process(square.astype(np.int16), np.roll(square, -800).astype(np.int16))
    assert out.dtype == np.int16
    assert canceller.statistics().frames == 32_000


# ---- refusals


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: EchoCanceller(44_100), ValueError, "not 44100: bring both .* by a Resampler"),
        (lambda: EchoCanceller(24_000), ValueError, "a multiple of 16000"),
        (lambda: EchoCanceller(112_000), ValueError, "between 8000 and 96000"),
        (lambda: EchoCanceller("fast"), TypeError, "whole number"),  # type: ignore[arg-type]
        (lambda: EchoCanceller().process(bytes(320), bytes(640)), ValueError, "as many of both"),
        (lambda: EchoCanceller().process(bytes(322), bytes(322)), ValueError, "blocks of 160"),
        (
            lambda: EchoCanceller().process(np.zeros(160, np.float32), np.zeros(160, np.int16)),
            TypeError,
            "played must hold native float32",
        ),
        (
            lambda: EchoCanceller().process(np.zeros((80, 2), np.int16), bytes(320)),
            ValueError,
            "captured must be mono",
        ),
        (lambda: EchoCanceller().skip([0]), TypeError, "played must be a buffer"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    call: Callable[[], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        call()


def test_what_was_refused_was_not_taken() -> None:
    canceller = EchoCanceller()
    with pytest.raises(ValueError, match="whole blocks"):
        canceller.process(bytes(322), bytes(322))
    assert canceller.statistics().frames == 0
    assert len(canceller.process(b"", b"")) == 0

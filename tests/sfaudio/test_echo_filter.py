"""The filter of the echo canceller, on streams that are aligned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio._echo_filter import EchoFilter

from .echo_voices import (
    Sound,
    alone,
    changing,
    decibels,
    echo,
    noise,
    power,
    room,
    talk,
)

BLOCK = 160


def quiet(samplerate: int = 16000) -> EchoFilter:
    """Without comfort noise, whose level would hide how much is taken."""
    return EchoFilter(samplerate, comfort_noise=False)


def telling(of: EchoFilter, captured: Sound, played: Sound) -> dict[str, list[float]]:
    """What is told of each block."""
    told: dict[str, list[float]] = {}
    for at in range(0, len(captured), BLOCK):
        of.process(captured[at : at + BLOCK], played[at : at + BLOCK])
        for name, value in of.last().items():
            told.setdefault(name, []).append(value)
    return told


# ---- what is left of the echo


@pytest.mark.parametrize("samplerate", [8000, 16000])
def test_the_agent_alone_is_down_by_30_decibels_in_the_first_second_and_35_later(
    samplerate: int,
) -> None:
    scene = alone(1, 6, samplerate)
    out = quiet(samplerate).process(scene.captured, scene.played)
    assert scene.down(out, 0, 1) > 30
    assert scene.down(out, 1, 5.9) > 35


def test_a_room_that_sounds_longer_than_the_filter_is_quiet() -> None:
    played = talk(25, 5)
    heard = echo(played, room(25, rt60=1.0))
    out = quiet().process(heard + noise(25, len(heard)), played)
    assert decibels(power(heard[32_000:]) / power(out[32_000:])) > 32


def test_a_path_that_changes_untold_is_learnt_in_two_seconds_and_counted() -> None:
    scene, of = changing(2, 9, at=5), quiet()
    out = of.process(scene.captured, scene.played)
    assert scene.down(out, 5, 5.3) < 20
    assert scene.down(out, 7, 8.9) > 25
    assert of.last()["changes"] == 1


def test_a_path_that_is_told_to_have_changed_is_down_at_once() -> None:
    scene, of = changing(2, 7, at=5), quiet()
    half = 5 * 16000
    before = of.process(scene.captured[:half], scene.played[:half])
    of.path_changed()
    out = np.concatenate([before, of.process(scene.captured[half:], scene.played[half:])])
    assert scene.down(out, 5, 5.5) > 25


def test_a_loudspeaker_that_clips_is_down_by_20_decibels() -> None:
    played = talk(3, 8)
    heard = echo((0.1 * np.tanh(played / 0.1)).astype(np.float32), room(3))
    out = quiet().process(heard + noise(3, len(heard)), played)
    tail = slice(2 * 16000, None)
    assert decibels(power(heard[tail]) / power(out[tail])) > 20


def test_lost_blocks_of_the_microphone_do_no_harm() -> None:
    scene, of = alone(4, 6), quiet()
    begin, end = 3 * 16000, 3 * 16000 + 50 * BLOCK
    before = of.process(scene.captured[:begin], scene.played[:begin])
    of.skip(scene.played[begin:end])
    after = of.process(scene.captured[end:], scene.played[end:])
    out = np.concatenate([before, np.zeros(end - begin, np.float32), after])
    assert scene.down(out, 3.55, 5.9) > 35


def test_a_moment_without_the_echo_is_no_other_path() -> None:
    """As where a word after a pause is not heard yet, and the filter expects it."""
    scene = alone(5, 6)
    begin, end = 4 * 16000, 4 * 16000 + 5 * BLOCK
    scene.captured[begin:end] = noise(6, end - begin)
    out = quiet().process(scene.captured, scene.played)
    assert scene.down(out, 4.1, 4.5) > 30


def test_an_echo_that_is_gone_is_not_made_by_the_filter() -> None:
    """A headset is plugged in: the microphone hears nothing of the agent any more."""
    scene, of = alone(5, 6), EchoFilter(16000)
    plugged = 4 * 16000
    scene.captured[plugged:] = noise(6, len(scene.captured) - plugged)
    out = of.process(scene.captured, scene.played)
    assert decibels(power(out[plugged + 4000 : plugged + 16000])) < -65
    assert np.abs(out[plugged + 4800 :]).max() < 10 ** (-50 / 20)


# ---- the caller


def test_the_caller_comes_out_as_he_is_while_nothing_is_played() -> None:
    near = talk(7, 3)
    out = EchoFilter(16000).process(near, np.zeros_like(near))
    assert np.abs(out[BLOCK:] - near[:-BLOCK]).max() < 1e-6


@pytest.mark.parametrize(("louder", "kept"), [(20, 18), (10, 11), (0, 6)])
def test_a_caller_who_talks_with_the_agent_is_kept(louder: int, kept: int) -> None:
    """`louder`: than the echo, in dB; `kept`: by how much less is what was done to him."""
    scene, near, of = alone(8, 9), talk(9, 9), quiet()
    start = 4 * 16000
    near[:start] = 0
    near *= 10 ** ((louder - 10) / 20)
    out = of.process(scene.captured + near, scene.played)[BLOCK:]
    assert scene.down(np.concatenate([out, out[:BLOCK]]), 2, 3.9) > 35
    harm = out[start:] - near[start:-BLOCK]
    assert decibels(power(near[start:-BLOCK]) / power(harm)) > kept


@pytest.mark.parametrize("start", [0, 3])
def test_a_caller_is_not_harmed_for_an_echo_that_nobody_hears(start: int) -> None:
    """The microphone cancels it already."""
    scene, near = alone(21, 7), talk(22, 7)
    near[: start * 16000] = 0
    heard = 0.01 * scene.echo + noise(21, len(near)) + near
    out = quiet().process(heard, scene.played)[BLOCK:]
    harm = out[4 * 16000 :] - near[4 * 16000 : -BLOCK]
    assert decibels(power(near[4 * 16000 :]) / power(harm)) > 20


def test_the_agent_alone_is_told_from_a_caller_also_when_the_path_has_changed() -> None:
    scene, near = changing(10, 12, at=4), talk(11, 12)
    near[: 8 * 16000] = 0
    told = telling(quiet(), scene.captured + near, scene.played)
    of_agent = np.array(told["agent_alone"])
    assert of_agent[200:400].mean() > 0.9
    assert of_agent[450:800].mean() > 0.8
    assert of_agent[820:].mean() < 0.3
    assert told["changes"][-1] == 1


def test_a_caller_alone_is_not_taken_for_the_agent() -> None:
    scene, near = alone(12, 6), talk(13, 6)
    scene.captured[:] = near + noise(12, len(near))  # There is no echo.
    told = telling(quiet(), scene.captured, scene.played)
    assert np.mean(told["agent_alone"]) < 0.2
    assert told["changes"][-1] == 0


# ---- noise


@pytest.mark.parametrize("level", [-70, -50])
def test_what_is_taken_is_filled_with_noise_like_the_room_s(level: int) -> None:
    scene = alone(14, 8)
    scene.captured[:] = scene.echo + noise(15, len(scene.echo), level)
    out = EchoFilter(16000).process(scene.captured, scene.played)
    assert abs(decibels(power(out[5 * 16000 :])) - level) < 4


def test_noise_is_as_loud_as_before_when_all_have_talked_at_once() -> None:
    """Of some who talk there is no pause: as of an agent and a caller, for long."""
    scene, of = alone(16, 9), EchoFilter(16000)
    near = sum((talk(seed, 9) for seed in range(30, 36)), np.zeros(len(scene.echo), np.float32))
    near[: 2 * 16000] = near[8 * 16000 :] = 0
    out = of.process(scene.captured + near, scene.played)
    assert decibels(power(out[133_000:])) < -63


# ---- what it is told of a block


def test_the_powers_told_are_those_of_the_block() -> None:
    scene, of = alone(18, 4), quiet()
    of.process(scene.captured[:-BLOCK], scene.played[:-BLOCK])
    block = scene.captured[-BLOCK:]
    out = of.process(block, scene.played[-BLOCK:])
    told = of.last()
    assert told["captured"] == pytest.approx(power(block), rel=1e-4)
    assert told["estimate"] == pytest.approx(power(scene.echo[-BLOCK:]), rel=0.3)
    assert told["error"] < 0.1 * told["captured"]
    assert told["output"] < 1e-3 * told["captured"]
    assert power(out) < 1e-3 * told["captured"]


# ---- any input

AFTERWARDS = alone(19, 1)

blocks = st.lists(
    st.sampled_from(["zeros", "ones", "minus", "square", "noise", "tiny", "denormal", "tone"]),
    min_size=1,
    max_size=12,
)


def made(kinds: list[str], seed: int) -> Sound:
    rng = np.random.default_rng(seed)
    time = np.arange(10 * BLOCK)
    sounds = {
        "zeros": 0 * time,
        "ones": 0 * time + 1,
        "minus": 0 * time - 1,
        "square": np.where(time // 20 % 2, 1.0, -1.0),
        "noise": rng.uniform(-1, 1, len(time)),
        "tiny": rng.uniform(-1, 1, len(time)) / 32768,
        "denormal": 0 * time + 1e-40,
        "tone": np.sin(time / 3),
    }
    return np.concatenate([sounds[kind] for kind in kinds]).astype(np.float32)


@settings(max_examples=25)
@given(blocks, blocks)
def test_no_input_in_range_breaks_it(captured: list[str], played: list[str]) -> None:
    length = min(len(captured), len(played))
    of = EchoFilter(16000)
    heard, reference = made(captured[:length], 1), made(played[:length], 2)
    out = of.process(heard, reference)
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 8
    again = of.process(AFTERWARDS.captured, AFTERWARDS.played)
    assert power(again[8000:]) < power(AFTERWARDS.captured[8000:])


@given(st.lists(st.integers(0, 20), max_size=12))
@settings(max_examples=10)
def test_the_same_comes_out_in_any_chunks(lengths: list[int]) -> None:
    scene = alone(20, 1)
    whole, of = EchoFilter(16000).process(scene.captured, scene.played), EchoFilter(16000)
    cuts = np.cumsum([0, *lengths]) * BLOCK
    pieces = zip(np.split(scene.captured, cuts), np.split(scene.played, cuts), strict=True)
    parts = [of.process(captured, played) for captured, played in pieces]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("samplerate", [7999, 8001, 12_000, 48_000])
def test_other_rates_are_refused(samplerate: int) -> None:
    with pytest.raises(ValueError, match="samplerate must be"):
        EchoFilter(samplerate)


def test_what_is_no_whole_block_of_both_is_refused() -> None:
    of, sound = EchoFilter(16000), np.zeros(BLOCK, np.float32)
    with pytest.raises(ValueError, match="as many frames"):
        of.process(sound, sound[:-1])
    with pytest.raises(ValueError, match="whole blocks of 160 frames, not 159"):
        of.process(sound[:-1], sound[:-1])
    with pytest.raises(TypeError):
        of.process(np.zeros(BLOCK), sound)  # type: ignore[arg-type]

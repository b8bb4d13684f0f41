"""Flush, drain and abort of a playout engine, in each of its states."""

from collections.abc import Callable

import numpy as np
import pytest

from .engine_player import Player, balanced, speaking, talk
from .playout_reference import Samples
from .stretched_voices import steepest

FADE = 80  # frames: 5 ms at 16 kHz
MS = 16
TURN = speaking()[8000:32000]


def idle() -> Player:
    player = Player()
    player.blocks(3)
    return player


def prefilling() -> Player:
    player = Player()
    player.write(TURN[:320])
    player.blocks(1)
    return player


def playing() -> Player:
    player = Player()
    player.write(speaking())
    player.blocks(100)
    return player


def amid_a_block() -> Player:
    player = playing()
    player.read(103)
    return player


def near_the_end_of_a_block() -> Player:
    player = playing()
    player.read(121)
    return player


def removing() -> Player:
    """A lead is paid out."""
    player, media = Player(), speaking()
    player.write(media[:16000])
    player.paced(media[16000:56000])
    at = 56000
    while player.engine.queued_frames == player.queue.queued_frames and at < 72000:
        player.write(media[at : at + 160])
        player.read(160)
        at += 160
    return player


def unevenly(media: Samples) -> Player:
    """So that some is queued for a stall, which then comes."""
    player, late = Player(), np.random.default_rng(0).integers(0, 8, len(media) // 320)
    late[-25:] = 0
    player.paced(media, late=late)
    return player


def inserting() -> Player:
    player = unevenly(speaking()[:96000])
    before = player.pieces["insert"]
    while player.pieces["insert"] == before and player.statistics.state == "playing":
        player.read(160)
    return player


def holding() -> Player:
    media = talk(16000)
    quiet = np.abs(media[:319680].reshape(-1, 320)).max(1) < 300
    pause = next(at for at in range(200, 900) if quiet[at : at + 20].all()) + 10
    player = unevenly(media[: 320 * pause])
    while player.log[-1][0] == "play":
        player.read(160)
    return player


def concealing() -> Player:
    player = Player()
    player.write(TURN[: 160 * 50 + 33])
    player.blocks(52)
    return player


def nearly_dry() -> Player:
    player = Player()
    player.write(TURN[: 160 * 50 + 33])
    player.blocks(50)
    return player


def stalled() -> Player:
    player = concealing()
    player.blocks(20)
    return player


def resuming() -> Player:
    player = concealing()
    player.write(TURN[8000:16000])
    player.read(160)
    return player


def amid_a_resume() -> Player:
    player = concealing()
    player.write(TURN[8000:16000])
    player.read(33)
    return player


STATES: dict[Callable[[], Player], str] = {
    idle: "idle",
    prefilling: "prefilling",
    playing: "playing",
    amid_a_block: "playing",
    near_the_end_of_a_block: "playing",
    removing: "playing",
    inserting: "playing",
    holding: "playing",
    nearly_dry: "playing",
    concealing: "concealing",
    stalled: "stalled",
    resuming: "playing",
    amid_a_resume: "playing",
}
in_each_state = pytest.mark.parametrize("reach", STATES, ids=lambda reach: reach.__name__)


def heard_again(player: Player) -> bool:
    """Whether the next turn is played as one that comes first: whole, within 60 ms and a block, without a fade."""
    player.write(TURN)
    player.queue.drain()
    new = player.blocks(170)
    return any(np.array_equal(new[at : at + len(TURN)], TURN) for at in range(70 * MS))


@in_each_state
def test_the_states_are_reached(reach: Callable[[], Player]) -> None:
    player = reach()
    assert player.statistics.state == STATES[reach]
    if reach in (removing, inserting):
        assert player.engine.queued_frames > player.queue.queued_frames
    if reach is holding:
        assert player.log[-1][0] == "hold"


@in_each_state
def test_a_flush_is_silence_after_five_milliseconds(reach: Callable[[], Player]) -> None:
    player = reach()
    before = player.output
    queued, dropped = player.engine.queued_frames, player.statistics.dropped_frames
    player.queue.flush()
    player.read(FADE)
    after = player.blocks(10)
    assert not after.any()
    said = player.statistics
    assert (said.state, said.queued_frames) == ("idle", 0)
    assert dropped + queued - FADE <= said.dropped_frames <= dropped + queued
    assert said.flush_seconds <= 0.005
    assert balanced(said)
    assert np.array_equal(player.reconstructed(), player.output)
    faded = player.output[max(0, len(before) - 400) :]
    assert steepest(faded) - 1 <= 1.05 * steepest(speaking())


@in_each_state
def test_after_a_flush_a_turn_is_heard_as_the_first(reach: Callable[[], Player]) -> None:
    player = reach()
    player.queue.flush()
    player.blocks(3)
    assert heard_again(player)
    assert balanced(player.statistics)


@in_each_state
def test_what_is_written_after_a_flush_is_not_thrown_away(reach: Callable[[], Player]) -> None:
    player = reach()
    player.queue.flush()
    assert heard_again(player)
    assert np.array_equal(player.reconstructed(), player.output)


def test_a_flush_fades_nothing_that_was_written_after_it() -> None:
    player = nearly_dry()
    player.queue.flush()
    player.write(TURN)
    assert np.array_equal(player.read(80)[33:], TURN[:47])


def test_silence_after_a_flush_is_no_speech_that_runs_dry() -> None:
    player = playing()
    player.queue.flush()
    player.write(np.zeros(320, np.int16))
    player.blocks(20)
    assert player.statistics.underruns == 1
    assert player.statistics.concealment_events == 0


@in_each_state
def test_after_a_flush_the_target_is_gathered_again(reach: Callable[[], Player]) -> None:
    player = reach()
    player.queue.flush()
    player.read(FADE)
    target = min(player.statistics.target_seconds, 0.16)
    begins = len(player.output)
    while not player.output[begins:].any():
        player.write(TURN[:160])
        player.read(160)
    waited = (len(player.output) - begins) / 16000
    assert target - 0.01 <= waited <= target + 0.02


@in_each_state
def test_an_abort_is_silence_at_once(reach: Callable[[], Player]) -> None:
    player = reach()
    player.engine.abort()
    said = player.statistics
    assert (said.state, said.queued_frames) == ("idle", 0)
    assert not player.blocks(10).any()
    assert balanced(player.statistics)
    assert np.array_equal(player.reconstructed(), player.output)
    assert heard_again(player)


def test_after_an_abort_the_resampler_has_nothing_left_of_the_sound() -> None:
    player = Player(output_samplerate=48000)
    player.write(TURN)
    assert player.read(24077)[-100:].any()
    player.engine.abort()
    assert not player.read(480).any()


@in_each_state
def test_a_drain_plays_all_and_is_no_underrun(reach: Callable[[], Player]) -> None:
    player = reach()
    underruns, queued = player.statistics.underruns, player.engine.queued_frames
    player.queue.drain()
    player.blocks(queued // 160 + 20)
    said = player.statistics
    assert said.queued_frames == 0
    assert said.dropped_frames == said.cut_frames
    assert said.underruns == underruns
    assert said.state == ("stalled" if reach in (concealing, stalled) else "idle")
    assert np.array_equal(player.reconstructed(), player.output)


def test_a_drain_waits_for_nothing() -> None:
    """Less than the prefill, less than a block, and what is left of an operation."""
    for frames in (1, 33, 160, 200, 500):
        player = Player()
        player.write(TURN[:frames])
        player.queue.drain()
        output = player.blocks(5)
        assert np.array_equal(output[:frames], TURN[:frames])
        assert not output[frames:].any()
        assert player.statistics.state == "idle"


def test_a_drain_that_comes_late_leaves_no_gap_in_speech() -> None:
    player = concealing()
    player.queue.drain()
    player.blocks(22)
    player.write(TURN)
    player.blocks(50)
    said = player.statistics
    assert said.underruns_in_speech == said.interruptions == said.silent_concealed_frames == 0
    assert said.underruns == said.concealment_events == 1


def test_a_flush_leaves_no_underrun_and_no_gap_in_speech() -> None:
    player = concealing()
    player.queue.flush()
    player.blocks(10)
    player.write(TURN)
    player.blocks(50)
    said = player.statistics
    assert said.underruns_in_speech == said.interruptions == said.silent_concealed_frames == 0
    assert said.underruns == 1


@pytest.mark.parametrize("pause", range(0, 200, 7))
def test_flushes_follow_each_other_at_any_distance(pause: int) -> None:
    player = playing()
    for _ in range(4):
        player.queue.flush()
        player.read(pause)
        player.write(TURN[:1600])
    player.blocks(20)
    assert balanced(player.statistics)
    assert np.array_equal(player.reconstructed(), player.output)

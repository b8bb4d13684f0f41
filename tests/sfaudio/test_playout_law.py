"""The compiled law decides as its model does, and keeps what the rules promise to whoever listens."""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio._playout_law import PlayoutLaw

from .playout_model import TARGET_MAX, PlayoutModel
from .playout_player import (
    CHUNK,
    START,
    Played,
    often_stalled,
    paced,
    play,
    stalled,
    talking,
    turns,
)


class Pair:
    """Law and model, told the same, compared in all they decide and know, and held to what is true at every moment."""

    def __init__(self, orders: str = "") -> None:
        self.law, self.model = PlayoutLaw(), PlayoutModel()
        self.orders = orders
        self.longest_message, self.blocks = 20.0, 0

    @property
    def target(self) -> float:
        return self.law.target

    def block(self, *told: Any) -> tuple[str, float]:
        now, head, position, speech, pause_left, *rest = told
        asked: list[float] = []

        def asking(limit: float) -> tuple[float, bool]:
            asked.append(limit)
            return pause_left(limit)

        told = (now, head, position, speech, asking, *rest)
        self.blocks += 1
        self.longest_message = max(self.longest_message, self.model.message)
        what, advance = decided = self.law.block(*told)
        assert len(asked) <= 1
        assert all(limit <= head - position - self.target + 50 for limit in asked)
        assert decided == self.model.block(*told)
        assert asked[:1] == asked[1:]
        assert self.law.state() == vars(self.model)
        self.check(what, advance, now, head - position)
        if "o" in self.orders and what in ("remove", "insert"):
            self.order("operated", advance - 10, (advance - 10) * 0.9)
        if "f" in self.orders and self.blocks % 97 == 0:
            self.order("flushed")
        return decided

    def order(self, name: str, *values: float) -> None:
        for either in (self.law, self.model):
            getattr(either, name)(*values)
        assert self.law.state() == vars(self.model)

    def check(self, what: str, advance: float, now: float, queued: float) -> None:
        m = self.model
        least, most = {
            "wait": (0, 0),
            "pad": (0, 0),
            "play": (10, 10),
            "remove": (12.5, 25),
            "insert": (0, 7.5),
            "cut": (10, queued),
            "hold": (0, 0),
        }[what]
        assert least - 1e-6 <= advance <= most + 1e-6
        assert advance <= queued or advance == 0
        assert 40 <= m.target <= TARGET_MAX + self.longest_message - 20
        assert abs(m.owed) <= 30 or "o" in self.orders
        assert sum(m.counts) == pytest.approx(1)
        if what in ("remove", "cut"):
            assert m.paced
            assert not m.doubt
            assert now - m.last_arrival < m.message + 20
            assert queued - (advance - 10) >= m.target - 1e-6


# ---- what senders and networks do, in pieces

PIECES = st.one_of(
    st.tuples(st.just("paced"), st.integers(1, 150), st.sampled_from([0, 3, 8])),
    st.tuples(st.just("burst"), st.integers(1, 60), st.sampled_from([1e9, 10, 3, 1.5])),
    st.tuples(st.just("slow"), st.integers(50, 200), st.sampled_from([0.95, 0.9, 0.8])),
    st.tuples(st.just("stall"), st.integers(2, 120), st.just(0)),
    st.tuples(st.just("messages"), st.integers(1, 15), st.sampled_from([3, 10])),
    st.tuples(st.just("nothing"), st.integers(1, 100), st.just(0)),
)


def arrivals_of(pieces: Sequence[tuple[str, int, float]]) -> list[float]:
    """A stall is made good; after nothing the sender goes on as if it had not been: a new turn, or a longer route."""
    steps: list[float] = []
    for kind, count, how in pieces:
        match kind:
            case "paced":
                steps += [CHUNK + how * (-1) ** k for k in range(count)]
            case "burst" | "slow":
                steps += [CHUNK / how] * count
            case "stall" | "messages":
                chunks = int(how) or count
                steps += ([CHUNK * chunks] + [0.0] * (chunks - 1)) * (count if how else 1)
            case _:
                steps += [CHUNK * count]
    return [round(at, 6) for at in accumulate(steps, initial=START)]


PAUSES = st.sampled_from([(3600, 1400), (1900, 500), (200, 100), (1e9, 0), (500, 3000)])
PERIODS = st.sampled_from([2.5, 5.0, 7.5, 7.6, 10.0, 12.5, 15.0])


@st.composite
def calls(draw: st.DrawFn, least: int, most: int) -> Callable[[], Played]:
    arrivals = arrivals_of(draw(st.lists(PIECES, min_size=least, max_size=most)))
    speech = talking(len(arrivals), *draw(PAUSES))
    period, refused = draw(PERIODS), draw(st.integers(1, 4))
    orders = draw(st.sampled_from(["", "", "o", "f", "of"]))
    return lambda: play(
        *(Pair(orders), arrivals, speech),
        period=lambda position: period,
        can_stretch=lambda position: position // 40 % refused == 0,
    )


@settings(max_examples=40)
@given(call=calls(1, 8))
def test_the_law_decides_as_its_model_whatever_comes(call: Callable[[], Played]) -> None:
    call()


@pytest.mark.slow
@settings(max_examples=300)
@given(call=calls(8, 40))
def test_the_law_decides_as_its_model_for_long(call: Callable[[], Played]) -> None:
    call()


def test_after_hours_without_arrivals_law_and_model_agree() -> None:
    pair, head = Pair(), 0.0
    for begin in (0.0, 4 * 3600e3, 4 * 3600e3 + 9999):
        for k in range(500):
            head += 20 * (k % 2)
            pair.block(begin + k * 10, head, head - 30, True, None, 8.0, True)


# ---- what comes early


@pytest.mark.parametrize("rate", [1.2, 3, 10, 1e9])
@pytest.mark.parametrize("pauses", [False, True])
def test_speech_that_runs_ahead_is_played_as_it_is_and_at_once(rate: float, pauses: bool) -> None:
    arrivals = paced(20, rate)
    played = play(Pair(), arrivals, talking(len(arrivals)) if pauses else None)
    assert {block.what for block in played.blocks} <= {"wait", "play"}
    assert played.first - START <= 50


@pytest.mark.parametrize("rate", [1, 1.5, 5, 1e9])
def test_turns_whose_silence_is_not_sent_are_not_shortened(rate: float) -> None:
    arrivals, sent = turns(40, rate)
    played = play(Pair(), arrivals, sent=sent)
    assert played.total("remove", "cut") == 0
    assert played.gaps == []


def test_an_utterance_that_runs_ahead_of_a_paced_stream_is_not_shortened() -> None:
    arrivals = [min(t, START + 10000) for t in paced(30)]
    played = play(Pair(), arrivals, talking(len(arrivals)))
    assert {block.what for block in played.after(500)} == {"play"}


def test_a_lead_that_a_sender_keeps_is_paid_out_without_a_hole() -> None:
    arrivals = [max(START, t - 1000) for t in paced(30)]
    played = play(Pair(), arrivals, talking(len(arrivals)))
    assert played.gaps == []
    assert played.total("insert") == 0
    assert all(block.queued <= 80 for block in played.after(10000))


# ---- what comes late


@pytest.mark.parametrize(
    ("ms", "pauses", "limit"),
    [
        *[(500, False, 5500), (1000, False, 5500), (2000, False, 11000)],
        *[(500, True, 4000), (1000, True, 4000), (2000, True, 6000)],
    ],
)
def test_the_delay_that_a_stall_left_is_repaid(ms: float, pauses: bool, limit: float) -> None:
    arrivals = stalled(paced(25), 10000, ms)
    played = play(Pair(), arrivals, talking(len(arrivals), 1900, 500) if pauses else None)
    assert played.repaid_after(START + 10000 + ms) <= limit
    assert len(played.gaps) == 1
    assert played.gaps[0] < ms


@pytest.mark.parametrize(
    ("before", "pauses", "limit"),
    [(1, False, 5500), (1, True, 4500), (0, False, 7000), (0, True, 4500)],
)
def test_a_call_that_begins_inside_a_stall_is_soon_back(
    before: int, pauses: bool, limit: float
) -> None:
    arrivals = stalled(paced(20), before * CHUNK, 1000)
    played = play(Pair(), arrivals, talking(len(arrivals), 1900, 500) if pauses else None)
    assert played.repaid_after(START + 1000) <= limit


def test_stalls_that_come_again_are_held_out() -> None:
    arrivals = paced(60)
    for at in range(2000, 60000, 4000):
        arrivals = stalled(arrivals, at, 300)
    played = play(Pair(), arrivals, talking(len(arrivals)))
    assert len(played.gaps) <= 3
    assert min(block.target for block in played.after(20000)) >= 290
    assert all(hole < 300 for hole in played.gaps)


def test_stalls_are_forgotten() -> None:
    arrivals = paced(330)
    for at in range(2000, 60000, 2000):
        arrivals = stalled(arrivals, at, 300)
    played = play(PlayoutLaw(), arrivals, talking(len(arrivals)))
    assert min(block.target for block in played.after(40000) if block.now < 60000) > 290
    assert played.blocks[-1].target == 40


@pytest.mark.parametrize("ms", [500, 3000])
def test_a_pause_is_lengthened_under_a_stall_by_a_second_at_most(ms: float) -> None:
    arrivals = stalled(often_stalled(20), 13000, ms)
    speech = [not 12000 <= k * CHUNK < 14000 for k in range(len(arrivals))]
    played = play(Pair(), arrivals, speech)
    held = sum(block.what == "hold" for block in played.after(START + 13000)) * 10
    assert held == pytest.approx(min(ms - 40, 1000), abs=20)


def test_a_stall_is_met_by_playing_slower() -> None:
    played = play(Pair(), stalled(often_stalled(20), 13000, 260))
    slower = [b for b in played.after(START + 13000) if b.what == "insert" and b.now < 13400]
    assert sum(10 - block.advance for block in slower) > 40
    assert all(gap == 0 for gap in played.gaps[4:])


def test_a_new_turn_is_not_taken_for_a_stall() -> None:
    """Its transit is longer than ever, and it does not come back."""
    turn = paced(5)
    arrivals = [*turn, *(t + 5700 for t in turn), *(t + 13000 for t in turn)]
    played = play(Pair(), arrivals)
    assert {block.target for block in played.blocks} == {40}
    assert played.total("cut", "remove") <= 10


def test_a_new_turn_has_its_own_schedule_after_two_seconds() -> None:
    turn = paced(20)
    arrivals = [*turn[:250], *stalled([t + 7000 for t in turn], 5000, 1000)]
    played = play(Pair(), arrivals)
    assert played.repaid_after(START + 7000 + 5000 + 1000) <= 5500


# ---- a sender and a device that are not equally fast


@pytest.mark.parametrize("rate", [0.9, 0.95])
def test_a_slow_producer_is_played_slowly_without_gaps_that_count(rate: float) -> None:
    played = play(Pair(), paced(40, rate))
    assert all(gap < 60 for gap in played.gaps)
    padded = [block for block in played.after(10000) if block.what == "pad"]
    assert len(padded) <= 2


@pytest.mark.parametrize("ppm", [300, -300])
@pytest.mark.parametrize(
    "seconds",
    [pytest.param(150, id="minutes"), pytest.param(3600, id="an hour", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("pauses", [False, True])
def test_clocks_that_drift_make_neither_gap_nor_delay(ppm: int, seconds: int, pauses: bool) -> None:
    arrivals = paced(seconds, 1 + ppm * 1e-6)
    played = play(PlayoutLaw(), arrivals, talking(len(arrivals)) if pauses else None)
    assert played.gaps == []
    assert max(block.queued for block in played.blocks) <= 80


@pytest.mark.parametrize("chunks", [3, 10, 25, 50])
def test_long_messages_in_time_are_not_late(chunks: int) -> None:
    arrivals = [START + k // chunks * chunks * CHUNK for k in range(3000)]
    played = play(Pair(), arrivals)
    assert played.total("remove", "cut") == 0
    assert sum(played.gaps) <= chunks * CHUNK
    assert played.blocks[-1].target <= TARGET_MAX + chunks * CHUNK


# ---- the reference's figures, where they are


def mixed(x: int) -> float:
    """A number from 0 to 1 for each x (splitmix64)."""
    mask = (1 << 64) - 1
    x &= mask
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & mask
    return ((x ^ x >> 31) >> 11) / 9007199254740992


FOLDERS = [os.environ.get(name) for name in ("SFAUDIO_PLAYOUT_VECTORS", "SFAUDIO_TRACES")]


@pytest.mark.skipif(None in FOLDERS, reason="names no folders of vectors and traces")
def test_the_vectors_are_reproduced() -> None:
    vectors, traces = (Path(folder or "") for folder in FOLDERS)
    for vector in json.loads((vectors / "vectors.json").read_text()):
        trace = (traces / f"{vector['trace']}.txt").read_text()
        arrivals = [float(line) for line in trace.split("\n") if line and line[0] != "#"]
        played = play(
            *(PlayoutLaw(), arrivals, talking(len(arrivals))),
            period=lambda position: 6 + 5 * mixed(int(position // 200) * 7 + 11),
            can_stretch=lambda position: mixed(int(position // 40) * 13 + 5) < 0.9,
        )
        kinds = Counter(block.what for block in played.blocks)
        assert {what: kinds[what] for what in vector["decisions"]} == vector["decisions"]
        assert played.gaps == vector["interruptions_ms"]
        for second, block in zip(vector["every_second"], played.blocks[::100], strict=False):
            assert second["t"] == block.now
            assert second["target"] == pytest.approx(block.target, abs=0.06)
            assert second["queued"] == pytest.approx(block.queued - block.advance, abs=0.06)

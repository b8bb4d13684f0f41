"""What the law is told besides arrivals: flushes, drains, what was really operated; and its door for Python."""

from typing import Any

import pytest

from sfaudio._playout_law import PlayoutLaw

from .playout_model import PauseLeft, PlayoutModel
from .playout_player import often_stalled, play, stalled

# ---- orders


def by_hand(law: PlayoutLaw, now: float, head: float, position: float, **named: Any) -> str:
    return law.block(now, head, position, True, lambda limit: (0.0, True), 8.0, True, **named)[0]


def played_by_hand(law: PlayoutLaw, blocks: int) -> None:
    """20 ms each 20 ms, 40 ahead."""
    for k in range(blocks):
        assert by_hand(law, k * 10, 40 + k // 2 * 20, k * 10) == "play"


@pytest.mark.parametrize(
    ("flushed", "dry", "queued"),
    [(False, 10, 20), (True, 10, 40), (False, 480, 20), (False, 500, 40)],
)
def test_playing_starts_as_in_a_new_turn_after_a_flush_or_half_a_second(
    flushed: bool, dry: int, queued: int
) -> None:
    law = PlayoutLaw()
    played_by_hand(law, 100)
    head = 40 + 49 * 20
    for now in range(1000, 1000 + dry, 10):
        assert by_hand(law, now, head, head) == "pad"
    if flushed:
        law.flushed()
    for ms in range(0, 100, 10):
        if by_hand(law, 1000 + dry, head + ms, head) == "play":
            break
    assert ms == queued


def test_a_flush_forgets_what_was_owed_and_keeps_what_was_learnt() -> None:
    law = PlayoutLaw()
    play(law, stalled(often_stalled(12), 11000, 500))
    before = law.state()
    assert before["owed"] != 0
    law.flushed()
    new, after = PlayoutLaw().state(), law.state()
    forgotten = {"playing", "need", "waiting_since", "dry_since", "owed", "in_pause", "held"}
    assert after == before | {name: new[name] for name in forgotten}


@pytest.mark.parametrize("kind", ["remove", "insert"])
def test_what_was_really_operated_is_booked(kind: str) -> None:
    law, sign = PlayoutLaw(), 1 if kind == "remove" else -1
    law.operated(sign * 8.0, sign * 6.5)
    assert law.state()["owed"] == sign * 1.5


def test_what_is_left_is_played_while_draining() -> None:
    law = PlayoutLaw()
    told = (lambda limit: (0.0, True), 8.0, True)
    assert law.block(10, 15, 0, True, *told, draining=True) == ("play", 10)
    assert law.block(20, 15, 10, True, *told, draining=True) == ("play", 5)
    assert law.block(30, 15, 15, True, *told, draining=True) == ("pad", 0)


@pytest.mark.parametrize(("speech", "speed"), [(True, 1.0), (False, 1.0), (True, 0.9)])
def test_what_is_drained_is_not_made_to_last_longer(speech: bool, speed: float) -> None:
    """Of a stream that is paced, or slow; without draining, all that is left would be played slower, or held."""
    for draining in (False, True):
        law, model = PlayoutLaw(), PlayoutModel()
        head = position = 0.0
        seen = set()
        for now in range(0, 6000, 10):
            if now % 20 == 0 and now < 5000:
                head = 60 + speed * now // 20 * 20
            told = (now, head, position, speech, lambda limit: (0.0, True), 5.0, True)
            what, advance = decided = law.block(*told, draining=draining and now >= 5000)
            assert decided == model.block(*told, draining=draining and now >= 5000)
            position += advance
            if now >= 5000:
                seen.add(what)
        assert bool(seen & {"insert", "hold"}) is not draining


# ---- for Python


def in_a_long_pause(law: PlayoutLaw, pause_left: PauseLeft) -> list[tuple[str, float]]:
    """Paced for 3 s, then there is a second more than is due, and a pause: it can be cut."""
    played_by_hand(law, 300)
    told = (False, pause_left, 8.0, False)
    return [law.block(3000 + k * 10, 3040 + k * 10, 2000 + k * 10, *told) for k in range(8)]


def test_a_cut_leaves_an_edge_of_the_pause() -> None:
    decided = in_a_long_pause(PlayoutLaw(), lambda limit: (300.0, True))
    assert decided == [("play", 10)] * 7 + [("cut", 10 + 300 - 50)]


def test_what_the_answer_raises_is_raised_and_the_law_goes_on() -> None:
    def broken(limit: float) -> tuple[float, bool]:
        raise KeyError("planted")

    law = PlayoutLaw()
    with pytest.raises(KeyError, match="planted"):
        in_a_long_pause(law, broken)
    assert law.block(4000, 4020, 4000, True, broken, 8.0, True) == ("play", 10)


def test_a_call_from_inside_a_call_is_refused() -> None:
    law = PlayoutLaw()

    def again(limit: float) -> tuple[float, bool]:
        law.block(4000, 4020, 4000, True, again, 8.0, True)
        raise AssertionError

    with pytest.raises(RuntimeError, match="PlayoutLaw is held by another call"):
        in_a_long_pause(law, again)

"""The live screen as a function: what is seen at a glance, whatever the size and the letters of a terminal."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient import (
    AgentAwaited,
    Connected,
    Connecting,
    DeviceLost,
    DeviceReturned,
    EchoCancelled,
    EchoGated,
    EchoStatistics,
    Ended,
    Interrupted,
    MessageReceived,
    MicrophoneReturned,
    MicrophoneSilent,
    NetworkReturned,
    NetworkStalled,
    Redialing,
    ReferenceStatistics,
    Responded,
    SpeechBegan,
    SpeechEnded,
    SpeechLate,
)
from sfclient.cli._facts import Answers, Facts, Late, Note, Side, Snapshot, State
from sfclient.cli._screen import ASCII, UNICODE, draw

LOST = Ended("network", None, "the connection was lost in mid-call", "cut")
KEYS = (("m", "mute"), ("i", "interrupt"), ("d", "next input"), ("q", "hang up"))
SPOKEN = Snapshot(
    "agent-7, widget",
    83.2,
    State.AGENT_SPEAKS,
    Side(-12.0, -23.0),
    Side(-6.0, -14.0, speaks=True),
    Answers(7, 0.84, 0.91, 1.4),
    0.06,
    0.18,
    keys=KEYS,
)


PEAKS = ((-6.0, 2.9), (0.0, 3.0), (-6.0, 4.9), (-6.0, 5.1))


def shown(snapshot: Snapshot, width: int = 80, height: int = 24) -> str:
    return "\n".join(line.plain.rstrip() for line in draw(snapshot, width, height))


def test_a_call_at_a_glance() -> None:
    assert shown(SPOKEN, 60, 13) == "\n".join(
        [
            " sfclient  agent-7, widget",
            "",
            " ■ The agent speaks                                   01:23",
            "",
            " You     █████████████████████░░░░░░│░░░░░░  -23 dB",
            " Agent   ███████████████████████████░░░│░░░  -14 dB speaks",
            "",
            " Answers 0.84 s, median 0.91 s of 7, longest 1.40 s",
            " Delay   0.06 s queued, heard 0.18 s after it came",
            " Network nothing came late",
            "",
            "",
            " m mute  i interrupt  d next input  q hang up",
        ]
    )


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    width=st.integers(0, 130),
    height=st.integers(0, 40),
    state=st.sampled_from(State),
    level=st.none() | st.floats(-100, 6),
    troubles=st.lists(st.text(max_size=300), max_size=4),
    text=st.text(max_size=100),
)
def test_it_fits_into_any_size(
    width: int, height: int, state: State, level: float | None, troubles: list[str], text: str
) -> None:
    side = Side(level, level, speaks=True, is_too_loud=True)
    notes = tuple(Note(9.0 * n, text) for n in range(30))
    snapshot = Snapshot(
        *(text, 1e6, state, side, side, None, 1e5, 1e5, Late(9, 9.0, 9, 9e5)),
        *(tuple(troubles), notes, KEYS),
    )
    lines = draw(snapshot, width, height)
    assert len(lines) == height
    assert all(line.cell_len <= width and line.plain.isprintable() for line in lines)


def test_what_matters_stays_where_there_is_little_room() -> None:
    trouble = "For 12 s: The microphone gives only zeros: allow the terminal to use it"
    notes = tuple(Note(n, "The caller interrupted") for n in range(50))
    snapshot = Snapshot("a", 83, State.LISTENS, troubles=(trouble,), notes=notes, keys=KEYS)
    for width, height in ((40, 24), (40, 7), (80, 5)):
        text = shown(snapshot, width, height)
        assert "The agent listens" in text
        assert "01:23" in text
        assert "The microphone gives only" in text
        assert "q hang up" in text
    assert "You" in shown(snapshot, 40, 7)


def test_only_letters_that_any_terminal_has() -> None:
    long = (Note(1.0, "so much " * 20),)
    snapshot = Snapshot("a", 1, State.MUTED, SPOKEN.caller, SPOKEN.agent, notes=long, keys=KEYS)
    assert all(line.plain.isascii() for line in draw(snapshot, 60, 20, ASCII))
    assert not all(line.plain.isascii() for line in draw(snapshot, 60, 20, UNICODE))


@pytest.mark.parametrize(
    ("level", "told"), [(None, ""), (-100.0, "silence"), (-23.4, "-23 dB"), (0.0, "0 dB")]
)
def test_a_level_in_words_too(level: float | None, told: str) -> None:
    (line,) = [
        line.plain
        for line in draw(Snapshot("a", 0, State.LISTENS, Side(level, level)), 60, 20)
        if line.plain.startswith(" You")
    ]
    assert line.lstrip(" You█░│").strip() == told


@pytest.mark.parametrize(
    ("state", "erle", "told"),
    [
        ("searching", None, "not known before the agent speaks"),
        ("cancelling", None, "cancelled, came 0.12 s after the agent"),
        ("cancelling", 33.6, "cancelled, 34 dB weaker, came 0.12 s after the agent"),
        ("no echo", None, "none is heard"),
        ("gating", 9.0, "you are heard while the agent is silent"),
    ],
)
def test_what_becomes_of_an_echo_is_told_where_it_is_looked_for(
    state: str, erle: float | None, told: str
) -> None:
    delay = 0.12 if state == "cancelling" else None
    echo = EchoStatistics("auto", state, delay, erle, 0.02, 0.0, 0, 0, ReferenceStatistics())
    lines = shown(replace(SPOKEN, echo=echo)).splitlines()
    assert f" Echo    {told}" in lines
    assert "Echo" not in shown(SPOKEN)


class TestFacts:
    def test_a_trouble_is_shown_while_it_lasts(self) -> None:
        facts = Facts()
        for begins, ends, words in (
            (MicrophoneSilent("unmute it", at=2), MicrophoneReturned(1.0, at=5), "only zeros"),
            (NetworkStalled("up", at=2), NetworkReturned("up", 3.0, at=5), "nothing leaves"),
            (DeviceLost(at=2), DeviceReturned(at=5), "stopped"),
            (EchoGated(at=2), EchoCancelled(at=5), "not heard while the agent speaks"),
            (AgentAwaited(5.0, at=2), Connected(at=5), "Waiting for the agent"),
            (AgentAwaited(5.0, at=2), SpeechBegan("agent", at=5), "Waiting for the agent"),
            (Redialing(LOST, 9.0, 2, at=2), Connecting(at=11), "redialled in 9.0 s, attempt 2"),
        ):
            facts.learn(begins)
            (told,) = facts.troubles(4.2)
            assert words in told
            assert told.startswith("For 2 s: ") is not isinstance(begins, AgentAwaited)
            facts.learn(ends)
            assert not facts.troubles(6)

    def test_the_network_may_stand_still_in_one_direction_alone(self) -> None:
        facts = Facts()
        facts.learn(NetworkStalled("up"))
        facts.learn(NetworkStalled("down"))
        facts.learn(NetworkReturned("up", 1.5))
        (told,) = facts.troubles(0)
        assert "nothing comes" in told

    def test_who_speaks_and_who_listens(self) -> None:
        facts = Facts()
        assert facts.state(muted=False) is State.WAITING
        for event, muted, state in (
            (Connected(), False, State.LISTENS),
            (SpeechBegan("caller"), False, State.CALLER_SPEAKS),
            (SpeechBegan("agent"), False, State.AGENT_SPEAKS),
            (SpeechEnded("agent", 1.0), True, State.MUTED),
            (SpeechEnded("caller", 1.0), False, State.LISTENS),
            (NetworkStalled("down"), False, State.STALLED),
            (NetworkReturned("down", 2.0), False, State.LISTENS),
            (SpeechBegan("agent"), False, State.AGENT_SPEAKS),
            (NetworkStalled("down"), False, State.STALLED),
            (Redialing(LOST, 9.0, 2), False, State.PAUSED),
            (Connecting(), False, State.WAITING),
            (Connected(), False, State.LISTENS),
        ):
            facts.learn(event)
            assert facts.state(muted) is state

    def test_what_is_too_loud_is_told_for_long_enough_to_be_read(self) -> None:
        facts = Facts()
        told = [facts.side("agent", peak, -9.0, now).is_too_loud for peak, now in PEAKS]
        assert told == [False, True, True, False]
        assert not facts.side("caller", -9.0, -9.0, 3.1).is_too_loud

    def test_what_is_routine_pushes_nothing_out_of_the_list(self) -> None:
        facts = Facts()
        facts.learn(SpeechLate(0.4, at=3))
        for turn in range(2000):
            for event in (SpeechBegan("caller"), SpeechEnded("caller", 1.0), Responded(0.1 + turn)):
                facts.learn(event)
        assert [note.text for note in facts.notes] == ["The agent's speech came 400 ms late"]
        assert facts.answers() == Answers(2000, 1999.1, 999.6, 1999.1)
        facts.learn(Interrupted("caller"))
        facts.learn(MessageReceived("hello", None))
        assert len(facts.notes) == 3

"""Limits of the whole: what was within them is told by nobody, what was beyond is told once, with the worst of it."""

from collections.abc import Sequence

import pytest

from sfclient._conversation import ConversationStatistics
from sfclient._events import Ended, Event, Interrupted, Responded, SpeechLate
from sfclient._statistics import CallStatistics, CallTimes
from sfclient.testing import End, Failure, Hold, Limits
from sfclient.testing.script._verdict import Noted, failures_of, figures_of, is_expected_end

from .talk import Talk

# Sound flowed 2 s after the call was dialled, and the agent was ready 1 s later.
TIMES = CallTimes(dialled=1.0, ready=3.0, connected=4.0)
EVENTS: Sequence[Event] = (
    Responded(0.5, at=10.0),
    Responded(1.5, at=13.0),
    Responded(1.25, at=15.0),
    SpeechLate(0.2, at=11.0),
    Interrupted("caller", at=12.0),
    Interrupted("agent", at=14.0),
    Interrupted("agent", at=16.0),
)
TALK = ConversationStatistics(
    response_seconds=(0.5, 1.5, 1.25),
    response_p50=1.25,
    response_p95=1.475,
    interruptions_by_agent=2,
    caller_share=0.25,
    agent_share=0.5,
)


def failures(limits: Limits, ended: Ended | None = None) -> list[Failure]:
    talk = Talk([Hold(3)], [(0.5, 1.0), (1.4, 2.0), (2.3, 2.6)], limits=limits)
    script = talk.caller._script
    noted = Noted(script)
    for event in EVENTS:
        noted.note(event)
    statistics = CallStatistics(times=TIMES, conversation=TALK)
    return list(failures_of(script, ended, talk.caller, statistics, noted))


BEYOND = {
    "response": (1.0, "slow", "each time, but it was heard at 10.00 s, after 1.50 s, the worst of 2 beyond that"),
    "response_p95": (1.4, "slow on the whole", "but that took 1.475 s, of 3 answers"),
    "gap": (0.35, "gap", "but from 1.00 s on nothing was heard for 0.40 s"),
    "late": (0.15, "late", "but what was due at 8.00 s came late by 0.20 s"),
    "interruptions": (1, "talks over", "but it did so 2 times, first at 11.00 s"),
    "agent_share": ((0.6, 1), "talk share", "for 60% to 100% of the time, but that was 50.0% of 3.02 s"),
    "caller_share": ((0, 0.2), "talk share", "for 0% to 20% of the time, but that was 25.0% of 3.02 s"),
    "ready": (2.5, "slow to be ready", "but it took 3.00 s"),
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_a_limit_is_told(name: str) -> None:
    limit, kind, told = BEYOND[name]
    (failure,) = failures(Limits(**{name: limit}))
    assert (failure.kind, failure.step) == (kind, None)
    assert told in str(failure)


def test_what_is_just_within_each_limit_is_not_told() -> None:
    within = Limits(
        ready=3.0,
        response=1.5,
        response_p95=1.475,
        gap=0.45,
        late=0.2,
        interruptions=2,
        agent_share=(0.5, 0.5),
        caller_share=(0.25, 1),
        seconds=3.1,
    )
    assert failures(within) == []
    assert failures(Limits()) == []


def test_what_rounding_adds_to_a_time_is_not_beyond_its_limit() -> None:
    noted = Noted(Talk([Hold(1)], [], limits=Limits(response=0.3, late=0.3)).caller._script)
    noted.note(Responded(1.3 - 1.0, at=3.0))
    noted.note(SpeechLate(1.3 - 1.0, at=3.0))
    assert noted.responses.seconds > 0.3
    assert noted.responses.beyond == noted.late.beyond == 0
    noted.note(Responded(1.31 - 1.0, at=3.0))
    assert noted.responses.beyond == 1


def test_figures_are_those_that_limits_are_about() -> None:
    talk = Talk([Hold(3)], [(0.5, 1.0), (1.4, 2.0), (2.3, 2.6)])
    noted = Noted(talk.caller._script)
    for event in EVENTS:
        noted.note(event)
    figures = figures_of(CallStatistics(times=TIMES, conversation=TALK), noted, talk.caller)
    assert (figures.connect_seconds, figures.ready_seconds) == (2.0, 3.0)
    assert (figures.response_seconds, figures.response_at) == ((0.5, 1.5, 1.25), (7, 10, 12))
    assert figures.gap_seconds == (pytest.approx(0.4, abs=0.011), pytest.approx(0.3, abs=0.011))
    assert (figures.late_seconds, figures.late_at) == ((0.2,), (8.0,))


@pytest.mark.parametrize(
    ("step", "ended", "kind"),
    [
        (Hold(9), Ended("agent", 1000, "bye", "drained"), "ended early"),
        (End(9), Ended("agent", 1000, "bye", "drained"), None),
        (End(9, code=1000), Ended("agent", 1000, "bye", "drained"), None),
        (End(9, code=1001), Ended("agent", 1000, "bye", "drained"), "ended otherwise"),
        (End(9, by="network"), Ended("agent", 1000, "bye", "drained"), "ended otherwise"),
        (End(9, code=1011), Ended("agent", 1011, "", "cut"), None),
        (End(9, by="network"), Ended("network", None, "reset", "cut"), None),
    ],
)
def test_the_end_is_judged_by_the_step_under_way(
    step: Hold | End, ended: Ended, kind: str | None
) -> None:
    talk = Talk([step], [], ends_at=2)
    script = talk.caller._script
    found = list(failures_of(script, ended, talk.caller, CallStatistics(), Noted(script)))
    assert [failure.kind for failure in found] == [kind] * (kind is not None)
    assert is_expected_end(ended, talk.caller) == (kind is None)


def test_an_agent_who_ends_the_call_before_it_is_ready_has_ended_it_early() -> None:
    talk = Talk([Hold(9)], [], ends_at=2, ready_at=3)
    script = talk.caller._script
    ended = Ended("agent", 1000, "", "drained")
    (failure,) = failures_of(script, ended, talk.caller, CallStatistics(), Noted(script))
    assert (failure.kind, failure.step) == ("ended early", None)


def test_the_latest_thousand_of_an_hour_are_kept() -> None:
    noted = Noted(Talk([Hold(1)], []).caller._script)
    for second in range(3600):
        noted.note(Responded(second / 1000, at=second))
    assert len(noted.responses.latest) == 1000
    assert (noted.responses.times, noted.responses.seconds) == (3600, 3.599)

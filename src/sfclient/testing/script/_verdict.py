"""Whether it was as it should be: the limits of the whole, how the call ended, and the figures."""

from collections.abc import Iterator

from sfclient._events import Ended, Event, Interrupted, Responded, SpeechLate
from sfclient._statistics import CallStatistics
from sfclient.testing.script._caller import Caller
from sfclient.testing.script._model import End, Script
from sfclient.testing.script._outcome import Failure, FailureKind, Figures
from sfclient.testing.script._worst import DECIMALS, Worst, exceeds


class Noted:
    """What the events of a call tell that limits are about. Their times are those of the call."""

    def __init__(self, script: Script) -> None:
        self.responses = Worst(script.limits.response)
        self.late = Worst(script.limits.late)
        self.first_interruption: float | None = None

    def note(self, event: Event) -> None:
        match event:
            case Responded(seconds):
                self.responses.add(seconds, event.at)
            case SpeechLate(seconds):
                self.late.add(seconds, event.at)
            case Interrupted("agent") if self.first_interruption is None:
                self.first_interruption = event.at
            case _:
                pass


def figures_of(statistics: CallStatistics, noted: Noted, caller: Caller) -> Figures:
    times, talk = statistics.times, statistics.conversation
    began = times.ready or 0.0

    def moments(of: Worst, began: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        seconds = tuple(round(each.seconds, DECIMALS) for each in of.latest)
        return seconds, tuple(round(each.at - began, DECIMALS) for each in of.latest)

    def rounded(seconds: float | None, since: float = 0.0) -> float | None:
        return None if seconds is None else round(seconds - since, DECIMALS)

    response_seconds, response_at = moments(noted.responses, began)
    gap_seconds, gap_at = moments(caller.ear.gaps, 0.0)
    late_seconds, late_at = moments(noted.late, began)
    return Figures(
        connect_seconds=rounded(times.ready, times.dialled),
        ready_seconds=rounded(times.connected, times.dialled),
        response_seconds=response_seconds,
        response_at=response_at,
        response_p50=rounded(talk.response_p50),
        response_p95=rounded(talk.response_p95),
        gap_seconds=gap_seconds,
        gap_at=gap_at,
        late_seconds=late_seconds,
        late_at=late_at,
        interruptions_by_agent=talk.interruptions_by_agent,
        agent_share=round(talk.agent_share, DECIMALS),
        caller_share=round(talk.caller_share, DECIMALS),
        seconds=round(caller.now, DECIMALS),
    )


def failures_of(
    script: Script, ended: Ended | None, caller: Caller, statistics: CallStatistics, noted: Noted
) -> Iterator[Failure]:
    """The step that failed, the call that ended otherwise than it should, and the limits of the whole."""
    if caller.failure is not None:
        yield caller.failure
    elif not caller.has_hung_up and ended is not None:
        yield from _of_end(ended, caller)
    yield from _of_limits(script, caller, statistics, noted)


def is_expected_end(ended: Ended | None, caller: Caller) -> bool:
    """Whether a step waited for the call to end like this."""
    step = caller.step
    return (
        isinstance(step, End)
        and ended is not None
        and ended.by == step.by
        and step.code in (None, ended.code)
    )


def _of_end(ended: Ended, caller: Caller) -> Iterator[Failure]:
    step = caller.step
    if is_expected_end(ended, caller) or ended.by != "agent":
        return
    how = f"the agent ended it at {caller.now:.2f} s"
    how += "" if ended.code is None else f" with {ended.code}"
    how += f" ({ended.reason})" if ended.reason else ""
    if step is None:
        yield Failure("ended early", "the agent to be ready", how, caller.now)
    elif isinstance(step, End):
        code = "" if step.code is None else f" with {step.code}"
        yield caller.fail("ended otherwise", f"the {step.by} to end the call{code}", how)
    else:
        expected = f"the call to last until {step.verb} is over, and all behind it"
        yield caller.fail("ended early", expected, how)


def _of_limits(
    script: Script, caller: Caller, statistics: CallStatistics, noted: Noted
) -> Iterator[Failure]:
    limits, talk, times = script.limits, statistics.conversation, statistics.times
    began, gaps, late, slow = times.ready or 0.0, caller.ear.gaps, noted.late, noted.responses

    def beyond(kind: FailureKind, key: str, at: float, expected: str, instead: str) -> Failure:
        return Failure(kind, expected, instead, round(at, DECIMALS), None, limits.place_of(key))

    if times.connected is not None and exceeds(times.connected - times.dialled, limits.ready):
        expected = f"the agent to say within {limits.ready:g} s that it hears the caller"
        took = f"it took {times.connected - times.dialled:.2f} s"
        yield beyond("slow to be ready", "ready", times.connected - began, expected, took)
    if slow.beyond:
        expected = f"the agent to answer within {slow.limit:g} s each time"
        answered = f"it was heard at {slow.at - began:.2f} s, after {slow}"
        yield beyond("slow", "response", slow.at - began, expected, answered)
    p95 = talk.response_p95
    if limits.response_p95 is not None and p95 is not None and exceeds(p95, limits.response_p95):
        expected = f"the agent to answer within {limits.response_p95:g} s in 95 % of all cases"
        answered = f"that took {p95:.3f} s, of {len(talk.response_seconds)} answers"
        yield beyond("slow on the whole", "response_p95", caller.now, expected, answered)
    if gaps.beyond:
        expected = f"no gap of more than {gaps.limit:g} s in what the agent says"
        heard = f"from {gaps.at:.2f} s on nothing was heard for {gaps}"
        yield beyond("gap", "gap", gaps.at, expected, heard)
    if late.beyond:
        expected = f"the agent's speech to come late by {late.limit:g} s at most"
        came = f"what was due at {late.at - began:.2f} s came late by {late}"
        yield beyond("late", "late", late.at - began, expected, came)
    interruptions = talk.interruptions_by_agent
    if limits.interruptions is not None and interruptions > limits.interruptions:
        at = (noted.first_interruption or began) - began
        expected = f"the agent to talk over the caller {limits.interruptions} times at most"
        talked = f"it did so {interruptions} times, first at {at:.2f} s"
        yield beyond("talks over", "interruptions", at, expected, talked)
    for key, share in (("agent_share", talk.agent_share), ("caller_share", talk.caller_share)):
        if (pair := getattr(limits, key)) is not None and not pair[0] <= share <= pair[1]:
            who = key.partition("_")[0]
            expected = f"the {who} to speak for {pair[0]:.0%} to {pair[1]:.0%} of the time"
            spoke = f"that was {share:.1%} of {caller.now:.2f} s"
            yield beyond("talk share", key, caller.now, expected, spoke)

"""What became of a scripted conversation: the verdict, what failed and what was heard instead, the figures."""

from dataclasses import dataclass, field
from typing import Any, Literal

from sfclient._errors import SfclientError
from sfclient._statistics import CallStatistics
from sfclient.testing.script._model import Script
from sfclient.testing.script._written import Place

Verdict = Literal["passed", "failed", "error", "cancelled"]
"""``"failed"``: the agent did not do what was expected. ``"error"``: network, service, or this machine kept the
conversation from being held. ``"cancelled"``: the program did."""

FailureKind = Literal[
    "never ready",
    "not heard",
    "not silent",
    "no turn",
    "not interrupted",
    "ended early",
    "not ended",
    "ended otherwise",
    "too long",
    "slow to be ready",
    "slow",
    "slow on the whole",
    "gap",
    "late",
    "talks over",
    "talk share",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met."""

    kind: FailureKind
    """A word for it, the same for all of its kind."""
    expected: str
    """What was, as half a sentence."""
    instead: str
    """What was heard instead, and when, as the other half."""
    at: float
    """When that was certain, in seconds since sound flowed: where it is in the recording."""
    step: int | None = None
    """The number of the step, from 1; None of a limit of the whole."""
    place: Place | None = None
    """Where the step or the limit is written."""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        step = f"step {self.step}: " if self.step else ""
        return f"{where}{step}{self.kind}: expected {self.expected}, but {self.instead}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, in seconds, each to 0.1 ms; None where it was not."""

    connect_seconds: float | None = None
    """From dialling until sound flowed."""
    ready_seconds: float | None = None
    """From dialling until the agent said that it hears the caller."""
    response_seconds: tuple[float, ...] = ()
    """Of each answer of the agent, the latest thousand: see `sfclient.ConversationStatistics`."""
    response_at: tuple[float, ...] = ()
    """When each was heard, in seconds since sound flowed; of all that follows likewise."""
    response_p50: float | None = None
    response_p95: float | None = None
    gap_seconds: tuple[float, ...] = ()
    """Of each gap that `Limits.gap` is about, of 0.15 s or more: the latest thousand."""
    gap_at: tuple[float, ...] = ()
    """When each began."""
    late_seconds: tuple[float, ...] = ()
    """Of each time that the agent's speech came late, as `Limits.late` is about: the latest thousand."""
    late_at: tuple[float, ...] = ()
    """When each was due."""
    interruptions_by_agent: int = 0
    agent_share: float = 0.0
    """Of the time in which sound flowed, 0 to 1."""
    caller_share: float = 0.0
    seconds: float = 0.0
    """For which sound flowed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one conversation. It can be pickled."""

    script: Script = field(repr=False)
    verdict: Verdict
    failures: tuple[Failure, ...] = ()
    """In the order in which they happened, those of the whole last."""
    error: SfclientError | None = None
    """Of the verdict ``"error"``."""
    figures: Figures = field(default_factory=Figures)
    statistics: CallStatistics = field(default_factory=CallStatistics, repr=False)
    """Of the call: see `Call.statistics`."""
    record: dict[str, Any] | None = field(default=None, repr=False)
    """As ``--stats`` writes it, if it was kept in a folder."""
    heard_hash: str = ""
    """SHA-256 of all that was heard, silence included, as PCM16 at the wire's rate, in hexadecimal digits."""
    said_hash: str = ""
    """The same of all that the caller said."""

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return self.verdict == "passed"

    def __str__(self) -> str:
        told = [f"{self.script.name}: {self.verdict}"]
        told += [str(failure) for failure in self.failures]
        if self.error is not None:
            told.append(str(self.error))
        return "\n".join(told)

"""Turns, answers and interruptions, from who begins and ceases to speak when: without I/O.

A turn, a pause in it, and an overlap are what M. Heldner and J. Edlund call so, "Pauses, gaps and overlaps in
conversations", Journal of Phonetics 38 (2010).
"""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from sfclient._events import Interrupted, Responded, Speaker

# Shorter, neither a gap nor an overlap is noticed: M. Heldner, "Detection thresholds for gaps, overlaps, and
# no-gap-no-overlaps", Journal of the Acoustical Society of America 130 (2011).
UNNOTICED_SECONDS = 0.12
KEPT_RESPONSES = 1000  # the latest: a call may last for days

State = Literal["quiet", "caller", "awaiting", "agent", "both"]
What = Literal["goes on", "answers", "interrupts"]

# Who speaks now; who begins (True) or ceases to (False): who speaks then, and what that was.
TABLE: dict[State, dict[tuple[Speaker, bool], tuple[State, What]]] = {
    "quiet": {
        ("caller", True): ("caller", "goes on"),
        ("agent", True): ("agent", "goes on"),
    },
    "caller": {
        ("caller", False): ("awaiting", "goes on"),
        ("agent", True): ("both", "interrupts"),
    },
    # Nobody speaks, and the agent has not answered what the caller said.
    "awaiting": {
        ("caller", True): ("caller", "goes on"),
        ("agent", True): ("agent", "answers"),
    },
    "agent": {
        ("agent", False): ("quiet", "goes on"),
        ("caller", True): ("both", "interrupts"),
    },
    # What the caller says while the agent speaks on is not answered by what the agent says next.
    "both": {
        ("caller", False): ("agent", "goes on"),
        ("agent", False): ("caller", "goes on"),
    },
}


@dataclass(frozen=True, slots=True)
class ConversationStatistics:
    """Who spoke, for how long, and how fast the agent answered. Durations are in seconds, as they were heard."""

    turns: int = 0
    """Times that one began to speak after, or over, the other."""
    response_seconds: tuple[float, ...] = ()
    """Of each answer of the agent, from the end of what the caller said: the latest thousand."""
    response_p50: float | None = None
    """Their median, None if there is none."""
    response_p95: float | None = None
    """What 95 % of them stay within."""
    interruptions_by_caller: int = 0
    interruptions_by_agent: int = 0
    caller_seconds: float = 0.0
    """For which the caller spoke."""
    agent_seconds: float = 0.0
    """For which the agent was heard to speak."""
    caller_share: float = 0.0
    """Of the time in which sound flowed, 0 to 1."""
    agent_share: float = 0.0
    """Of the time in which sound flowed, 0 to 1; both may speak at once."""


class _Change(NamedTuple):
    """Somebody begins or ceases to speak."""

    order: float
    number: int  # of those that are equal, the first comes first
    speaker: Speaker
    begins: bool
    at: float


class Conversation:
    """Is told of changes as they are found out, and takes them in the order in which they were.

    All times are of one clock, in seconds.
    """

    def __init__(self) -> None:
        self._state: State = "quiet"
        self._changes: list[_Change] = []  # a heap of those that were not taken yet
        self._count = 0
        self._began: dict[Speaker, float] = {}
        self._caller_ended = 0.0
        self._turn: Speaker | None = None
        self._turns = 0
        self._responses: deque[float] = deque(maxlen=KEPT_RESPONSES)
        self._interruptions: dict[Speaker, int] = {"caller": 0, "agent": 0}
        self._seconds: dict[Speaker, float] = {"caller": 0.0, "agent": 0.0}

    def began(self, speaker: Speaker, at: float) -> None:
        """This side was silent, and speaks from `at` on."""
        self._began[speaker] = at
        self._add(speaker, True, at, at)

    def ended(self, speaker: Speaker, at: float) -> None:
        """This side spoke, until `at`."""
        began = self._began[speaker]
        self._seconds[speaker] += at - began
        # So early that an overlap which nobody notices is none.
        self._add(speaker, False, at, max(began, at - UNNOTICED_SECONDS))

    def _add(self, speaker: Speaker, begins: bool, at: float, order: float) -> None:
        self._count += 1
        heappush(self._changes, _Change(order, self._count, speaker, begins, at))

    def settle(self, until: float) -> list[Responded | Interrupted]:
        """Nothing before `until` will be told any more: what has happened by then?"""
        found: list[Responded | Interrupted] = []
        while self._changes and self._changes[0].order < until - UNNOTICED_SECONDS:
            change = heappop(self._changes)
            self._state, what = TABLE[self._state][change.speaker, change.begins]
            if change.begins and self._turn != change.speaker:
                self._turn, self._turns = change.speaker, self._turns + 1
            if change.speaker == "caller" and not change.begins:
                self._caller_ended = change.at
            if what == "answers":
                seconds = max(0.0, change.at - self._caller_ended)
                self._responses.append(seconds)
                found.append(Responded(seconds, at=change.at))
            elif what == "interrupts":
                self._interruptions[change.speaker] += 1
                found.append(Interrupted(change.speaker, at=change.at))
        return found

    def statistics(self, seconds: float) -> ConversationStatistics:
        """Of a call in which sound has flowed for so long."""
        responses = sorted(self._responses)
        shares = (
            min(1.0, spoken / seconds) if seconds > 0 else 0.0 for spoken in self._seconds.values()
        )
        return ConversationStatistics(
            self._turns,
            tuple(self._responses),
            _percentile(responses, 0.5),
            _percentile(responses, 0.95),
            self._interruptions["caller"],
            self._interruptions["agent"],
            *self._seconds.values(),
            *shares,
        )


def _percentile(values: list[float], fraction: float) -> float | None:
    """Between its neighbours, as `numpy.percentile` has it; None if there are none."""
    if not values:
        return None
    place = fraction * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])

"""Whether the machine kept up, span by span: one that did not spoils what was measured in it. No I/O.

A process that has no time to run sends late, and hears late: its figures look like a slow agent's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sfclient.testing.load._tally import Tally

SPAN_SECONDS = 1.0
# Beyond these a span spoils its figures. A process that needs nearly all of a core has no time left for what comes all
# at once; what is done late is measured late, twice in a response time: at its beginning, and at its end. A twentieth
# of a second each is what the limits of scripts are written in; a far side that gathers speech has as much in hand.
MOST_CPU = 0.9
MOST_LAG_SECONDS = 0.05
MOST_LATE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Span:
    """How a worker kept up for about a second."""

    began: float
    """Seconds since the worker's share began; so are all times here."""
    ended: float
    cpu: float
    """How much of a core the process used."""
    lag_seconds: float
    """By how much its loop was late, at most."""
    late_seconds: float
    """By how much a chunk of a call's sound left later than due, at most."""
    placed: int
    """Calls in it."""
    held: int
    """Calls, at its end."""

    def troubles(self) -> list[str]:
        """Why it spoils what was measured in it, for a person; empty if it does not."""
        found = []
        if self.cpu > MOST_CPU:
            found.append(f"{self.cpu:.0%} of a core was used")
        if self.lag_seconds > MOST_LAG_SECONDS:
            found.append(f"it ran {1000 * self.lag_seconds:.0f} ms late")
        if self.late_seconds > MOST_LATE_SECONDS:
            found.append(f"chunks left {1000 * self.late_seconds:.0f} ms late")
        return found

    @property
    def is_spoiled(self) -> bool:
        return bool(self.troubles())


@dataclass(frozen=True, slots=True)
class News:
    """What a worker tells of a span: the calls and times whose last part was in it."""

    span: Span
    clean: Tally
    """What lay in spans all of which were good."""
    spoiled: Tally
    """What lay, if only in part, in one that was not."""


@dataclass(frozen=True, slots=True)
class _Noted:
    name: str
    began: float
    ended: float
    seconds: float | None


class Book:
    """Keeps what was measured until the spans in which it lay are over, and it is known what it is worth."""

    def __init__(self) -> None:
        self._waiting: list[_Noted] = []
        self._spoiled: list[Span] = []

    def note(self, name: str, began: float, ended: float, seconds: float | None = None) -> None:
        """See `Tally.note`; it began and ended then."""
        self._waiting.append(_Noted(name, began, ended, seconds))

    def close(self, span: Span, held_since: Iterable[float] = ()) -> News:
        """A span is over, and with it all that has `ended` in it; calls held still began then."""
        if span.is_spoiled:
            self._spoiled.append(span)
        news = News(span, Tally(), Tally())
        waiting, self._waiting = self._waiting, []
        for noted in waiting:
            if noted.ended > span.ended:
                self._waiting.append(noted)
                continue
            tally = news.spoiled if self._is_spoiled(noted) else news.clean
            tally.note(noted.name, noted.seconds)
        oldest = min(held_since, default=span.ended)
        self._spoiled = [each for each in self._spoiled if each.ended >= oldest]
        return news

    def _is_spoiled(self, noted: _Noted) -> bool:
        return any(
            span.began <= noted.ended and noted.began <= span.ended for span in self._spoiled
        )

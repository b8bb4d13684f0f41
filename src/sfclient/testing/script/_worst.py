"""What a limit of the whole is about, again and again: how often it was beyond that, and the worst of it."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

DECIMALS = 4  # of a second: a tenth of a millisecond, so that the same is the same on any clock
KEPT = 1000  # the latest, as of responses: an hour costs no more memory than a minute


def exceeds(seconds: float, limit: float) -> bool:
    """Whether it is more. Sums of seconds differ by rounding, and what is just within a limit is within it."""
    return round(seconds - limit, DECIMALS) > 0


class Moment(NamedTuple):
    """When something was, and for how long."""

    at: float
    seconds: float


@dataclass(slots=True)
class Worst:
    """Durations in seconds. `at` is when the worst of them was, on any clock."""

    limit: float | None
    times: int = 0
    beyond: int = 0
    seconds: float = 0.0
    at: float = 0.0
    latest: deque[Moment] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, seconds: float, at: float) -> None:
        self.times += 1
        self.latest.append(Moment(at, seconds))
        if self.limit is not None and exceeds(seconds, self.limit):
            self.beyond += 1
        if seconds > self.seconds:
            self.seconds, self.at = seconds, at

    def __str__(self) -> str:
        """For a sentence, without the time."""
        often = f", the worst of {self.beyond} beyond that" if self.beyond > 1 else ""
        return f"{self.seconds:.2f} s{often}"

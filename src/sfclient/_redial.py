"""When a call that failed is dialled again, and after which pause. No I/O, no clock.

=====================================================  ========================================
the call ended                                         it is redialled
=====================================================  ========================================
in order, as the dialect has it, whoever hung up       never
by `UsageError`: a refused key, an unknown agent ...   never
by `DeviceError`                                       never
by an error that is not ours                           never
by `RemoteError`: the network, the service             within the limits of `Redial`, but never
                                                       where it may have begun without us
                                                       (`SfclientError.may_have_begun`)
=====================================================  ========================================
"""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields

from sfclient._errors import RemoteError, SfclientError, UsageError

HOUR_SECONDS = 3600.0
LONGEST_ASKED_SECONDS = (
    HOUR_SECONDS  # of a pause that the service asks for: who is told more is told that instead
)


@dataclass(frozen=True, slots=True)
class Redial:
    """How a call is redialled when the network or the service has ended it: after a pause that grows from try to try,
    so that a service that comes back is not overrun, and that is a little different for each of many kiosks.

    Never where either side hung up in order; nor for what no further try would mend, a `UsageError` such as a refused
    key, or a `DeviceError`; nor where the service may hold a call already (`SfclientError.may_have_begun`). What the
    service asks to wait (`SfclientError.retry_after`), up to an hour, is waited.

    Raises `UsageError` for a number that cannot be.
    """

    first_pause: float = 1.0
    """In seconds."""
    growth: float = 2.0
    """By what each pause is longer than the one before, at least 1."""
    longest_pause: float = 60.0
    """In seconds, but for the jitter."""
    jitter: float = 0.5
    """By which part of it a pause is longer at most, at random, 0 to 1."""
    most_in_a_row: float = 50
    """Redials without a call that held; one more failure ends the call with its error. A whole number, or ``math.inf``:
    any."""
    most_an_hour: float = 30
    """Redials, in any hour: a pause becomes so long that there are never more. Likewise."""
    steady_seconds: float = 30.0
    """For which sound flows in a call that held: it is redialled after the first pause again."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if not isinstance(number := getattr(self, each.name), int | float):
                raise UsageError(f"{each.name} of Redial must be a number, not {number!r}")
        wrong = {
            "first_pause": not 0 < self.first_pause < math.inf,
            "growth": not 1 <= self.growth < math.inf,
            "longest_pause": not self.first_pause <= self.longest_pause < math.inf,
            "jitter": not 0 <= self.jitter <= 1,
            "most_in_a_row": not self.most_in_a_row >= 1 or self.most_in_a_row % 1 > 0,
            "most_an_hour": not self.most_an_hour >= 1 or self.most_an_hour % 1 > 0,
            "steady_seconds": not self.steady_seconds >= 0,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise UsageError(f"a call cannot be redialled with {name}={getattr(self, name)!r}")


class Redialer:
    """Decides for one call. `draw` gives a random number from 0 to 1."""

    def __init__(self, redial: Redial, draw: Callable[[], float] = random.random) -> None:
        self._redial = redial
        self._draw = draw
        self._in_a_row = 0
        self._next_pause = redial.first_pause
        self._dialled: deque[float] = deque()  # when, within the last hour

    def pause(self, error: SfclientError, held_seconds: float, now: float) -> float | None:
        """After how many seconds to redial, None for never, when at `now` sound had flowed for so long and `error`
        ended it."""
        redial = self._redial
        if held_seconds > 0 and held_seconds >= redial.steady_seconds:
            self._in_a_row, self._next_pause = 0, redial.first_pause
        if not isinstance(error, RemoteError) or error.may_have_begun:
            return None
        asked = error.retry_after or 0.0
        if self._in_a_row >= redial.most_in_a_row or asked > LONGEST_ASKED_SECONDS:
            return None
        pause = max(self._next_pause, asked, self._until_allowed(now))
        pause *= 1 + redial.jitter * self._draw()
        self._in_a_row += 1
        self._next_pause = min(self._next_pause * redial.growth, redial.longest_pause)
        self._dialled.append(now + pause)
        return pause

    def _until_allowed(self, now: float) -> float:
        """Seconds until there may be one more within an hour."""
        while self._dialled and self._dialled[0] <= now - HOUR_SECONDS:
            self._dialled.popleft()
        if len(self._dialled) < self._redial.most_an_hour:
            return 0.0
        oldest = self._dialled[-int(self._redial.most_an_hour)]
        return max(0.0, oldest + HOUR_SECONDS - now)

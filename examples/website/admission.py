"""Who may ask for a session, and how often."""

import ipaddress
import math
from dataclasses import dataclass

ROUNDING_SECONDS = 1e-6  # sums of floats are not exact: the last of those who may ask at once might wait for no time


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and when they are used up one more every ``seconds / count``.

    Raises `ValueError` for what is no rate.
    """

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 < self.seconds < math.inf:
            raise ValueError(f"at least 1 in a time of more than 0 seconds, not {self}")


class Limiter:
    """Holds each of those who ask to a rate. Times are seconds of a clock that never goes back.

    The generic cell rate algorithm (ITU-T I.371, annex A.1): of each, one time is kept, at which all would be theirs
    again. When it is over, nothing is.
    """

    def __init__(self, rate: Rate) -> None:
        self._interval = rate.seconds / rate.count
        self._ahead = rate.seconds - self._interval
        self._full_at: dict[str, float] = {}

    def pause(self, who: str, now: float) -> float:
        """In how many seconds they may ask; 0 if they may now."""
        pause = self._full_at.get(who, now) - self._ahead - now
        return pause if pause > ROUNDING_SECONDS else 0.0

    def note(self, who: str, now: float) -> None:
        """They have asked, and they might."""
        self._full_at = {one: full_at for one, full_at in self._full_at.items() if full_at > now}
        self._full_at[who] = self._full_at.get(who, now) + self._interval

    def __len__(self) -> int:
        """How many are kept: no more than may ask within the seconds of the rate."""
        return len(self._full_at)


class Admission:
    """Each visitor at one rate, and all together at another.

    Who is refused costs the others nothing and is not remembered, so that what is kept is bounded by the rates.
    """

    def __init__(self, each_visitor: Rate, in_all: Rate) -> None:
        self.visitors = Limiter(each_visitor)
        self._all = Limiter(in_all)

    def ask(self, visitor: str, now: float) -> tuple[str, float]:
        """Whether a visitor may have a session: who has asked too often, "visitor" or "all", and the pause in seconds
        after which it may be tried again; "" and 0 if they may, and then it counts."""
        if pause := self.visitors.pause(visitor, now):
            return "visitor", pause
        if pause := self._all.pause("", now):
            return "all", pause
        self.visitors.note(visitor, now)
        self._all.note("", now)
        return "", 0.0


def visitor_at(host: str) -> str:
    """Whom an address stands for: in IPv6 its /64, of which a customer has all addresses (RFC 6177)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # as behind a socket of the file system: all of them are one
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address), 64), strict=False))
    return host

"""What a network does to a connection, as data."""

import math
from dataclasses import dataclass, field
from typing import Literal

from sfclient.testing._trace import Trace

Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing gets through from byte `at` on, for so many seconds."""

    at: int
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Byte `at` is changed in the bits that are set in `bits`."""

    at: int
    bits: int = 0xFF


@dataclass(frozen=True, slots=True)
class HalfClose:
    """This direction ends in order (FIN) before byte `at`; the other goes on."""

    at: int


@dataclass(frozen=True, slots=True)
class Close:
    """Both directions end in order (FIN) when byte `at` of this one is due."""

    at: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Both ends get a reset (RST) when byte `at` of this direction is due."""

    at: int


Fault = Stall | Corrupt | HalfClose | Close | Reset
"""What happens when byte `at` of a direction is due, counted from 0 in each connection."""


@dataclass(frozen=True, slots=True)
class Link:
    """What one direction of a connection does to its bytes; as it stands, nothing.

    TCP loses no byte and keeps their order, and so does this; loss on the way shows as delay. The words are those of
    ``tc-netem(8)``. Raises ValueError for a number that cannot be.
    """

    delay: float = 0.0
    """Seconds that each byte is under way."""
    jitter: float = 0.0
    """Seconds by which the delay is at most longer or shorter, evenly spread."""
    trace: Trace | None = None
    """A recorded network, whose delays come on top of `delay`; a ``Link(trace=read_trace(path))``."""
    rate: float = math.inf
    """Bytes per second that get through."""
    split: int | tuple[int, int] | None = None
    """Pass on pieces of so many bytes; or of a random number of them, from the first to the second; None: as they come.

    Each piece is written by itself. Who reads late may still find several at once.
    """
    coalesce: float = 0.0
    """Seconds for which bytes are gathered, to be passed on at once, or as fast as `rate` lets them."""
    coalesce_from: int = 1
    """So many bytes, or more, that come at once begin to be gathered; fewer only join others."""
    faults: tuple[Fault, ...] = ()
    limit: int = 1 << 16
    """Bytes that may be under way before the sender is made to wait; the sockets add theirs, of about this size."""
    seed: int = 0
    """Of all that is random here: the same seed does the same to the same bytes."""

    def __post_init__(self) -> None:
        split = 1 if self.split is None else self.split
        shortest, longest = split if isinstance(split, tuple) else (split, split)
        wrong = {
            "delay": not 0 <= self.delay < math.inf,
            "jitter": not 0 <= self.jitter < math.inf,
            "rate": not self.rate > 0,
            "split": not 1 <= shortest <= longest,
            "coalesce": not 0 <= self.coalesce < math.inf,
            "faults": any(fault.at < 0 for fault in self.faults),
            "coalesce_from": self.coalesce_from < 1,
            "limit": self.limit < 1,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise ValueError(f"a link cannot have {name}={getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between a client and a service, each direction for itself."""

    up: Link = field(default_factory=Link)
    """From the client to the service."""
    down: Link = field(default_factory=Link)
    """From the service to the client."""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Bytes of one direction, of all connections: ``received == sent + waiting + dropped``."""

    received_bytes: int = 0
    sent_bytes: int = 0
    waiting_bytes: int = 0
    """Under way."""
    dropped_bytes: int = 0
    """That came, or were under way, when there was nobody to get them any more."""


@dataclass(frozen=True, slots=True)
class ProxyStatistics:
    """What went through a proxy so far."""

    connections: int = 0
    """That clients have opened."""
    open_connections: int = 0
    """Of them, those that are still open."""
    up: LinkStatistics = field(default_factory=LinkStatistics)
    """From clients to the service."""
    down: LinkStatistics = field(default_factory=LinkStatistics)
    """From the service to clients."""

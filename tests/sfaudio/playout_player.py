"""Playing by media positions alone: chunks of 20 ms that arrive at given times, a law, and what it did of it.

Nothing here asserts: pytest explains a failed assertion only where it collects tests.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Protocol

from .playout_model import BLOCK, PauseLeft

CHUNK = 20.0
START = 100.0  # when the first chunk of a sender comes that is on time


class Law(Protocol):
    @property
    def target(self) -> float: ...
    def block(
        self,
        now: float,
        head: float,
        position: float,
        speech: bool,
        pause_left: PauseLeft,
        period: float,
        can_stretch: bool,
        draining: bool = False,
    ) -> tuple[str, float]: ...


@dataclass
class Block:
    now: float
    what: str
    advance: float
    queued: float
    """Before it."""
    target: float
    speech: bool


@dataclass
class Played:
    blocks: list[Block] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    """The holes in speech in ms; one ends when 50 ms have played."""

    def after(self, since: float) -> list[Block]:
        return [block for block in self.blocks if block.now > since]

    def total(self, *what: str) -> float:
        """By how much the media were made shorter or longer."""
        changed = [abs(block.advance - BLOCK) for block in self.blocks if block.what in what]
        return sum(changed)

    @property
    def touched(self) -> float:
        return self.total("remove", "insert", "cut", "hold")

    @property
    def first(self) -> float:
        return next(block.now for block in self.blocks if block.what == "play")

    def repaid_after(self, since: float) -> float:
        """ms until the queue is not above its target any more, but for the grain of what is done about it."""
        above = [b.now for b in self.after(since) if b.queued - b.advance > b.target + 30]
        return max(above, default=since) - since


def steadily(position: float) -> float:
    return 8.0


def always(position: float) -> bool:
    return True


def play(
    law: Law,
    arrivals: Sequence[float],
    speech: Sequence[bool] | None = None,
    *,
    sent: Sequence[float] | None = None,
    period: Callable[[float], float] = steadily,
    can_stretch: Callable[[float], bool] = always,
) -> Played:
    """Chunk k arrives at `arrivals[k]` and holds speech or not; silence that was not sent shows in the times at which
    they were `sent`."""
    talk = [True] * len(arrivals) if speech is None else list(speech)
    due = [k * CHUNK for k in range(len(talk))] if sent is None else sent
    starts = [
        k == 0 or (talk[k] and not talk[k - 1]) or due[k] - due[k - 1] > 1.5 * CHUNK
        for k in range(len(talk))
    ]
    result, position, head, gap, sounding = Played(), 0.0, 0.0, 0.0, 1e9

    def pause_left(limit: float) -> tuple[float, bool]:
        k, last = int(position / CHUNK), int(head / CHUNK)
        while k < last and not talk[k] and CHUNK * k - position < limit:
            k += 1
        return CHUNK * k - position, k < last

    def at(position: float) -> int:
        return int(position / CHUNK + 1e-9)

    now, ever = floor(arrivals[0] / BLOCK) * BLOCK + BLOCK, False
    while (now < arrivals[-1] + BLOCK or head - position >= BLOCK) and at(position) < len(talk):
        head = CHUNK * bisect_right(arrivals, now)
        k = at(position)
        mid = talk[k] and not (starts[k] and position - CHUNK * k < 1e-6)
        what, advance = law.block(
            *(now, head, position, talk[k]),
            *(pause_left, period(position), can_stretch(position)),
        )
        queued = head - position
        result.blocks.append(Block(now, what, advance, queued, law.target, talk[k]))
        now += BLOCK
        if what in ("wait", "pad"):
            if ever and 0 < queued < BLOCK:  # What is left is played.
                position = head
                mid = (k := at(position)) < len(talk) and talk[k] and not starts[k]
            gap, sounding = gap + BLOCK * (ever and mid), 0.0
            continue
        ever = True
        position += min(advance, queued)
        sounding += BLOCK
        if gap and sounding >= 50:
            result.gaps.append(gap)
            gap = 0.0
    if gap:
        result.gaps.append(gap)
    return result


# ---- senders: when the chunks of so many seconds come


def paced(seconds: float, rate: float = 1.0) -> list[float]:
    """At `rate` times real time."""
    return [START + k * CHUNK / rate for k in range(int(seconds * 50))]


def stalled(arrivals: Sequence[float], at: float, ms: float) -> list[float]:
    """All that was to come in `ms` from the media position `at` on comes at its end, at once."""
    until = arrivals[int(at / CHUNK)] + ms
    return [max(t, until) if k * CHUNK >= at else t for k, t in enumerate(arrivals)]


def talking(chunks: int, speech: float = 3600, pause: float = 1400) -> list[bool]:
    return [k * CHUNK % (speech + pause) < speech for k in range(chunks)]


def turns(seconds: float, rate: float) -> tuple[list[float], list[float]]:
    """Utterances of 3.6 s each 5 s, sent at `rate` times real time, silence not sent: arrivals and sending times."""
    said = [k for k, talks in enumerate(talking(int(seconds * 50))) if talks]
    sent = [k * CHUNK for k in said]
    return [START + t // 5000 * 5000 + t % 5000 / rate for t in sent], sent


def often_stalled(seconds: float) -> list[float]:
    """So that the target is above 200 ms."""
    arrivals = paced(seconds)
    for at in range(1000, 9000, 2000):
        arrivals = stalled(arrivals, at, 200)
    return arrivals

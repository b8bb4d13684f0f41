"""Competitors of the playout engine that have no code to run here, as laws of where the media stands, block by block.

`block` is asked once in 10 ms of the device. `head` is how much has arrived, `position` how much has been played, both
in ms of media. It answers by how many ms the position moves, or None where there is nothing to be heard.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from playout_traces import MESSAGE, Laid

from sfaudio._stretch import Stretcher

BLOCK = 10.0


class Law(Protocol):
    def block(self, now: float, head: float, position: float) -> float | None: ...


class Primed:
    """Plays when `prime` ms are queued or the first of them has waited as long; after an underrun anew.

    After each underrun `more` ms are added to the prime, up to `most`.
    """

    def __init__(self, prime: float, more: float = 0.0, most: float = 0.0) -> None:
        self.prime, self.more, self.most = prime, more, max(prime, most)
        self.plays = False
        self.waits_since: float | None = None

    def block(self, now: float, head: float, position: float) -> float | None:
        queued = head - position
        if self.plays and queued < BLOCK:
            self.plays, self.waits_since = False, None
            self.prime = min(self.most, self.prime + self.more)
        elif not self.plays and queued >= BLOCK:
            self.waits_since = now if self.waits_since is None else self.waits_since
            self.plays = queued >= self.prime or now - self.waits_since >= self.prime
        return BLOCK if self.plays else None


class Segments(Primed):
    """Schedules what comes to an empty player `prime` ms ahead, however much of it there is: a clock, not a level."""

    def block(self, now: float, head: float, position: float) -> float | None:
        queued = head - position
        if queued < BLOCK:
            self.plays, self.waits_since = False, None
        elif not self.plays:
            self.waits_since = now if self.waits_since is None else self.waits_since
            self.plays = now - self.waits_since >= self.prime
        return BLOCK if self.plays else None


class NetEq:
    """Delay manager and decisions of WebRTC's NetEq with its default settings, without codecs, loss, comfort noise.

    The delay of a packet is told from the least transit of 2 s. The maxima of half seconds go into a histogram of 100
    buckets of 20 ms with forgetting, and the target is its 95th percentile. Above the target, the spread of arrivals
    and 20 ms it removes a pitch period, above four times that at once; below the target it inserts one; 60 ms lie
    between two operations. After 80 ms of expanding it waits until half the target is spanned.
    """

    QUANTILE = 0.95
    FORGET = 0.983
    HISTORY = 2000.0  # ms of media in which least and most transit are looked for
    INTERVAL = 500.0  # ms, of which the maximum counts
    BETWEEN = 60.0  # ms from one operation to the next
    MUTED = 80.0  # ms of expanding, after which the next packet is postponed

    def __init__(self, laid: Laid) -> None:
        self.spoken = laid.spoken
        self.period = periods(laid)
        self.random = random.Random(1)
        self.histogram = [0.5 ** (k + 1) for k in range(100)]
        self.forget, self.maxima = 0.0, 0
        self.target = 80.0
        self.maximum, self.interval_began = 0.0, None
        self.least: deque[tuple[float, float]] = deque()  # of transit: media position, transit
        self.most: deque[tuple[float, float]] = deque()
        self.waiting: deque[tuple[float, float]] = deque()  # packets: media position, arrival
        self.head = self.rest = self.expanded = 0.0
        self.packets = 0
        self.ever = False

    def _arrived(self, at: float, media: float) -> None:
        transit = at - media
        for extreme, sign in ((self.least, 1), (self.most, -1)):
            while extreme and sign * transit <= sign * extreme[-1][1]:
                extreme.pop()
            extreme.append((media, transit))
            while extreme[0][0] + self.HISTORY < media:
                extreme.popleft()
        self.packets += 1
        self.waiting.append((media, at))
        if self.packets < 2:
            return
        if self.interval_began is None:
            self.interval_began = at
        if at - self.interval_began > self.INTERVAL:
            self._learn(self.maximum)
            self.interval_began, self.maximum = at, 0.0
        self.maximum = max(self.maximum, transit - self.least[0][1])

    def _learn(self, delay: float) -> None:
        bucket = int(delay / MESSAGE)
        if bucket < len(self.histogram):
            self.histogram = [self.forget * share for share in self.histogram]
            self.histogram[bucket] += 1 - self.forget
            self.maxima += 1
            self.forget = max(0.0, min(self.FORGET, 1 - 2 / (self.maxima + 1)))
        above, k = 1 - self.histogram[0], 0
        while above > 1 - self.QUANTILE and k < len(self.histogram) - 1:
            k += 1
            above -= self.histogram[k]
        self.target = (1.0 + k) * MESSAGE

    def block(self, now: float, head: float, position: float) -> float | None:
        while self.head < head:
            self._arrived(now - BLOCK, self.head)  # noticed a block after it came
            self.head += MESSAGE
        while len(self.waiting) > 1 and self.waiting[0][0] + MESSAGE <= position:
            self.waiting.popleft()
        self.rest = max(0.0, self.rest - BLOCK)
        queued = head - position
        plays = queued >= BLOCK
        if plays and self.expanded >= self.MUTED:
            plays = queued + now - self.waiting[0][1] >= 0.5 * self.target
        if not plays:
            self.expanded += BLOCK if self.ever else 0.0
            return None
        step = (
            self._step(now, position, queued) if self.packets > 1 and not self.expanded else BLOCK
        )
        self.expanded, self.ever = 0.0, True
        return step

    def _step(self, now: float, position: float, queued: float) -> float:
        delay, low = now - position - self.least[0][1], self.target
        high = low + self.most[0][1] - self.least[0][1] + MESSAGE
        if low <= delay < high:
            return BLOCK
        if delay >= high:
            fast = delay >= 4 * high
            may = queued >= 30 and (self.random.random() < 0.5 if fast else self.rest <= 0)
            if may and (period := self._period(position)):
                self.rest = self.BETWEEN
                return BLOCK + (min(period, queued - BLOCK) if fast else period)
        elif self.rest <= 0 and queued >= 20 and (period := self._period(position)):
            self.rest = self.BETWEEN
            return BLOCK - min(period, BLOCK)
        return BLOCK

    def _period(self, position: float) -> float:
        """The pitch period here in ms, or 0 where speech does not allow an operation. In silence any will do."""
        if self.spoken[int(position / MESSAGE)]:
            return self.period(position)
        return self.random.uniform(2.5, 14.9)


def periods(laid: Laid) -> Callable[[float], float]:
    """The pitch period at a position of the media, both in ms; 0 where the waveform does not resemble itself."""
    search = Stretcher(16_000)
    window = search.block + search.lag_max

    def period(position: float) -> float:
        at = min(int(16 * position), len(laid.samples) - window)
        here = laid.samples[at : at + window]
        lag, _ = search.best_lag(here)
        return lag / 16 if search.may_operate(here) else 0.0

    return period


LAWS: dict[str, Callable[[Laid], Law]] = {
    "neteq": NetEq,
    "segment-300": lambda _: Segments(300.0),
    "growing-600": lambda _: Primed(600.0, more=300.0, most=1500.0),
    "fixed-1200": lambda _: Primed(1200.0),
}

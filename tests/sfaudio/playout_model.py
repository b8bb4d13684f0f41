"""The law of adaptive playout in plain Python: what `sfaudio._playout_law` must decide, block by block.

It reads as the rules are told; the compiled law has the same fields by the same names, so that the two can be compared
in all they know. Times are ms of the device, media positions ms of audio.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

BLOCK = 10.0
TARGETS = [40.0, 60.0, 80.0, 100.0, *(round(120 * 1.25**i, 1) for i in range(12))]
TARGET_MAX = 680.0

PauseLeft = Callable[[float], tuple[float, bool]]
"""How much silence is queued, looked for up to a limit, and whether speech follows it there."""


@dataclass
class PlayoutModel:
    head: float = 0.0
    last_arrival: float = -inf
    last_transit: float = 0.0
    length: float = 20.0
    message: float = 20.0
    minima: list[float] = field(default_factory=lambda: [inf] * 8)
    second_end: float = 0.0
    schedule: float = inf
    paced: bool = False
    doubt: bool = False
    stalls: int = 0
    counts: list[float] = field(default_factory=lambda: [1.0] + [0.0] * (len(TARGETS) - 1))
    count: float = 5
    latest: float = 0.0
    interval_start: float = 0.0
    target: float = TARGETS[0]
    playing: bool = False
    need: float = 40.0
    waiting_since: float = inf
    dry_since: float = -inf
    owed: float = 0.0
    last_operation: float = -inf
    in_pause: float = 0.0
    held: float = 0.0

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
    ) -> tuple[str, float]:
        queued = head - position
        if head > self.head:
            self._arrived(now, head, position)
        if not self._plays(now, queued, draining):
            return "pad" if position > 0 else "wait", 0.0
        more = not draining
        stalled = self.paced and more and now - self.last_arrival >= self.message + 20
        excess = self._excess(now - position, queued, stalled)
        excess = excess if more else max(0.0, excess)
        faster, slower = excess > 15, excess < -10
        self.in_pause = 0.0 if speech else self.in_pause + BLOCK
        if speech:
            self.held = 0.0
        if self.in_pause < 80:
            rate = 0.25 if faster else -0.25 if slower else 0.0
            if stalled:
                rate = -0.25
            elif more and queued < 100 and self._slower_by() > 0:
                rate = -min(0.25, 1.2 * self._slower_by())
            return self._stretch(now, queued, rate, period, can_stretch)
        self.owed = 0.0
        if faster:
            cut = min(excess, pause_left(excess + 50)[0] - 50)
            if cut > 0:
                return "cut", BLOCK + cut
        if slower:
            return "hold", 0.0
        if stalled and queued < self.target and self.held < 1000:
            self.held += BLOCK
            return "hold", 0.0
        return "play", min(BLOCK, queued)

    def flushed(self) -> None:
        new = PlayoutModel()
        self.playing, self.need = new.playing, new.need
        self.waiting_since, self.dry_since = new.waiting_since, new.dry_since
        self.owed, self.in_pause, self.held = new.owed, new.in_pause, new.held

    def operated(self, assumed: float, really: float) -> None:
        self.owed += assumed - really

    # ---- arrivals

    def _arrived(self, now: float, head: float, position: float) -> None:
        length, transit, least = head - self.head, now - self.head, now - head
        if self.schedule == inf:
            self.schedule, self.interval_start, self.second_end = least, now, now + 1000
        while now >= self.second_end:
            self._second_over()
        if least < self.schedule - 25:
            self.paced = False
        self.minima[-1] = min(self.minima[-1], least)
        before, self.schedule = self.schedule, min(self.minima)
        late = transit - self.schedule
        if self.schedule > before + 25:
            self.doubt = False
        if not self.playing and position > 0 and late > 45 and transit - self.last_transit > 45:
            self.doubt = True
        if self.doubt and late <= 45:
            self.doubt = False
            self.stalls += 1
            late = max(late, now - position - self.schedule)
        if self.paced and not self.doubt:
            self._learn(now, late)
        self.message = min(length, self.length)
        self.head, self.length, self.last_arrival, self.last_transit = head, length, now, transit

    def _second_over(self) -> None:
        self.second_end += 1000
        before, last = self.minima[-2:]
        if max(before, last) < inf and abs(last - before) <= 25:
            self.paced = True
            if self.doubt:
                self.minima = [inf] * 6 + [before, last]
        self.minima = [*self.minima[1:], inf]

    def _learn(self, now: float, late: float) -> None:
        self.latest = max(self.latest, late)
        if now - self.interval_start < 500:
            return
        keep = min(0.995, self.count / (self.count + 1))
        needed = next((i for i, target in enumerate(TARGETS) if target > self.latest), 15)
        self.counts = [share * keep for share in self.counts]
        self.counts[needed] += 1 - keep
        self.count += 1
        self.latest, self.interval_start = 0.0, now
        above, exceeded = self.counts[-1], len(TARGETS) - 1
        while above <= 0.04 + 1e-9 and exceeded > 0:
            exceeded -= 1
            above += self.counts[exceeded]
        self.target = min(TARGETS[exceeded], TARGET_MAX + max(0.0, self.message - 20))

    def _slower_by(self) -> float:
        first, second, third = self.minima[-4:-1]
        if max(first, second, third) == inf:
            return 0.0
        rise = min(third - second, second - first)
        return rise / 1000 if 20 < rise < 250 else 0.0

    # ---- decisions

    def _plays(self, now: float, queued: float, draining: bool) -> bool:
        some = queued >= BLOCK or (draining and queued > 0)
        if self.playing and not some:
            self.playing, self.waiting_since, self.dry_since = False, inf, now
            self.need = 20.0
        elif some and not self.playing:
            if self.waiting_since == inf:
                self.waiting_since = now
                if now - self.dry_since >= 500:
                    self.need = self._prefill()
            waited = now - self.waiting_since
            self.playing = queued >= self.need or waited >= self.need or draining
        return self.playing

    def _prefill(self) -> float:
        return min(self.target, 160.0)

    def _excess(self, delay: float, queued: float, stalled: bool) -> float:
        if not self.paced or self.doubt:
            return 0.0
        if queued > self.target:
            return 0.0 if stalled else queued - self.target
        return min(0.0, delay - self.schedule - self.target)

    def _stretch(
        self, now: float, queued: float, rate: float, period: float, can_stretch: bool
    ) -> tuple[str, float]:
        self.owed = max(-30.0, min(30.0, self.owed + rate * BLOCK)) if rate else 0.0
        step = 2 * period if period <= 7.5 and abs(self.owed) >= 2 * period else period
        if can_stretch and now - self.last_operation >= 30:
            if rate > 0 and self.owed >= period:
                self.owed, self.last_operation = self.owed - step, now
                return "remove", min(queued, BLOCK + step)
            if rate < 0 and self.owed <= -period:
                step = min(step, BLOCK)
                self.owed, self.last_operation = self.owed + step, now
                return "insert", BLOCK - step
        return "play", min(BLOCK, queued)

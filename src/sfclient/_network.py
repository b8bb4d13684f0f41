"""What the network does to a call: stalls in both directions, speech that comes late, what waits and for how long."""

from collections.abc import Callable
from dataclasses import dataclass

from sfclient._arrivals import TOLD_SECONDS
from sfclient._connection import ASK_SECONDS, Connection, Traffic
from sfclient._events import Direction, Event, NetworkReturned, NetworkStalled, SpeechLate
from sfclient._playout import Playout
from sfclient._watch import CallClock

# Of which the far side had one to answer; with the time to look, it is told within two.
STALL_SECONDS = 1.8


@dataclass(frozen=True, slots=True)
class NetworkStatistics:
    """What the network did to a call; bytes are those of its websocket."""

    late: int = 0
    """Times that the agent's speech came late, by 150 ms or more, in the midst of it: `SpeechLate`."""
    late_seconds: float = 0.0
    """How much later it came, all added up."""
    longest_gap_seconds: float = 0.0
    """The most of these."""
    down_stalls: int = 0
    """Times that nothing came, though the far side was asked: `NetworkStalled`."""
    down_stalled_seconds: float = 0.0
    """Of these, one that lasts included."""
    up_stalls: int = 0
    """Times that nothing left."""
    up_stalled_seconds: float = 0.0
    """Of these, one that lasts included."""
    received_bytes: int = 0
    sent_bytes: int = 0
    waiting_bytes: int = 0
    """Of those sent: not acknowledged by the far side yet, as far as the system tells."""
    queued_seconds: float = 0.0
    """Of the agent's speech: what has come and was not played yet."""
    delay_seconds: float | None = None
    """For how long that had waited which is played now; None if that is nothing. The device adds its latency."""


class _Flow:
    """One direction of a websocket: whether it stands still, though it should not."""

    def __init__(self, direction: Direction, tell: Callable[[Event], None]) -> None:
        self._direction = direction
        self._tell = tell
        self.still = 0.0
        """For how long nothing has moved."""
        self._since = 0.0
        self.is_stalled = False
        self.stalls = 0
        self.stalled_seconds = 0.0

    def stand(self, elapsed: float) -> None:
        """Nothing has moved for so long, though it should."""
        self.still += elapsed
        if self.is_stalled:
            self.stalled_seconds += elapsed
        elif self.still >= STALL_SECONDS:
            self.is_stalled = True
            self.stalls += 1
            self.stalled_seconds += self.still
            self._tell(NetworkStalled(self._direction, at=self._since))

    def move(self, last: float, again: float) -> None:
        """It moves: the last time was at `last`; after a stall, the first time at `again`."""
        if self.is_stalled:
            self.is_stalled = False
            self._tell(NetworkReturned(self._direction, again - self._since, at=again))
        self.still, self._since = 0.0, last


class Network:
    """Looks at a websocket, and at how the agent's speech comes. See `sfclient._watch.Observer`."""

    def __init__(
        self, tell: Callable[[Event], None], clock: CallClock, playout: Playout, period: float
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._playout = playout
        self._period = period
        self._down, self._up = _Flow("down", tell), _Flow("up", tell)
        self._websocket: Connection | None = None
        self._seen: Traffic | None = None
        self._looked = 0.0
        self._late = 0
        self._late_seconds = self._longest = 0.0
        self.queued_seconds = 0.0
        """Of the agent's speech: what had come and was not played yet."""
        self.delay_seconds: float | None = None
        """For how long that had waited which was played then; None if nothing was."""

    def watch(self, websocket: Connection) -> None:
        """From now on."""
        self._websocket = websocket
        self._looked = self._clock.now
        websocket.ask()

    def look(self, now: float) -> None:
        # What a program kept from running has slept through counts against nobody.
        elapsed = min(now - self._looked, self._period)
        self._looked = now
        for gap in self._playout.arrivals.take_gaps():
            if gap.seconds >= TOLD_SECONDS:
                self._late += 1
                self._late_seconds += gap.seconds
                self._longest = max(self._longest, gap.seconds)
                self._tell(SpeechLate(gap.seconds, at=self._clock.since_began(gap.at)))
        self.queued_seconds = self._playout.queued_seconds
        self.delay_seconds = self._playout.arrivals.waited(
            self._clock.began + now, self.queued_seconds
        )
        if self._websocket is None:
            return
        before, self._seen = self._seen, self._websocket.traffic()
        seen = self._seen
        if not seen.is_open:
            self._websocket = None  # a program may keep the call for its figures
            return
        self._look_down(self._websocket, before, seen, elapsed)
        self._look_up(before, seen, now, elapsed)

    def _look_down(
        self, websocket: Connection, before: Traffic | None, seen: Traffic, elapsed: float
    ) -> None:
        if before is None or seen.received_bytes != before.received_bytes:
            since_began = self._clock.since_began
            self._down.move(since_began(seen.received_at), since_began(seen.resumed_at))
        elif not seen.is_receiving:
            pass  # it is we who do not read
        elif self._down.still + elapsed < ASK_SECONDS or websocket.ask():
            self._down.stand(elapsed)

    def _look_up(self, before: Traffic | None, seen: Traffic, now: float, elapsed: float) -> None:
        if before is None or seen.left_bytes != before.left_bytes or not seen.is_waiting:
            self._up.move(now, now)
        else:
            self._up.stand(elapsed)

    @property
    def stands_still(self) -> bool:
        """Whether nothing comes, so that the agent's silence tells nothing."""
        return self._down.is_stalled

    def statistics(self) -> NetworkStatistics:
        seen = self._seen
        return NetworkStatistics(
            late=self._late,
            late_seconds=self._late_seconds,
            longest_gap_seconds=self._longest,
            down_stalls=self._down.stalls,
            down_stalled_seconds=self._down.stalled_seconds,
            up_stalls=self._up.stalls,
            up_stalled_seconds=self._up.stalled_seconds,
            received_bytes=seen.received_bytes if seen else 0,
            sent_bytes=seen.sent_bytes if seen else 0,
            waiting_bytes=seen.sent_bytes - seen.left_bytes if seen else 0,
            queued_seconds=self.queued_seconds,
            delay_seconds=self.delay_seconds,
        )

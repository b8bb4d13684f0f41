"""What is looked at while a call lasts: one task for all observers, each of which tells what it finds."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import trio

from sfclient._devices import Waits

LOOK_SECONDS = 0.1
# Where nobody listens or looks: what is found has its own time, and a look costs many calls something.
HEADLESS_LOOK_SECONDS = 0.25


class CallClock:
    """Seconds since `open_call` was entered: the clock of everything that a call tells."""

    def __init__(self) -> None:
        self._trio = trio.lowlevel.current_clock()  # which goes on when trio has ended
        self.began = trio.current_time()
        """On trio's clock."""
        self.date = datetime.now(UTC)
        """Of that moment."""

    @property
    def now(self) -> float:
        return self._trio.current_time() - self.began

    def since_began(self, trio_seconds: float) -> float:
        """What was on trio's clock."""
        return trio_seconds - self.began


class Observer(Protocol):
    """Looks at a part of the call, and tells events of it. Never waits."""

    def look(self, now: float) -> None:
        """It is `now`, in seconds since `open_call` was entered."""


class Watch:
    """Has observers look, again and again."""

    def __init__(self, clock: CallClock, observers: Iterable[Observer], seconds: float) -> None:
        self._clock = clock
        self._observers = tuple(observers)
        self._seconds = seconds

    async def run(self, line: Waits) -> None:
        """Until cancelled, at the moments that suit the line."""
        due = trio.current_time()
        while True:
            due = max(due + self._seconds, trio.current_time())
            await line.sleep_until(due)
            self.look()

    def look(self) -> None:
        """Once, and a last time when all has stopped."""
        now = self._clock.now
        for observer in self._observers:
            observer.look(now)

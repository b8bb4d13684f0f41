"""Time in which the program ran: what a busy, stopped or suspended program slept through counts against nobody."""

from math import inf

import trio

LATE = 1.5  # times as long as it should have slept, a program was kept from running
TICK_SECONDS = 0.1


async def sleep_on_time(seconds: float) -> bool:
    """Sleep; whether the program was woken in time."""
    began = trio.current_time()
    await trio.sleep(seconds)
    return trio.current_time() < began + LATE * seconds


class RunningTime:
    """A stopwatch that stands while the program is kept from running; one for a run of trio: `running_time`."""

    def __init__(self) -> None:
        self.ticks = 0
        """Of `TICK_SECONDS`."""
        self._keeper = trio.Lock()
        self._began = -inf  # the tick under way

    async def keep(self) -> None:
        """Let it go on, until cancelled. Of all that do, one works, and the next when that is gone."""
        async with self._keeper:
            while True:
                # Also of one who is gone: where many come and go, no tick would ever be over otherwise.
                await trio.sleep_until(self._began + TICK_SECONDS)
                now = trio.current_time()
                self.ticks += now < self._began + LATE * TICK_SECONDS
                self._began = now


_running_time: trio.lowlevel.RunVar[RunningTime] = trio.lowlevel.RunVar("sfclient._running")


def running_time() -> RunningTime:
    """That of this run of trio, which stands unless somebody keeps it."""
    try:
        return _running_time.get()
    except LookupError:
        _running_time.set(RunningTime())
        return _running_time.get()

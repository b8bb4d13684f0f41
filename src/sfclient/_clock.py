"""One clock for all headless lines of a run of trio: it wakes once, for every call that is due.

A `trio.sleep_until` costs a scope, a place among the deadlines, a `trio.Cancelled` raised and caught, and mostly a pass
of trio's loop with its system call: a hundred calls that sleep each for itself do little else. Here time has slots, and
one task sleeps from one to the next that somebody waits for. It does nothing but wake others: what is slow, or waits,
does so in a task of its own.
"""

from collections.abc import Callable
from math import ceil, inf

import trio
from trio.lowlevel import Abort, RunVar, Task

# What is due in a slot happens in any order, since trio shuffles it: so a chunk has several of them.
SLOT_SECONDS = 0.005
# Are due together before another slot is begun: each slot costs some passes of trio's loop.
CALLS_A_SLOT = 32
ROUNDING_SLOTS = 1e-4  # of a start and the sum of many chunks, beside the slot that is meant

Call = Callable[[], object]


class Bell:
    """What one task at a time waits for, again and again: less to make and to wake than a `trio.Event`."""

    _task: Task | None = None

    async def wait(self) -> None:
        """Until it rings."""
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def ring(self) -> bool:
        """Whether somebody waited."""
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)
        return task is not None

    def _abort(self, _raise_cancel: object) -> Abort:
        self._task = None
        return Abort.SUCCEEDED


class Clock:
    """Of one run of trio: see `shared_clock`. It stands unless somebody keeps it."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[Call, None]] = {}
        self._keeper = trio.Lock()
        self._sleep = trio.CancelScope()  # the keeper's

    @trio.lowlevel.enable_ki_protection  # or those who are next would not be woken
    async def keep(self) -> None:
        """Let it go on, until cancelled. Of all that do, one works, and the next when that is gone."""
        async with self._keeper:
            while True:
                deadline = min(self._slots, default=inf) * SLOT_SECONDS
                with trio.CancelScope(deadline=deadline) as self._sleep:
                    await trio.sleep_forever()
                now = trio.current_time()
                for slot in sorted(slot for slot in self._slots if slot * SLOT_SECONDS <= now):
                    for call in self._slots.pop(slot):
                        call()

    def call_at(self, deadline: float, call: Call) -> None:
        """Have it called once, up to `SLOT_SECONDS` after the deadline. It must be quick, and raise nothing."""
        slot = _slot_of(deadline)
        self._slots.setdefault(slot, {})[call] = None
        if slot * SLOT_SECONDS < self._sleep.deadline:
            self._sleep.deadline = slot * SLOT_SECONDS

    def forget(self, call: Call) -> None:
        """Do not call it any more, if it is still to be called."""
        for slot, calls in list(self._slots.items()):
            calls.pop(call, None)
            if not calls:
                del self._slots[slot]

    async def sleep_until(self, deadline: float) -> None:
        """As `trio.sleep_until`, but up to `SLOT_SECONDS` longer."""
        bell = Bell()
        self.call_at(deadline, bell.ring)
        try:
            await bell.wait()
        except BaseException:
            self.forget(bell.ring)
            raise

    def good_start(self, period: float) -> float:
        """When to begin what is due each `period` seconds: within one of them, with others but not with too many."""
        now = trio.current_time()

        def others(start: float) -> int:
            return sum(len(self._slots.get(_slot_of(due), ())) for due in (start, start + period))

        choices = max(1, int(period / SLOT_SECONDS + ROUNDING_SLOTS))
        starts = [now + choice * SLOT_SECONDS for choice in range(choices)]
        shared = [start for start in starts if others(start) < CALLS_A_SLOT]
        return max(shared, key=others) if shared else min(starts, key=others)


_clock: RunVar[Clock] = RunVar("sfclient._clock")


def shared_clock() -> Clock:
    """That of this run of trio."""
    try:
        return _clock.get()
    except LookupError:
        _clock.set(Clock())
        return _clock.get()


def _slot_of(deadline: float) -> int:
    return ceil(deadline / SLOT_SECONDS - ROUNDING_SLOTS)

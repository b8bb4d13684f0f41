"""One clock for all that wait in a run of trio: it wakes once for all that are due.

A `trio.sleep_until` costs a scope, an entry among the deadlines, a `trio.Cancelled` raised and caught, and mostly a
pass of trio's loop with its system call: a hundred calls that sleep each for itself do little else. Here time has
slots: the first to wait for one sleeps for all that come to it. So there is no task behind it, and nothing is left of
it when nobody waits.
"""

from math import ceil

import trio
from trio.lowlevel import Abort, RunVar, Task

# What is due in a slot happens in any order, since trio shuffles it: so a chunk has several of them.
SLOT_SECONDS = 0.005
ROUNDING_SLOTS = 1e-4  # of a start and the sum of many chunks, beside the slot that is meant

_Sleepers = dict[Task, None]  # in the order in which they came
_slots: RunVar[dict[int, _Sleepers]] = RunVar("sfclient._clock")


async def sleep_until(deadline: float) -> None:
    """As `trio.sleep_until`, but up to `SLOT_SECONDS` longer, with all others that wait for this slot."""
    slot = _slot_of(deadline)
    if slot * SLOT_SECONDS <= trio.current_time():
        await trio.lowlevel.checkpoint()
        return
    slots = _slots_of_this_run()
    if slot in slots:
        await _sleep_among(slots[slot])
        if slot not in slots:
            return
    # The first to wait for it, or the heir of one that is gone.
    sleepers = slots.setdefault(slot, {})
    try:
        await trio.sleep_until(slot * SLOT_SECONDS)
    except BaseException:
        if sleepers:
            _wake_one(sleepers)
        else:
            del slots[slot]
        raise
    del slots[slot]
    while sleepers:
        _wake_one(sleepers)


def quietest_start(period: float) -> float:
    """When to begin what wakes each `period` seconds: within one of them from now, when the fewest others wake."""
    now, slots = trio.current_time(), _slots_of_this_run()

    def others(start: float) -> int:
        slot = _slot_of(start + period)
        return 1 + len(slots[slot]) if slot in slots else 0

    choices = max(1, int(period / SLOT_SECONDS + ROUNDING_SLOTS))
    return min((now + choice * SLOT_SECONDS for choice in range(choices)), key=others)


def _slot_of(deadline: float) -> int:
    return ceil(deadline / SLOT_SECONDS - ROUNDING_SLOTS)


def _slots_of_this_run() -> dict[int, _Sleepers]:
    try:
        return _slots.get()
    except LookupError:
        _slots.set({})
        return _slots.get()


async def _sleep_among(sleepers: _Sleepers) -> None:
    """Until somebody wakes this task."""
    task = trio.lowlevel.current_task()
    sleepers[task] = None

    def abort(_raise_cancel: object) -> Abort:
        del sleepers[task]
        return Abort.SUCCEEDED

    await trio.lowlevel.wait_task_rescheduled(abort)


def _wake_one(sleepers: _Sleepers) -> None:
    task = next(iter(sleepers))
    del sleepers[task]
    trio.lowlevel.reschedule(task)

"""What of trio's loop is not public, in one place: the chance in its scheduling, and what it waits for.

trio shuffles the tasks of each pass of its loop, so that no program relies on their order. For Hypothesis it has a
switch that makes this deterministic: tasks are sorted by their age, and shuffled by one random generator. Seen in trio
0.27 to 0.35; where a version has it no more, a virtual run refuses to begin.
"""

import random
import threading
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from typing import Any

import trio

SWITCH, CHANCE = "_ALLOW_DETERMINISTIC_SCHEDULING", "_r"

_one_at_a_time = threading.Lock()


class _Chance:
    """The random generator of trio's loops: seeded for the one in this thread, what it was for others."""

    def __init__(self, seed: int | None, others: random.Random) -> None:
        self._thread = threading.get_ident()
        self._is_seeded = seed is not None
        self._seeded = random.Random(seed or 0)  # noqa: S311 -- no secret
        self._others = others

    def _own(self) -> random.Random:
        return self._seeded if threading.get_ident() == self._thread else self._others

    def shuffle(self, batch: MutableSequence[Any]) -> None:
        """Of the oldest first; trio takes them from the end."""
        if len(batch) == 1:
            return
        own = self._own()
        if own is self._others or self._is_seeded:
            own.shuffle(batch)
        else:
            batch.reverse()

    def random(self) -> float:
        return self._own().random()

    def uniform(self, least: float, most: float) -> float:
        return self._own().uniform(least, most)


@contextmanager
def seeded_scheduling(seed: int | None) -> Iterator[None]:
    """A run of trio in this thread schedules its tasks the same whenever it is seeded the same; None: by their age.

    And so do those who draw from the module `random`. Raises RuntimeError where this trio cannot, or another thread is
    inside.
    """
    run = _loops()
    if not _one_at_a_time.acquire(blocking=False):
        raise RuntimeError("another virtual run is under way in this process: wait for its end")
    switch, chance = getattr(run, SWITCH), getattr(run, CHANCE)
    state = random.getstate()
    try:
        setattr(run, SWITCH, True)
        setattr(run, CHANCE, _Chance(seed, chance))
        random.seed(seed or 0)
        yield
    finally:
        random.setstate(state)
        setattr(run, SWITCH, switch)
        setattr(run, CHANCE, chance)
        _one_at_a_time.release()


def _loops() -> Any:
    """The module of trio's loop."""
    run = getattr(getattr(trio, "_core", None), "_run", None)
    for name in (SWITCH, CHANCE, "GLOBAL_RUN_CONTEXT"):
        if not hasattr(run, name):
            raise RuntimeError(
                f"trio {trio.__version__} has no {name} any more, without which no run is the same twice:"
                " install the trio that this version of sfclient was tested with"
            )
    return run


class Loop:
    """The loop of this run of trio, as seen from its clock."""

    def __init__(self) -> None:
        from trio.testing import (
            active_thread_count,  # it brings pytest along, where that is installed
        )

        self._active_threads = active_thread_count
        runner = _loops().GLOBAL_RUN_CONTEXT.runner
        self._waiting_for_idle = runner.waiting_for_idle
        self._io_statistics = runner.io_manager.statistics
        self._names = [name for name in _WAITING if hasattr(self._io_statistics(), name)]

    @property
    def is_waited_for(self) -> bool:
        """Whether a task wants to know when all others wait: `trio.testing.wait_all_tasks_blocked`."""
        return bool(self._waiting_for_idle)

    @property
    def is_idle(self) -> bool:
        """Whether nothing outside of time is waited for: neither a thread nor a socket."""
        if self._active_threads():
            return False
        waiting = self._io_statistics()
        # The loop itself waits for one, by which it is woken.
        return sum(int(getattr(waiting, name)) for name in self._names) <= 1


# As the statistics of trio's I/O managers name them: epoll and Windows, kqueue.
_WAITING = (
    "tasks_waiting_read",
    "tasks_waiting_write",
    "tasks_waiting_overlapped",
    "tasks_waiting",
)

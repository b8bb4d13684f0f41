"""Time that does not pass: it jumps to what is due next, when there is nothing else to do."""

import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from math import inf
from typing import TypeVar, TypeVarTuple

import trio

from sfclient._spool import in_place
from sfclient.testing.virtual._scheduling import Loop, seeded_scheduling

# Of real time, for a thread or a socket, after which time goes on without them.
PATIENCE_SECONDS = 10.0
# Tasks that never rest, as of an agent that sends texts without end, would hold time for ever. In a moment the clock is
# read a few times for each message: a million for an hour of speech at once.
LONGEST_MOMENT = 1_000_000  # readings, after which time goes on
CREEP_SECONDS = 1e-4  # with each

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class VirtualClock(trio.abc.Clock):
    """Begins at 0. It stands while a task runs, and while a thread of trio's or a real socket is waited for; that for
    `PATIENCE_SECONDS` of real time, and for tasks until they have read it `LONGEST_MOMENT` times: so time limits are
    kept, whoever never answers or never rests."""

    def __init__(self) -> None:
        self._now = 0.0
        self._readings = 0  # in this moment
        self._loop: Loop | None = None
        self._waits_since: float | None = None  # in real time

    def start_clock(self) -> None:
        self._loop = Loop()

    def current_time(self) -> float:
        self._readings += 1
        if self._readings > LONGEST_MOMENT:
            self._now += CREEP_SECONDS
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Asked when no task can run."""
        loop = self._loop
        assert loop is not None
        if deadline <= self._now:
            return 0.0
        if deadline == inf or loop.is_waited_for:
            return inf
        if not loop.is_idle and (patience := self._patience()) > 0:
            return patience
        self._waits_since = None
        self._now, self._readings = deadline, 0
        return 0.0

    def _patience(self) -> float:
        """What is left of it with whoever is waited for."""
        real = time.monotonic()
        if self._waits_since is None:
            self._waits_since = real
        return self._waits_since + PATIENCE_SECONDS - real


def run_virtually(
    async_fn: Callable[[*Arguments], Awaitable[Result]], *args: *Arguments, seed: int | None = None
) -> Result:
    """As `trio.run`, on a clock that does not wait: an hour takes the time that its work takes, and is the same twice.

    Time begins at 0 and jumps to what is due next. It never does while a task can run, or a thread of trio's or a real
    socket is waited for; but that for 10 s of real time only, and what then happens first is not the same twice. Files
    are read and written in place instead of by threads of ours, since nobody is kept waiting meanwhile.

    Of tasks that can run at the same time the oldest runs first, so that others beside them change nothing for these;
    with a `seed` they are shuffled, as trio does, to find out whether the order matters. The module `random` hangs on
    it too. The rest is up to the program: what asks the system for the time, draws from another generator or talks to
    real sockets may be different each time. So is, in a call's record, its date.

    For tasks that never rest, such as an agent's loop that waits for nothing, time goes on too when they have read the
    clock a million times.

    One at a time in a process. Raises what `async_fn` does, and RuntimeError where another is under way, or where this
    version of trio does not let its scheduling be seeded.
    """
    with seeded_scheduling(seed):
        return copy_context().run(_run, async_fn, args)


def _run(async_fn: Callable[[*Arguments], Awaitable[Result]], args: tuple[*Arguments]) -> Result:
    in_place.set(True)
    return trio.run(async_fn, *args, clock=VirtualClock())

"""A clock of trio's for tests with real sockets, faster than time."""

import time

import trio
import trio.abc


class UnhurriedClock(trio.abc.Clock):
    """Runs `rate` times as fast as time does, but never past what is due next.

    A machine that stalls makes a test slower, and changes nothing in it: no microphone is late and no agent slow
    because other programs ran.
    """

    GRAIN_SECONDS = 0.001  # of real time: the shortest sleep that a poll can do
    DEBT_SECONDS = 0.01  # of real time, slept or worked too long, that is made up for
    STEP_SECONDS = 0.1  # that may pass while a message is on its way through a machine that stalls

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._now = 0.0
        self._real = 0.0  # when it was, or should be, `_now`
        self._due: float | None = None  # while all tasks sleep

    def start_clock(self) -> None:
        self._real = time.perf_counter()

    def current_time(self) -> float:
        if self._due is not None:
            real, due, self._due = time.perf_counter(), self._due, None
            due_real = self._real + (due - self._now) / self.rate
            if real > due_real - self.GRAIN_SECONDS:
                self._now, self._real = due, max(due_real, real - self.DEBT_SECONDS)
            elif real > self._real:
                self._now, self._real = self._now + (real - self._real) * self.rate, real
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        self._due = max(self._now, min(deadline, self._now + self.STEP_SECONDS))
        pause = self._real + (self._due - self._now) / self.rate - time.perf_counter()
        return pause if pause > self.GRAIN_SECONDS else 0.0

"""Between threads: how one waits for another, and how an error goes over without what it holds."""

import threading
import time
from collections import deque
from contextlib import suppress
from math import inf
from typing import NoReturn

from sfclient._errors import SfclientError

POLL_SECONDS = 0.25  # of waits: on Windows a lock that is waited for lets no Ctrl-C through


class Flag:
    """Set once, by any thread; others wait for it.

    No `threading.Event`: whose `wait` Ctrl-C interrupts may keep the event's lock, and who sets it waits for that for
    ever. Here each wait has a lock of its own.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._waits: deque[threading.Lock] = deque()

    def set(self) -> None:
        self.is_set = True
        with suppress(IndexError):
            while True:
                self._waits.popleft().release()

    def wait(self, seconds: float = inf) -> bool:
        """Whether it was set within so many seconds. Ctrl-C ends it on every system."""
        lock = threading.Lock()
        lock.acquire()
        self._waits.append(lock)
        deadline = time.monotonic() + seconds
        is_interruptible = threading.current_thread() is threading.main_thread()
        longest = POLL_SECONDS if is_interruptible else threading.TIMEOUT_MAX
        try:
            while not self.is_set and (left := deadline - time.monotonic()) > 0:
                lock.acquire(timeout=min(left, longest))
        finally:
            with suppress(ValueError):
                self._waits.remove(lock)
        return self.is_set


def forgetful(error: BaseException) -> BaseException:
    """An error on its way to another thread. Ours has no frames, which hold a call's queues, and its secrets; what else
    is raised does without that of who catches it, which may hold the error."""
    if isinstance(error, SfclientError | StopAsyncIteration):
        error.__traceback__ = None
        if error.__cause__ is None:
            error.__context__ = None
    elif error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
    return error


def raise_once(errors: list[BaseException]) -> NoReturn:
    """The one in this list, which keeps it no longer: it would hold the frames that hold the list."""
    error = errors.pop()
    try:
        raise error
    finally:
        del error


def raise_as_it_is(error: BaseException) -> NoReturn:
    """And not on top of what is being handled, such as the cancellation that it caused."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context

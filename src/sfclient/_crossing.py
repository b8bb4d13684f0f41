"""Between threads: how one waits for another, and how an error goes over without what it holds."""

import threading
import time
from math import inf
from typing import NoReturn

from sfclient._errors import SfclientError

POLL_SECONDS = 0.25  # of waits: on Windows a lock that is waited for lets no Ctrl-C through
# Of waits in threads that no Ctrl-C interrupts: for when one has hit the main thread while that had the flag's lock.
CALM_POLL_SECONDS = 2.0


class Flag:
    """Set by one thread, for good, and waited for by others, which an interrupt such as Ctrl-C may hit at any bytecode.

    A `threading.Event` raises RuntimeError instead where it is hit while it gets its lock back.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._lock = threading.Lock()  # taken until it is set
        self._lock.acquire()

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._lock.release()

    def wait(self, seconds: float = inf) -> bool:
        """Whether it was set within so many seconds. Ctrl-C ends it on every system."""
        is_main = threading.current_thread() is threading.main_thread()
        poll = POLL_SECONDS if is_main else CALM_POLL_SECONDS
        deadline = time.monotonic() + seconds
        while not self._is_set and (left := deadline - time.monotonic()) > 0:
            if self._lock.acquire(timeout=min(poll, left)):
                self._lock.release()  # for the next who waits
        return self._is_set


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

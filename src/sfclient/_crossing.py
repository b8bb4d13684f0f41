"""Between threads: how one waits for another, and how an error goes over without what it holds."""

import threading
import time
from math import inf
from typing import NoReturn

from sfclient._errors import SfclientError

POLL_SECONDS = 0.25  # of waits: on Windows a lock that is waited for lets no Ctrl-C through


def wait(event: threading.Event, seconds: float = inf) -> bool:
    """As `threading.Event.wait`, but Ctrl-C ends it on every system."""
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        return event.wait(None if seconds == inf else min(seconds, threading.TIMEOUT_MAX))
    deadline = time.monotonic() + seconds
    while not event.wait(max(0.0, min(POLL_SECONDS, deadline - time.monotonic()))):
        if time.monotonic() >= deadline:
            return event.is_set()
    return True


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

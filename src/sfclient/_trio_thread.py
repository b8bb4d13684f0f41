"""One thread that runs trio, for the calls of programs that do not.

It begins with the first `Job`, carries all that come while it lasts, and ends with the last of them: no thread outlives
the calls. It is no daemon, so that an interpreter that exits waits for it; for that it looks whether the program is
over, and then ends all jobs. trio's guest mode would need no thread, but then the host's loop, when it is blocked,
would stop the sound.

Whoever starts a job may be interrupted (KeyboardInterrupt) between any two bytecodes. So nothing is counted in the
host's thread: what it does is one append to the inbox, and the books are kept in trio's.
"""

import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, TypeVar

import trio

from sfclient._clock import Bell
from sfclient._crossing import Flag, forgetful, raise_once
from sfclient._errors import SfclientError, UsageError

LOOK_SECONDS = 0.25  # between looks whether the program is over: an exit is later by as much
# In which a thread that was started has begun. Only who was interrupted while it started one waits for that.
START_SECONDS = 0.1

T = TypeVar("T")
Result = TypeVar("Result")

_lock = threading.RLock()  # again by the same thread, where the garbage collector cancels a job
_shared: "TrioThread | None" = None  # that takes new jobs

PROGRAM_IS_OVER = (
    "the program ended with this open: leave the block, or end the threads that use it, before"
)


class Stopped(BaseException):
    """The job was cancelled, and has no result."""


def program_is_over() -> bool:
    """Whether the main thread is, so that the others are waited for. `threading` joins the threads of pools before that
    can be seen of the main thread, and tells nobody but by this name; without it, only those would wait for ever."""
    return getattr(threading, "_SHUTTING_DOWN", False) or not threading.main_thread().is_alive()


class TrioThread:
    """See the module. `run` is for any thread."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._inbox: deque[Callable[[], None]] = deque()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._jobs: set[Job[Any]] = set()
        self._over: list[Job[Any]] = []  # whose hosts are still to be told
        self._idle = Bell()
        self._has_begun = Flag()
        self._is_closed = False  # takes nothing any more; by `_lock`
        self._crash: BaseException = RuntimeError("trio ended")
        self._thread = threading.Thread(target=self._run, name="sfclient trio", daemon=False)

    # For any thread.

    def start(self) -> None:
        self._thread.start()

    def post(self, work: Callable[[], None]) -> bool:
        """Have it done in trio's thread, after all that was posted before; whether there is that thread. It raises
        nothing."""
        with _lock:
            if self._is_closed or not self.is_here:
                return False
            self._inbox.append(work)
        if self._token is not None:  # else it looks when it begins
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._work)
        return True

    def run(self, function: Callable[[], T]) -> T:
        """What it returns or raises in trio's thread, which is waited for; in this thread, if that is gone."""
        if self.is_this:
            return function()
        done = Flag()
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                results.append(function())
            except BaseException as error:
                errors.append(forgetful(error))
            done.set()

        if not self.post(work):
            return function()
        done.wait()
        return results.pop() if results else raise_once(errors)

    @property
    def is_here(self) -> bool:
        """Whether this is not a child that was forked from its process."""
        return self._pid == os.getpid()

    @property
    def is_this(self) -> bool:
        """Whether this thread is it."""
        return threading.current_thread() is self._thread

    def has_begun(self) -> bool:
        """Whether it does what is posted: not if `start` was interrupted before it could."""
        return self._has_begun.wait(START_SECONDS)

    def check_process(self) -> None:
        """Raises `UsageError` in a child that was forked from the process of this thread."""
        if not self.is_here:
            raise UsageError(
                "this call is of the process that this one was forked from: open one here"
            )

    def join(self) -> None:
        """Wait until it is gone, if it is on its way."""
        if self._is_closed and self.is_here and not self.is_this:
            self._thread.join()

    # In trio's.

    def _run(self) -> None:
        self._has_begun.set()
        try:
            trio.run(self._main)
        except BaseException as error:
            self._crash = error
        with _lock:
            self._close()
        self._nursery = None
        self._work()
        for job in list(self._jobs):
            job.settle(self._crash)
        self._tell()

    async def _main(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._watch)
            self._token = trio.lowlevel.current_trio_token()
            while not self._close_if_idle():
                self._work()
                if self._jobs:
                    self._tell()
                    await self._idle.wait()
            self._nursery.cancel_scope.cancel()

    def _close_if_idle(self) -> bool:
        with _lock:
            if not self._jobs and not self._inbox:
                self._close()
            return self._is_closed

    def _close(self) -> None:
        global _shared
        self._is_closed = True
        if _shared is self:
            _shared = None

    def _work(self) -> None:
        while self._inbox:
            self._inbox.popleft()()
        if not self._jobs:
            self._idle.ring()

    async def _watch(self) -> None:
        while True:
            await trio.sleep(LOOK_SECONDS)
            is_over = program_is_over()
            for job in list(self._jobs):
                if is_over or job.is_orphan():
                    job.stop(UsageError(PROGRAM_IS_OVER))

    def begin(self, job: "Job[Any]") -> None:
        self._jobs.add(job)
        if self._nursery is None:
            job.settle(self._crash)
        else:
            job.context.run(self._nursery.start_soon, job.work)

    def ended(self, job: "Job[Any]") -> None:
        """Its host is told; of the last one when trio has ended, so that who joins the thread does not wait."""
        self._jobs.discard(job)
        self._over.append(job)
        if self._jobs:
            self._tell()
        else:
            self._idle.ring()

    def _tell(self) -> None:
        over, self._over = self._over, []
        for job in over:
            job.tell()


def _no() -> bool:
    return False


class Job(Generic[T]):
    """An async function for trio's thread, which runs in a copy of the context of who makes this. Kept by nobody when
    it has begun, and in no repr: its arguments may hold secrets.

    When the program is over, or it has nobody to tell, it is stopped, unless `end` says that it ends by itself then.
    This, and what `start` is given, is called in trio's thread, and must not block.
    """

    def __init__(self, function: Callable[[], Awaitable[T]], end: Callable[[], bool] = _no) -> None:
        self._function: Callable[[], Awaitable[T]] | None = function
        self._told: Callable[[], object] = _no
        self.is_orphan: Callable[[], bool] = _no
        self._end = end
        self.context = copy_context()
        self._scope = trio.CancelScope()
        self._thread: TrioThread | None = None
        self._is_enlisted = False
        self._is_begun = False
        self._values: list[T] = []
        self._errors: list[BaseException] = []
        self.is_cancelled = False
        """Whether it was asked to stop."""
        self.is_over = False

    # For any thread.

    def start(self, told: Callable[[], object], is_orphan: Callable[[], bool] = _no) -> None:
        """Once. `told` is called when it is over, `is_orphan` now and then: whether nobody can be told any more."""
        global _shared
        self._told, self.is_orphan = told, is_orphan
        with _lock:
            thread = self._thread = _shared or TrioThread()
            thread.post(self._begin)
            if thread is not _shared:
                thread.start()
                _shared = thread
        self._is_enlisted = True

    @property
    def may_wait(self) -> bool:
        """Whether this thread may wait for it: not trio's, where a logging handler runs, or garbage is collected."""
        return self._thread is None or not self._thread.is_this

    @property
    def will_tell(self) -> bool:
        """Whether `told` was called, or will be: not before it was started, nor in a forked child."""
        return self._is_enlisted and self._thread is not None and self._thread.is_here

    def cancel(self) -> None:
        """Have it stop; it is not over at once."""
        self.is_cancelled = True
        thread = self._thread
        if thread is not None and thread.post(self._stop) and thread.has_begun():
            self._is_enlisted = True  # now, if `start` was interrupted

    def post(self, work: Callable[[], None]) -> None:
        """Have this done in trio's thread, which must not raise, if the job is not over."""
        if self._thread is not None:
            self._thread.post(work)

    def run(self, function: Callable[[], Result]) -> Result:
        """What the function returns or raises in trio's thread, or here when that is gone."""
        return function() if self._thread is None else self._thread.run(function)

    def check_process(self) -> None:
        """Raises `UsageError` in a forked child."""
        if self._thread is not None:
            self._thread.check_process()

    @property
    def error(self) -> BaseException | None:
        """What `take` is to raise. It may be forgotten at any moment."""
        return next(iter(self._errors[:1]), None)

    def take(self) -> T:
        """Its result, or what it raised; `Stopped` if it was cancelled. Once, when it is over."""
        return raise_once(self._errors) if self._errors else self._values.pop()

    def forget(self) -> None:
        """What `take` would give, or raise."""
        self._errors.clear()
        self._values.clear()

    def leave(self) -> None:
        """It is over: wait until trio's thread is gone, if this was the last job."""
        if self._thread is not None:
            self._thread.join()

    # For trio's.

    def stop(self, why: SfclientError) -> None:
        """Have it end, or cancel it and have it raise this."""
        if not self._end() and not self._scope.cancel_called:
            self.is_cancelled = True
            self._errors.append(why)
            self._scope.cancel()

    def _stop(self) -> None:
        self._scope.cancel()
        self._begin()

    def _begin(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            assert self._thread is not None
            self._thread.begin(self)

    async def work(self) -> None:
        function, self._function = self._function, None
        assert function is not None
        error: BaseException = Stopped()
        try:
            if not self._scope.cancel_called:
                with self._scope:
                    self._values.append(await function())
        except BaseException as raised:
            error = raised
            if isinstance(raised, trio.Cancelled):  # trio ends before its time
                raise
        finally:
            del function
            self.settle(error)
            del error

    def tell(self) -> None:
        self._told()

    def settle(self, error: BaseException) -> None:
        """It is over, with this if it has no result."""
        if not self.is_over:
            if not self._values and not self._errors:
                self._errors.append(forgetful(error))
            self._function, self._end = None, _no  # which may know who keeps this job
            self.is_over = True
            assert self._thread is not None
            self._thread.ended(self)


def _forget() -> None:
    """In a child that was forked: there is no thread of ours."""
    global _shared, _lock
    _shared, _lock = None, threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)

"""What an asyncio program is to calls in trio's thread: how it waits for them, and how it is asked."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from inspect import isawaitable
from typing import Any, TypeVar

import trio

from sfclient._errors import UsageError
from sfclient._host import Answer, Host
from sfclient._trio_thread import Job

T = TypeVar("T")


class Signal:
    """Set in trio's thread, waited for in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def set(self) -> None:
        call_soon(self._loop, self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


def call_soon(
    loop: asyncio.AbstractEventLoop, function: Callable[[], object], **options: Any
) -> bool:
    """Have it called in the loop, from another thread; whether there still is that loop."""
    try:
        loop.call_soon_threadsafe(function, **options)
    except RuntimeError:  # it is closed
        return False
    return True


def running_loop(name: str) -> asyncio.AbstractEventLoop:
    """Raises `UsageError` for who takes asyncio's door without running asyncio."""
    if trio.lowlevel.in_trio_task():
        raise UsageError(f"sfclient.aio.{name} is for asyncio: under trio take sfclient.{name}")
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError(
            f"sfclient.aio.{name} is for asyncio, which does not run here: in a program without a loop take"
            f" sfclient.blocking.{name}"
        ) from None


class LoopHost(Host):
    """The program that runs this loop. What is asked of it runs in a copy of the context in which this was made."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = copy_context()
        self._tasks: set[asyncio.Future[Any]] = set()  # in the loop's thread

    def is_gone(self) -> bool:
        return self._loop.is_closed()

    def begin(self, work: Callable[[], Any], answer: Answer[Any]) -> Callable[[], object]:
        asked = _Asked(work, answer, self._tasks)
        if not call_soon(self._loop, asked.begin, context=self._context):
            answer.fail(UsageError("the loop of this call is closed"))
        return lambda: call_soon(self._loop, asked.cancel)

    async def wait_unasked(self) -> None:
        """Until nothing of what was asked runs any more. In the loop."""
        while self._tasks:
            await asyncio.wait(self._tasks)


class _Asked:
    """In the loop's thread."""

    def __init__(
        self,
        work: Callable[[], Any],
        answer: Answer[Any],
        tasks: set[asyncio.Future[Any]],
    ) -> None:
        self._work = work
        self._answer = answer
        self._tasks = tasks
        self._task: asyncio.Future[Any] | None = None

    def begin(self) -> None:
        try:
            given = self._work()
        except asyncio.CancelledError:
            self._answer.fail(_cancelled())
        except BaseException as error:
            self._answer.fail(error)
            if not isinstance(error, Exception):  # which ends the loop
                raise
        else:
            if isawaitable(given):
                self._task = asyncio.ensure_future(given)
                self._tasks.add(self._task)
                self._task.add_done_callback(self._done)
            else:
                self._answer.give(given)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        self._task = None
        if task.cancelled():
            self._answer.fail(_cancelled())
        elif (error := task.exception()) is not None:
            self._answer.fail(error)
        else:
            self._answer.give(task.result())
        del task


def _cancelled() -> UsageError:
    return UsageError("the program cancelled what the call had asked of it")


class Interruption:
    """Cancels the task of a block when its call fails, once, as `asyncio.timeout` does. Called in trio's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        task = asyncio.current_task()
        assert task is not None, "there is no other way to wait in a loop"
        self._loop = loop
        self._task = weakref.ref(task)  # one that nobody waits for may be garbage
        self._cancelling = task.cancelling()
        self._is_off = False
        self._has_come = False

    def __call__(self) -> None:
        call_soon(self._loop, self._interrupt)

    def _interrupt(self) -> None:
        task = self._task()
        if task is not None and not self._is_off:
            self._has_come = True
            task.cancel()

    def end(self) -> bool:
        """The block is left: it does not come any more, and what came is taken back. Whether it alone has cancelled."""
        self._is_off = True
        task = self._task()
        if not self._has_come or task is None:
            return False
        return task.uncancel() <= self._cancelling

    def is_of_this_task(self) -> bool:
        """Whether the task of the block runs, and so can wait."""
        with suppress(RuntimeError):  # no loop runs
            return asyncio.current_task() is self._task() is not None
        return False


async def finish(
    job: Job[Any], until: Callable[[], Awaitable[None]]
) -> asyncio.CancelledError | None:
    """Wait `until` it is over, and trio's thread gone if this was the last; the last cancellation that came meanwhile,
    by which the job is cancelled too."""
    cancelled: asyncio.CancelledError | None = None
    try:
        while job.will_tell:
            try:
                await until()
                break
            except asyncio.CancelledError as error:
                cancelled = error
                job.cancel()
            except BaseException:  # GeneratorExit: the task is garbage
                job.cancel()
                raise
        job.leave()
        return cancelled
    finally:
        del cancelled


async def in_trio(name: str, job: Job[T]) -> T:
    """What it returns or raises; when this is cancelled, when that has stopped."""
    loop = running_loop(name)
    over = Signal(loop)
    job.start(over.set, loop.is_closed)
    if (cancelled := await finish(job, over.wait)) is not None:
        job.forget()
        try:
            raise cancelled
        finally:
            del cancelled
    return job.take()

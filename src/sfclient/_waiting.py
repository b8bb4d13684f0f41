"""What a program without a loop is to calls in trio's thread: how it waits for them, and how it is asked."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import trio

from sfclient._crossing import Flag, raise_once
from sfclient._errors import UsageError
from sfclient._host import Answer, Host, program_context
from sfclient._trio_thread import Job, Stopped

T = TypeVar("T")


class ThreadHost(Host):
    """A program without a loop. What is asked of it gets a thread, and a copy of the context of who entered."""

    def begin(self, work: Callable[[], Any], answer: Answer[Any]) -> Callable[[], object]:
        def ask() -> None:
            try:
                given = work()
                if isinstance(given, Awaitable):
                    if isinstance(given, Coroutine):
                        given.close()
                    raise UsageError(
                        "sfclient.blocking takes plain functions and iterators, not async ones"
                    )
                answer.give(given)
            except BaseException as error:
                answer.fail(error)

        trio.lowlevel.start_thread_soon(partial(program_context().run, ask), lambda _: None)
        return lambda: None  # one cannot cancel a thread

    def is_gone(self) -> bool:
        return False


def check_may_block(name: str) -> None:
    """Raises `UsageError` where others would wait for it."""
    if trio.lowlevel.in_trio_task():
        raise UsageError(f"sfclient.blocking.{name} would block trio: take sfclient.{name}")
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise UsageError(
            f"sfclient.blocking.{name} would block asyncio's loop: take sfclient.aio.{name}"
        )


def finish(job: Job[Any], over: Flag, end: Callable[[], object]) -> None:
    """End it, and wait until it is over, and trio's thread gone if this was the last. Whatever interrupts that, such as
    KeyboardInterrupt, cancels the job, and is raised then."""
    interrupts: list[BaseException] = []
    while True:
        try:
            end()
            if job.will_tell and job.may_wait:
                over.wait()
            job.leave()
            break
        except BaseException as error:
            interrupts[:] = [error]
            end = job.cancel
    if interrupts:
        raise_once(interrupts)


def try_in_trio(
    name: str,
    job: Job[T],
    seconds: float = math.inf,
    keep: Callable[[T], object] = lambda _: None,
) -> list[T]:
    """A list of what it returns, empty if that takes longer; or raises what it does.

    When this is interrupted, or too long, it has stopped; what came of it when this is interrupted is to be kept.
    """
    check_may_block(name)
    over = Flag()
    try:
        job.start(over.set)
        if not over.wait(seconds):
            job.cancel()
            over.wait()
    except BaseException:
        finish(job, over, job.cancel)
        if job.is_over and job.error is None:
            keep(job.take())
        raise
    job.leave()
    try:
        return [job.take()]
    except Stopped:
        return []


def in_trio(name: str, job: Job[T]) -> T:
    (result,) = try_in_trio(name, job)
    return result

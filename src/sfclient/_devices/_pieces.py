"""Pieces of sound, however a program gives them: pulled one after another, where that may block or belongs."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Protocol

import numpy as np
import trio

from sfclient._errors import UsageError
from sfclient._host import current_host
from sfclient._spool import CLOSE_SECONDS, in_time

LOOK_SECONDS = 0.05  # between looks whether the call is over, in a thread that waits for a queue

Take = Callable[[Any], bool]
"""Takes a piece; whether another is wanted now."""


class Pieces(Protocol):
    """Are asked for by one task."""

    async def pull(self, take: Take) -> bool:
        """Hand over one after another for as long as another is wanted; whether there may be more.

        Raises what the program's own raises, and `UsageError` for one that does not go with the call.
        """

    async def close(self) -> bool:
        """Close the program's own, cancelled or not; whether it has come back from what it did, within two seconds."""


def pieces_of(given: Any) -> Pieces:
    """By what it is. Raises `UsageError`."""
    if isinstance(given, str | bytes | bytearray | memoryview | np.ndarray):
        raise UsageError(
            f"a StreamInput takes pieces, one after another, but this is {type(given).__name__}: say what is all there"
            " by a MemoryInput"
        )
    if isinstance(given, io.IOBase):
        raise UsageError(
            "a StreamInput takes pieces, but a file is iterated by lines, which sound does not have: give"
            ' iter(lambda: file.read(960), b"")'
        )
    if isinstance(given, AsyncIterable):
        return AsyncPieces(given, given.__aiter__)
    if isinstance(given, Iterable):
        return ThreadPieces(given.__iter__)
    get = getattr(given, "get", None)
    if iscoroutinefunction(get):
        return AsyncPieces(given, partial(_of_async_queue, given))
    if callable(get):
        return ThreadPieces(partial(_of_queue, given))
    raise UsageError(
        f"a StreamInput takes an iterable, async or not, or a queue, but this is {type(given).__name__}"
    )


class ThreadPieces:
    """Of an iterator that may block: pulled in a thread, by one at a time."""

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        self._begin = begin
        self._iterator: Iterator[Any] | None = None
        self._busy = threading.Lock()  # held by the thread that is in the program's own
        self._is_over = False

    async def pull(self, take: Take) -> bool:
        errors: list[Exception] = []
        is_more = await trio.to_thread.run_sync(
            partial(self._pull, take, errors),
            thread_name="sfclient input",
            abandon_on_cancel=True,
            limiter=trio.CapacityLimiter(1),  # one that is stuck keeps its token
        )
        if errors:
            raise errors.pop()  # which would hold itself otherwise
        return is_more

    def _pull(self, take: Take, errors: list[Exception]) -> bool:
        try:
            with self._busy:
                self._iterator = self._iterator or self._begin()
                for piece in self._iterator:
                    if self._is_over or not take(piece):
                        return True
        except Exception as error:
            errors.append(error)
        return False

    async def close(self) -> bool:
        self._is_over = True
        try:
            await in_time(self._close)
        except TimeoutError:  # that thread closes it if it ever comes back
            return False
        return True

    def _close(self) -> None:
        with self._busy:
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()


class AsyncPieces:
    """Of an async iterator: pulled in the loop of the program that holds the call, be that trio's or one of asyncio."""

    def __init__(self, given: object, begin: Callable[[], AsyncIterator[Any]]) -> None:
        self._given = given
        self._begin = begin
        self._iterator: AsyncIterator[Any] | None = None
        self._turn: Any = None  # a lock of asyncio's: one that is cancelled there has not ended yet

    async def pull(self, take: Take) -> bool:
        host = current_host()
        if host is not None:
            return await host.ask(self._pull_in_asyncio, take)
        if _is_of_asyncio(self._given):
            raise UsageError(
                f"pieces by {type(self._given).__name__} are for sfclient.aio: under trio give a memory channel"
            )
        return await self._pull(take, trio.lowlevel.checkpoint)

    async def _pull_in_asyncio(self, take: Take) -> bool:
        import asyncio  # as the program did long ago

        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            return await self._pull(take, partial(asyncio.sleep, 0))

    async def _pull(self, take: Take, checkpoint: Callable[[], Awaitable[None]]) -> bool:
        self._iterator = self._iterator or self._begin()
        async for piece in self._iterator:
            if not take(piece):
                return True
            await checkpoint()  # one that never waits would hold up the loop
        return False

    async def close(self) -> bool:
        close = getattr(self._iterator, "aclose", None)
        if close is None:
            return True
        host = current_host()
        with trio.move_on_after(CLOSE_SECONDS, shield=True) as patience:
            await (close() if host is None else host.ask(self._close_in_asyncio, close))
        return not patience.cancelled_caught

    async def _close_in_asyncio(self, close: Callable[[], Awaitable[object]]) -> None:
        async with self._turn:
            await close()


def _is_of_asyncio(given: object) -> bool:
    return any(cls.__module__.partition(".")[0] == "asyncio" for cls in type(given).__mro__)


def _of_queue(given: Any) -> Iterator[Any]:
    """Until `None`, or its shutdown; with nothing now and then, so that nobody waits in it for ever."""
    shut_down = getattr(queue, "ShutDown", ())  # since Python 3.13
    while True:
        try:
            piece = given.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            piece = b""
        except shut_down:
            return
        if piece is None:
            return
        yield piece


async def _of_async_queue(given: Any) -> AsyncIterator[Any]:
    """Until `None`, or its shutdown."""
    import asyncio

    shut_down = getattr(asyncio, "QueueShutDown", ())  # since Python 3.13
    while True:
        try:
            piece = await given.get()
        except shut_down:
            return
        if piece is None:
            return
        yield piece

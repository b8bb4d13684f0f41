"""The client for asyncio: a call as `sfclient.open_call` holds it, in a trio of its own.

::

    async with open_call(session) as call:
        async for event in call:
            print(event)

- `open_call`, `Call`: a call, as an async context manager; `Tap`: what both sides say
- `StreamOutput`: what the agent says, block by block
- `request_session`, `request_result`: from a key to a session, and to the record of a call

The names, parameters, events and errors are those of `sfclient`, from where all else is taken too. The calls of a
process share one thread, which lasts as long as they do; no sound passes through the program's loop, so it may be
blocked for long. Methods that do not wait may be called from any thread, the others from the loop of the call. uvloop
is as good. A handler of `logging` must ask a call nothing: trio's thread logs as well, and would wait for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar

from sfclient._crossing import raise_as_it_is
from sfclient._devices import Device
from sfclient._dialects import StartedCall
from sfclient._door import CarriedCall, PlainCall, for_trio, like
from sfclient._errors import UsageError
from sfclient._events import Ended, Event
from sfclient._host import Host
from sfclient._loop import Interruption, LoopHost, Signal, finish, in_trio, running_loop
from sfclient._open import open_call as trio_open_call
from sfclient._result import CallResult
from sfclient._result import request_result as trio_request_result
from sfclient._session import Session
from sfclient._session import request_session as trio_request_session
from sfclient._stream_outputs import AsyncioStreamOutput
from sfclient._tap import Sound, TapStatistics
from sfclient._trio_thread import Job

__all__ = ["Call", "StreamOutput", "Tap", "open_call", "request_result", "request_session"]


_T = TypeVar("_T")

StreamOutput = AsyncioStreamOutput


class _StartCall:
    """`Session.start_call` of a session that was requested here."""

    def __init__(self, in_trio: Callable[[str], Awaitable[StartedCall]]) -> None:
        self.in_trio = in_trio

    async def __call__(self, server_name: str) -> StartedCall:
        return await in_trio("request_session", Job(partial(self.in_trio, server_name)))


def _for_trio(host: Host, session: Any) -> Any:
    """The session as it is asked for, or used, from trio's thread."""
    if isinstance(session, Session) and session.start_call is not None:
        start_call = session.start_call
        if isinstance(start_call, _StartCall):  # no need to go by the loop
            return replace(session, start_call=start_call.in_trio)
        return replace(session, start_call=partial(host.ask, start_call))
    return partial(_asked, host, session) if callable(session) else session


async def _asked(host: Host, request: Callable[[], Awaitable[Any]]) -> Any:
    return _for_trio(host, await host.ask(request))


@like(trio_request_session)
async def request_session(*args: Any, **kwargs: Any) -> Session:
    """Ask the service for a session with an agent: see `sfclient.request_session`."""
    request = Job(partial(trio_request_session, *args, **kwargs))
    del args, kwargs  # which hold the key
    session = await in_trio("request_session", request)
    if session.start_call is None:
        return session
    return replace(session, start_call=_StartCall(session.start_call))


@like(trio_request_result)
async def request_result(*args: Any, **kwargs: Any) -> CallResult:
    """Ask the service what became of a call: see `sfclient.request_result`."""
    request = Job(partial(trio_request_result, *args, **kwargs))
    del args, kwargs  # which hold the key
    return await in_trio("request_result", request)


class _Block(AbstractAsyncContextManager["Call"]):
    """The block of a call: what becomes of it when the call fails, and of the call when it is left."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._options: tuple[tuple[Any, ...], dict[str, Any]] | None = args, kwargs
        self._call: Call | None = None

    async def __aenter__(self) -> "Call":
        loop = running_loop("open_call")
        if self._options is None:
            raise UsageError("an open_call is entered once: call it again for another call")
        (args, kwargs), self._options = self._options, None
        self._host = host = LoopHost(loop)
        self._interruption = Interruption(loop)
        self._over = Signal(loop)
        begun = Signal(loop)
        self._carried = carried = CarriedCall(
            *for_trio(args, kwargs, partial(_for_trio, host)),
            host,
            begun.set,
            self._interruption,
            partial(_set, begun, self._over),
        )
        del args, kwargs  # which hold secrets
        try:
            carried.start()
            await begun.wait()
            if carried.call is not None:
                self._call = Call(carried, loop)
                return self._call
        except BaseException as error:
            # The call may have begun and failed while the loop was busy.
            has_failed = self._interruption.end() and isinstance(error, asyncio.CancelledError)
            if not has_failed:
                carried.job.cancel()
                if not isinstance(error, GeneratorExit):  # the task is garbage, and cannot wait
                    await self._finish()
                raise
        cancelled = await self._finish()
        try:
            if cancelled is not None:
                raise cancelled
        finally:
            del cancelled
        carried.job.take()
        raise AssertionError("a call that never begins raises why")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        job, cancelled = self._carried.job, None
        try:
            if isinstance(error, GeneratorExit) and not self._interruption.is_of_this_task():
                return False  # the task is garbage, and cannot wait: see `__del__`
            is_cancelled = isinstance(error, asyncio.CancelledError)
            if self._interruption.end() and is_cancelled:
                error = None
            elif is_cancelled:
                job.cancel()
            self._carried.leave(error is not None)
            cancelled = await self._finish()
            if cancelled is not None and (error is None or isinstance(error, Exception)):
                raise cancelled
            if error is None and job.error is not None:
                raise_as_it_is(job.error)
            return is_cancelled and error is None
        finally:
            job.forget()
            del error, traceback, cancelled

    def __del__(self) -> None:
        """The task is garbage, or an interrupt came at a bad moment."""
        carried: CarriedCall | None = getattr(self, "_carried", None)
        if carried is not None and not carried.job.is_over:
            carried.job.cancel()

    async def _finish(self) -> asyncio.CancelledError | None:
        return await finish(self._carried.job, self._wait_over)

    async def _wait_over(self) -> None:
        await self._over.wait()
        await self._host.wait_unasked()
        if self._call is not None:
            await self._call._wait_unasked()


def _set(*signals: Signal) -> None:
    for signal in signals:
        signal.set()


@like(trio_open_call)
def open_call(*args: Any, **kwargs: Any) -> AbstractAsyncContextManager["Call"]:
    """Hold a call with an agent; on leaving, it is over, and nothing is left of it. See `sfclient.open_call`.

    ::

        async with open_call(session) as call:
            async for event in call:
                print(event)

    When the call fails, the task of the block is cancelled as by `asyncio.timeout`, and the one error raised from the
    block. When the task is cancelled, at any moment, the call is stopped, and waited for. What `session` or its
    `start_call` is, of async functions, runs in the loop, and `on_call_id` is called there, in a copy of the context in
    which the block is entered.

    Raises what `sfclient.open_call` does.
    """
    return _Block(args, kwargs)


def _check_loop(carried: CarriedCall, loop: asyncio.AbstractEventLoop) -> None:
    if running_loop("Call") is not loop:
        raise UsageError("this call is of another event loop: use it where it was opened")
    carried.job.check_process()


class _Stream(Generic[_T]):
    """What comes one by one. Tasks that wait for it share it; what one was cancelled at is the next one's."""

    def __init__(
        self,
        carried: CarriedCall,
        loop: asyncio.AbstractEventLoop,
        fetch: Callable[[], Awaitable[_T]],
        fetch_nowait: Callable[[], _T],
    ) -> None:
        self._carried = carried
        self._loop = loop
        self._fetch = fetch
        self._fetch_nowait = fetch_nowait
        self._turn = asyncio.Lock()
        self._asked: tuple[Job[_T], Signal] | None = None

    async def next(self) -> _T:
        _check_loop(self._carried, self._loop)
        async with self._turn:
            if self._asked is None:
                if self._carried.job.is_over:
                    return self._carried.do(lambda _: self._fetch_nowait())
                over = Signal(self._loop)
                job = self._carried.job_of(self._fetch)
                job.start(over.set, self._loop.is_closed)
                self._asked = job, over
            job, over = self._asked
            await over.wait()
            self._asked = None
            job.leave()
            return job.take()

    async def wait_unasked(self) -> None:
        """Until trio's thread does nothing for it; the call is over."""
        if self._asked is not None:
            job, over = self._asked
            await over.wait()
            job.leave()


class Call(PlainCall):
    """A call that lasts, as `sfclient.Call`. Made by `open_call`; iterate over it for its events.

    The iteration ends with `Disconnected`, when the agent's last words have been played; one whose task is cancelled
    loses no event. For the loop of the block; what does not wait, for any thread.
    """

    def __init__(self, carried: CarriedCall, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(carried)
        self._loop = loop
        call = carried.begun()
        self._events = _Stream(carried, loop, call.__anext__, call._events.receive_nowait)
        self._taps: list[Tap] = []

    def __aiter__(self) -> "Call":
        return self

    async def __anext__(self) -> Event:
        return await self._events.next()

    async def use_input(self, device: Device | str | int | None) -> None:
        """Record from another sound device: see `sfclient.Call.use_input`."""
        await self._wait(partial(self._carried.begun().use_input, device))

    async def use_output(self, device: Device | str | int | None) -> None:
        """Play at another sound device: see `sfclient.Call.use_output`."""
        await self._wait(partial(self._carried.begun().use_output, device))

    async def wait_ended(self) -> Ended:
        """Wait until the call is over and the agent's last words have been played."""
        return await self._wait(self._carried.begun().wait_ended)

    async def _wait(self, function: Callable[[], Awaitable[_T]]) -> _T:
        _check_loop(self._carried, self._loop)
        return await in_trio("Call", self._carried.job_of(function))

    @property
    def tap(self) -> "Tap":
        """What both sides say: ``async for sound in call.tap``. Raises `UsageError` unless it was asked for by
        `open_call`."""
        if not self._taps:
            self._taps.append(Tap(self._carried, self._loop))
        return self._taps[0]  # where two threads made one

    async def _wait_unasked(self) -> None:
        """Until trio's thread does nothing more for it; the call is over."""
        await self._events.wait_unasked()
        for tap in self._taps[:1]:
            await tap._stream.wait_unasked()


class Tap:
    """Iterate over it for each `Sound`, until the call is over, as `sfclient.Tap`. For the loop of the call."""

    def __init__(self, carried: CarriedCall, loop: asyncio.AbstractEventLoop) -> None:
        self._carried = carried
        tap = carried.do(lambda call: call.tap)
        self._stream = _Stream(carried, loop, tap.__anext__, tap.take_nowait)

    def __aiter__(self) -> "Tap":
        return self

    async def __anext__(self) -> Sound:
        return await self._stream.next()

    def statistics(self) -> TapStatistics:
        """What became of all that was tapped so far. For any thread."""
        return self._carried.do(lambda call: call.tap.statistics())

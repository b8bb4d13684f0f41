"""The client for programs without a loop, such as scripts and the threads of pools: a call as `sfclient.open_call`
holds it, in a trio of its own.

::

    with open_call(session) as call:
        for event in call:
            print(event)

- `open_call`, `Call`: a call, as a context manager; `Tap`: what both sides say
- `StreamOutput`: what the agent says, block by block
- `request_session`, `request_result`: from a key to a session, and to the record of a call; `Session`: what starts
  its call is a plain function

The names, parameters, events and errors are those of `sfclient`, from where all else is taken too. The calls of a
process share one thread, which lasts as long as they do. All methods may be called from any thread, also while another
one waits in one. Ctrl-C ends every wait. A handler of `logging` must ask a call nothing: trio's thread logs as well,
and would wait for it.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import trio

import sfclient._session as of_trio
from sfclient._crossing import Flag, raise_as_it_is
from sfclient._devices import Device
from sfclient._dialects import StartedCall
from sfclient._door import CarriedCall, PlainCall, for_trio, like
from sfclient._errors import UsageError
from sfclient._events import Ended, Event
from sfclient._host import Host
from sfclient._open import open_call as trio_open_call
from sfclient._result import CallResult
from sfclient._result import request_result as trio_request_result
from sfclient._secrets import Secrets
from sfclient._session import request_session as trio_request_session
from sfclient._stream_outputs import BlockingStreamOutput
from sfclient._tap import Sound, TapStatistics
from sfclient._trio_thread import Job
from sfclient._waiting import ThreadHost, check_may_block, finish, in_trio, try_in_trio

__all__ = [
    "Call",
    "Session",
    "StreamOutput",
    "Tap",
    "open_call",
    "request_result",
    "request_session",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

StreamOutput = BlockingStreamOutput


@dataclass(frozen=True, slots=True)
class Session:
    """As `sfclient.Session`, but its `start_call` is a plain function, which may block: it gets a thread."""

    url: str = field(repr=False)
    dialect: str = "widget"
    codec: str | None = None
    framing: str | None = None
    start_call: Callable[[str], StartedCall] | None = field(default=None, repr=False)
    agent_id: str | None = None
    secrets: Secrets | None = field(default=None, repr=False, compare=False)


# What is given instead of a session is a plain function here.
_GivenSession = Session | of_trio.Session | str | Callable[[], Session | of_trio.Session]


class _StartCall:
    """`Session.start_call` of a session that was requested here."""

    def __init__(self, in_trio: Callable[[str], Awaitable[StartedCall]]) -> None:
        self.in_trio = in_trio

    def __call__(self, server_name: str) -> StartedCall:
        return in_trio("request_session", Job(partial(self.in_trio, server_name)))


def _for_trio(host: Host, session: Any) -> Any:
    """The session as it is asked for, or used, from trio's thread."""
    if isinstance(session, Session):
        start_call: Any = session.start_call
        if isinstance(start_call, _StartCall):
            start_call = start_call.in_trio
        elif start_call is not None:
            start_call = partial(host.ask, start_call)
        return of_trio.Session(
            session.url,
            session.dialect,
            session.codec,
            session.framing,
            start_call,
            session.agent_id,
            session.secrets,
        )
    if isinstance(session, of_trio.Session) and session.start_call is not None:
        raise UsageError(
            "the start_call of this session is async: give a sfclient.blocking.Session with a plain function"
        )
    return partial(_asked, host, session) if callable(session) else session


async def _asked(host: Host, request: Callable[[], Any]) -> Any:
    return _for_trio(host, await host.ask(request))


@like(trio_request_session)
def request_session(*args: Any, **kwargs: Any) -> Session:
    """Ask the service for a session with an agent: see `sfclient.request_session`."""
    request = Job(partial(trio_request_session, *args, **kwargs))
    del args, kwargs  # which hold the key
    session = in_trio("request_session", request)
    start_call = session.start_call and _StartCall(session.start_call)
    return Session(
        session.url,
        session.dialect,
        session.codec,
        session.framing,
        start_call,
        session.agent_id,
        session.secrets,
    )


@like(trio_request_result)
def request_result(*args: Any, **kwargs: Any) -> CallResult:
    """Ask the service what became of a call: see `sfclient.request_result`."""
    request = Job(partial(trio_request_result, *args, **kwargs))
    del args, kwargs  # which hold the key
    return in_trio("request_result", request)


class _Block(AbstractContextManager["Call"]):
    """The block of a call: what becomes of the call when it is left, and what is raised then."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._options = [(args, kwargs)]  # until it is entered

    def __enter__(self) -> "Call":
        check_may_block("open_call")
        try:
            args, kwargs = self._options.pop()
        except IndexError:
            told = "an open_call is entered once: call it again for another call"
            raise UsageError(told) from None
        host = ThreadHost()
        begun = Flag()
        self._over = over = Flag()
        self._carried = carried = CarriedCall(
            *for_trio(args, kwargs, partial(_for_trio, host)),
            host,
            begun.set,
            _nothing,
            partial(_set, begun, over),
        )
        del args, kwargs  # which hold secrets
        try:
            carried.start()
            begun.wait()
            if carried.call is not None:
                return Call(carried, over)  # nothing may come behind it
        except BaseException:
            finish(carried.job, over, carried.job.cancel)
            raise
        finish(carried.job, over, _nothing)
        carried.job.take()
        raise AssertionError("a call that never begins raises why")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        job = self._carried.job
        try:
            finish(job, self._over, partial(self._carried.leave, error is not None))
            if error is None:
                job.check_process()
                if job.error is not None:
                    raise_as_it_is(job.error)
        finally:
            job.forget()
            del error, traceback

    def __del__(self) -> None:
        """An interrupt came at a bad moment."""
        carried: CarriedCall | None = getattr(self, "_carried", None)
        if carried is not None and not carried.job.is_over:
            carried.job.cancel()


def _nothing() -> None:
    """It ends by itself."""


def _set(*flags: Flag) -> None:
    for flag in flags:
        flag.set()


def _like_trio(
    function: Callable[Concatenate[Any, _P], object],
) -> Callable[[Callable[..., _T]], Callable[Concatenate[_GivenSession, _P], _T]]:
    """As `like`, but for the session."""
    return like(function)


@_like_trio(trio_open_call)
def open_call(*args: Any, **kwargs: Any) -> AbstractContextManager["Call"]:
    """Hold a call with an agent; on leaving, it is over, and nothing is left of it. See `sfclient.open_call`.

    ::

        with open_call(session) as call:
            for event in call:
                print(event)

    When the call fails, whoever waits for it, as for the next event, gets the one error, which then leaves the block;
    if nobody does, leaving the block raises it. Ctrl-C, or what else a signal raises, ends each wait, on entering and
    leaving too, when the call has stopped. A session's `start_call`, or a function given as `session`, and `on_call_id`
    are plain functions, which get a thread, and a copy of the context in which the block is entered.

    Raises what `sfclient.open_call` does.
    """
    return _Block(args, kwargs)


class _Stream(Generic[_T]):
    """What comes one by one; threads that wait for it share it."""

    def __init__(
        self,
        carried: CarriedCall,
        over: Flag,
        fetch: Callable[[], Awaitable[_T]],
        fetch_nowait: Callable[[], _T],
    ) -> None:
        self._carried = carried
        self._over = over
        self._fetch = fetch
        self._fetch_nowait = fetch_nowait
        self._kept: deque[_T] = deque()  # that came when who waited was interrupted

    def next(self, seconds: float = math.inf) -> _T | None:
        """None if nothing comes within so many seconds, StopAsyncIteration at the end."""
        _raise_failure(self._carried, self._over)
        with suppress(IndexError):
            return self._kept.popleft()
        if self._carried.job.is_over or seconds <= 0:
            with suppress(trio.WouldBlock):
                return self._carried.do(lambda _: self._fetch_nowait())
            return None
        try:
            came = try_in_trio(
                "Call", self._carried.job_of(self._fetch), seconds, self._kept.append
            )
        except StopAsyncIteration:
            _raise_failure(self._carried, self._over)
            raise
        if self._carried.is_failing:
            self._kept += came
            _raise_failure(self._carried, self._over)
        return came[0] if came else None


def _raise_failure(carried: CarriedCall, over: Flag) -> None:
    """What the call failed by, if it did, when it has stopped."""
    carried.job.check_process()
    if carried.is_failing and carried.job.may_wait:
        over.wait()
        error = carried.job.error
        try:
            if error is not None:  # the block is not left yet
                raise_as_it_is(error)
        finally:
            del error


class Call(PlainCall):
    """A call that lasts, as `sfclient.Call`. Made by `open_call`; iterate over it for its events. For any thread.

    The iteration ends with `Disconnected`, when the agent's last words have been played.
    """

    def __init__(self, carried: CarriedCall, over: Flag) -> None:
        super().__init__(carried)
        self._over = over
        call = carried.begun()
        self._events = _Stream(carried, over, call.__anext__, call._events.receive_nowait)
        self._taps: list[Tap] = []

    def __iter__(self) -> "Call":
        return self

    def __next__(self) -> Event:
        for event in self.events():
            return event
        raise StopIteration

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """The events that come, until the call is over, or none has come for `timeout` seconds; with 0 those that are
        there. Iterate again for more."""
        while True:
            try:
                event = self._events.next(math.inf if timeout is None else timeout)
            except StopAsyncIteration:
                return
            if event is None:
                return
            yield event

    def use_input(self, device: Device | str | int | None) -> None:
        """Record from another sound device: see `sfclient.Call.use_input`."""
        self._wait(partial(self._carried.begun().use_input, device))

    def use_output(self, device: Device | str | int | None) -> None:
        """Play at another sound device: see `sfclient.Call.use_output`."""
        self._wait(partial(self._carried.begun().use_output, device))

    @overload
    def wait_ended(self, timeout: None = None) -> Ended: ...

    @overload
    def wait_ended(self, timeout: float) -> Ended | None: ...

    def wait_ended(self, timeout: float | None = None) -> Ended | None:
        """Wait until the call is over and the agent's last words have been played; None if that takes longer than
        `timeout` seconds."""
        ended = self._wait(self._carried.begun().wait_ended, timeout)
        return ended[0] if ended else self.ended

    def _wait(
        self, function: Callable[[], Awaitable[_T]], timeout: float | None = None
    ) -> list[_T]:
        _raise_failure(self._carried, self._over)
        try:
            return try_in_trio(
                "Call", self._carried.job_of(function), math.inf if timeout is None else timeout
            )
        finally:
            _raise_failure(self._carried, self._over)

    @property
    def tap(self) -> "Tap":
        """What both sides say: ``for sound in call.tap``. Raises `UsageError` unless `open_call` was asked for it."""
        if not self._taps:
            self._taps.append(Tap(self._carried, self._over))
        return self._taps[0]  # where two threads made one


class Tap:
    """Iterate over it for each `Sound`, until the call is over, as `sfclient.Tap`. For any thread."""

    def __init__(self, carried: CarriedCall, over: Flag) -> None:
        self._carried = carried
        tap = carried.do(lambda call: call.tap)
        self._stream = _Stream(carried, over, tap.__anext__, tap.take_nowait)

    def __iter__(self) -> "Tap":
        return self

    def __next__(self) -> Sound:
        try:
            sound = self._stream.next()
        except StopAsyncIteration:
            raise StopIteration from None
        assert sound is not None, "there was no limit"
        return sound

    def statistics(self) -> TapStatistics:
        """What became of all that was tapped so far."""
        return self._carried.do(lambda call: call.tap.statistics())

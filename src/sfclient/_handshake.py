"""From an open websocket to a call in which sound may flow, by the steps of the dialect."""

import math
from collections.abc import Awaitable, Callable, Iterable

import trio

from sfclient._connection import Connection, WebSocketClosed
from sfclient._dialects import (
    Action,
    Dialect,
    Established,
    Reconnect,
    Send,
    StartCall,
    StartedCall,
    WaitAtMost,
)
from sfclient._errors import NetworkError, ServiceError, SfclientError, UsageError
from sfclient._limits import TimeLimits
from sfclient._nursery import open_unwrapped_nursery
from sfclient._urls import check_url

# The HTTP status of a start that names a connection which has been lost meanwhile, as of one that asks for nonsense.
CONNECTION_UNKNOWN = 400

StartsCalls = Callable[[str], Awaitable[StartedCall]]


class Handshake:
    """One on one websocket; `run` goes through it.

    `act` does what is no step of the handshake, `note` is told of the call that was started.
    """

    def __init__(
        self,
        websocket: Connection,
        dialect: Dialect,
        start_call: StartsCalls | None,
        act: Callable[[Action], Awaitable[None]],
        note: Callable[[StartedCall], None],
        limits: TimeLimits,
    ) -> None:
        self._websocket = websocket
        self._dialect = dialect
        self._start_call = start_call
        self._act = act
        self._note = note
        self._limits = limits
        self._deadline = math.inf
        self._is_over = self._is_closed = False
        self._url: str | None = None
        self.last: str | bytes | None = None
        """The message that came last: when it is done, the one that has ended it, if one has."""

    async def run(self) -> str | None:
        """Returns the URL of another websocket at which it goes on, None when it is done.

        Raises `ServiceError` or `NetworkError` if there will be no call, or what `start_call` raises.
        """
        try:
            await self._take(self._dialect.opened())
            while not self._is_over:
                with trio.move_on_at(self._deadline) as patience:
                    self.last = message = await self._websocket.receive()
                if patience.cancelled_caught:
                    self._deadline, self.last = math.inf, None
                    await self._take(self._dialect.timed_out())
                else:
                    await self._take(self._dialect.received(message))
        except WebSocketClosed as closed:
            raise closed.as_error("before the call began") from None
        return self._url

    async def _take(self, steps: Iterable[Action]) -> None:
        for step in steps:
            match step:
                case WaitAtMost(seconds):
                    self._deadline = trio.current_time() + seconds
                case StartCall(server_name):
                    await self._take(self._dialect.started(await self._started(server_name)))
                case Reconnect(url):
                    self._url, self._is_over = _checked(url), True
                case Established():
                    self._is_over = True
                case Send(message):
                    await self._websocket.send(message, within=self._limits.upgrade)
                case _:
                    # Nothing plays yet, so a flood of speech would be waited for without an end.
                    with trio.move_on_at(self._deadline):
                        await self._act(step)

    async def _started(self, server_name: str) -> StartedCall:
        assert self._start_call is not None, "seen to when the call was opened"
        problem: Exception | None = None
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(self._receive_meanwhile)
            with trio.move_on_after(self._limits.start_call) as patience:
                try:
                    started = await self._start_call(server_name)
                except Exception as error:
                    problem = error  # the frames of what is cancelled below would keep it
                else:
                    if isinstance(started, StartedCall):
                        self._note(started)  # before anything can cancel
            nursery.cancel_scope.cancel()
        if problem is not None:
            is_unknown = False
            if isinstance(problem, SfclientError):
                # A function of a program's own need not know of this.
                problem.may_have_begun = problem.may_have_begun is not False
                is_unknown = problem.status == CONNECTION_UNKNOWN and not problem.may_have_begun
            try:
                if is_unknown and self._is_closed:
                    await self._websocket.receive()  # which raises why
                raise problem
            finally:
                del problem
        if patience.cancelled_caught:
            raise NetworkError(
                f"start_call did not start the call within {self._limits.start_call:g} s",
                may_have_begun=True,
            )
        if not isinstance(started, StartedCall) or not (started.sid or started.url):
            # What came instead may hold the sid, so it is not shown.
            came = "one without" if isinstance(started, StartedCall) else type(started).__name__
            raise UsageError(f"start_call must return a StartedCall with a sid, not {came}")
        self._websocket.secrets.add(started.sid)
        return started

    async def _receive_meanwhile(self) -> None:
        """Pings are not answered while messages wait to be received."""
        try:
            while True:
                await self._take(self._dialect.received(await self._websocket.receive()))
        except WebSocketClosed:
            self._is_closed = True  # the next to use the websocket will know why


def _checked(url: str) -> str:
    try:
        check_url(url, ("wss", "ws"), allow_insecure=True, what="service's URL of the call")
    except UsageError as error:
        raise ServiceError(str(error)) from None
    return url

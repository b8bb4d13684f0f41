"""From an open websocket to a call in which sound may flow, by the steps of the dialect."""

import math
from collections.abc import Awaitable, Callable, Iterable

import trio

from sfclient._dialects import (
    Action,
    Dialect,
    Established,
    Reconnect,
    StartCall,
    StartedCall,
    WaitAtMost,
)
from sfclient._errors import NetworkError, ServiceError, UsageError
from sfclient._websocket import ABNORMAL_CLOSURE, WebSocket, WebSocketClosed

START_SECONDS = 30.0  # for a function of the program's to start the call

StartsCalls = Callable[[str], Awaitable[StartedCall]]


async def shake_hands(
    websocket: WebSocket,
    dialect: Dialect,
    start_call: StartsCalls | None,
    act: Callable[[Action], Awaitable[None]],
    note: Callable[[StartedCall], None],
) -> str | None:
    """Go through the handshake; returns the URL of another websocket at which it goes on, None when
    it is done.

    `act` does what is no step of the handshake, `note` is told of the call that was started.

    Raises `ServiceError` or `NetworkError` if there will be no call, or what `start_call` raises.
    """
    handshake = _Handshake(dialect, start_call, act, note)
    try:
        await handshake.take(dialect.opened())
        while not handshake.is_over:
            with trio.move_on_at(handshake.deadline) as patience:
                steps = dialect.received(await websocket.receive())
            if patience.cancelled_caught:
                handshake.deadline = math.inf
                steps = dialect.timed_out()
            await handshake.take(steps)
    except WebSocketClosed as closed:
        if closed.code == ABNORMAL_CLOSURE:
            raise NetworkError("the connection was lost before the call began") from None
        raise ServiceError(
            f"the service closed before the call began: {closed.code} {closed.reason}".rstrip(),
            status=closed.code,
        ) from None
    return handshake.url


class _Handshake:
    def __init__(
        self,
        dialect: Dialect,
        start_call: StartsCalls | None,
        act: Callable[[Action], Awaitable[None]],
        note: Callable[[StartedCall], None],
    ) -> None:
        self.deadline = math.inf
        self.is_over = False
        self.url: str | None = None
        self._dialect = dialect
        self._start_call = start_call
        self._act = act
        self._note = note

    async def take(self, steps: Iterable[Action]) -> None:
        for step in steps:
            match step:
                case WaitAtMost(seconds):
                    self.deadline = trio.current_time() + seconds
                case StartCall(server_name):
                    await self.take(self._dialect.started(await self._started(server_name)))
                case Reconnect(url):
                    self.url, self.is_over = url, True
                case Established():
                    self.is_over = True
                case _:
                    await self._act(step)

    async def _started(self, server_name: str) -> StartedCall:
        assert self._start_call is not None, "seen to when the call was opened"
        with trio.move_on_after(START_SECONDS) as patience:
            started = await self._start_call(server_name)
        if patience.cancelled_caught:
            raise NetworkError(f"start_call did not start the call within {START_SECONDS:g} s")
        if not isinstance(started, StartedCall) or not (started.sid or started.url):
            raise UsageError(f"start_call must return a StartedCall with a sid, not {started!r}")
        self._note(started)
        return started

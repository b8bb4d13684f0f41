"""Calls without a network: pairs of sockets on a clock that jumps, so that every run takes the same steps, at once."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import trio

from sfclient import Session, StartedCall

from .far_side import CALL_ID, SID, TOKEN

Serves = Callable[[trio.SocketStream], Awaitable[None]]
URL = f"ws://127.0.0.1:1/start?token={TOKEN}"


@asynccontextmanager
async def wired_to(serve: Serves) -> AsyncIterator[None]:
    """Whoever connects is connected to `serve`: what is sent has arrived when `send` returns."""

    async def open_tcp_stream(host: Any, port: Any, **_: Any) -> trio.SocketStream:
        await trio.lowlevel.checkpoint()
        ours, theirs = socket.socketpair()
        nursery.start_soon(serving, stream_over(theirs))
        return stream_over(ours)

    async def serving(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                await serve(stream)

    async with trio.open_nursery() as nursery:
        with (
            patch.object(trio, "open_tcp_stream", open_tcp_stream),
            patch.object(trio.to_thread, "run_sync", run_here),
            patch.object(trio.from_thread, "check_cancelled", lambda: None),
        ):
            yield
        nursery.cancel_scope.cancel()


async def run_here(
    work: Callable[..., Any], *args: Any, abandon_on_cancel: bool = False, **_: Any
) -> Any:
    """What is done in a thread: the clock would jump meanwhile."""
    with trio.CancelScope(shield=not abandon_on_cancel):
        await trio.lowlevel.checkpoint()
    return work(*args)


def stream_over(own: socket.socket) -> trio.SocketStream:
    return trio.SocketStream(trio.socket.from_stdlib_socket(own))


def session_of(dialect: str) -> Session:
    """That needs no request."""

    async def start_call(server_name: str) -> StartedCall:
        await trio.sleep(0.01)
        return StartedCall(SID, CALL_ID)

    return Session(URL, dialect, start_call=start_call if dialect == "ws-media" else None)


def open_descriptors() -> int:
    """Where the system tells."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

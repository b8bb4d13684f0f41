"""What a simulated call needs of the connection with its client, and the one over a socket."""

import socket
import struct
from contextlib import suppress
from typing import Literal, Protocol

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

# A cut-off client closes its side when it sees our FIN; one that does not is not waited for.
_ABORT_TIMEOUT = 5.0
NORMAL_CLOSURE, GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR = 1000, 1001, 1008, 1011
ABNORMAL_CLOSURE = 1006

Side = Literal["client", "simulator"]


class WireClosed(Exception):  # noqa: N818 -- an end, not always an error
    """The connection is over: who was first to close it, with what; 1006 if without a close frame."""

    def __init__(self, by: Side, code: int, reason: str = "") -> None:
        super().__init__(by, code, reason)
        self.by = by
        self.code = code
        self.reason = reason


class Wire(Protocol):
    """The server's end of an open websocket. One task receives and one sends."""

    async def recv(self) -> str | bytes:
        """The next message. Raises `WireClosed` behind the last."""

    async def send(self, message: str | bytes) -> None:
        """Raises `WireClosed`."""

    async def aclose(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close in order and wait for the client's answer; without one in 10 s, drop it."""

    async def abort(self) -> None:
        """Drop the connection without a close frame: the client sees the end of the stream."""

    async def reset(self) -> None:
        """Break the connection: the client sees a TCP reset."""


class SocketWire:
    """A websocket of the websockets library on a TCP stream. See `Wire`."""

    def __init__(self, websocket: ServerConnection, stream: trio.SocketStream) -> None:
        self._websocket = websocket
        self._stream = stream
        self._is_cut = False

    async def recv(self) -> str | bytes:
        try:
            return await self._websocket.recv()
        except ConnectionClosed as exc:
            raise self._closed(exc) from exc

    async def send(self, message: str | bytes) -> None:
        try:
            await self._websocket.send(message)
        except ConnectionClosed as exc:
            raise self._closed(exc) from exc

    async def aclose(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        await self._websocket.aclose(code, reason)

    async def abort(self) -> None:
        self._is_cut = True
        # Only half a close at first: a full one resets the connection if anything is unread.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the client was faster
            await self._stream.send_eof()
        with trio.move_on_after(_ABORT_TIMEOUT):
            await self._websocket.wait_closed()
        await self._stream.aclose()
        await self._websocket.wait_closed()

    async def reset(self) -> None:
        self._is_cut = True
        no_lingering = struct.pack("ii", 1, 0)
        with suppress(OSError):  # the client was faster
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        await self._stream.aclose()
        await self._websocket.wait_closed()

    def _closed(self, exc: ConnectionClosed) -> WireClosed:
        if exc.rcvd and (exc.rcvd_then_sent or not exc.sent):
            return WireClosed("client", exc.rcvd.code, exc.rcvd.reason)
        if exc.sent:
            return WireClosed("simulator", exc.sent.code, exc.sent.reason)
        return WireClosed("simulator" if self._is_cut else "client", ABNORMAL_CLOSURE)

"""A service of raw bytes: it goes through a call as it should, up to the moment at which a script takes over."""

import contextlib
import json
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Literal

import trio
import trio.lowlevel

from ..sfclient.raw_servers import accepted, frame, read_head, serving

KEY = "key-4f9a8c27b1d0"
TOKEN = "tok-73ab5e0c91"
SID = "sid-c2d7e48f06"
SECRETS = (KEY, TOKEN, SID)
CALL_ID = "call-5"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SPEECH = frame(BINARY, b"\x10\x10" * 320)
"""20 ms, the same in both byte orders, and no sample of it is silence."""

Moment = Literal["tcp", "session", "upgrade", "greeting", "start", "bind", "call"]
"""When a script takes over: before a byte is read, or instead of what answers the request for a session, the upgrade,
the open websocket, the request to start a call (ws-media), the bind (ws-media); or when the caller is heard."""

Step = bytes | Callable[["Connection"], Awaitable[None]]


class Connection:
    """What a script acts on."""

    def __init__(self, stream: trio.abc.Stream, peer: "FarSide") -> None:
        self.stream = stream
        self.peer = peer
        self.head = b""
        """Of the request."""
        self.is_deaf = self.is_mute = False
        """Whether it reads nothing, or answers nothing that it reads."""
        self.hears = trio.Event()
        """The caller has said something."""
        self.binds = trio.Event()
        self.ends = trio.Event()
        """The caller has closed, or is gone."""
        self._sends = trio.Lock()
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        async with self._sends:
            await self.stream.send_all(data)

    async def play(self, script: Iterable[Step]) -> None:
        for step in script:
            await (self.send(step) if isinstance(step, bytes) else step(self))

    async def listen(self) -> None:
        """To a websocket, as a good server does."""
        try:
            while True:
                opcode, payload = await self._frame()
                self.hears.set() if opcode == BINARY else None
                self.binds.set() if b'"bind"' in payload else None
                if opcode == PING and not self.is_mute:
                    await self.send(frame(PONG, payload))
                if opcode == CLOSE:
                    if self.is_mute:
                        await trio.sleep_forever()
                    await self.send(frame(CLOSE, payload[:2]))
                    await self.stream.aclose()
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.ends.set()

    async def _frame(self) -> tuple[int, bytes]:
        """Its opcode and payload."""
        head = await self._take(2)
        length = head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(await self._take(2 if length == 126 else 8))
        mask = await self._take(4)
        payload = await self._take(length)
        if head[0] != 0x82:  # speech is not looked at
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return head[0] & 0x0F, payload

    async def _take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if self.is_deaf:
                await trio.sleep_forever()
            part = await self.stream.receive_some()
            if not part:
                raise trio.BrokenResourceError
            self._buffer += part
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken


# Steps.


def wait(seconds: float) -> Step:
    async def step(connection: Connection) -> None:
        await trio.sleep(seconds)

    return step


async def hold(connection: Connection) -> None:
    """Keep the connection, and do nothing."""
    await trio.sleep_forever()


async def deaf(connection: Connection) -> None:
    """Read nothing from now on."""
    connection.is_deaf = True


async def mute(connection: Connection) -> None:
    """Answer no ping and no close from now on."""
    connection.is_mute = True


async def end(connection: Connection) -> None:
    """FIN, and everything is still read."""
    _socket(connection).shutdown(socket.SHUT_WR)


async def cut(connection: Connection) -> None:
    """FIN in both directions: reset by what still comes."""
    await trio.aclose_forcefully(connection.stream)


async def reset(connection: Connection) -> None:
    """RST."""
    own = _socket(connection)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    own.close()


async def accept(connection: Connection) -> None:
    """The upgrade, by a script that does it itself."""
    await connection.send(accepted(connection.head))


def _socket(connection: Connection) -> trio.socket.SocketType:
    stream = connection.stream
    while not isinstance(stream, trio.SocketStream):
        assert isinstance(stream, trio.SSLStream)
        stream = stream.transport_stream
    return stream.socket


def drip(data: bytes, every: float) -> Step:
    """Byte by byte."""

    async def step(connection: Connection) -> None:
        for at in range(len(data)):
            await connection.send(data[at : at + 1])
            await trio.sleep(every)

    return step


def flood(data: bytes, seconds: float) -> Step:
    """The same, again and again: some messages every 10 ms."""
    many = data * max(1, min(60, 16_384 // len(data)))

    async def step(connection: Connection) -> None:
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            await connection.send(many)
            await trio.sleep(0.01)  # or a clock that runs when all wait would stand still

    return step


def speak(seconds: float) -> bytes:
    """Speech, all at once."""
    return SPEECH * round(seconds * 50)


def talk(seconds: float) -> Step:
    """Speech, as fast as it is spoken."""

    async def step(connection: Connection) -> None:
        start = trio.current_time()
        for at in range(round(seconds * 50)):
            await trio.sleep_until(start + at / 50)
            await connection.send(SPEECH)

    return step


def http(status: int, body: object = b"", *headers: str) -> bytes:
    """A whole answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


# The service.


class FarSide:
    """What answers on one port; `struck_at` is when the script took over, on trio's clock."""

    def __init__(self, dialect: str, at: Moment, script: Iterable[Step], scheme: str) -> None:
        self.dialect = dialect
        self.struck_at: float | None = None
        self._at = at
        self._script = tuple(script)
        self._schemes = ("https", "wss") if scheme == "https" else ("http", "ws")

    async def _strike(self, connection: Connection) -> None:
        self.struck_at = trio.current_time()
        await connection.play(self._script)

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = Connection(stream, self)
        with contextlib.suppress(OSError):  # of a socket that a script has closed
            if self._at == "tcp":
                await self._strike(connection)
                return
            connection.head = await read_head(stream)
            if b"upgrade: websocket" in connection.head.lower():
                await self._websocket(connection)
            else:
                await self._answer(connection)

    async def _answer(self, connection: Connection) -> None:
        is_start = connection.head.startswith(b"POST")
        if is_start:  # what is left unread would reset the connection
            head, _, body = connection.head.partition(b"\r\n\r\n")
            (length,) = re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)
            while len(body) < int(length):
                body += await connection.stream.receive_some()
        if self._at == ("start" if is_start else "session"):
            await self._strike(connection)
        elif is_start:
            await connection.send(http(200, {"callId": CALL_ID, "sid": SID, "wsMediaUrl": ""}))
        else:
            (authority,) = re.findall(rb"(?i)\r\nhost: *(\S+)", connection.head)
            url = f"{self._schemes[1]}://{authority.decode()}/start?token={TOKEN}"
            await connection.send(http(200, {"sessionURL": url, "wsMediaBaseUrl": url}))
        await connection.stream.aclose()

    async def _websocket(self, connection: Connection) -> None:
        if self._at == "upgrade":
            await self._strike(connection)
        else:
            await accept(connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.listen)
            if self._at != "upgrade":
                with contextlib.suppress(
                    OSError, trio.BrokenResourceError, trio.ClosedResourceError
                ):
                    await self._converse(connection)
            await connection.ends.wait()
            nursery.cancel_scope.cancel()

    async def _converse(self, connection: Connection) -> None:
        is_widget = self.dialect == "widget"
        info = {"type": "server_info", "server-name": "raw"}
        greeting = {"type": "status_agent_ready"} if is_widget else info
        if self._at == "greeting":
            await self._strike(connection)
            return
        await connection.send(frame(TEXT, json.dumps(greeting).encode()))
        if not is_widget:
            await connection.binds.wait()
            if self._at == "bind":
                await self._strike(connection)
                return
            await connection.send(frame(TEXT, b'{"type": "call_info"}'))
        if self._at == "call":
            await connection.hears.wait()
            await self._strike(connection)


@asynccontextmanager
async def far_side(
    dialect: str, at: Moment, script: Iterable[Step], ssl_context: ssl.SSLContext | None
) -> AsyncIterator[tuple[FarSide, str]]:
    """The service, and its base URL."""
    scheme = "http" if ssl_context is None else "https"
    far = FarSide(dialect, at, script, scheme)
    async with serving(far.serve, None if at == "tcp" else ssl_context) as peer:
        yield far, f"{scheme}://{peer.authority}"

"""Far sides that are not the simulator: bytes to order over TCP and TLS, and names that all lead here."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    import trustme  # not for every Python there is a wheel of what it needs

Handler = Callable[[trio.abc.Stream], Awaitable[None]]


class Peer:
    def __init__(self, port: int) -> None:
        self.port = port
        self.authority = f"127.0.0.1:{port}"
        self.base_url = f"http://{self.authority}"
        self.connections = 0
        self.requests: list[bytes] = []
        """Those that were answered with bytes; a handler reads its own."""

    @property
    def path(self) -> str:
        (request,) = self.requests
        return request.split(b" ")[1].decode()


@asynccontextmanager
async def serving(
    answer: bytes | Handler,
    ssl_context: ssl.SSLContext | None = None,
    buffer: int | None = None,
) -> AsyncIterator[Peer]:
    """A peer that reads a request and answers with these bytes; or does what it likes with every connection.

    `buffer` is how many bytes the system may receive before it does.
    """

    async def serve(stream: trio.abc.Stream) -> None:
        peer.connections += 1
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            if ssl_context is not None:
                stream = trio.SSLStream(
                    stream, ssl_context, server_side=True, https_compatible=True
                )
            if not isinstance(answer, bytes):
                await answer(stream)
                return
            peer.requests.append(await read_head(stream))
            await stream.send_all(answer)
            await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    if buffer is not None:
        listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    peer = Peer(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield peer
        nursery.cancel_scope.cancel()


async def closed_port() -> Peer:
    """Where nobody listens any more."""
    async with serving(b"") as peer:
        return peer


async def read_head(stream: trio.abc.Stream) -> bytes:
    """A request. Raises `trio.BrokenResourceError` if it is cut short."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = await stream.receive_some()
        if not part:
            raise trio.BrokenResourceError
        head += part
    return head


async def sleep_forever(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


# Websockets.


def accepted(head: bytes) -> bytes:
    """The answer that makes it a websocket (RFC 6455, 4.2.2)."""
    (key,) = re.findall(rb"(?i)sec-websocket-key: *(\S+)", head)
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, mask: bytes = b""
) -> bytes:
    """A frame (RFC 6455, 5.2), masked if there is a mask of 4 bytes."""
    length = len(payload)
    if length < 126:
        head = bytes([length])
    elif length < 1 << 16:
        head = struct.pack(">BH", 126, length)
    else:
        head = struct.pack(">BQ", 127, length)
    if mask:
        head = bytes([head[0] | 0x80]) + head[1:] + mask
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([final << 7 | rsv << 4 | opcode]) + head + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(8, struct.pack(">H", code) + reason.encode())


async def accept(stream: trio.abc.Stream) -> None:
    """A websocket that echoes nothing, and answers a close."""
    await stream.send_all(accepted(await read_head(stream)))
    while not (await stream.receive_some()).startswith(b"\x88"):
        pass
    await stream.send_all(close_frame(1000))


# Names and certificates.


class Resolver(trio.abc.HostnameResolver):
    """Knows every name as this machine, but for those in ``.invalid``; it never answers for those in ``.slow``."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 -- the base class names it
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        self.asked.append(host)
        if bytes(host).endswith(b".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if bytes(host).endswith(b".slow"):
            await trio.sleep_forever()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Of a server with a certificate for these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """Of a client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# Proxies.


class FrontDoor:
    """A proxy: what it was asked, and how it lets through."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Every name leads here, so the port is all that it looks at."""
        head = await read_head(stream)
        self.heads.append(head)
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as server:
            await stream.send_all(b"HTTP/1.1 200 Connection established\r\nX-Via: me\r\n\r\n")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, stream, server)
                await self._pump(server, stream)
                nursery.cancel_scope.cancel()

    async def _pump(self, source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while part := await source.receive_some(4096):
                await sink.send_all(part)

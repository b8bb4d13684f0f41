"""From a URL to an open websocket's stream: the upgrade is asked for and read here, not by a library.

So whatever answers it is told by its status, or by what it did instead; informational answers are passed over; and no
error of a library has a way out.
"""

import base64
import hashlib
import logging
import os
import re
import ssl
from urllib.parse import SplitResult

import h11
import trio

from sfclient._connect import abandon, connect, tcp_of
from sfclient._errors import UPGRADE_REFUSALS, NetworkError, ServiceError, Unchained, refused
from sfclient._http1 import Answer, Unanswered, exchange, told_by
from sfclient._limits import TimeLimits
from sfclient._secrets import Secrets

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
HOST, RESOURCE = "nobody", "/sfclient"  # what the library asks for, and of whom


class Upgraded(trio.abc.Stream):
    """An open websocket's stream, for a library that wants to do the upgrade itself.

    It asks for `RESOURCE`; that request goes nowhere, and is answered as it likes. So nothing that the far side said
    about the upgrade comes to it.
    """

    def __init__(self, stream: trio.abc.Stream, rest: bytes) -> None:
        self.tcp = tcp_of(stream)
        self._is_plain = stream is self.tcp
        self._stream = stream
        self._waiting = rest
        self._is_asked = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_asked:
            await self._stream.send_all(data)
            return
        await trio.lowlevel.checkpoint()
        self._is_asked = True
        found = re.search(rb"(?i)\r\nsec-websocket-key: *(\S+)\r\n", data)
        assert found, "the library's request"
        self._waiting = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepting(found[1]) + b"\r\n\r\n" + self._waiting
        )

    def send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the kernel takes; how much it was. Nothing where TLS has a say."""
        return self.tcp.send_now(data) if self._is_asked and self._is_plain else 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._waiting:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        most = len(self._waiting) if max_bytes is None else max_bytes
        data, self._waiting = self._waiting[:most], self._waiting[most:]
        return data

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def open_upgraded(
    parts: SplitResult, ssl_context: ssl.SSLContext | None, limits: TimeLimits, secrets: Secrets
) -> Upgraded:
    """Raises `NetworkError` if there is no way to the host, `ServiceError` if what is there refuses or is no websocket,
    `UsageError` for what the environment says."""
    with Unchained():
        stream = await connect(parts, ssl_context, limits)
        try:
            return Upgraded(stream, await _upgrade(stream, parts, limits.upgrade, secrets))
        except BaseException:
            abandon(stream)
            raise


async def _upgrade(
    stream: trio.abc.Stream, parts: SplitResult, seconds: float, secrets: Secrets
) -> bytes:
    """Returns what came behind the answer."""
    host = parts.hostname
    key = base64.b64encode(os.urandom(16))
    request = h11.Request(
        method="GET",
        target=f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
        headers=[
            ("Host", parts.netloc),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", key.decode()),
            ("Sec-WebSocket-Version", "13"),
        ],
    )
    try:
        answer = await exchange(stream, request, seconds=seconds)
    except Unanswered as failure:
        if failure.how in ("silent", "broken"):
            raise NetworkError(f"{host} {failure}") from None
        raise ServiceError(f"{host} {failure}: is it a websocket?") from None
    if answer.status != 101:
        detail = told_by(answer, secrets)
        raise refused(answer.status, UPGRADE_REFUSALS, detail, retry_after=answer.retry_after)
    if lack := _lack(answer, key):
        raise ServiceError(
            f"{host} answered something that is no websocket ({lack}): is the session URL right?",
            status=101,
        )
    return answer.rest


def _lack(answer: Answer, key: bytes) -> str:
    """Why this is not the websocket that was asked for (RFC 6455, 4.1); empty if it is."""
    for name, token in (("Upgrade", "websocket"), ("Connection", "upgrade")):
        if token not in (value.strip().lower() for value in answer.header(name).split(",")):
            return f"no {name}: {token}"
    if answer.header("Sec-WebSocket-Accept").encode() != accepting(key):
        return "a wrong Sec-WebSocket-Accept"
    for name in ("Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"):
        if answer.header(name):
            return f"a {name} that was not asked for"
    return ""


def accepting(key: bytes) -> bytes:
    """The answer to a ``Sec-WebSocket-Key``."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


class _Silence(logging.Filter):
    """The library logs close reasons, pings and protocol errors, in which the far side may repeat a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args if isinstance(record.args, tuple) else ()
        return not any(getattr(arg, "path", None) == RESOURCE for arg in args)


logging.getLogger("trio-websocket").addFilter(_Silence())

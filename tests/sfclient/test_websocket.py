"""The websocket at connect: what can be in the way, each told at once, by its name, with nothing left behind."""

import base64
import contextlib
import hashlib
import logging
import os
import re
import socket
import ssl
import struct
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from sfclient import (
    InsecureURLError,
    NetworkError,
    ServiceError,
    SfclientError,
    UsageError,
)
from sfclient._websocket import (
    ABNORMAL_CLOSURE,
    CONNECT_SECONDS,
    WebSocketClosed,
    open_websocket,
)

TOKEN = "tok-73ab"
PATH = f"/websocket/start?token={TOKEN}&a=b%2Fc"

Handler = Callable[[trio.abc.Stream], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler | bytes, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A peer that does this with every connection; bytes: its answer to any request."""

    async def serve(stream: trio.abc.Stream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            if ssl_context is not None:
                stream = trio.SSLStream(
                    stream, ssl_context, server_side=True, https_compatible=True
                )
            if isinstance(handler, bytes):
                await read_head(stream)
                await stream.send_all(handler)
                await stream.aclose()
            else:
                await handler(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def read_head(stream: trio.abc.Stream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        part = await stream.receive_some()
        if not part:
            raise trio.BrokenResourceError
        head += part
    return head


def accepted(head: bytes) -> bytes:
    """The answer that makes it a websocket (RFC 6455, 4.2.2)."""
    (key,) = re.findall(rb"(?i)sec-websocket-key: *(\S+)", head)
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def frame(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x80 | opcode, len(payload)]) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(8, struct.pack(">H", code) + reason.encode())


async def sleep_forever(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def accept(stream: trio.abc.Stream) -> None:
    """A websocket that echoes nothing, and answers a close."""
    await stream.send_all(accepted(await read_head(stream)))
    while not (await stream.receive_some()).startswith(b"\x88"):
        pass
    await stream.send_all(close_frame(1000))


async def connect(url: str, **options: Any) -> None:
    async with open_websocket(url, **options):
        pytest.fail("it is not to open")


@contextmanager
def failing(kind: type[SfclientError], match: str) -> Iterator[list[SfclientError]]:
    """Fails in exactly this way, and says nothing of the token."""
    caught: list[SfclientError] = []
    with pytest.raises(kind, match=match) as info:
        yield caught
    assert type(info.value) is kind
    assert TOKEN not in "".join(traceback.format_exception(info.value))
    caught.append(info.value)


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert TOKEN not in caplog.text


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    def sockets() -> int:
        links = []
        with contextlib.suppress(FileNotFoundError):  # no /proc
            for fd in os.listdir("/proc/self/fd"):
                with contextlib.suppress(FileNotFoundError):
                    links.append(os.readlink(f"/proc/self/fd/{fd}"))
        return sum(link.startswith("socket:") for link in links)

    before = sockets(), trio.lowlevel.current_statistics().tasks_living
    yield
    assert (sockets(), trio.lowlevel.current_statistics().tasks_living) == before


@pytest.fixture
def quick_clock() -> trio.testing.MockClock:
    """Eight seconds in less than half of one, with real sockets."""
    return trio.testing.MockClock(rate=20)


class Resolver(trio.abc.HostnameResolver):
    """Knows every name as this machine, but for those in ``.invalid``."""

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


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    trio.socket.set_custom_hostname_resolver(resolver)
    yield resolver
    trio.socket.set_custom_hostname_resolver(None)


class TestOpening:
    async def test_request_is_as_the_url_says(self) -> None:
        heads: list[bytes] = []

        async def note(stream: trio.abc.Stream) -> None:
            heads.append(await read_head(stream))

        async with serving(note) as port:
            with failing(ServiceError, "closed the connection"):
                await connect(f" ws://user:hunter-2@127.0.0.1:{port}{PATH}\n")
        (head,) = heads
        lines = head.split(b"\r\n")
        assert lines[0] == f"GET {PATH} HTTP/1.1".encode()
        assert f"host: 127.0.0.1:{port}".encode() in [line.lower() for line in lines]
        assert b"hunter-2" not in head
        assert b"sec-websocket-protocol" not in head.lower()

    async def test_url_without_a_path(self) -> None:
        heads: list[bytes] = []

        async def note(stream: trio.abc.Stream) -> None:
            heads.append(await read_head(stream))

        async with serving(note) as port:
            with failing(ServiceError, "closed the connection"):
                await connect(f"ws://127.0.0.1:{port}")
        assert heads[0].startswith(b"GET / HTTP/1.1\r\n")

    async def test_opens_and_closes(self) -> None:
        async with serving(accept) as port:
            async with open_websocket(f"ws://127.0.0.1:{port}{PATH}") as websocket:
                await websocket.send(b"\0\0")

    async def test_body_error_leaves_as_itself(self) -> None:
        async with serving(accept) as port:
            with pytest.raises(LookupError, match="mine"):
                async with open_websocket(f"ws://127.0.0.1:{port}{PATH}"):
                    raise LookupError("mine")

    async def test_message_and_close_that_came_with_the_acceptance(self) -> None:
        async def hurry(stream: trio.abc.Stream) -> None:
            head = await read_head(stream)
            await stream.send_all(accepted(head) + frame(2, b"ab") + close_frame(1008, "no money"))
            await stream.aclose()

        async with serving(hurry) as port:
            async with open_websocket(f"ws://127.0.0.1:{port}{PATH}") as websocket:
                assert await websocket.receive() == b"ab"
                with pytest.raises(WebSocketClosed) as info:
                    await websocket.receive()
        assert (info.value.code, info.value.reason) == (1008, "no money")

    async def test_end_of_stream_that_came_with_the_acceptance(self) -> None:
        async def cut(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))

        async with serving(cut) as port:
            with contextlib.suppress(ServiceError):  # it may be seen at the upgrade, or after it
                async with open_websocket(f"ws://127.0.0.1:{port}{PATH}") as websocket:
                    with pytest.raises(WebSocketClosed) as info:
                        await websocket.receive()
                    assert info.value.code == ABNORMAL_CLOSURE

    async def test_garbage_after_the_acceptance(self) -> None:
        async def rave(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + b"\xff" * 50)
            await stream.receive_some()

        async with serving(rave) as port:
            async with open_websocket(f"ws://127.0.0.1:{port}{PATH}") as websocket:
                with pytest.raises(WebSocketClosed) as info:
                    await websocket.receive()
        assert info.value.code in (1002, ABNORMAL_CLOSURE)

    async def test_peer_that_never_answers_our_close(
        self, quick_clock: trio.testing.MockClock
    ) -> None:
        async def deaf(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))
            await trio.sleep_forever()

        async with serving(deaf) as port:
            async with open_websocket(f"ws://127.0.0.1:{port}{PATH}"):
                start = trio.current_time()
            assert trio.current_time() - start < 4

    async def test_ping_after_our_close(self, quick_clock: trio.testing.MockClock) -> None:
        async def ping(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))
            while not (await stream.receive_some()).startswith(b"\x88"):
                pass
            await stream.send_all(frame(9, b"there?") * 3 + close_frame(1000))

        async with serving(ping) as port:
            async with open_websocket(f"ws://127.0.0.1:{port}{PATH}"):
                await trio.sleep(1)


class TestWrongURL:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            TOKEN,
            f"//agents.example/{TOKEN}",
            f"wss:///start?token={TOKEN}",
            f"wss://?token={TOKEN}",
            f"https://agents.example/?token={TOKEN}",
            f"ftp://agents.example/?token={TOKEN}",
            f"wss://agents.example:port/?token={TOKEN}",
            f"wss://agents.example:99999/?token={TOKEN}",
            f"wss://[::1/?token={TOKEN}",
            f"wss://agents.example/?token={TOKEN} and more",
            f"wss://agents.example/?token=\r\nX: {TOKEN}",
            f"wss://agents.example/é?token={TOKEN}",
        ],
    )
    async def test_url_of_the_wrong_kind(self, url: str, resolver: Resolver) -> None:
        with failing(UsageError, "session URL"):
            await connect(url)
        assert not resolver.asked

    @pytest.mark.parametrize(
        "host", ["agents.example", "192.0.2.1", "10.0.0.1", "[fe80::1]", "localhost.example"]
    )
    async def test_plain_ws_beyond_this_machine(self, host: str, resolver: Resolver) -> None:
        with failing(InsecureURLError, "clear"):
            await connect(f"ws://{host}{PATH}")
        assert not resolver.asked

    async def test_plain_ws_allowed_by_name(self, resolver: Resolver) -> None:
        async with serving(accept) as port:
            async with open_websocket(f"ws://agents.example:{port}{PATH}", allow_insecure=True):
                pass
        assert resolver.asked == [b"agents.example"]

    @pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example", ".example", "xn--a"])
    async def test_name_that_no_host_has(self, host: str, resolver: Resolver) -> None:
        with pytest.raises((UsageError, NetworkError)) as info:
            await connect(f"wss://{host}:1{PATH}")
        assert TOKEN not in "".join(traceback.format_exception(info.value))


class TestTheWayThere:
    async def test_port_is_closed(self) -> None:
        async with serving(b"") as port:
            pass
        with failing(NetworkError, f"cannot connect to 127.0.0.1:{port}: .*refused"):
            await connect(f"ws://127.0.0.1:{port}{PATH}")

    async def test_name_is_unknown(self, resolver: Resolver) -> None:
        with failing(NetworkError, "cannot connect to nonexistent.invalid:443: .*not known"):
            await connect(f"wss://nonexistent.invalid{PATH}")

    async def test_name_is_never_resolved(
        self, resolver: Resolver, quick_clock: trio.testing.MockClock
    ) -> None:
        start = trio.current_time()
        with failing(NetworkError, "dns.slow did not answer within 8 s"):
            await connect(f"wss://dns.slow{PATH}")
        assert CONNECT_SECONDS <= trio.current_time() - start < 10

    @pytest.mark.parametrize("scheme", ["ws", "wss"])
    async def test_no_answer(self, scheme: str, quick_clock: trio.testing.MockClock) -> None:
        async with serving(sleep_forever) as port:
            start = trio.current_time()
            with failing(NetworkError, "127.0.0.1 did not answer within 8 s"):
                await connect(f"{scheme}://127.0.0.1:{port}{PATH}")
            assert CONNECT_SECONDS <= trio.current_time() - start < 10

    async def test_half_an_answer(self, quick_clock: trio.testing.MockClock) -> None:
        async def hesitate(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream))[:-2])
            await trio.sleep_forever()

        async with serving(hesitate) as port:
            with failing(NetworkError, "did not answer within 8 s"):
                await connect(f"ws://127.0.0.1:{port}{PATH}")

    @pytest.mark.parametrize("seconds", [0, 0.05])
    async def test_cancelled(self, seconds: float) -> None:
        async with serving(sleep_forever) as port:
            with trio.move_on_after(seconds) as scope:
                await connect(f"ws://127.0.0.1:{port}{PATH}")
        assert scope.cancelled_caught

    @pytest.mark.parametrize("scheme", ["ws", "wss"])
    async def test_hang_up_at_once(self, scheme: str) -> None:
        async def close(stream: trio.abc.Stream) -> None:
            await stream.aclose()

        async with serving(close) as port:
            start = trio.current_time()
            kind = NetworkError if scheme == "wss" else ServiceError
            with failing(kind, r"127\.0\.0\.1.* \w"):
                await connect(f"{scheme}://127.0.0.1:{port}{PATH}")
            assert trio.current_time() - start < 2

    async def test_reset(self) -> None:
        async def reset(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            assert isinstance(stream, trio.SocketStream)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()

        async with serving(reset) as port:
            with pytest.raises((NetworkError, ServiceError), match=r"127\.0\.0\.1") as info:
                await connect(f"ws://127.0.0.1:{port}{PATH}")
        assert TOKEN not in "".join(traceback.format_exception(info.value))


class TestNoWebsocket:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 426, 429, 500, 502, 503])
    async def test_refused(self, status: int) -> None:
        body = f"no, {TOKEN}".encode()
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        async with serving(head + body) as port:
            with failing(ServiceError, f"refused .HTTP {status}") as caught:
                await connect(f"ws://127.0.0.1:{port}{PATH}")
        assert isinstance(caught[0], ServiceError)
        assert caught[0].status == status
        assert ("request a new one" in str(caught[0])) == (status in (401, 403, 404, 410))

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\ncut",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x00\xff" * 40,
            b"\r\n\r\n\r\n",
            b"HTTP/1.1 999\r\n\r\n",
            b"x" * 300_000,
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
        ],
        ids=lambda answer: repr(answer[:30]),
    )
    @pytest.mark.parametrize("then", ["close", "wait"])
    async def test_other_answer(
        self, answer: bytes, then: str, quick_clock: trio.testing.MockClock
    ) -> None:
        async def reply(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await stream.send_all(answer)
            if then == "wait":
                await trio.sleep_forever()

        async with serving(reply) as port:
            start = trio.current_time()
            with pytest.raises((ServiceError, NetworkError)) as info:
                await connect(f"ws://127.0.0.1:{port}{PATH}")
            assert trio.current_time() - start < 10
        if then == "close":
            assert type(info.value) is ServiceError
        told = "".join(traceback.format_exception(info.value))
        assert TOKEN not in told


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class TestTLS:
    async def test_certificate_of_an_authority_given(self, authority: trustme.CA) -> None:
        async with serving(accept, server(authority, "127.0.0.1")) as port:
            async with open_websocket(
                f"wss://127.0.0.1:{port}{PATH}", ssl_context=client(authority)
            ) as websocket:
                await websocket.send("{}")

    async def test_certificate_of_nobody_known(self, authority: trustme.CA) -> None:
        async with serving(accept, server(authority, "127.0.0.1")) as port:
            with failing(
                NetworkError, r"certificate of 127\.0\.0\.1.* is not to be trusted: .*issuer"
            ):
                await connect(f"wss://127.0.0.1:{port}{PATH}")

    async def test_certificate_of_another_host(self, authority: trustme.CA) -> None:
        async with serving(accept, server(authority, "agents.example")) as port:
            with failing(NetworkError, "certificate of 127.0.0.1.*127.0.0.1"):
                await connect(f"wss://127.0.0.1:{port}{PATH}", ssl_context=client(authority))

    async def test_certificate_is_checked_against_the_name(
        self, authority: trustme.CA, resolver: Resolver
    ) -> None:
        async with serving(accept, server(authority, "agents.example")) as port:
            async with open_websocket(
                f"wss://agents.example:{port}{PATH}", ssl_context=client(authority)
            ):
                pass

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\0" * 99]
    )
    async def test_peer_that_speaks_tls_badly(self, answer: bytes) -> None:
        async def speak(stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            await stream.send_all(answer)

        async with serving(speak) as port:
            with failing(NetworkError, f"no TLS with 127.0.0.1:{port}: .*\\w"):
                await connect(f"wss://127.0.0.1:{port}{PATH}")

    async def test_refused_under_tls(self, authority: trustme.CA) -> None:
        refusal = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
        async with serving(refusal, server(authority, "127.0.0.1")) as port:
            with failing(ServiceError, "HTTP 403"):
                await connect(f"wss://127.0.0.1:{port}{PATH}", ssl_context=client(authority))

    async def test_no_answer_under_tls(
        self, authority: trustme.CA, quick_clock: trio.testing.MockClock
    ) -> None:
        async def silent(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await trio.sleep_forever()

        async with serving(silent, server(authority, "127.0.0.1")) as port:
            with failing(NetworkError, "did not answer within 8 s"):
                await connect(f"wss://127.0.0.1:{port}{PATH}", ssl_context=client(authority))

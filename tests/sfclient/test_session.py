"""From a key to a session, over a peer that answers with any bytes."""

import contextlib
import json
import logging
import os
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from sfclient import (
    AgentNotFoundError,
    Audio,
    AuthenticationError,
    InsecureURLError,
    NetworkError,
    ServiceError,
    Session,
    SfclientError,
    UsageError,
    open_call,
    request_session,
)

KEY = "key-4f9a8c27b1"
URL = "wss://agents.example/websocket/start?token=tok-73ab"

Handler = Callable[[trio.abc.Stream], Awaitable[None]]


def http(status: int, body: object = b"", *headers: str) -> bytes:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Peer:
    def __init__(self, port: int) -> None:
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def path(self) -> str:
        (request,) = self.requests
        return request.split(b" ")[1].decode()


@asynccontextmanager
async def serving(
    answer: bytes | Handler, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """A peer that reads a request and answers with these bytes; or does what it likes."""

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
            request = b""
            while b"\r\n\r\n" not in request:
                part = await stream.receive_some()
                if not part:
                    return
                request += part
            peer.requests.append(request)
            await stream.send_all(answer)
            await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    peer = Peer(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield peer
        nursery.cancel_scope.cancel()


async def request_from(peer: Peer, agent: str = "agent", **options: Any) -> Session:
    return await request_session(agent, **{"api_key": KEY, "base_url": peer.base_url, **options})


@contextmanager
def failing(kind: type[SfclientError], match: str | None = None) -> Iterator[list[SfclientError]]:
    """Fails in exactly this way, and says nothing of the key or the token."""
    caught: list[SfclientError] = []
    with pytest.raises(kind, match=match) as info:
        yield caught
    assert type(info.value) is kind
    told = "".join(traceback.format_exception(info.value)) + repr(info.value)
    assert KEY not in told
    assert "tok-73ab" not in told
    caught.append(info.value)


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text
    assert "tok-73ab" not in caplog.text


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
async def no_task_or_socket_is_left() -> AsyncIterator[None]:
    def sockets() -> int:
        with contextlib.suppress(FileNotFoundError):
            links = []
            for fd in os.listdir("/proc/self/fd"):
                with contextlib.suppress(FileNotFoundError):
                    links.append(os.readlink(f"/proc/self/fd/{fd}"))
            return sum(link.startswith("socket:") for link in links)
        return 0

    before = sockets()
    yield
    assert sockets() == before


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
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    trio.socket.set_custom_hostname_resolver(resolver)
    yield resolver
    trio.socket.set_custom_hostname_resolver(None)


class TestAsking:
    async def test_session_is_got_with_the_bearer_key(self) -> None:
        async with serving(http(200, {"sessionURL": URL, "more": 1})) as peer:
            session = await request_from(peer)
        assert session.url == URL
        assert session.dialect == "widget"
        assert peer.path == "/websocket/token/agent"
        (request,) = peer.requests
        lines = request.split(b"\r\n")
        assert lines[0].startswith(b"GET ")
        assert f"Authorization: Bearer {KEY}".encode() in lines
        assert f"Host: 127.0.0.1:{peer.port}".encode() in lines

    async def test_session_hides_its_url(self) -> None:
        session = Session(URL)
        assert "tok-73ab" not in f"{session!r} {session} {[session]}"

    @pytest.mark.parametrize(
        ("agent", "path"),
        [
            ("6f1c-a", "/websocket/token/6f1c-a"),
            (" a b/c\n", "/websocket/token/a%20b%2Fc"),
            ("../../admin?x=1#y", "/websocket/token/..%2F..%2Fadmin%3Fx%3D1%23y"),
            ("50%/é", "/websocket/token/50%25%2F%C3%A9"),
        ],
    )
    async def test_agent_id_is_one_quoted_part_of_the_path(self, agent: str, path: str) -> None:
        async with serving(http(200, {"sessionURL": URL})) as peer:
            await request_from(peer, agent)
        assert peer.path == path

    @pytest.mark.parametrize(
        ("base", "path"),
        [
            ("", "/websocket/token/a"),
            ("/", "/websocket/token/a"),
            ("/proxy/v1", "/proxy/v1/websocket/token/a"),
            ("/proxy/v1//", "/proxy/v1/websocket/token/a"),
        ],
    )
    async def test_base_url_may_have_a_path_and_a_slash(self, base: str, path: str) -> None:
        async with serving(http(200, {"sessionURL": URL})) as peer:
            await request_from(peer, "a", base_url=f" {peer.base_url}{base}\n")
        assert peer.path == path

    async def test_blanks_around_the_key_are_forgiven(self) -> None:
        async with serving(http(200, {"sessionURL": URL})) as peer:
            await request_from(peer, api_key=f"  {KEY}\r\n")
        assert f"Bearer {KEY}\r\n".encode() in peer.requests[0]

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
    async def test_key_toward_this_machine_does_not_pass_a_proxy(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving(http(200, {"sessionURL": "wss://proxy.example"})) as proxy:
            monkeypatch.setenv(name, proxy.base_url)
            async with serving(http(200, {"sessionURL": URL})) as peer:
                session = await request_from(peer)
        assert proxy.connections == 0
        assert session.url == URL


class TestWrongUse:
    @pytest.mark.parametrize("agent", ["", "   ", "\n"])
    async def test_empty_agent_id(self, agent: str) -> None:
        async with serving(http(200, {"sessionURL": URL})) as peer:
            with failing(UsageError, "agent ID is empty"):
                await request_from(peer, agent)
        assert peer.connections == 0

    @pytest.mark.parametrize(
        "key", ["", " \n", "two words", "a\nb", "a\r\nX: y", "schlüssel", "\0"]
    )
    async def test_impossible_key(self, key: str) -> None:
        async with serving(http(200, {"sessionURL": URL})) as peer:
            with failing(AuthenticationError, "API key") as caught:
                await request_from(peer, api_key=key)
        assert peer.connections == 0
        assert not key.strip() or key not in str(caught[0])

    @pytest.mark.parametrize(
        "base_url",
        [
            "",
            "widget.example",
            "ftp://widget.example",
            "ws://widget.example",
            "https://",
            "https:///path",
            "https://widget.example:port",
            "https://widget.example:70000",
            "https://[::1",
            "https://widget example",
            "https://wídget.example",
        ],
    )
    async def test_base_url_of_the_wrong_kind(self, base_url: str, resolver: Resolver) -> None:
        with failing(UsageError, "base URL"):
            await request_session("agent", api_key=KEY, base_url=base_url)
        assert not resolver.asked

    @pytest.mark.parametrize(
        "host",
        [
            "widget.example",
            "192.0.2.1",
            "[2001:db8::1]",
            "localhost.example",
            "127.0.0.1.example",
            "localhost@widget.example",
            "0.0.0.0",  # that is anywhere, not here
        ],
    )
    async def test_plain_http_beyond_this_machine(self, host: str, resolver: Resolver) -> None:
        with failing(InsecureURLError, "clear"):
            await request_session("agent", api_key=KEY, base_url=f"http://{host}")
        assert not resolver.asked

    async def test_plain_http_allowed_by_name(self, resolver: Resolver) -> None:
        async with serving(http(200, {"sessionURL": URL})) as peer:
            session = await request_session(
                "agent",
                api_key=KEY,
                base_url=f"http://widget.example:{peer.port}",
                allow_insecure=True,
            )
        assert session.url == URL
        assert resolver.asked == [b"widget.example"]

    @pytest.mark.parametrize(
        "host", ["a..example", f"{'a' * 64}.example", ".example", "xn--a", "*", "a_b.invalid"]
    )
    async def test_name_that_no_host_has(self, host: str, resolver: Resolver) -> None:
        with failing_in(UsageError, NetworkError):
            await request_session("agent", api_key=KEY, base_url=f"https://{host}:1")


@contextmanager
def failing_in(*kinds: type[SfclientError]) -> Iterator[None]:
    with pytest.raises(kinds) as info:
        yield
    assert KEY not in "".join(traceback.format_exception(info.value))


class TestRefusals:
    @pytest.mark.parametrize("status", [401, 403])
    async def test_key_refused(self, status: int) -> None:
        async with serving(http(status, {"error": "no such key"})) as peer:
            with failing(AuthenticationError, f'HTTP {status}.*"no such key"'):
                await request_from(peer)

    async def test_agent_unknown(self) -> None:
        async with serving(http(404, {"error": "gone"})) as peer:
            with failing(AgentNotFoundError, "'agent-7'.*HTTP 404.*gone.*widget"):
                await request_from(peer, "agent-7")

    @pytest.mark.parametrize("status", [204, 206, 301, 400, 418, 429, 500, 502, 503, 599])
    async def test_any_other_status_is_the_services_fault(self, status: int) -> None:
        async with serving(http(status, b"" if status == 204 else b"<html>oops")) as peer:
            with failing(ServiceError, f"HTTP {status}") as caught:
                await request_from(peer)
        assert isinstance(caught[0], ServiceError)
        assert caught[0].status == status
        assert "oops" not in str(caught[0])

    @pytest.mark.parametrize("status", [302, 303, 307, 308])
    async def test_redirects_are_not_followed(self, status: int) -> None:
        async with serving(http(200, {"sessionURL": URL})) as elsewhere:
            async with serving(http(status, b"", f"Location: {elsewhere.base_url}/")) as peer:
                with failing(ServiceError, f"HTTP {status}"):
                    await request_from(peer)
        assert elsewhere.connections == 0

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
    async def test_key_echoed_by_the_service_is_not_repeated(self, status: int) -> None:
        body = {"error": f"the key {KEY} and again Bearer {KEY}" + "x" * 10_000}
        async with serving(http(status, body)) as peer:
            with pytest.raises(SfclientError, match="the key") as info:
                await request_from(peer, api_key=f" {KEY} ")
        assert KEY not in "".join(traceback.format_exception(info.value))
        assert len(str(info.value)) < 500

    @pytest.mark.parametrize("error", [None, 7, "", [], {"message": "nested"}])
    async def test_odd_error_fields_are_left_out(self, error: object) -> None:
        async with serving(http(500, {"error": error})) as peer:
            with failing(ServiceError, "^the service answered HTTP 500$"):
                await request_from(peer)

    async def test_error_from_the_service_cannot_steer_the_terminal(self) -> None:
        async with serving(
            http(500, {"error": "a\x1b]0;owned\x07\x1b[2J\nsfclient: all is well"})
        ) as peer:
            with failing(ServiceError) as caught:
                await request_from(peer)
        assert str(caught[0]).isprintable()


class TestAnswers:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>hello</html>",
            b'{"sessionURL": ',
            b"\xff\xfe\x00",
            b"[1]",
            b'"wss://x"',
            b"null",
            b"[" * 100_000,
            b"1" * 5_000,
        ],
        ids=lambda body: repr(body[:12]),
    )
    async def test_no_json_object(self, body: bytes) -> None:
        async with serving(http(200, body)) as peer:
            with failing(ServiceError, "no JSON object") as caught:
                await request_from(peer)
        assert isinstance(caught[0], ServiceError)
        assert caught[0].status == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"sessionUrl": URL},
            {"sessionURL": None},
            {"sessionURL": 7},
            {"sessionURL": ""},
            {"sessionURL": [URL]},
            {"sessionURL": {"url": URL}},
        ],
        ids=str,
    )
    async def test_no_session_url(self, fields: dict[str, object]) -> None:
        async with serving(http(200, fields)) as peer:
            with failing(ServiceError, "no sessionURL"):
                await request_from(peer)

    @pytest.mark.parametrize("url", ["https://agents.example/tok-73ab", "tok-73ab", "wss:tok-73ab"])
    async def test_session_url_of_the_wrong_kind_is_the_services_fault(self, url: str) -> None:
        async with serving(http(200, {"sessionURL": url})) as peer:
            with failing(ServiceError):
                async with open_call(await request_from(peer), Audio("none", "none")):
                    pass

    async def test_plain_session_url_beyond_this_machine_is_refused(
        self, resolver: Resolver
    ) -> None:
        async with serving(http(200, {"sessionURL": URL.replace("wss", "ws")})) as peer:
            with failing(InsecureURLError, "agents.example"):
                async with open_call(await request_from(peer), Audio("none", "none")):
                    pass
        assert not resolver.asked

    async def test_endless_answer_is_cut_off(self) -> None:
        sent = 0

        async def babble(stream: trio.abc.Stream) -> None:
            nonlocal sent
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await stream.send_all(b" " * 65_536)
                sent += 65_536

        async with serving(babble) as peer:
            with failing(ServiceError, "does not stop"):
                await request_from(peer)
        assert sent < 20 << 20

    async def test_endless_header_is_cut_off(self) -> None:
        async def babble(stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                await stream.send_all(b"x" * 65_536)

        async with serving(babble) as peer:
            with failing(NetworkError, "failed"):
                await request_from(peer)

    @pytest.mark.parametrize(
        "answer", [b"", b"\x00\x01\x02\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n"]
    )
    async def test_answer_that_is_no_http(self, answer: bytes) -> None:
        async with serving(answer) as peer:
            with failing(NetworkError, "127.0.0.1 failed"):
                await request_from(peer)

    async def test_answer_cut_short(self) -> None:
        whole = http(200, {"sessionURL": URL})
        async with serving(whole[:-5]) as peer:
            with failing(NetworkError, "failed"):
                await request_from(peer)

    async def test_body_that_does_not_decompress(self) -> None:
        async with serving(http(200, b"no gzip", "Content-Encoding: gzip")) as peer:
            with failing_in(NetworkError, ServiceError):
                await request_from(peer)


class TestTheWayThere:
    async def test_answer_never_comes(self, quick_clock: trio.testing.MockClock) -> None:
        async def sleep(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        start = trio.current_time()
        async with serving(sleep) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await request_session("agent", api_key=KEY, base_url=peer.base_url)
        assert 8 <= trio.current_time() - start < 10

    async def test_answer_that_drips_does_not_take_for_ever(
        self, quick_clock: trio.testing.MockClock
    ) -> None:
        async def drip(stream: trio.abc.Stream) -> None:
            await stream.send_all(b"HTTP/1.1 200 OK\r\n")
            while True:
                await stream.send_all(b"X-Y: z\r\n")
                await trio.sleep(0.5)

        async with serving(drip) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await request_from(peer)

    async def test_hang_up_at_once(self) -> None:
        async def close(stream: trio.abc.Stream) -> None:
            await stream.aclose()

        async with serving(close) as peer:
            with failing(NetworkError, "the request to 127.0.0.1 failed"):
                await request_from(peer)

    async def test_port_is_closed(self) -> None:
        async with serving(b"") as peer:
            pass
        with failing(NetworkError, "cannot connect to 127.0.0.1"):
            await request_from(peer)

    async def test_name_is_unknown(self, resolver: Resolver) -> None:
        with failing(NetworkError, "cannot connect to nonexistent.invalid"):
            await request_session("a", api_key=KEY, base_url="https://nonexistent.invalid")
        assert resolver.asked == [b"nonexistent.invalid"]

    async def test_cancelled(self) -> None:
        async def sleep(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        async with serving(sleep) as peer:
            with trio.move_on_after(0.1) as scope:
                await request_from(peer)
        assert scope.cancelled_caught


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTLS:
    def server(self, authority: trustme.CA, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names).configure_cert(context)
        return context

    def client(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    async def test_certificate_of_an_authority_given(self, authority: trustme.CA) -> None:
        context = self.server(authority, "127.0.0.1")
        async with serving(http(200, {"sessionURL": URL}), context) as peer:
            session = await request_from(
                peer,
                base_url=f"https://127.0.0.1:{peer.port}",
                ssl_context=self.client(authority),
            )
        assert session.url == URL

    async def test_certificate_of_nobody_known(self, authority: trustme.CA) -> None:
        context = self.server(authority, "127.0.0.1")
        async with serving(http(200, {"sessionURL": URL}), context) as peer:
            with failing(NetworkError, "certificate"):
                await request_from(peer, base_url=f"https://127.0.0.1:{peer.port}")
        assert not peer.requests

    async def test_certificate_of_another_host(self, authority: trustme.CA) -> None:
        context = self.server(authority, "widget.example")
        async with serving(http(200, {"sessionURL": URL}), context) as peer:
            with failing(NetworkError, "certificate"):
                await request_from(
                    peer,
                    base_url=f"https://127.0.0.1:{peer.port}",
                    ssl_context=self.client(authority),
                )
        assert not peer.requests

    async def test_peer_that_speaks_no_tls(self) -> None:
        async def speak(stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with serving(speak) as peer:
            with failing(NetworkError, r"127\.0\.0\.1.*: .*\w") as caught:
                await request_from(peer, base_url=f"https://127.0.0.1:{peer.port}")
        assert not str(caught[0]).endswith("127.0.0.1: ")

    async def test_peer_that_never_answers_tls(self, quick_clock: trio.testing.MockClock) -> None:
        async def sleep(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        async with serving(sleep) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await request_from(peer, base_url=f"https://127.0.0.1:{peer.port}")

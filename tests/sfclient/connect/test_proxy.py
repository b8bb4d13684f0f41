"""A network that is left through a proxy: the request for a session and the websocket agree on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from sfclient import NetworkError, UsageError, request_session
from sfclient._proxy import proxy_toward
from sfclient._websocket import open_websocket

from ..conftest import UnhurriedClock
from ..raw_servers import (
    FrontDoor,
    Handler,
    Resolver,
    accept,
    client_context,
    read_head,
    server_context,
    serving,
    sleep_forever,
)
from .conftest import KEY, PATH, URL, connect, failing, http, request_from

if TYPE_CHECKING:
    import trustme  # not for every Python there is a wheel of what it needs

HOST = "agents.example"
PASSWORD = "pass-8d1c"


@pytest.fixture
async def context(authority: trustme.CA, resolver: Resolver) -> dict[str, object]:
    return {"ssl_context": client_context(authority)}


def told(host: str = HOST, port: int = 443) -> str | None:
    proxy = proxy_toward(host, port)
    return proxy and f"{'https' if proxy.is_secure else 'http'}://{proxy.host}:{proxy.port}"


class TestWhichProxy:
    async def test_none(self) -> None:
        assert told() is None

    @pytest.mark.parametrize(
        ("name", "value", "proxy"),
        [
            ("HTTPS_PROXY", "http://p.example:3128", "http://p.example:3128"),
            ("https_proxy", " http://p.example:3128/ ", "http://p.example:3128"),
            ("ALL_PROXY", "p.example:3128", "http://p.example:3128"),
            ("all_proxy", "HTTP://p.example", "http://p.example:80"),
            ("HTTPS_PROXY", "https://[2001:db8::7]", "https://2001:db8::7:443"),
            ("HTTP_PROXY", "http://p.example", None),  # nothing goes in the clear
            ("HTTPS_PROXY", "", None),
        ],
    )
    async def test_variable(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, proxy: str | None
    ) -> None:
        monkeypatch.setenv(name, value)
        assert told() == proxy

    async def test_the_narrower_variable_and_the_lower_case_come_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://all.example")
        monkeypatch.setenv("HTTPS_PROXY", "http://upper.example")
        assert told() == "http://upper.example:80"
        monkeypatch.setenv("https_proxy", "http://lower.example")
        assert told() == "http://lower.example:80"
        assert "https_proxy" in str(proxy_toward(HOST, 443))

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "::1"])
    async def test_none_toward_this_machine(
        self, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://p.example")
        assert told(host) is None

    @pytest.mark.parametrize(
        ("no_proxy", "host", "is_direct"),
        [
            ("*", HOST, True),
            ("localhost, agents.example", HOST, True),
            ("example", HOST, True),
            (".example", HOST, True),
            ("*.example", HOST, True),
            ("AGENTS.Example", HOST, True),
            ("agents.example.", HOST, True),
            ("agents.example:443", HOST, True),
            ("agents.example:8443", HOST, False),
            ("gents.example", HOST, False),
            ("other.example", HOST, False),
            (".", HOST, False),
            ("localhost,[::1]", HOST, False),
            ("[2001:db8::1]", "2001:db8::1", True),
            ("[2001:db8::1]:443", "2001:db8::1", True),
            ("2001:db8::/32", "2001:db8::1", True),
            ("192.0.2.0/24", "192.0.2.9", True),
            ("192.0.2.0/24", "192.0.3.9", False),
            ("192.0.2.0/24", HOST, False),
        ],
    )
    async def test_no_proxy(
        self, monkeypatch: pytest.MonkeyPatch, no_proxy: str, host: str, is_direct: bool
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://p.example")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        assert (told(host) is None) == is_direct

    @pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (f"socks5://user:{PASSWORD}@p.example:1080", "by socks5://, which is not supported"),
            ("ftp://p.example", "by ftp://, which is not supported"),
            (f"{PASSWORD} ://", "by what is not supported"),
            ("http://", "must be like"),
            (f"http://user:{PASSWORD}#x@p.example", "must be like .*%XX"),
            (f"http://user:{PASSWORD}@p.example:99999", "must be like"),
            (f"user:{PASSWORD}é@p.example", "must be like"),
            (f"http://user:{PASSWORD}@[::1", "must be like"),
            (f"http://p ex:{PASSWORD}", "must be like"),
        ],
    )
    async def test_variable_of_no_use_is_named_before_anything_is_asked(
        self, monkeypatch: pytest.MonkeyPatch, resolver: Resolver, name: str, value: str, why: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with failing(UsageError, f"variable {name} .*{why}") as caught:
            await request_session("a", api_key=KEY)
        assert PASSWORD not in str(caught[0])
        with failing(UsageError, f"variable {name} .*{why}"):
            await connect(URL)
        assert not resolver.asked


class TestTunnel:
    async def test_both_go_through_it(
        self, authority: trustme.CA, context: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        door, tls = FrontDoor(), server_context(authority, HOST)
        answer = http(200, {"sessionURL": URL})
        async with (
            serving(door.serve) as proxy,
            serving(answer, tls) as service,
            serving(accept, tls) as agent,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:{PASSWORD}@{proxy.authority}")
            base_url = f"https://{HOST}:{service.port}"
            assert (await request_from(service, base_url=base_url, **context)).url == URL
            async with open_websocket(f"wss://{HOST}:{agent.port}{PATH}", **context) as websocket:  # type: ignore[arg-type]
                await websocket.send("{}")
        assert proxy.connections == 2
        for head, peer in zip(door.heads, (service, agent), strict=True):
            lines = head.split(b"\r\n")
            target = f"{HOST}:{peer.port}".encode()
            assert lines[0] == b"CONNECT " + target + b" HTTP/1.1"
            assert b"Host: " + target in lines
            assert b"Proxy-Authorization: Basic dXNAZXI6cGFzcy04ZDFj" in lines
            assert KEY.encode() not in head

    async def test_tls_with_the_proxy_itself(
        self,
        authority: trustme.CA,
        context: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        door = FrontDoor()
        async with (
            serving(door.serve, server_context(authority, "p.example")) as proxy,
            serving(accept, server_context(authority, HOST)) as agent,
        ):
            monkeypatch.setenv("ALL_PROXY", f"https://p.example:{proxy.port}")
            async with open_websocket(f"wss://{HOST}:{agent.port}{PATH}"):
                pass
        assert len(door.heads) == 1

    async def test_no_proxy_for_the_host(
        self, authority: trustme.CA, context: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving(b"") as proxy, serving(accept, server_context(authority, HOST)) as agent:
            monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
            monkeypatch.setenv("NO_PROXY", HOST)
            async with open_websocket(f"wss://{HOST}:{agent.port}{PATH}", **context):  # type: ignore[arg-type]
                pass
        assert proxy.connections == 0

    @pytest.mark.parametrize("host", ["127.0.0.1", "agents.example"])
    async def test_nothing_in_the_clear_goes_through_it(
        self, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        async with serving(b"") as proxy, serving(accept) as agent:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY"):
                monkeypatch.setenv(name, proxy.base_url)
            async with open_websocket(f"ws://{host}:{agent.port}{PATH}", allow_insecure=True):
                pass
        assert proxy.connections == 0


class TestTroubleWithIt:
    @pytest.fixture(params=["request", "websocket"])
    def try_it(self, request: pytest.FixtureRequest) -> Handler:
        async def ask(_: object) -> None:
            await request_session("a", api_key=KEY, base_url=f"https://{HOST}")

        async def open_it(_: object) -> None:
            await connect(f"wss://{HOST}{PATH}")

        return ask if request.param == "request" else open_it

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (http(407, b"", "Proxy-Authenticate: Basic"), r"HTTP 407.*USER:PASSWORD@"),
            (http(403, KEY.encode()), r"HTTP 403.*ask who runs it"),
            (http(502, b"<html>"), r"HTTP 502.*reach that host"),
            (b"HTTP/1.0 503 Cut\r\nContent-Length: 9\r\n\r\n", "HTTP 503"),
            (b"HTTP/1.1 200 OK\r\n\r\nand more", "spoke into its own tunnel"),
            (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP/1.1 .*is it a proxy"),
            (b"", "closed the connection"),
        ],
        ids=lambda value: repr(value[:20]),
    )
    async def test_refusal_is_its_own(
        self, try_it: Handler, monkeypatch: pytest.MonkeyPatch, answer: bytes, says: str
    ) -> None:
        async with serving(answer) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@{proxy.authority}")
            who = rf"the proxy {proxy.authority} \(HTTPS_PROXY\)"
            with failing(NetworkError, f"^{who} .*{says}") as caught:
                await try_it(None)  # type: ignore[arg-type]
        assert PASSWORD not in str(caught[0])
        status = answer.split(b" ")[1:2] if b" 200 " not in answer and b"HTTP" in answer else []
        assert caught[0].status == (int(status[0]) if status else None)

    async def test_there_is_none(self, try_it: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
        async with serving(b"") as proxy:
            pass
        monkeypatch.setenv("ALL_PROXY", proxy.base_url)
        with failing(NetworkError, rf"cannot reach the proxy {proxy.authority} .*: .*refused"):
            await try_it(None)  # type: ignore[arg-type]

    async def test_it_never_answers(
        self,
        context: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
        fast_clock: UnhurriedClock,
    ) -> None:
        async with serving(sleep_forever) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
            start = trio.current_time()
            with failing(NetworkError, f"through the proxy {proxy.authority} .* within 8 s"):
                await connect(URL, **context)
            assert 8 <= trio.current_time() - start < 10

    @pytest.mark.parametrize("seconds", [0, 0.05])
    async def test_cancelled(
        self, context: dict[str, object], monkeypatch: pytest.MonkeyPatch, seconds: float
    ) -> None:
        async with serving(sleep_forever) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
            with trio.move_on_after(seconds) as scope:
                await connect(URL, **context)
        assert scope.cancelled_caught

    async def test_certificate_behind_it_is_the_hosts(
        self, authority: trustme.CA, context: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        door = FrontDoor()
        async with (
            serving(door.serve) as proxy,
            serving(accept, server_context(authority, "other.example")) as agent,
        ):
            monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
            with failing(NetworkError, f"certificate of {HOST}:{agent.port}"):
                await connect(f"wss://{HOST}:{agent.port}{PATH}", **context)

    async def test_it_goes_in_mid_handshake(
        self, context: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def leave(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")

        async with serving(leave) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
            with failing(NetworkError, f"{HOST}:443: \\w"):
                await connect(URL, **context)

"""What is asked of the service for a session, and what never leaves this machine."""

import pytest

import sfaudio
from sfclient import (
    AuthenticationError,
    InsecureURLError,
    NetworkError,
    Session,
    UsageError,
    request_session,
)

from ..raw_servers import Resolver, serving
from .conftest import KEY, URL, failing, failing_in, http, request_from


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
        assert f"User-Agent: sfclient/{sfaudio.__version__}".encode() in lines
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

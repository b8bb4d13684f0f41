"""The HTTP side: raw httpx, and bytes on a socket where httpx is too well-behaved."""

import json
import logging
import socket
import sys
from contextlib import suppress
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from websockets.trio.client import connect

from sfclient.simulator import Simulator, open_simulator
from sfclient.simulator._routes import Tokens

KEY = {"Authorization": "Bearer simulator-key"}


async def request(sim: Simulator, method: str, path: str, **headers: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=sim.base_url, trust_env=False) as client:
        return await client.request(method, path, headers=headers)


async def connect_tcp(sim: Simulator) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(sim.base_url.rpartition(":")[2]))


async def raw(sim: Simulator, data: bytes) -> tuple[bytes, bytes]:
    """Send `data`, return the head and the rest of all that comes until the server closes."""
    async with await connect_tcp(sim) as stream:
        await stream.send_all(data)
        with trio.fail_after(5):
            head, _, body = b"".join([part async for part in stream]).partition(b"\r\n\r\n")
    return head, body


async def test_token_endpoint_answers_with_a_session_url() -> None:
    async with open_simulator() as sim:
        answer = await request(sim, "GET", "/websocket/token/agent%201", **KEY)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        url = httpx.URL(answer.json()["sessionURL"])
        assert (url.scheme, url.path) == ("ws", "/websocket/start")
        assert f"http://{url.netloc.decode()}" == sim.base_url
        assert len(url.params["token"]) >= 32


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer wrong", "Basic simulator-key", "simulator-key", b"Bearer schl\xfcssel"],
)
async def test_missing_or_wrong_key_is_401(header: str | bytes) -> None:
    async with open_simulator() as sim:
        headers = {"Authorization": header} if header else {}
        answer = await request(sim, "GET", "/websocket/token/a", **headers)
        assert answer.status_code == 401
        assert "Authorization: Bearer" in answer.json()["error"]
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_only_the_given_assistant_is_known() -> None:
    async with open_simulator(assistant_id="a b") as sim:
        assert (await request(sim, "GET", "/websocket/token/a%20b", **KEY)).status_code == 200
        answer = await request(sim, "GET", "/websocket/token/other", **KEY)
        assert answer.status_code == 404
        assert "'other'" in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["/websocket/token/", "/websocket/token", "/websocket/token/a/b", "/nowhere", "//"]
)
async def test_unknown_paths_and_the_empty_id_are_404(path: str) -> None:
    async with open_simulator() as sim:
        head, body = await raw(
            sim,
            f"GET {path} HTTP/1.1\r\nHost: x\r\n"
            "Authorization: Bearer simulator-key\r\n\r\n".encode(),
        )
        assert head.startswith(b"HTTP/1.1 404")
        assert json.loads(body)["error"]


async def test_wrong_method_is_405_even_with_a_body() -> None:
    async with open_simulator() as sim:
        async with httpx.AsyncClient(base_url=sim.base_url, trust_env=False) as client:
            # More than the socket buffers: an unread rest would reset the connection.
            answer = await client.post("/websocket/token/a", content=bytes(8 << 20), headers=KEY)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_front_page_says_how_to_use_it_and_head_has_no_body() -> None:
    async with open_simulator() as sim:
        page = await request(sim, "GET", "/")
        assert page.headers["content-type"].startswith("text/plain")
        assert f"{sim.base_url}/websocket/token/" in page.text
        assert sim.key not in page.text
        head = await request(sim, "HEAD", "/")
        assert head.status_code == 200
        assert head.headers["content-length"] == str(len(page.content))
        assert head.content == b""


async def test_browser_preflight_and_upgrade_from_another_origin() -> None:
    async with open_simulator() as sim:
        preflight, body = await raw(
            sim,
            b"OPTIONS /websocket/token/a HTTP/1.1\r\nHost: localhost:1\r\n"
            b"Origin: https://example.org\r\nAccess-Control-Request-Method: GET\r\n"
            b"Access-Control-Request-Headers: authorization\r\n\r\n",
        )
        lines = preflight.lower().split(b"\r\n")
        assert lines[0].startswith(b"http/1.1 204")
        assert b"access-control-allow-origin: *" in lines
        assert b"access-control-allow-headers: authorization" in lines
        assert b"access-control-allow-methods: get, head, options" in lines
        assert body == b""

        answer = await request(
            sim, "GET", "/websocket/token/a", Origin="https://example.org", **KEY
        )
        assert answer.headers["access-control-allow-origin"] == "*"
        async with connect(
            answer.json()["sessionURL"],
            origin="https://example.org",  # type: ignore[arg-type]
            proxy=None,
        ) as ws:
            assert json.loads(await ws.recv()) == {"type": "status_agent_ready"}
            assert not ws.protocol.extensions  # PCM does not compress


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("sim.internal:8080", "ws://sim.internal:8080/"),
        ("[::1]:99", "ws://[::1]:99/"),
        ("10.0.0.7", "ws://10.0.0.7/"),
        ("evil/@x", None),
        ("a b", None),
        ("", None),
    ],
)
async def test_session_url_has_the_host_as_the_client_knows_it(
    host: str, expected: str | None
) -> None:
    async with open_simulator() as sim:
        answer = await request(sim, "GET", "/websocket/token/a", Host=host, **KEY)
        url = answer.json()["sessionURL"]
        assert url.startswith(expected or sim.base_url.replace("http", "ws") + "/")


def upgrade(sim: Simulator, url: str) -> bytes:
    """The request of a websocket client for `url`."""
    target = url[len("ws://") :].partition("/")[2]
    return (
        f"GET /{target} HTTP/1.1\r\nHost: {sim.base_url[7:]}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


async def test_token_lets_in_once() -> None:
    async with open_simulator() as sim:
        url = sim.new_session_url()
        async with connect(url, proxy=None):
            head, body = await raw(sim, upgrade(sim, url))
        assert head.startswith(b"HTTP/1.1 403")
        assert b"Access-Control-Allow-Origin: *" in head
        assert "session URL" in json.loads(body)["error"]
        assert len(sim.calls) == 1


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?other=1"])
async def test_wrong_token_is_403(query: str) -> None:
    async with open_simulator() as sim:
        head, _ = await raw(sim, upgrade(sim, f"ws://x/websocket/start{query}"))
        assert head.startswith(b"HTTP/1.1 403")
        assert sim.calls == []


async def test_expired_token_is_403() -> None:
    async with open_simulator(token_lifetime=0) as sim:
        head, _ = await raw(sim, upgrade(sim, sim.new_session_url()))
        assert head.startswith(b"HTTP/1.1 403")


def test_tokens_live_for_their_lifetime() -> None:
    tokens = Tokens(60.0)
    early, late = tokens.mint(0.0), tokens.mint(0.0)
    assert tokens.redeem(early, 59.9)
    assert not tokens.redeem(early, 59.9)
    assert not tokens.redeem(late, 60.1)


async def test_tokens_live_on_trios_clock(mock_clock: trio.testing.MockClock) -> None:
    async with open_simulator() as sim:
        first = sim.new_session_url()
        mock_clock.jump(30)
        answer = await request(sim, "GET", "/websocket/token/a", **KEY)
        mock_clock.jump(30.1)
        head, _ = await raw(sim, upgrade(sim, first))
        assert head.startswith(b"HTTP/1.1 403")
        async with connect(answer.json()["sessionURL"], proxy=None):
            await sim.wait_call()


async def test_session_url_without_an_upgrade_is_426_and_keeps_the_token() -> None:
    async with open_simulator() as sim:
        url = sim.new_session_url()
        answer = await request(sim, "GET", url.replace("ws:", "http:"))
        assert answer.status_code == 426
        async with connect(url, proxy=None) as ws:
            await ws.recv()


async def test_a_malformed_upgrade_is_refused() -> None:
    async with open_simulator() as sim:
        bad = upgrade(sim, sim.new_session_url()).replace(b"AAAA==", b"")
        head, _ = await raw(sim, bad)
        assert head.startswith(b"HTTP/1.1 400")
        assert sim.calls == []


async def test_frames_sent_along_with_the_upgrade_are_not_lost() -> None:
    text = b'{"type":"status_client_ready"}'
    frames = b"\x82\x84\0\0\0\0abcd" + b"\x81" + bytes([0x80 | len(text)]) + b"\0\0\0\0" + text
    async with open_simulator() as sim:
        async with await connect_tcp(sim) as stream:
            await stream.send_all(upgrade(sim, sim.new_session_url()) + frames)
            with trio.fail_after(5):
                call = await sim.wait_call()
                await call.client_ready()
        assert call.received_audio == b"abcd"
        assert call.texts == [text.decode()]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600) + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_no_http_is_answered_and_survived(data: bytes) -> None:
    async with open_simulator() as sim:
        head, _ = await raw(sim, data)
        assert head.startswith(b"HTTP/1.1 4")
        assert (await request(sim, "GET", "/")).status_code == 200


async def test_clients_that_leave_early_are_survived() -> None:
    async with open_simulator() as sim:
        for data in (b"", b"GET / HT", upgrade(sim, sim.new_session_url())):
            stream = await connect_tcp(sim)
            if data:
                await stream.send_all(data)
            await stream.aclose()
        assert (await request(sim, "GET", "/")).status_code == 200


@pytest.mark.parametrize("is_upgrade", [False, True])
async def test_clients_that_stay_without_a_call_are_dropped(
    is_upgrade: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfclient.simulator._server._REQUEST_TIMEOUT", 0.05)
    async with open_simulator() as sim, await connect_tcp(sim) as stream:
        bad = upgrade(sim, sim.new_session_url()).replace(b"AAAA==", b"")
        await stream.send_all(bad if is_upgrade else b"GET / HT")
        with trio.fail_after(2):
            while await stream.receive_some():
                pass
            with suppress(trio.BrokenResourceError):
                while True:  # until it is not only half closed
                    await stream.send_all(b"x")
                    await trio.sleep(0.01)


class TwoAddresses(trio.abc.HostnameResolver):
    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in (2, 3)]

    async def getnameinfo(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
async def test_a_name_with_several_addresses_is_served_at_one_port() -> None:
    trio.socket.set_custom_hostname_resolver(TwoAddresses())
    try:
        async with open_simulator(host="two.test") as sim:
            assert sim.base_url.startswith("http://127.0.0.2:")
            assert (await request(sim, "GET", "/")).status_code == 200
    finally:
        trio.socket.set_custom_hostname_resolver(None)


async def test_an_ipv6_address_is_bracketed() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with open_simulator(host="::1") as sim:
            assert sim.base_url.startswith("http://[::1]:")
            assert (await request(sim, "GET", "/")).status_code == 200
            assert sim.new_session_url().startswith("ws://[::1]:")
    except OSError:
        pytest.skip("no IPv6 here")


async def test_everywhere_is_reached_at_loopback() -> None:
    async with open_simulator(host="0.0.0.0", key="key-of-my-own") as sim:
        assert sim.base_url.startswith("http://127.0.0.1:")
        assert (await request(sim, "GET", "/")).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_nobody_else_is_served_with_the_key_that_everybody_knows(host: str) -> None:
    with pytest.raises(ValueError, match="--key"):
        async with open_simulator(host=host):
            pytest.fail("it is not to listen")


async def test_secrets_are_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = "very-secret-key"
    async with open_simulator(key=key) as sim:
        head = f"Host: x\r\nAuthorization: Bearer {key}\r\n"
        _, body = await raw(sim, f"GET /websocket/token/a HTTP/1.1\r\n{head}\r\n".encode())
        url = json.loads(body)["sessionURL"]
        async with await connect_tcp(sim) as stream:
            await stream.send_all(upgrade(sim, url).replace(b"Host: ", head.encode() + b"X: "))
            call = await sim.wait_call()
        await call.wait_ended()
        texts = [caplog.text, repr(sim), repr(call)]
    assert "GET /websocket/start" in caplog.text  # websockets does log requests
    for text in texts:
        assert key not in text
        assert url.partition("token=")[2] not in text

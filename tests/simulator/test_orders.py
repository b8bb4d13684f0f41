"""The HTTP side of the ws-media contract, and what a test can put in its place."""

import json
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing
from websockets.exceptions import InvalidStatus
from websockets.trio.client import ClientConnection

from sfclient.simulator import Simulator, open_simulator
from sfclient.simulator._orders import Orders

from ._contract import BODY, KEY, ORDERS, ask, bind, idle, order, websocket


async def receive(ws: ClientConnection) -> Any:
    """The next message, decoded if it is text."""
    with trio.fail_after(5):
        message = await ws.recv()
    return json.loads(message) if isinstance(message, str) else message


async def raw(sim: Simulator, *parts: bytes) -> bytes:
    """Send `parts`, each after something came for the last, and return all that comes."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(sim.base_url.rpartition(":")[2]))
    async with stream:
        received = b""
        with trio.fail_after(5):
            for part in parts[:-1]:
                await stream.send_all(part)
                received += await stream.receive_some()
            await stream.send_all(parts[-1])
            return received + b"".join([part async for part in stream])


async def test_base_url_has_the_host_as_the_client_knows_it() -> None:
    async with open_simulator() as sim:
        answer = await ask(sim, "GET", f"{ORDERS}/base-url", headers=KEY | {"Host": "sim:80"})
        assert answer.json() == {"wsMediaBaseUrl": "ws://sim:80/ws-media"}
        answer = await ask(sim, "POST", ORDERS, json=BODY, headers=KEY | {"Host": "sim:80"})
        assert answer.json()["wsMediaUrl"].startswith("ws://sim:80/ws-media/")


async def test_every_endpoint_wants_the_key() -> None:
    async with open_simulator() as sim:
        known = (await order(sim))["callId"]
        for method, path in (
            ("GET", f"{ORDERS}/base-url"),
            ("POST", ORDERS),
            ("GET", f"/calls/{known}"),
        ):
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                answer = await ask(sim, method, path, headers=headers)
                assert answer.status_code == 401
                assert "Authorization: Bearer" in answer.json()["error"]


async def test_unknown_call_is_404() -> None:
    async with open_simulator() as sim:
        answer = await ask(sim, "GET", f"/calls/{uuid.uuid4()}")
        assert answer.status_code == 404
        assert "callId" in answer.json()["error"]
        assert (await ask(sim, "GET", ORDERS)).status_code == 405


async def test_ws_media_urls_without_an_upgrade_are_426_and_keep_the_token() -> None:
    async with open_simulator(idle) as sim:
        url = (await order(sim))["wsMediaUrl"]
        for target in ("/ws-media", url.replace("ws:", "http:")):
            answer = await ask(sim, "GET", target)
            assert answer.status_code == 426
            assert "websocket" in answer.json()["error"]
        async with websocket(sim, url):
            await sim.wait_call()


async def test_a_ws_media_url_expires() -> None:
    async with open_simulator(token_lifetime=0) as sim:
        with pytest.raises(InvalidStatus, match="403"):
            async with websocket(sim, (await order(sim))["wsMediaUrl"]):
                pass


def test_a_ws_media_url_is_good_once_and_for_its_lifetime() -> None:
    orders = Orders(assistant_id=None, lifetime=60.0, quirks=())
    early, late = orders.place(BODY, 0.0), orders.place(BODY, 0.0)
    assert orders.redeem(early.url_token, 59.9) is early
    assert orders.redeem(early.url_token, 59.9) is None
    assert orders.redeem(late.url_token, 60.1) is None


async def test_a_ws_media_url_lives_on_trios_clock(mock_clock: trio.testing.MockClock) -> None:
    async with open_simulator() as sim:
        mock_clock.jump(100)
        early, late = await order(sim), await order(sim)
        mock_clock.jump(59.9)
        async with websocket(sim, early["wsMediaUrl"]):
            await sim.wait_call()
        mock_clock.jump(0.2)
        with pytest.raises(InvalidStatus, match="403"):
            async with websocket(sim, late["wsMediaUrl"]):
                pass


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"modelId": None}, "modelId"),
        ({"modelId": ""}, "modelId"),
        ({"modelId": "other"}, "'agent-7'"),
        ({"fromPhoneNumber": 1555}, "fromPhoneNumber"),
        ({"toPhoneNumber": ...}, "toPhoneNumber"),
        ({"leadName": None}, "leadName"),
        ({"leadname": "x"}, "leadName"),
        ({"agentVersion": "live"}, "draft"),
        ({"agentVersion": "{12345678-1234-1234-1234-123456789abc}"}, "UUID"),
        ({"wsMediaCodec": ...}, "does not speak opus"),
        ({"wsMediaCodec": "opus"}, "does not speak opus"),
        ({"wsMediaCodec": "L16"}, "l16, pcmu, pcma"),
        ({"wsMediaFraming": "raw"}, "rtp or payload"),
        ({"wsMediaServerName": "sim-0"}, "unknown"),
        ({"wsMediaServerName": ""}, "unknown"),
    ],
)
async def test_a_wrong_order_is_refused_with_the_remedy(fields: dict[str, Any], named: str) -> None:
    body = {k: v for k, v in (BODY | fields).items() if v is not ...}
    async with open_simulator(assistant_id="agent-7") as sim:
        answer = await ask(sim, "POST", ORDERS, json=body)
        assert answer.status_code == 400
        assert named in answer.json()["error"]


@pytest.mark.parametrize(
    "fields",
    [
        {"leadName": "Ann"},
        {"agentVersion": "draft"},
        {"agentVersion": str(uuid.uuid4()).upper()},
        {"wsMediaFraming": "rtp"},
        {"wsMediaCodec": "pcma"},
    ],
)
async def test_what_is_optional_is_taken(fields: dict[str, str]) -> None:
    async with open_simulator() as sim:
        await order(sim, **fields)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 60_000])
async def test_a_body_that_is_no_json_object_is_400(content: bytes) -> None:
    async with open_simulator() as sim:
        answer = await ask(sim, "POST", ORDERS, content=content)
        assert answer.status_code == 400
        assert "JSON object" in answer.json()["error"]


async def test_a_body_may_have_64_kib_and_no_more() -> None:
    content = json.dumps(BODY).encode().ljust(64 * 1024)

    async def dribble(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 5000):
            yield content[start : start + 5000]

    async with open_simulator() as sim:
        for part in (content, dribble(content)):
            assert (await ask(sim, "POST", ORDERS, content=part)).status_code == 200
        for part in (content + b" ", dribble(content + b" "), bytes(8 << 20)):
            answer = await ask(sim, "POST", ORDERS, content=part)
            assert answer.status_code == 413
            assert "65536" in answer.json()["error"]


async def test_a_client_that_asks_first_may_go_on() -> None:
    content = json.dumps(BODY).encode()
    head = (
        f"POST {ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer simulator-key\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    async with open_simulator() as sim:
        received = await raw(sim, head.encode(), content)
    assert received.startswith(b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 200")


async def test_a_broken_body_is_answered() -> None:
    head = f"POST {ORDERS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n"
    async with open_simulator() as sim:
        assert (await raw(sim, head.encode())).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("is_bound", [False, True])
async def test_a_connection_that_does_not_wait_cannot_be_ordered_for(is_bound: bool) -> None:
    async with open_simulator(idle) as sim, websocket(sim) as ws:
        name = (await receive(ws))["server-name"]
        if is_bound:
            await bind(ws, (await order(sim, wsMediaServerName=name))["sid"])
            await receive(ws)
        else:
            await ws.aclose()
        answer = await ask(sim, "POST", ORDERS, json=BODY | {"wsMediaServerName": name})
        assert answer.status_code == 400
        assert ("bound" if is_bound else "closed") in answer.json()["error"]


async def test_given_answers_come_instead_and_requests_are_counted() -> None:
    failed = {"error": "room join failed", "callId": "x"}
    async with open_simulator(
        answers={
            f"POST {ORDERS}": (502, failed),
            "GET /websocket/token/a%201": (429, {}),
            "GET /ws-media": (503, {"error": "not enabled"}),
        }
    ) as sim:
        answer = await ask(sim, "POST", ORDERS, json=BODY, headers={})
        assert (answer.status_code, answer.json()) == (502, failed)
        assert answer.headers["content-type"] == "application/json"
        assert (await ask(sim, "GET", "/websocket/token/a%201")).status_code == 429
        assert (await ask(sim, "GET", "/websocket/token/other")).status_code == 200
        with pytest.raises(InvalidStatus, match="503"):
            async with websocket(sim):
                pass
        assert (await ask(sim, "GET", "/nowhere?a=b")).status_code == 404
        assert sim.requests == {
            f"POST {ORDERS}": 1,
            "GET /websocket/token/a%201": 1,
            "GET /websocket/token/other": 1,
            f"GET {ORDERS}/base-url": 1,
            "GET /ws-media": 1,
            "GET /nowhere": 1,
        }


@pytest.mark.parametrize(
    "route", ["GET /nowhere", "POST /websocket/token/a", "/ws-media", "GET", "", "get /ws-media"]
)
async def test_an_answer_that_nobody_could_get_is_refused(route: str) -> None:
    with pytest.raises(ValueError, match="METHOD /path"):
        async with open_simulator(answers={route: (500, {})}):
            pass


async def test_secrets_are_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_simulator(idle) as sim:
        url = (await order(sim))["wsMediaUrl"]
        parts = url[len("ws://") :].split("/")
        caplog.clear()  # httpx's
        await raw(
            sim,
            f"GET /ws-media/{parts[2]} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode(),
            b"\x88\x80\0\0\0\0",
        )
        texts = [caplog.text, repr(sim), repr(sim.calls)]
    assert "GET /ws-media" in caplog.text
    assert not [text for text in texts if parts[2] in text]


async def test_a_wrong_token_is_not_said_again() -> None:
    async with open_simulator() as sim:
        answer = await ask(sim, "GET", "/ws-media/secret", headers={"Upgrade": "websocket"})
        assert answer.status_code == 403
        assert "secret" not in answer.text


async def test_the_front_page_tells_of_both_contracts() -> None:
    async with open_simulator() as sim:
        page = (await ask(sim, "GET", "/")).text
        assert f"POST {sim.base_url}{ORDERS}" in page
        assert f"GET {sim.base_url}/websocket/token/" in page
        assert sim.key not in page

"""ws-media calls over the websockets client: from server_info to the record, and the quirks."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import trio
from websockets.exceptions import InvalidStatus
from websockets.trio.client import ClientConnection

from sfclient.simulator import (
    QUIRKS,
    Agent,
    EchoAgent,
    SimulatedCall,
    Simulator,
    SpeakAgent,
    open_simulator,
)
from sfclient.simulator._codecs import WS_MEDIA_CODECS
from sfclient.simulator._orders import BadBindError, Orders

from ._contract import BODY, VOICE, ask, bind, idle, order, until_closed, websocket


async def record(sim: Simulator, call_id: str) -> dict[str, Any]:
    answer = await ask(sim, "GET", f"/calls/{call_id}")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    (call,) = body["response"]["calls"]
    assert isinstance(call, dict)
    return call


async def receive(ws: ClientConnection) -> Any:
    """The next message, decoded if it is text."""
    with trio.fail_after(5):
        message = await ws.recv()
    return json.loads(message) if isinstance(message, str) else message


@asynccontextmanager
async def bound(sim: Simulator, **fields: Any) -> AsyncIterator[ClientConnection]:
    """A connection in its call, behind call_info."""
    async with websocket(sim) as ws:
        info = await receive(ws)
        answer = await order(sim, wsMediaServerName=info["server-name"], **fields)
        await bind(ws, answer["sid"])
        call_info = await receive(ws)
        assert (call_info["type"], call_info["callId"]) == ("call_info", answer["callId"])
        yield ws


async def quiet(ws: ClientConnection) -> bool:
    with trio.move_on_after(0.05) as silence:
        await ws.recv()
    return silence.cancelled_caught


async def test_a_call_from_its_order_to_its_record() -> None:
    async def agent(call: SimulatedCall) -> None:
        with trio.fail_after(1):
            await call.client_ready()
        call.transcript = "human: hello"
        await call.send_audio(VOICE, 640)
        await call.wait_ended()

    async with open_simulator(agent, assistant_id="agent-7") as sim, websocket(sim) as ws:
        info = await receive(ws)
        assert info.keys() == {"type", "server-name"}
        assert info["type"] == "server_info"
        answer = await order(sim, wsMediaServerName=info["server-name"])
        assert answer.keys() == {"callId", "wsMediaUrl", "sid"}
        assert uuid.UUID(answer["callId"]).version == 4
        queued = await record(sim, answer["callId"])
        assert (queued["status"], queued["end_call_reason"], queued["duration"]) == (
            "queue",
            None,
            0,
        )
        assert sim.calls == []

        await bind(ws, answer["sid"])
        call_info = await receive(ws)
        assert (call_info["type"], call_info["callId"]) == ("call_info", answer["callId"])
        speech = [await receive(ws) for _ in range(10)]
        assert {len(message) for message in speech} == {640}
        assert b"".join(speech) == np.frombuffer(VOICE, "<i2").astype(">i2").tobytes()
        await ws.send(b"\x12\x34\x56")
        await ws.send(b"\x78\x9a")
        (call,) = sim.calls
        going_on = await record(sim, answer["callId"])
        assert (going_on["status"], going_on["end_call_reason"]) == ("in-progress", None)
        assert 0 <= going_on["duration"] <= round(trio.current_time() - call.started, 3)
        assert (going_on["model_id"], going_on["transcript"]) == ("agent-7", "human: hello")
        await ws.aclose(1000, "bye")

        ended = await call.wait_ended()
        assert (ended.by, ended.code, ended.reason) == ("client", 1000, "bye")
        assert call.received_audio == b"\x34\x12\x78\x56"
        assert call.sent_audio == VOICE
        assert (call.caller_samplerate, call.agent_samplerate) == (16_000, 16_000)
        assert (call.contract, call.call_id) == ("ws-media", answer["callId"])
        assert call.order == BODY | {"wsMediaServerName": info["server-name"]}
        assert [(message.kind, message.length) for message in call.messages] == [
            ("binary", 3),
            ("binary", 2),
        ]
        over = await record(sim, answer["callId"])
        assert (over["status"], over["end_call_reason"]) == ("completed", "caller_hangup")
        assert over["call_id"] == answer["callId"]
        assert over["duration"] == pytest.approx(ended.at - call.started, abs=0.001)


async def test_a_widget_call_is_as_it_was() -> None:
    async with open_simulator(idle) as sim, websocket(sim, sim.new_session_url()) as ws:
        assert (await receive(ws))["type"] == "status_agent_ready"
        call = sim.calls[0]
        assert (call.contract, call.call_id, call.order) == ("widget", None, None)
        assert (call.caller_samplerate, call.agent_samplerate) == (48_000, 16_000)


async def agent_closes(call: SimulatedCall) -> None:
    await call.close()


async def agent_resets(call: SimulatedCall) -> None:
    await call.reset()


@pytest.mark.parametrize(
    ("agent", "reason"), [(agent_closes, "agent_hangup"), (agent_resets, "error")]
)
async def test_the_record_tells_how_the_call_ended(agent: Agent, reason: str) -> None:
    async with open_simulator(agent) as sim:
        async with websocket(sim, (await order(sim))["wsMediaUrl"]) as ws:
            await until_closed(ws)
        call = sim.calls[0]
        await call.wait_ended()
        assert call.call_id is not None
        over = await record(sim, call.call_id)
        assert (over["status"], over["end_call_reason"]) == ("completed", reason)


async def test_the_older_flow_begins_at_once_and_once() -> None:
    async with open_simulator(SpeakAgent(b"abcd")) as sim:
        answer = await order(sim)
        assert answer["sid"] == ""
        url = answer["wsMediaUrl"]
        async with websocket(sim, url) as ws:
            assert await receive(ws) == b"badc"
            with pytest.raises(InvalidStatus, match="403"):
                async with websocket(sim, url):
                    pass
            assert sim.calls[0].call_id == answer["callId"]
        with pytest.raises(InvalidStatus, match="403"):
            async with websocket(sim, f"{url}x"):
                pass


async def test_every_connection_has_its_own_name() -> None:
    async with open_simulator() as sim, websocket(sim) as one, websocket(sim) as other:
        names = {(await receive(ws))["server-name"] for ws in (one, other)}
        assert len(names) == 2


async def test_calls_of_both_contracts_run_side_by_side() -> None:
    async def talk(word: bytes) -> None:
        async with bound(sim) as ws:
            for _ in range(20):
                await ws.send(word)
                assert await receive(ws) == word

    async with open_simulator(EchoAgent()) as sim:
        async with trio.open_nursery() as nursery:
            for word in (b"aa", b"bb", b"cc"):
                nursery.start_soon(talk, word)
            async with websocket(sim, sim.new_session_url()) as ws:
                await receive(ws)
        assert sorted(call.received_audio[:2] for call in sim.calls) == [b"", b"aa", b"bb", b"cc"]


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (bytes(640), "binary message before bind"),
        ("bind", "first message"),
        ("[]", "first message"),
        ("[" * 100_000, "first message"),
        ('{"type": "status_client_ready"}', "first message"),
        ('{"type": "bind"}', "without a sid"),
        ('{"type": "bind", "sid": ""}', "without a sid"),
        ('{"type": "bind", "sid": 5}', "without a sid"),
        ('{"type": "bind", "sid": "wrong"}', "unknown sid"),
    ],
)
async def test_a_wrong_bind_closes_with_its_reason(message: str | bytes, named: str) -> None:
    async with open_simulator() as sim, websocket(sim) as ws:
        name = (await receive(ws))["server-name"]
        await order(sim)  # its sid is empty
        await order(sim, wsMediaServerName=name)
        await ws.send(message)
        assert await until_closed(ws) == []
        assert ws.close_code == 1008
        assert named in (ws.close_reason or "")
        assert sim.calls == []


async def test_a_sid_binds_only_the_connection_that_it_was_ordered_for() -> None:
    async with open_simulator(idle) as sim, websocket(sim) as ws, websocket(sim) as other:
        name = (await receive(ws))["server-name"]
        await receive(other)
        sid = (await order(sim, wsMediaServerName=name))["sid"]
        await bind(other, sid)
        assert await until_closed(other) == []
        assert (other.close_code, other.close_reason) == (
            1008,
            "this sid was ordered for another connection",
        )
        await bind(ws, sid)
        assert (await receive(ws))["type"] == "call_info"


async def test_an_order_is_for_one_call() -> None:
    async with open_simulator(idle) as sim, websocket(sim) as ws:
        name = (await receive(ws))["server-name"]
        one, other = [await order(sim, wsMediaServerName=name) for _ in range(2)]
        async with websocket(sim, one["wsMediaUrl"]):
            await sim.wait_call()
        await bind(ws, one["sid"])
        await until_closed(ws)
        assert "has begun" in (ws.close_reason or "")
        assert (await record(sim, other["callId"]))["status"] == "queue"

    async with open_simulator(idle) as sim, websocket(sim) as ws:
        answer = await order(sim, wsMediaServerName=(await receive(ws))["server-name"])
        await bind(ws, answer["sid"])
        await receive(ws)
        with pytest.raises(InvalidStatus, match="403"):
            async with websocket(sim, answer["wsMediaUrl"]):
                pass


async def test_a_connection_waits_for_its_bind_only_so_long() -> None:
    async with open_simulator(token_lifetime=0.05) as sim, websocket(sim) as ws:
        await receive(ws)
        assert await until_closed(ws) == []
        assert (ws.close_code, ws.close_reason) == (1008, "no bind within 0.05 s")


def test_every_reason_fits_into_a_close_frame() -> None:
    orders = Orders(assistant_id=None, lifetime=1, quirks=())
    for message in (b"", "", '{"type": "bind"}', '{"type": "bind", "sid": "x"}'):
        with pytest.raises(BadBindError) as caught:
            orders.bind("name", message)
        assert len(str(caught.value).encode()) <= 123


async def test_leaving_closes_a_connection_without_a_call_in_order() -> None:
    async with trio.open_nursery() as nursery:
        named = trio.Event()

        async def wait(sim: Simulator) -> None:
            async with websocket(sim) as ws:
                await receive(ws)
                named.set()
                await until_closed(ws)
                assert (ws.close_code, ws.close_reason) == (1001, "the simulator stops")

        async with open_simulator() as sim:
            nursery.start_soon(wait, sim)
            await named.wait()


def with_quirks(*quirks: str, agent: Agent = idle) -> Any:
    return open_simulator(agent, quirks=quirks)


@pytest.mark.parametrize(
    ("quirk", "key"), [("server_name", "server_name"), ("nameless_server_info", None)]
)
async def test_quirks_of_the_name(quirk: str, key: str | None) -> None:
    async with with_quirks(quirk) as sim, websocket(sim) as ws:
        info = await receive(ws)
        assert info.keys() == {"type", key} - {None}
        if key:
            answer = await order(sim, wsMediaServerName=info[key])
            await bind(ws, answer["sid"])
            assert (await receive(ws))["type"] == "call_info"


async def test_quirk_late_server_info(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfclient.simulator._ws_media._LATE_SECONDS", 0.2)
    async with with_quirks("late_server_info") as sim, websocket(sim) as ws:
        start = trio.current_time()
        assert (await receive(ws))["type"] == "server_info"
        assert 0.15 < trio.current_time() - start < 1


async def test_quirk_no_server_info() -> None:
    async with with_quirks("no_server_info") as sim, websocket(sim) as ws:
        assert await quiet(ws)


async def test_quirk_no_call_info() -> None:
    async with with_quirks("no_call_info", agent=EchoAgent()) as sim, websocket(sim) as ws:
        name = (await receive(ws))["server-name"]
        await bind(ws, (await order(sim, wsMediaServerName=name))["sid"])
        assert await quiet(ws)
        await ws.send(b"ab")
        assert await receive(ws) == b"ab"


async def test_quirks_chatty_and_early_audio() -> None:
    async with with_quirks("chatty", "early_audio") as sim, websocket(sim) as ws:
        assert (await receive(ws))["type"] == "hello"
        early = await receive(ws)
        assert len(early) == 640
        assert any(early)
        name = (await receive(ws))["server-name"]
        answer = await order(sim, wsMediaServerName=name, wsMediaCodec="pcma")
        await bind(ws, answer["sid"])
        assert (await receive(ws))["type"] == "hello"
        early = await receive(ws)
        assert len(early) == 160
        pcm = WS_MEDIA_CODECS["pcma"].decode(early)
        assert any(pcm)
        assert (await receive(ws))["type"] == "call_info"
        assert sim.calls[0].sent_audio == pcm


async def test_quirk_no_sid() -> None:
    async with with_quirks("no_sid", agent=EchoAgent()) as sim, websocket(sim) as ws:
        name = (await receive(ws))["server-name"]
        answer = await order(sim, wsMediaServerName=name)
        assert answer["sid"] == ""
        async with websocket(sim, answer["wsMediaUrl"]) as other:
            await other.send(b"ab")
            assert await receive(other) == b"ab"
        assert sim.calls[0].call_id == answer["callId"]


async def test_the_older_flow_has_no_texts_whatever_the_quirks() -> None:
    async with open_simulator(SpeakAgent(b"abcd"), quirks=QUIRKS.keys() - {"rtp_anyway"}) as sim:
        async with websocket(sim, (await order(sim))["wsMediaUrl"]) as ws:
            assert await receive(ws) == b"badc"
            assert await quiet(ws)


async def test_unknown_quirk_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'serverName'.*server_name.*no_sid"):
        async with with_quirks("chatty", "serverName"):
            pass

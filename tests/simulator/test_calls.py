"""Calls with scripted agents, held with trio-websocket and with the websockets client."""

import json
import wave
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.trio.client import ClientConnection, connect

from sfclient.simulator import (
    EchoAgent,
    SimulatedCall,
    open_simulator,
)

from .clients import READY, client, idle, ready_client, until_closed


async def test_a_call_that_keeps_nothing_gives_its_audio_to_who_listens():
    heard: list[bytes] = []

    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(bytes(320))
        await trio.sleep(0.01)  # a second may pass, or an agent who is quick would miss the first
        slow, gone = call.audio(), call.audio()
        await anext(gone)
        del gone  # who has gone holds nothing back
        async for pcm in slow:
            heard.append(pcm)
            await trio.sleep(0.005)

    async with open_simulator(agent, keep=False) as sim:
        async with ready_client(sim) as ws:
            for number in range(50):
                await ws.send_message(bytes([number, 1]) * 2000)
                await trio.sleep(0.001)
            with trio.fail_after(20):
                while sum(map(len, heard)) < 200_000:  # noqa: ASYNC110 -- an agent is cancelled when the client goes
                    await trio.sleep(0.001)
        call = sim.calls[0]
        await call.wait_ended()
        kept = call.messages, call.texts, call.received_audio, call.sent_audio
        assert kept == ([], [], b"", b"")
        assert (call.heard_seconds, call.said_seconds) == (200_000 / 96_000, 320 / 32_000)
        assert len(call._received) < 120_000  # of 200,000
    assert b"".join(heard) == b"".join(bytes([number, 1]) * 2000 for number in range(50))


async def test_what_was_heard_is_told_also_while_it_is_forgotten() -> None:
    """Any thread may ask at any time."""
    told: list[float] = []

    class Received(bytearray):
        def __delitem__(self, forgotten: Any) -> None:
            super().__delitem__(forgotten)
            told.append(call.heard_seconds)

    async with open_simulator(EchoAgent(), keep=False) as sim:
        async with ready_client(sim) as ws:
            call = sim.calls[0]
            call._received = Received()
            for _ in range(3):
                await ws.send_message(bytes(96_000))
        await call.wait_ended()
    assert told == [1.0, 2.0, 3.0]


async def test_everything_received_is_noted_in_order() -> None:
    async with open_simulator(idle) as sim:
        before = trio.current_time()
        async with ready_client(sim) as ws:
            await ws.send_message(READY)
            await ws.send_message(b"abc")
            await ws.send_message("no json {")
            await ws.send_message("[" * 100_000)
            await ws.send_message('"status_client_ready"')
            await ws.send_message(b"def")
            call = await sim.wait_call()
            await ws.aclose(1000, "bye")
            with trio.fail_after(5):
                ended = await call.wait_ended()
        assert [m.kind for m in call.messages] == ["text", "binary", *["text"] * 3, "binary"]
        assert [m.length for m in call.messages] == [len(READY), 3, 9, 100_000, 21, 3]
        assert call.texts[:2] == [READY, "no json {"]
        assert call.received_audio == b"abcdef"
        times = [before, *(m.arrived for m in call.messages), ended.at]
        assert times == sorted(times)
        assert (ended.by, ended.code, ended.reason) == ("client", 1000, "bye")
        assert sim.calls == [call]


async def test_only_status_client_ready_makes_the_client_ready() -> None:
    async with open_simulator(idle) as sim:
        async with ready_client(sim) as ws:
            call = await sim.wait_call()
            for text in ("{}", "[]", "x", '{"type": "status_agent_ready"}'):
                await ws.send_message(text)
            await ws.send_message(b"12")
            async for _ in call.audio():
                break
            with trio.move_on_after(0.01) as patience:
                await call.client_ready()
            assert patience.cancelled_caught
            await ws.send_message(READY)
            with trio.fail_after(5):
                await call.client_ready()


async def test_live_audio_has_whole_samples_and_ends_with_the_call() -> None:
    pieces: list[bytes] = []

    async def agent(call: SimulatedCall) -> None:
        async for pcm in call.audio():
            pieces.append(pcm)
            await call.send("got it")

    async with open_simulator(agent) as sim:
        async with ready_client(sim) as ws:
            for chunk in (b"123", b"4", b"5", b"678"):
                await ws.send_message(chunk)
                if len(chunk) != 1 or chunk == b"4":
                    await ws.get_message()
            call = sim.calls[0]
        with trio.fail_after(5):
            assert b"".join([pcm async for pcm in call.audio()]) == b"12345678"
    assert pieces == [b"12", b"34", b"5678"]


@pytest.mark.parametrize(
    ("chunk_bytes", "expected"),
    [
        (None, [b"abcdefg"]),
        (3, [b"abc", b"def", b"g"]),
        (100, [b"abcdefg"]),
        ([1, 0, 2], [b"a", b"", b"bc", b"defg"]),
        ([4, 4, 4], [b"abcd", b"efg"]),
    ],
)
async def test_send_audio_cuts_as_told(
    chunk_bytes: int | list[int] | None, expected: list[bytes]
) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(b"abcdefg", chunk_bytes)

    async with open_simulator(agent) as sim:
        async with ready_client(sim) as ws:
            await ws.send_message(READY)
            assert await until_closed(ws) == (expected, 1000, None)
        assert sim.calls[0].sent_audio == b"abcdefg"


async def test_any_message_can_be_sent_a_large_one_too() -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.send("{")
        await call.send(bytes(2 << 20))
        await call.close(4321, "enough")

    async with open_simulator(agent) as sim:
        async with ready_client(sim) as ws:
            messages, code, reason = await until_closed(ws)
        assert messages == ["{", bytes(2 << 20)]
        assert (code, reason) == (4321, "enough")
        ended = await sim.calls[0].wait_ended()
        assert (ended.by, ended.code, ended.reason) == ("simulator", 4321, "enough")


async def test_large_messages_of_the_client_are_taken() -> None:
    async with open_simulator(idle) as sim:
        async with ready_client(sim) as ws:
            await ws.send_message(bytes(8 << 20))
        ended = await sim.calls[0].wait_ended()
        assert ended.by == "client"
        assert len(sim.calls[0].received_audio) == 8 << 20


async def test_agent_may_leave_its_ready_message_out() -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.send("first")

    async with open_simulator(agent, announce_ready=False) as sim:
        async with client(sim) as ws:
            messages, code, _ = await until_closed(ws)
    assert (messages, code) == (["first"], 1000)


async def test_calls_run_side_by_side() -> None:
    async def agent(call: SimulatedCall) -> None:
        async for pcm in call.audio():
            await call.send(pcm)

    async def talk(word: bytes) -> None:
        async with ready_client(sim) as ws:
            for _ in range(20):
                await ws.send_message(word)
                assert await ws.get_message() == word

    async with open_simulator(agent) as sim:
        async with trio.open_nursery() as nursery:
            for word in (b"aa", b"bb", b"cc", b"dd"):
                nursery.start_soon(talk, word)
        assert {call.received_audio[:2] for call in sim.calls} == {b"aa", b"bb", b"cc", b"dd"}


async def test_the_websockets_client_is_served_too() -> None:
    async with open_simulator(idle) as sim:
        ws: ClientConnection
        async with connect(sim.new_session_url(), proxy=None) as ws:
            await ws.recv()
            await ws.send([b"1", b"2", b"3"])  # fragments of one message
            await ws.aclose(3000, "done")
        ended = await sim.calls[0].wait_ended()
        assert (ended.by, ended.code, ended.reason) == ("client", 3000, "done")
        assert [m.length for m in sim.calls[0].messages] == [3]


async def test_save_writes_both_sides_and_the_messages(tmp_path: Path) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(b"\x01\x02" * 160)

    async with open_simulator(agent) as sim:
        async with ready_client(sim) as ws:
            await ws.send_message(b"\x03\x04" * 480 + b"\x05")
            await ws.send_message(READY)
            await until_closed(ws)
        call = sim.calls[0]
        await call.wait_ended()
    call.save(tmp_path / "deep" / "folder")
    caller_pcm, agent_pcm = b"\x03\x04" * 480, b"\x01\x02" * 160
    for name, rate, pcm in ("caller.wav", 48_000, caller_pcm), ("agent.wav", 16_000, agent_pcm):
        with wave.open(str(tmp_path / "deep" / "folder" / name)) as file:
            assert file.getparams()[:4] == (1, 2, rate, len(pcm) // 2)
            assert file.readframes(10_000) == pcm
    record = json.loads((tmp_path / "deep" / "folder" / "messages.json").read_text())
    assert record["ended"]["code"] == 1000
    assert [m["kind"] for m in record["messages"]] == ["binary", "text"]
    assert 0 <= record["messages"][0]["arrived"] <= record["ended"]["at"] < 5

"""Calls with scripted agents, held with trio-websocket and with the websockets client."""

import gc
import json
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from websockets.trio.client import ClientConnection, connect

from sfclient.simulator import (
    Agent,
    CallEndedError,
    EchoAgent,
    SimulatedCall,
    Simulator,
    SpeakAgent,
    open_simulator,
)

READY = '{"type": "status_client_ready"}'


async def connect_tcp(sim: Simulator) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(sim.base_url.rpartition(":")[2]))


@asynccontextmanager
async def client(sim: Simulator) -> AsyncIterator[WebSocketConnection]:
    """A client on the other stack, before the first message."""
    target = sim.new_session_url().removeprefix("ws://").partition("/")[2]
    # trio-websocket 0.12.2 leaves the socket open when the server was first to close: we do it.
    async with await connect_tcp(sim) as stream, trio.open_nursery() as nursery:
        ws = await wrap_client_stream(
            nursery, stream, sim.base_url[7:], f"/{target}", max_message_size=2**26
        )
        try:
            yield ws
        finally:
            await ws.aclose()


@asynccontextmanager
async def ready_client(sim: Simulator) -> AsyncIterator[WebSocketConnection]:
    """A `client` that has seen status_agent_ready."""
    async with client(sim) as ws:
        assert json.loads(await ws.get_message()) == {"type": "status_agent_ready"}
        yield ws


async def until_closed(ws: WebSocketConnection) -> tuple[list[str | bytes], int, str | None]:
    """All messages until the server closes; the code and the reason."""
    messages: list[str | bytes] = []
    with trio.fail_after(5):
        while True:
            try:
                messages.append(await ws.get_message())
            except ConnectionClosed:
                break
    assert ws.closed is not None
    return messages, ws.closed.code, ws.closed.reason


async def idle(call: SimulatedCall) -> None:
    await trio.sleep_forever()


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


async def raw_client(sim: Simulator) -> trio.SocketStream:
    """A websocket connection as a bare socket, after the answer to the upgrade."""
    stream = await connect_tcp(sim)
    target = sim.new_session_url()[5:].partition("/")[2]
    await stream.send_all(
        f"GET /{target} HTTP/1.1\r\nHost: {sim.base_url[7:]}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    received = b""
    while b"status_agent_ready" not in received:
        received += await stream.receive_some()
    return stream


async def test_reset_is_a_tcp_reset() -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.reset()

    async with open_simulator(agent) as sim:
        async with await raw_client(sim) as stream:
            with trio.fail_after(5), pytest.raises(trio.BrokenResourceError) as broken:
                await stream.receive_some()
        assert isinstance(broken.value.__cause__, ConnectionResetError)
        ended = await sim.calls[0].wait_ended()
        assert (ended.by, ended.code) == ("simulator", 1006)


async def test_abort_is_an_end_of_stream_without_a_close_frame() -> None:
    async def agent(call: SimulatedCall) -> None:
        async for _ in call.audio():
            await call.abort()

    async with open_simulator(agent) as sim:
        async with await raw_client(sim) as stream, trio.open_nursery() as nursery:
            # A caller in full flow: to close on its unread bytes would be a reset.
            nursery.start_soon(stream.send_all, b"\x82\x84\0\0\0\0abcd" * 100_000)
            with trio.fail_after(5):
                assert await stream.receive_some() == b""
            nursery.cancel_scope.cancel()
        ended = await sim.calls[0].wait_ended()
        assert (ended.by, ended.code) == ("simulator", 1006)


@pytest.mark.parametrize("agent", [idle, EchoAgent(), SpeakAgent(bytes(320_000))])
async def test_client_that_breaks_off_ends_only_its_own_call(agent: Agent) -> None:
    async with open_simulator(agent) as sim:
        async with ready_client(sim) as other:
            stream = await raw_client(sim)
            await sim.wait_call(1)
            await stream.send_all(b"\x82\xfe\x04\x00\0\0\0\0half a sentence")
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await stream.aclose()
            with trio.fail_after(5):
                ended = await sim.calls[1].wait_ended()
            assert (ended.by, ended.code) == ("client", 1006)
            assert sim.calls[0].ended is None
            await other.send_message(READY)
            await sim.calls[0].client_ready()


async def test_agent_that_speaks_to_a_client_long_gone_is_no_failure() -> None:
    async def agent(call: SimulatedCall) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(call.send_audio, bytes(1 << 20), 640)

    async with open_simulator(agent) as sim:
        async with ready_client(sim):
            pass
        with trio.fail_after(5):
            await sim.calls[0].wait_ended()
        with pytest.raises(CallEndedError):
            await sim.calls[0].send("hello?")
        with pytest.raises(CallEndedError):
            await sim.calls[0].client_ready()
        await sim.calls[0].close()
        await sim.calls[0].abort()
        await sim.calls[0].reset()


async def test_agent_is_cancelled_when_its_client_is_gone() -> None:
    gone = trio.Event()

    async def agent(call: SimulatedCall) -> None:
        try:
            await trio.sleep_forever()
        finally:
            gone.set()

    async with open_simulator(agent) as sim:
        async with ready_client(sim):
            pass
        with trio.fail_after(5):
            await gone.wait()


async def test_agents_bug_closes_with_1011_and_comes_out_as_it_is() -> None:
    bug = KeyError("a bug")
    code = 0

    async def agent(call: SimulatedCall) -> None:
        raise bug

    async def hold() -> None:
        nonlocal code
        async with open_simulator(agent) as sim:
            async with ready_client(sim) as ws:
                _, code, _ = await until_closed(ws)
            await trio.sleep_forever()

    with pytest.raises(KeyError) as caught:
        await hold()
    assert caught.value is bug
    assert code == 1011


async def test_agents_bug_is_not_hidden_by_the_clients_error() -> None:
    async def agent(call: SimulatedCall) -> None:
        raise AssertionError("the agent's")

    async def hold() -> None:
        async with open_simulator(agent) as sim:
            async with ready_client(sim) as ws:
                await ws.get_message()

    with pytest.raises(AssertionError, match="the agent's") as caught:
        await hold()
    # The client's own, which its nursery wraps, is told along with it.
    assert isinstance(caught.value.__context__, ExceptionGroup)


async def test_error_of_the_block_comes_out_as_it_is() -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:
        async with open_simulator() as sim, await raw_client(sim):
            raise error
    assert caught.value is error


async def test_leaving_closes_open_calls_in_order() -> None:
    async with trio.open_nursery() as nursery:
        results: list[tuple[int, str | None]] = []
        connected = trio.Event()

        async def hold(sim: Simulator) -> None:
            async with ready_client(sim) as ws:
                connected.set()
                _, code, reason = await until_closed(ws)
                results.append((code, reason))

        async with open_simulator(idle) as sim:
            nursery.start_soon(hold, sim)
            await connected.wait()
    assert results == [(1001, "the simulator stops")]
    ended = sim.calls[0].ended
    assert ended is not None
    assert (ended.by, ended.code) == ("simulator", 1001)


async def deaf_client(sim: Simulator) -> trio.SocketStream:
    """A client that says it is ready and takes nothing of a burst."""
    stream = await raw_client(sim)
    await stream.send_all(b"\x81\x9e\0\0\0\0" + b'{"type":"status_client_ready"}')
    await (await sim.wait_call()).client_ready()
    await trio.sleep(0.02)  # for the agent to fill the socket buffers and get stuck
    return stream


@pytest.mark.parametrize("agent", [idle, SpeakAgent(bytes(64 << 20), "burst")])
async def test_nothing_is_left_behind_under_cancellation(agent: Agent) -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    with trio.fail_after(5), trio.CancelScope() as scope:
        async with open_simulator(agent) as sim:
            async with await deaf_client(sim):
                scope.cancel()
                await trio.sleep_forever()
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    ended = sim.calls[0].ended
    assert ended is not None
    assert (ended.by, ended.code) == ("simulator", 1006)
    with pytest.raises(OSError, match="connect"):
        await connect_tcp(sim)
    gc.collect()  # a socket that was not closed would warn, and warnings are errors


async def test_leaving_does_not_wait_for_a_deaf_client() -> None:
    with trio.fail_after(5):
        async with open_simulator(SpeakAgent(bytes(64 << 20), "burst")) as sim:
            stream = await deaf_client(sim)
    await stream.aclose()


async def test_agents_bug_comes_out_though_its_client_takes_nothing() -> None:
    async def agent(call: SimulatedCall) -> None:
        with trio.move_on_after(0.05):
            await call.send_audio(bytes(64 << 20), 65_536)
        raise KeyError("a bug")

    async def hold() -> None:
        async with open_simulator(agent) as sim, await raw_client(sim):
            await trio.sleep_forever()

    with trio.fail_after(5), pytest.raises(KeyError):
        await hold()


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

"""How calls end: by either side, by a fault, by cancellation."""

import gc
import socket

import pytest
import trio

from sfclient.simulator import (
    Agent,
    CallEndedError,
    EchoAgent,
    SimulatedCall,
    Simulator,
    SpeakAgent,
    open_simulator,
)

from .clients import READY, connect_tcp, idle, ready_client, until_closed


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

"""Clients for the tests of calls."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from sfclient.simulator import (
    SimulatedCall,
    Simulator,
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

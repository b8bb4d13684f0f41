"""The door to agents in memory; the simulator, an extra, is imported when it is opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sfclient.testing._network import Network

if TYPE_CHECKING:
    from sfclient.simulator import Agent
    from sfclient.testing.virtual._agent import MemoryAgent


@asynccontextmanager
async def open_memory_agent(
    agent: "Agent",
    *,
    dialect: str = "widget",
    codec: str | None = None,
    framing: str | None = None,
    network: Network | None = None,
    announce_ready: bool = True,
    keep: bool = True,
) -> AsyncIterator["MemoryAgent"]:
    """Let an agent of the simulator talk to calls that reach it in memory, without sockets.

    ::

        async with open_memory_agent(EchoAgent()) as there:
            async with open_call(there.session(), Audio(MemoryInput(pcm), MemoryOutput())) as call:
                await call.wait_ended()

    Calls are held as ever, and the agent sees a `SimulatedCall` as ever, in ``there.calls``; websockets alone are left
    out: messages, closes and pings pass from one end to the other. So what is not covered is the request for a session
    and its errors, TCP and TLS, the websocket's handshake and framing, fragments, and what sockets hold beyond 128 KiB.
    In the ws-media dialect server_info, bind and call_info are exchanged, and the call is ordered without HTTP.

    It runs under any clock of trio's; under `run_virtually` an hour of talk takes seconds.

    Parameters
    ----------
    agent
        Any ``async def agent(call)``; see `sfclient.simulator.Agent`.
    dialect, codec, framing
        What is spoken; the first codec and framing of the dialect if None.
    network
        What lies between, message by message; None: nothing, all arrives at once. Faults strike bytes, so it has none.
    announce_ready, keep
        See `sfclient.simulator.open_simulator`.

    Raises
    ------
    UsageError
        For another dialect, codec or framing, or a network with faults.
    ImportError
        The extra ``simulator`` is missing.

    What the agent raises ends the block and comes out of it. On leaving, open calls are closed with code 1001.
    """
    from sfclient.testing.virtual._agent import open_agent

    async with open_agent(
        agent, dialect, codec, framing, network, announce_ready=announce_ready, keep=keep
    ) as there:
        yield there

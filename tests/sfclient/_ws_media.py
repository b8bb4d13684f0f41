"""Calls in the ws-media dialect, with all that the simulator can do to them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
import trio
from websockets.trio.server import ServerConnection
from websockets.trio.server import serve as websockets_serve

from sfclient import (
    Audio,
    Call,
    MemoryInput,
    MemoryOutput,
    Session,
    open_call,
    request_session,
)
from sfclient.simulator import SimulatedCall, Simulator, open_simulator

BASE_URL = "GET /calls/outbound-test-ws-media/base-url"
START = "POST /calls/outbound-test-ws-media"
NUMBERS = {"from_number": "+49301234", "to_number": "+49305678"}


def noise(seconds: float, samplerate: int = 16_000) -> bytes:
    samples = np.random.default_rng(1).integers(1, 32768, round(seconds * samplerate), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


async def listen(call: SimulatedCall) -> None:
    await trio.sleep_forever()


async def session_of(simulator: Simulator, agent: str = "agent", **options: Any) -> Session:
    return await request_session(
        agent,
        **{
            "api_key": simulator.key,
            "base_url": simulator.base_url,
            "dialect": "ws-media",
            **NUMBERS,
            **options,
        },
    )


@asynccontextmanager
async def open_server(
    serve: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[str]:
    """Of the test's own, for what the simulator would not do."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(websockets_serve, serve, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{server.listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


class Held:
    def __init__(self, call: Call, simulator: Simulator, speaker: MemoryOutput) -> None:
        self.call = call
        self.simulator = simulator
        self.speaker = speaker

    @property
    def heard(self) -> bytes:
        samples = np.frombuffer(self.speaker.heard, np.int16)
        return samples[samples != 0].tobytes()


@asynccontextmanager
async def hold(
    agent: Any = listen,
    *,
    say: bytes = b"",
    quirks: tuple[str, ...] = (),
    answers: Any = None,
    **options: Any,
) -> AsyncIterator[Held]:
    rate = 16_000 if options.get("codec", "l16") == "l16" else 8000
    speaker = MemoryOutput()
    async with open_simulator(agent, quirks=quirks, answers=answers or {}) as simulator:
        session = await session_of(simulator, **options)
        microphone = MemoryInput(say, samplerate=rate)
        async with open_call(session, Audio(microphone, speaker)) as call:
            yield Held(call, simulator, speaker)

"""The service that the pages call: a simulator, with an agent of many."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from queue import Queue

import numpy as np
import trio

from sfclient.simulator import (
    Agent,
    EchoAgent,
    ReplyAgent,
    SimulatedCall,
    SpeakAgent,
    open_simulator,
)

from ..unhurried import UnhurriedClock
from .pages import ROOT

KEY = "..."  # What pages say where a reader has one of his own.
SOUNDS = ROOT / "examples" / "conversations"


def speech(seconds: float = 0.5) -> bytes:
    """Noise of PCM16 at 16 kHz, of which no sample is zero."""
    samples = np.random.default_rng(1).integers(1, 32768, round(16_000 * seconds), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


def lost_once() -> Agent:
    calls = 0

    async def agent(call: SimulatedCall) -> None:
        nonlocal calls
        calls += 1
        await call.client_ready()
        await call.send_audio(speech())
        await call.close(1011 if calls == 1 else 1000, "")

    return agent


AGENTS: dict[str, Callable[[], Agent]] = {
    "echo": EchoAgent,
    "speak": lambda: SpeakAgent(speech(), then="close"),
    "reply": lambda: ReplyAgent(
        [SOUNDS / "when.wav", SOUNDS / "booked.wav"], delay=0.4, hangs_up_after=2
    ),
    "lost": lost_once,
}
"""By name: gives back what it hears; speaks half a second and hangs up; answers twice, as the example's; breaks the
first connection, and speaks in the next."""


@contextmanager
def serving(name: str, rate: float) -> Iterator[str]:
    """The base URL of a simulator with this agent, whose clock runs so many times as fast as time."""
    told: Queue[str] = Queue()
    done = threading.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            simulator = await stack.enter_async_context(open_simulator(AGENTS[name](), key=KEY))
            told.put(simulator.base_url)
            await trio.to_thread.run_sync(done.wait)

    thread = threading.Thread(
        target=trio.run, args=(serve,), kwargs={"clock": UnhurriedClock(rate)}
    )
    thread.start()
    try:
        yield told.get(timeout=20)
    finally:
        done.set()
        thread.join()

"""A call against the simulator, in each dialect, with everything that must hold at the end of every call."""

import os
import sysconfig
import threading
import wave
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.abc

from sfaudio import Resampler
from sfclient import (
    Audio,
    Call,
    MemoryInput,
    MemoryOutput,
    Session,
    Sink,
    Source,
    open_call,
    request_session,
)
from sfclient.simulator import Agent, SimulatedCall, Simulator, open_simulator

from ..unhurried import UnhurriedClock as UnhurriedClock
from .books import CountedSink, CountedSource, errors_at_the_end

BASE_URL = "GET /calls/outbound-test-ws-media/base-url"
START = "POST /calls/outbound-test-ws-media"
NUMBERS = {"from_number": "+49301234", "to_number": "+49305678"}

LONGEST_CALL_SECONDS = 300  # what fails should not hang


class Held:
    """A call that is held, and both its sides."""

    def __init__(
        self, call: Call, simulator: Simulator, microphone: Any, speaker: MemoryOutput
    ) -> None:
        self.call = call
        self.simulator = simulator
        self.microphone = microphone
        self.speaker = speaker

    @property
    def heard(self) -> bytes:
        """What came out of the speaker, but for the silence."""
        return without_silence(self.speaker.played)


class Hold:
    """Holds calls in one dialect; says what the wire is like before there is one."""

    def __init__(self, dialect: str, device_samplerate: int | None) -> None:
        self.dialect = dialect
        self.device_samplerate = device_samplerate
        # Said anew, not taken from what is tested.
        self.capture_samplerate = 48_000 if dialect == "widget" else 16_000
        self.playout_samplerate = 16_000

    @asynccontextmanager
    async def __call__(
        self,
        agent: Agent | None = None,
        *,
        say: bytes = b"",
        microphone: Source | None = None,
        speaker: Sink | None = None,
        serve: Mapping[str, Any] | None = None,
        order: Mapping[str, Any] | None = None,
        audio: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Held]:
        """`say` is at the wire's rate; `serve` goes to `open_simulator`, `order` to `request_session`, `audio` to
        `Audio`, `options` to `open_call`."""
        order = order or {}
        rate = self.capture_samplerate if order.get("codec", "l16") == "l16" else 8000
        if microphone is None:
            microphone = self.microphone(say, rate)
        if speaker is None:
            speaker = MemoryOutput(samplerate=self.device_samplerate)
        source, sink = CountedSource(microphone), CountedSink(speaker)
        call: Call | None = None
        async with open_simulator(agent or listen, **serve or {}) as simulator:
            session = await self.session(simulator, **order)
            try:
                async with open_call(
                    session, Audio(source, sink, **audio or {}), **options
                ) as call:
                    with trio.fail_after(LONGEST_CALL_SECONDS):
                        yield Held(call, simulator, microphone, speaker)
            finally:
                if call is not None:
                    assert call.ended is not None
                    (simulated,) = simulator.calls
                    with trio.fail_after(60, shield=True):
                        await simulated.wait_ended()
                    assert errors_at_the_end(call, simulated, source, sink) == []

    def microphone(self, say: bytes, samplerate: int) -> MemoryInput:
        if self.device_samplerate not in (None, samplerate) and say:
            say = Resampler(samplerate, self.device_samplerate).process(say).tobytes()
        return MemoryInput(say, samplerate=self.device_samplerate or samplerate)

    async def session(self, simulator: Simulator, **order: Any) -> Session:
        if self.dialect == "widget":
            return Session(simulator.new_session_url())
        return await session_of(simulator, **order)


async def session_of(simulator: Simulator, agent: str = "agent", **order: Any) -> Session:
    """Of a ws-media call."""
    options = {"dialect": "ws-media", "api_key": simulator.key, "base_url": simulator.base_url}
    return await request_session(agent, **{**options, **NUMBERS, **order})


@pytest.fixture(params=["widget", "ws-media"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Each dialect in turn; what belongs to one alone is marked ``parametrize("dialect", ["widget"])``."""
    dialect: str = request.param
    return dialect


@pytest.fixture(params=[None, 44_100], ids=["", "44.1k"])
def device_samplerate(request: pytest.FixtureRequest) -> int | None:
    """At the wire's rate, and at one that needs resampling both ways; see `exactly`."""
    rate: int | None = request.param
    return rate


# Of a test that looks at the bits, which resampling changes.
exactly = pytest.mark.parametrize("device_samplerate", [None], ids=[""])


# Of a test that sees what waits for a garbage collection. Without the GIL, what a thread made and another let go of
# waits for the first to run again; what holds it meanwhile can come to be a cycle.
counted_at_once = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="without the GIL, references of other threads are counted later",
)

# Said anew, not taken from what is tested.
every_policy = pytest.mark.parametrize("policy", ["adaptive", "lossless", "browser"])


@pytest.fixture
def hold(dialect: str, device_samplerate: int | None) -> Hold:
    return Hold(dialect, device_samplerate)


@pytest.fixture
def fast_clock() -> UnhurriedClock:
    """Twenty seconds of a call in one, with real sockets."""
    return UnhurriedClock(rate=20)


def noise(seconds: float, samplerate: int, seed: int = 1) -> bytes:
    """No two stretches alike, and no sample zero, so that nothing can go missing unseen."""
    samples = np.random.default_rng(seed).integers(1, 32768, round(seconds * samplerate), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


def without_silence(pcm: bytes) -> bytes:
    samples = np.frombuffer(pcm, np.int16)
    return samples[samples != 0].tobytes()


async def listen(call: SimulatedCall) -> None:
    """An agent who says nothing and never hangs up."""
    await call.client_ready()
    await trio.sleep_forever()


def write_wav(path: Path, pcm: bytes, samplerate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(samplerate)
        file.writeframes(pcm)
    return path


def open_sockets() -> set[str]:
    """Those of this process, where the system tells."""
    sockets = set()
    with suppress(FileNotFoundError):
        for fd in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # that of listdir itself
                sockets.add(os.readlink(f"/proc/self/fd/{fd}"))
    return {name for name in sockets if name.startswith("socket:")}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no socket outlives a test; trio sees to the tasks."""
    threads, sockets = set(threading.enumerate()), open_sockets()
    yield
    for thread in threading.enumerate():
        # As of a call that was cancelled while its files opened; trio's own get another name when they are done.
        for _ in range(2000):
            if thread.name.startswith("sfclient"):
                thread.join(0.01)
    left = {
        thread for thread in threading.enumerate() if not thread.name.startswith("Trio")
    } - threads
    assert not left
    assert not open_sockets() - sockets

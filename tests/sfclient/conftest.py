"""A call against the simulator, in each dialect, with everything that must hold at the end of every call."""

import os
import threading
import time
import wave
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.abc

from sfclient import Audio, Call, MemoryInput, MemoryOutput, Session, open_call, request_session
from sfclient.simulator import Agent, SimulatedCall, Simulator, open_simulator

# Of the wire: the caller's, the agent's. Said anew, not taken from what is tested.
SAMPLERATES = {"widget": (48_000, 16_000), "ws-media": (16_000, 16_000)}

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


class Hold:
    """Holds calls in one dialect; says what the wire is like before there is one."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.capture_samplerate, self.playout_samplerate = SAMPLERATES[dialect]

    @asynccontextmanager
    async def __call__(
        self,
        agent: Agent,
        *,
        say: bytes = b"",
        microphone: Any = None,
        speaker: Any = None,
        serve: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Held]:
        """`say` is at the wire's rate; `serve` goes to `open_simulator`, `options` to `open_call`."""
        if microphone is None:
            microphone = MemoryInput(say, samplerate=self.capture_samplerate)
        speaker = MemoryOutput() if speaker is None else speaker
        call: Call | None = None
        async with open_simulator(agent, **serve or {}) as simulator:
            session = await self._session(simulator)
            try:
                async with open_call(session, Audio(microphone, speaker), **options) as call:
                    with trio.fail_after(LONGEST_CALL_SECONDS):
                        yield Held(call, simulator, microphone, speaker)
            finally:
                if call is not None:
                    assert call.ended is not None
                    check_conservation(call)
                    await check_arrival(call, simulator)

    async def _session(self, simulator: Simulator) -> Session | str:
        if self.dialect == "widget":
            return simulator.new_session_url()
        return await request_session(
            "agent",
            api_key=simulator.key,
            dialect=self.dialect,
            from_number="+49301234",
            to_number="+49305678",
            base_url=simulator.base_url,
        )


def check_conservation(call: Call) -> None:
    """Design rule: nothing is lost silently."""
    figures = call.statistics()
    capture, playout = figures.capture, figures.playout
    assert capture.captured_frames == (
        capture.sent_frames + capture.queued_frames + capture.dropped_frames
    )
    assert playout.received_frames == (
        playout.played_frames + playout.queued_frames + playout.dropped_frames
    )
    assert capture.queued_frames == playout.queued_frames == 0


async def check_arrival(call: Call, simulator: Simulator) -> None:
    """What counts as sent is what arrived, if it was ours to close the connection."""
    (simulated,) = simulator.calls
    with trio.fail_after(60, shield=True):
        ended = await simulated.wait_ended()
    if (ended.by, ended.code) == ("client", 1000):
        capture = call.statistics().capture
        arrived = len(simulated.received_audio) // 2
        assert arrived == capture.sent_frames + capture.padded_frames


@pytest.fixture(params=SAMPLERATES)
def dialect(request: pytest.FixtureRequest) -> str:
    """Each dialect in turn; what belongs to one alone is marked ``parametrize("dialect", ["widget"])``."""
    dialect: str = request.param
    return dialect


@pytest.fixture
def hold(dialect: str) -> Hold:
    return Hold(dialect)


class UnhurriedClock(trio.abc.Clock):
    """Runs `rate` times as fast as time does, but never past what is due next.

    A machine that stalls makes a test slower, and changes nothing in it: no microphone is late and no agent slow
    because other programs ran.
    """

    GRAIN_SECONDS = 0.001  # of real time: the shortest sleep that a poll can do
    DEBT_SECONDS = 0.01  # of real time, slept or worked too long, that is made up for
    STEP_SECONDS = 0.1  # that may pass while a message is on its way through a machine that stalls

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._now = 0.0
        self._real = 0.0  # when it was, or should be, `_now`
        self._due: float | None = None  # while all tasks sleep

    def start_clock(self) -> None:
        self._real = time.perf_counter()

    def current_time(self) -> float:
        if self._due is not None:
            real, due, self._due = time.perf_counter(), self._due, None
            due_real = self._real + (due - self._now) / self.rate
            if real > due_real - self.GRAIN_SECONDS:
                self._now, self._real = due, max(due_real, real - self.DEBT_SECONDS)
            elif real > self._real:
                self._now, self._real = self._now + (real - self._real) * self.rate, real
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        self._due = max(self._now, min(deadline, self._now + self.STEP_SECONDS))
        pause = self._real + (self._due - self._now) / self.rate - time.perf_counter()
        return pause if pause > self.GRAIN_SECONDS else 0.0


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
    left = {
        thread for thread in threading.enumerate() if not thread.name.startswith("Trio")
    } - threads
    assert not left
    assert not open_sockets() - sockets

"""A call against the simulator, with everything that must hold at the end of every call."""

import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
import trio
import trio.testing

from sfclient import Audio, Call, MemoryInput, MemoryOutput, open_call
from sfclient.simulator import Agent, Simulator, open_simulator


class CallOver(Protocol):
    def __call__(self, agent: Agent, /, **options: Any) -> AbstractAsyncContextManager["Held"]: ...


class Held:
    """A call that is held, and both its sides."""

    def __init__(
        self, call: Call, simulator: Simulator, microphone: MemoryInput, speaker: MemoryOutput
    ) -> None:
        self.call = call
        self.simulator = simulator
        self.microphone = microphone
        self.speaker = speaker


@asynccontextmanager
async def _hold(
    agent: Agent, *, say: bytes = b"", microphone: Any = None, speaker: Any = None, **options: Any
) -> AsyncIterator[Held]:
    microphone = MemoryInput(say) if microphone is None else microphone
    speaker = MemoryOutput() if speaker is None else speaker
    call: Call | None = None
    async with open_simulator(agent) as simulator:
        try:
            async with open_call(
                simulator.new_session_url(), Audio(microphone, speaker), **options
            ) as call:
                yield Held(call, simulator, microphone, speaker)
        finally:
            if call is not None:
                assert call.ended is not None
                check_conservation(call)


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


@pytest.fixture
def hold() -> CallOver:
    return _hold


@pytest.fixture
def fast_clock() -> trio.testing.MockClock:
    """Ten seconds of a call in one, with real sockets."""
    return trio.testing.MockClock(rate=10)


def open_sockets() -> int:
    return sum(
        os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    )


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no socket outlives a test; trio sees to the tasks."""
    threads = set(threading.enumerate())
    yield
    left = {
        thread for thread in threading.enumerate() if not thread.name.startswith("Trio")
    } - threads
    assert not left

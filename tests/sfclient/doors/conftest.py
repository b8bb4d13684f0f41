"""A call through any door, with everything that must hold at the end of every call."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from sfclient import (
    AgentAwaited,
    Audio,
    Event,
    MemoryInput,
    MemoryOutput,
    NetworkReturned,
    NetworkStalled,
    NullOutput,
    SpeechLate,
)
from sfclient.simulator import Agent, SimulatedCall

from ..books import CountedSink, CountedSource, errors_at_the_end
from ..conftest import NUMBERS, UnhurriedClock, listen, without_silence
from .doors import DOORS, RATE, TrioDoor, threads_of_trio
from .far_side import FarSide, open_far_side

# What a call tells of a machine that is slow with one of its sides.
OF_SLOWNESS = AgentAwaited | NetworkReturned | NetworkStalled | SpeechLate


def without_slowness(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, OF_SLOWNESS)]


class Held:
    """A call that is held, and both its sides."""

    def __init__(self, call: Any, far: FarSide, index: int, speaker: Any) -> None:
        self.call = call
        self.far = far
        self.speaker = speaker
        self._index = index

    @property
    def simulated(self) -> SimulatedCall:
        """The call as the far side sees it; reading is free to every thread."""
        return self.far.simulator.calls[self._index]

    @property
    def heard(self) -> bytes:
        """What came out of the speaker, but for the silence."""
        return without_silence(self.speaker.played)


class Hold:
    """Holds calls through one door, in one dialect."""

    def __init__(self, door: TrioDoor, dialect: str) -> None:
        self.door = door
        self.dialect = dialect
        # Said anew, not taken from what is tested.
        self.capture_samplerate = 48_000 if dialect == "widget" else 16_000
        self.playout_samplerate = 16_000

    @asynccontextmanager
    async def __call__(
        self,
        agent: Agent = listen,
        *,
        say: bytes = b"",
        microphone: Any = None,
        speaker: Any = None,
        far: FarSide | None = None,
        **options: Any,
    ) -> AsyncIterator[Held]:
        """`say` is at the wire's rate; `far` is one that was there before; `options` go to `open_call`."""
        if far is None:
            with open_far_side(agent) as far:
                async with self(
                    say=say, microphone=microphone, speaker=speaker, far=far, **options
                ) as held:
                    yield held
            return
        speaker = speaker or MemoryOutput()
        source = CountedSource(microphone or MemoryInput(say, samplerate=self.capture_samplerate))
        sink = CountedSink(speaker)
        call = None
        session = await self.session(far)
        index = len(far.simulator.calls)
        try:
            async with self.door.open_call(session, Audio(source, sink), **options) as call:
                yield Held(call, far, index, speaker)
        finally:
            assert threads_of_trio() == []
            if call is not None:
                assert call.ended is not None
                assert errors_at_the_end(call, far.ended(index), source, sink) == []

    def audio(self) -> Audio:
        """Of a call whose sound does not matter."""
        return Audio(MemoryInput(), NullOutput())

    async def session(self, far: FarSide, **order: Any) -> Any:
        if self.dialect == "ws-media":
            order = {**NUMBERS, **order}
        return await self.door.request_session(
            "agent",
            **{
                "dialect": self.dialect,
                "api_key": far.simulator.key,
                "base_url": far.base_url,
                **order,
            },
        )


def through_every_door(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test of an async function that gets `hold`."""

    @functools.wraps(scenario)
    def test(hold: Hold, **fixtures: Any) -> None:
        hold.door.run(partial(scenario, hold=hold, **fixtures))
        assert threads_of_trio() == []

    return test


@pytest.fixture(
    params=["trio", "asyncio", pytest.param("uvloop", marks=pytest.mark.slow), "blocking"]
)
def door(request: pytest.FixtureRequest) -> TrioDoor:
    return DOORS[request.param]()


@pytest.fixture
def hold(door: TrioDoor, dialect: str) -> Hold:
    return Hold(door, dialect)


@pytest.fixture(autouse=True)
def time_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every thread that runs trio."""
    run = trio.run

    def run_fast(*arguments: Any, **options: Any) -> Any:
        return run(*arguments, **{"clock": UnhurriedClock(RATE), **options})

    monkeypatch.setattr(trio, "run", run_fast)

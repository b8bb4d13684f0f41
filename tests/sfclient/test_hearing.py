"""What a call tells of who speaks when, beside what its microphone and its loudspeaker were given and when."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import trio

from sfclient import (
    Audio,
    CallStatistics,
    Event,
    MemoryInput,
    MemoryOutput,
    Responded,
    open_call,
    request_session,
)
from sfclient.simulator import SimulatedCall, open_simulator
from sfclient.testing import Network, open_proxy

from .conftest import NUMBERS, noise

NEAR_SECONDS = 0.02  # what is told of the truth
PAUSE_SECONDS = 0.5  # of silence, which end speech


def silence(seconds: float, samplerate: int) -> bytes:
    return bytes(2 * round(seconds * samplerate))


def spans_of(times: list[np.ndarray], pcm: list[np.ndarray]) -> list[tuple[float, float]]:
    """From when to when there was sound, of samples and their times."""
    when = np.concatenate(times)[np.concatenate(pcm) != 0]
    if not len(when):
        return []
    breaks = np.flatnonzero(np.diff(when) > PAUSE_SECONDS)
    return [
        (float(when[begin]), float(when[end]))
        for begin, end in zip([0, *(breaks + 1)], [*breaks, -1], strict=True)
    ]


class Witness:
    """Notes when each sample was recorded or played, on trio's clock."""

    def __init__(self) -> None:
        self._times: list[np.ndarray] = []
        self._blocks: list[np.ndarray] = []

    def note(self, first: float, samplerate: int, block: Any) -> None:
        self._times.append(first + np.arange(len(block)) / samplerate)
        self._blocks.append(np.array(block))

    @property
    def spans(self) -> list[tuple[float, float]]:
        return spans_of(self._times, self._blocks)


class WitnessedInput(MemoryInput, Witness):
    def __init__(self, pcm: bytes, samplerate: int) -> None:
        MemoryInput.__init__(self, pcm, samplerate=samplerate)
        Witness.__init__(self)

    def read(self, frames: int) -> Any:
        block = super().read(frames)
        self.note(trio.current_time() - frames / self._samplerate, self._samplerate, block)
        return block


class WitnessedOutput(MemoryOutput, Witness):
    def __init__(self) -> None:
        MemoryOutput.__init__(self)
        Witness.__init__(self)

    def write(self, block: Any) -> None:
        super().write(block)
        self.note(trio.current_time(), self.samplerate, block)


@dataclass
class Held:
    """A call that was held, and what was recorded and played in it."""

    events: list[Event]
    figures: CallStatistics
    caller: list[tuple[float, float]]
    """When the caller spoke: since `open_call` was entered, as the witness of the microphone says."""
    agent: list[tuple[float, float]]
    """When the agent was heard, as that of the loudspeaker says."""

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def converse(
    dialect: str,
    turns: list[tuple[float, float, float, float]],
    stalled: str | None = None,
    **options: Any,
) -> Held:
    """In each turn the caller is silent for a while, speaks, and is answered after a while, by speech: all in seconds.

    In the last one, nothing gets through for 0.3 s: of the question from its middle on ("question"), of the answer from
    its begin on ("answer"), or after 0.1 s of it ("midst").
    """
    rate = 48_000 if dialect == "widget" else 16_000
    said = b"".join(
        silence(pause, rate) + noise(speech, rate, seed)
        for seed, (pause, speech, _, _) in enumerate(turns)
    )
    ends = np.cumsum([pause + speech for pause, speech, _, _ in turns])

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        for end, (_, speech, delay, answer) in zip(ends, turns, strict=True):
            is_last = end == ends[-1]
            if stalled == "question" and is_last:
                await heard(call, end - speech / 2)
                proxy.stall(0.3, "up")
            await heard(call, end)
            await trio.sleep(delay)
            if stalled == "answer" and is_last:
                proxy.stall(0.3, "down")
            await call.send_audio(noise(0.1, call.agent_samplerate))
            if stalled == "midst" and is_last:
                await trio.sleep(0.1)
                proxy.stall(0.3, "down")
            await call.send_audio(noise(answer - 0.1, call.agent_samplerate))

    async def heard(call: SimulatedCall, seconds: float) -> None:
        while len(call.received_audio) < 2 * seconds * call.caller_samplerate:
            await trio.sleep(0.005)

    caller, loudspeaker = WitnessedInput(said, rate), WitnessedOutput()
    async with (
        open_simulator(agent) as simulator,
        open_proxy(simulator.base_url, Network()) as proxy,
    ):
        session = await request_session(
            "agent",
            api_key=simulator.key,
            base_url=proxy.through(simulator.base_url),
            dialect=dialect,
            **NUMBERS if dialect == "ws-media" else {},
        )
        entered = trio.current_time()
        async with open_call(session, Audio(caller, loudspeaker), **options) as call:
            await call.wait_ended()
        events = [event async for event in call]
    sides = [[(a - entered, b - entered) for a, b in side.spans] for side in (caller, loudspeaker)]
    return Held(events, call.statistics(), *sides)


TURNS = [(0.303, 0.417, 0.2, 0.5), (0.807, 0.311, 0.354, 0.4)]


@pytest.mark.parametrize("stalled", [None, "question", "answer", "midst"])
async def test_responses_are_as_long_as_they_were_at_the_ear(dialect, fast_clock, stalled):
    held = await converse(dialect, TURNS, stalled)
    truth = [heard - said for (_, said), (heard, _) in zip(held.caller, held.agent, strict=True)]
    told = held.told(Responded)
    assert (truth[1] > 0.45) == (stalled in ("question", "answer"))
    assert [event.seconds for event in told] == pytest.approx(truth, abs=NEAR_SECONDS)
    assert [event.at for event in told] == pytest.approx(
        [at for at, _ in held.agent], abs=NEAR_SECONDS
    )
    assert held.figures.conversation.response_seconds == tuple(event.seconds for event in told)

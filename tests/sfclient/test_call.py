"""A call from end to end: what was said comes back, and the recording has both voices side by side, per dialect."""

import wave

import numpy as np
import pytest
import trio

from sfclient import Audio, MemoryInput, MemoryOutput, UsageError, blocking, open_call
from sfclient.simulator import EchoAgent, SpeakAgent, open_simulator

from .conftest import exactly, noise, without_silence


def chirp(samplerate: int) -> bytes:
    """A second from 200 Hz upwards, which is like itself in one place only."""
    time = np.arange(samplerate) / samplerate
    return (12_000 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.int16).tobytes()


def find(heard: bytes, said: bytes) -> tuple[int, float]:
    """The frame at which something most like `said` begins, and how like it is, 1 at most."""
    where, what = (np.frombuffer(pcm, np.int16).astype(float) for pcm in (heard, said))
    length = len(where) + len(what)
    spectrum = np.fft.rfft(where, length) * np.fft.rfft(what, length).conj()
    correlation = np.fft.irfft(spectrum, length)[: len(where) - len(what) + 1]
    at = int(correlation.argmax())
    match = where[at : at + len(what)]
    return at, float(correlation[at] / np.sqrt((what @ what) * (match @ match)))


async def test_echo_comes_back_as_it_was_said(hold):
    """The whole way round, in real time: out at one rate, back at the other."""
    async with hold(EchoAgent(), say=chirp(hold.capture_samplerate)) as held:
        await trio.sleep(2.5)
    _, likeness = find(held.speaker.played, chirp(held.speaker.samplerate))
    assert likeness > 0.95


@pytest.mark.parametrize("delay", [0, 0.5, 1.5])
async def test_echo_comes_back_when_it_is_due(hold, fast_clock, delay):
    async with hold(EchoAgent(delay), say=chirp(hold.capture_samplerate)) as held:
        await trio.sleep(2 + delay)
    at, likeness = find(held.speaker.played, chirp(held.speaker.samplerate))
    assert likeness > 0.99
    assert delay < at / held.speaker.samplerate < delay + 0.3


@exactly
async def test_recording_has_the_caller_left_and_the_agent_right(hold, fast_clock, tmp_path):
    path = tmp_path / "both.wav"
    said = chirp(hold.capture_samplerate)
    async with hold(EchoAgent(0.3), say=said, record=path) as held:
        await trio.sleep(2.5)
    with wave.open(str(path)) as file:
        shape = file.getnchannels(), file.getsampwidth(), file.getframerate()
        frames = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert shape == (2, 2, hold.capture_samplerate)
    left, right = frames.T
    (call,) = held.simulator.calls
    sent = np.frombuffer(call.received_audio, np.int16)
    assert sent.tobytes().startswith(said)
    assert np.array_equal(left[: len(sent)], sent)
    assert not np.any(left[len(sent) :])
    heard = held.speaker.played
    played = right[:: hold.capture_samplerate // hold.playout_samplerate].tobytes()
    # A frame off would be less alike; the filter may be half a one.
    length = min(len(heard), len(played))
    at, likeness = find(played[:length], heard[:length])
    assert at == 0
    assert likeness > 0.99
    assert length / 2 / hold.playout_samplerate > 2.4
    assert abs(len(heard) - len(played)) / 2 / hold.playout_samplerate < 0.1


@exactly
async def test_sink_that_does_not_tell_its_rate_gets_the_wire_s(hold, fast_clock, monkeypatch):
    """None told it before there was a rate to tell."""
    monkeypatch.setattr(MemoryOutput, "open", lambda self, samplerate: None)
    spoken, sink = noise(0.5, hold.playout_samplerate), MemoryOutput()
    async with open_simulator(SpeakAgent(spoken, "burst", then="close")) as simulator:
        session = await hold.session(simulator)
        async with open_call(session, Audio(MemoryInput(), sink)) as call:
            await call.wait_ended()
    assert without_silence(sink.played) == spoken


@pytest.mark.parametrize(
    ("session", "named"),
    [(None, "NoneType"), (blocking.Session("ws://127.0.0.1/"), "sfclient.blocking.Session")],
    ids=["none", "another door's"],
)
async def test_what_is_no_session_is_refused(session, named):
    with pytest.raises(UsageError, match=f"must be a Session or the URL of one, not {named}:"):
        async with open_call(session):
            pass


async def test_unknown_dialect_is_refused():
    with pytest.raises(UsageError, match="widget, ws-media"):
        async with open_call("ws://127.0.0.1:1/", dialect="klingon"):
            raise AssertionError

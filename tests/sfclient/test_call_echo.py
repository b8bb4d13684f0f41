"""Calls in a room in memory, in which the microphone hears the loudspeaker."""

import numpy as np
import pytest
import trio

from sfclient import EchoStatistics, Interrupted, SpeechBegan, SpeechEnded
from sfclient.simulator import SimulatedCall

from .conftest import Hold

ECHO_SECONDS = 0.1
ECHO_GAIN = 0.3
AGENT = 0.1  # of full scale: noise, 20 dB above the quietest speech when it comes back
NEAR_SECONDS = 0.0101
SAID_AT, SAID_SECONDS = 2.9, 0.4


def noise(seconds: float, samplerate: int, level: float, seed: int) -> np.ndarray:
    """With little above a quarter of the rate, so that resampling to 16 kHz and above leaves it alone."""
    window = np.hanning(10 * samplerate // 16_000)
    samples = np.random.default_rng(seed).standard_normal(round(seconds * samplerate))
    samples = np.convolve(samples, window / np.sqrt(np.sum(window**2)), "same")
    return (np.clip(samples * level, -1, 1) * 32767).astype(np.int16)


class Room:
    """A microphone and a loudspeaker in it, which is played by a line at the same rate."""

    def __init__(self, samplerate: int) -> None:
        self._samplerate = samplerate
        # The caller, and a room that is never quite silent.
        self._said = noise(8, samplerate, 0.0001, seed=1)
        self._said[self._frames(SAID_AT) :][: self._frames(SAID_SECONDS)] += noise(
            SAID_SECONDS, samplerate, AGENT, seed=2
        )
        self._played = np.zeros(self._frames(ECHO_SECONDS), np.int16)  # before the first frame
        self._recorded = 0
        self.began: float | None = None

    def _frames(self, seconds: float) -> int:
        return round(seconds * self._samplerate)

    def open(self, samplerate: int | None = None) -> int:
        return self._samplerate

    def read(self, frames: int) -> np.ndarray:
        if self.began is None:
            self.began = trio.current_time() - frames / self._samplerate
        at = self._recorded
        echo = self._played[at : at + frames] * ECHO_GAIN
        self._recorded += frames
        return (self._said[at : at + frames] + echo).astype(np.int16)

    def write(self, block: np.ndarray) -> None:
        self._played = np.concatenate((self._played, block))

    def close(self) -> None:
        """Nothing is left of it."""


async def agent(call: SimulatedCall) -> None:
    await call.client_ready()
    await call.send_audio(noise(2.0, call.agent_samplerate, AGENT, seed=3).tobytes())
    await trio.sleep_forever()


def level(received: bytes, samplerate: int, since: float, until: float) -> float:
    """In dBFS."""
    samples = np.frombuffer(received, np.int16)[
        round(since * samplerate) : round(until * samplerate)
    ]
    return float(10 * np.log10(np.mean((samples / 32768.0) ** 2) + 1e-12))


@pytest.mark.parametrize(
    ("dialect", "device_samplerate", "echo", "mute"),
    [
        ("widget", 48_000, "cancel", False),
        ("ws-media", 44_100, "cancel", False),
        ("ws-media", 16_000, "cancel", True),  # the canceller learns on
        ("ws-media", 16_000, "gate", False),
    ],
)
async def test_an_agent_who_comes_back_from_the_room_is_not_taken_for_the_caller(
    dialect, device_samplerate, echo, mute, fast_clock, tmp_path
):
    hold = Hold(dialect, device_samplerate)
    room = Room(device_samplerate)
    async with hold(
        agent, microphone=room, speaker=room, audio={"echo": echo}, record=tmp_path / "call.wav"
    ) as held:
        held.call.mute(mute)
        await trio.sleep(0.1)
        assert room.began is not None
        began_at = held.call.seconds - (trio.current_time() - room.began)
        await trio.sleep(2.4)
        held.call.mute(False)
        await trio.sleep(1.8)
        held.call.hang_up()
    events = [event async for event in held.call]
    began, ended = (
        [each for each in events if isinstance(each, kind) and each.speaker == "caller"]
        for kind in (SpeechBegan, SpeechEnded)
    )
    figures = held.call.statistics()
    told = [each.at - began_at for each in (*began, *ended)]
    assert told == pytest.approx([SAID_AT, SAID_AT + SAID_SECONDS], abs=NEAR_SECONDS)
    assert figures.recording.begins_at == pytest.approx(began_at, abs=NEAR_SECONDS)
    assert not [each for each in events if isinstance(each, Interrupted)]
    # What was sent is where it was recorded, to the frame.
    (simulated,) = held.simulator.calls
    received, rate = simulated.received_audio, simulated.caller_samplerate
    assert level(received, rate, 0.0, 2.5) < -50
    assert level(received, rate, SAID_AT, SAID_AT + SAID_SECONDS) == pytest.approx(-20, abs=1)
    assert level(received, rate, SAID_AT - 0.1, SAID_AT - 0.002) < -60
    told = figures.echo
    assert isinstance(told, EchoStatistics)
    assert told.mode == echo
    if echo == "cancel":
        assert told.state == "cancelling"
        assert told.delay_seconds == pytest.approx(ECHO_SECONDS, abs=0.02)
        assert told.erle_db is None or told.erle_db > 25
        assert told.added_seconds <= 0.02
    else:
        assert told.gated_seconds == pytest.approx(2.2, abs=0.2)
        assert told.added_seconds == pytest.approx(0.1)


async def test_without_it_the_agent_hears_himself(fast_clock):
    hold = Hold("ws-media", 16_000)
    room = Room(16_000)
    async with hold(agent, microphone=room, speaker=room) as held:
        await trio.sleep(2.5)
        assert held.call.echo() is None
        held.call.hang_up()
    began = [event async for event in held.call if isinstance(event, SpeechBegan)]
    at = {each.speaker: each.at for each in began}
    block = 0.02  # by which what a line in memory plays is later than what it records
    assert at["caller"] == pytest.approx(at["agent"] + ECHO_SECONDS - block, abs=NEAR_SECONDS)

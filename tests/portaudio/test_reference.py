"""On a real PortAudio whose loudspeaker is wired to its microphone: what comes back is what was played with it."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.jack

BEGIN = """
import json, subprocess, sys
import numpy as np
import trio
from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
from sfclient import Device
from sfclient._devices import Queues, Reference, _reference, _streams
from sfclient._devices._portaudio import PortAudioLine

RATE = 48_000
tell = {}


class Wired:
    "A line that plays noise, and hears it."

    def __init__(self, capture_seconds=20.0):
        self.reference = Reference(RATE, RATE)
        self.capture, self.playout = CaptureQueue(round(capture_seconds * RATE)), JitterBuffer(RATE * 60)
        engine = PlayoutEngine(self.playout, samplerate=RATE, policy="lossless")
        self.queues = Queues(self.capture, engine, None, reference=self.reference)
        self.line = PortAudioLine({"input": Device("JACK"), "output": Device("JACK")}, {"input": RATE, "output": RATE})
        noise = np.random.default_rng(1).integers(-9000, 9000, 30 * RATE)
        self.playout.write(noise.astype(np.int16))
        self.frames = 0

    def wire(self):
        subprocess.run(["jack_connect", "PortAudio:out_0", "PortAudio:in_0"], check=True)

    async def take(self, seconds):
        "What is recorded from now on, and what was played then."
        recorded, played = [], []
        with trio.move_on_after(seconds):
            while True:
                await trio.sleep(0.02)
                recorded.append(np.frombuffer(self.capture.read(RATE), np.int16))
                self.frames += len(recorded[-1])
                played.append(self.reference.take(self.frames + self.capture.dropped_frames, len(recorded[-1])))
        return np.concatenate(recorded).astype(float), np.concatenate(played).astype(float)

    async def lag(self, seconds):
        "By how many frames what comes back is later; and by how many dB less what differs is, at best."
        recorded, played = await self.take(seconds)
        spectrum = np.fft.rfft(recorded, 2 * len(recorded)) * np.fft.rfft(played, 2 * len(played)).conj()
        lag = int(np.argmax(np.fft.irfft(spectrum)[:len(recorded)]))
        rest = recorded[lag:] - played[: len(played) - lag]
        return lag, 10 * np.log10((np.mean(recorded**2) + 1e-9) / (np.mean(rest**2) + 1e-9))


async def main():
    wired = Wired(CAPTURE_SECONDS)
    async with trio.open_nursery() as nursery:
        await nursery.start(wired.line.run, wired.queues, lambda event: None)
        wired.wire()
        await wired.take(SETTLE_SECONDS)
        await test(wired)
        nursery.cancel_scope.cancel()
    counts = wired.reference.statistics()
    assert counts.written_frames == counts.read_frames + counts.queued_frames + counts.dropped_frames
    tell["changes"], tell["drift"] = counts.changes, counts.drift_ppm
    print(json.dumps(tell))

CAPTURE_SECONDS, SETTLE_SECONDS = 20.0, 0.1
"""

ONE_STREAM = """
CAPTURE_SECONDS = 0.3
_reference.REFERENCE_SECONDS = 0.5  # so that each side loses something

async def test(wired):
    tell["as it is"] = await wired.lag(0.25)
    wired.line.volume = 0.3
    await wired.take(0.1)
    tell["softer"] = await wired.lag(0.25)
    await trio.sleep(0.4)
    await wired.take(0.05)
    tell["recorded too early"] = await wired.lag(0.25)
    wired.capture.drop(RATE)
    await trio.sleep(0.7)
    await wired.take(0.05)
    tell["both too early"] = await wired.lag(0.25)
    await wired.line.use("output", Device("JACK"))
    wired.wire()
    await wired.take(0.1)
    tell["another"] = await wired.lag(0.25)

trio.run(main)
"""


def run(jack, program):
    command = [sys.executable, "-c", BEGIN + program]
    done = subprocess.run(command, env=jack.env, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0
    return json.loads(done.stdout)


def test_each_frame_that_comes_back_is_the_one_that_was_played(jack):
    """Whatever each side loses, and with another device."""
    told = run(jack, ONE_STREAM)
    assert (told.pop("changes"), told.pop("drift")) == (1, None)
    for moment, (lag, decibels) in told.items():
        assert lag == told["as it is"][0] in (480, 960), (
            moment
        )  # a block or two, as JACK passes it on
        assert decibels > 100, moment  # each frame is the same


TWO_STREAMS = """
SETTLE_SECONDS = 4.0
_streams._share_a_stream = lambda *ends: False

def between(recorded, played):
    "By how many frames what comes back is later, to an eighth; and what else differs up to 8 kHz, in dB."
    window = np.hanning(len(recorded))
    recorded, played = np.fft.rfft(recorded * window), np.fft.rfft(played * window)
    peaks = np.fft.irfft(recorded * played.conj(), 8 * len(window))
    lag = (int(np.argmax(peaks)) + 4 * len(window)) % (8 * len(window)) / 8 - len(window) / 2
    turns = np.exp(-2j * np.pi * lag * np.arange(len(played)) / len(window))
    heard = slice(len(window) * 8000 // RATE)
    rest = (recorded - played * turns)[heard]
    return lag, 10 * np.log10(np.mean(abs(recorded[heard]) ** 2) / np.mean(abs(rest) ** 2))

async def test(wired):
    tell["at first"] = between(*await wired.take(1.0))
    await wired.take(3.0)
    tell["later"] = between(*await wired.take(1.0))

trio.run(main)
"""


@pytest.mark.slow
def test_two_streams_are_aligned_by_when_they_call_back(jack):
    """In JACK, what is played is recorded by the next callback, so there is no delay but that by which it may be late:
    2 ms and half a filter. A loudspeaker and the air take longer than that."""
    told = run(jack, TWO_STREAMS)
    assert told["changes"] == 0
    assert abs(told["drift"]) < 10
    for lag, decibels in (told["at first"], told["later"]):
        assert abs(lag + 96 + 16) < 15
        assert decibels > 20
    assert abs(told["later"][0] - told["at first"][0]) < 2

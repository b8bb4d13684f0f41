"""Who cancels, in the laboratory of echo: we, and what others do. All get the same samples of 16 bits.

- `ours`: `sfaudio.EchoCanceller`. It is told of another device, and of no delay.
- `off`: the microphone as it is. `gate`: `sfaudio.EchoGate`, told the true delay.
- `webrtc`: WebRTC's canceller (PyPI's `pywebrtc-audio`), fed as well as one can: what was played, placed 10 ms before
  the true delay at any time that the client could know it, one step of noise on it (exact zeros cost it six times the
  time), and never reset.
- `arrival`: the same, fed by arrival, as it is where a client does not know what was played when: messages of 20 ms
  come 0 to 60 ms before they are played and are popped at the microphone's pace; what is not there yet is silence.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pywebrtc_audio
from echo_rooms import Floats, delayed
from echo_scenes import Scene
from numpy.typing import NDArray

import sfaudio

EARLY = 0.010  # seconds before the echo at which WebRTC's reference is placed: late is fatal
MESSAGES_AHEAD = 3  # of 20 ms, that are gathered before they are played

Samples = NDArray[np.int16]


class Found(NamedTuple):
    """A delay that a canceller says it knows from then on, in seconds."""

    at: float
    delay: float


class Heard(NamedTuple):
    """What came out."""

    out: Floats
    """In the microphone's time: the canceller's own delay is taken off."""
    cpu: float
    """Seconds of this process."""
    found: tuple[Found, ...] = ()
    states: tuple[str, ...] = ()
    """After each block of 10 ms."""


def int16(sound: Floats) -> Samples:
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def floats(samples: Samples) -> Floats:
    return samples.astype(np.float32) / 32768


def undelayed(sound: Floats, seconds: float, samplerate: int) -> Floats:
    frames = round(seconds * samplerate)
    return np.concatenate([sound[frames:], np.zeros(frames, np.float32)])


def ours(scene: Scene, comfort_noise: bool = True) -> Heard:
    captured, played = int16(scene.microphone), int16(scene.played)
    canceller = sfaudio.EchoCanceller(scene.samplerate, comfort_noise=comfort_noise)
    block = scene.samplerate // 100
    told = {round(seconds * 100) for seconds in scene.told}
    out = np.zeros(len(captured) // block * block, np.int16)
    found: list[Found] = []
    states: list[str] = []
    known = None
    begin = time.process_time()
    for k in range(len(out) // block):
        if k in told:
            canceller.path_changed()
        part = slice(k * block, (k + 1) * block)
        out[part] = canceller.process(captured[part], played[part])
        now = canceller.statistics()
        states.append(now.state)
        if now.state != "cancelling":
            known = None
        elif now.delay_seconds != known and now.delay_seconds is not None:
            known = now.delay_seconds
            found.append(Found((k + 1) / 100, known))
    cpu = time.process_time() - begin
    whole = np.pad(floats(out), (0, len(captured) - len(out)))
    return Heard(
        undelayed(whole, canceller.latency, scene.samplerate), cpu, tuple(found), tuple(states)
    )


def off(scene: Scene) -> Heard:
    return Heard(floats(int16(scene.microphone)), 0.0)


def gate(scene: Scene) -> Heard:
    captured, played = int16(scene.microphone), int16(scene.played)
    closing = sfaudio.EchoGate(scene.samplerate)
    block = scene.samplerate // 100
    out = np.zeros(len(captured) // block * block, np.int16)
    delays = delay_by_block(scene)
    begin = time.process_time()
    for k in range(len(out) // block):
        closing.delay_seconds = delays[k]
        part = slice(k * block, (k + 1) * block)
        out[part] = closing.process(captured[part], played[part])
    cpu = time.process_time() - begin
    whole = np.pad(floats(out), (0, len(captured) - len(out)))
    return Heard(undelayed(whole, closing.latency, scene.samplerate), cpu)


def delay_by_block(scene: Scene) -> list[float]:
    """As a client can know it: of the way that it was told of last."""
    known = [way for way in scene.ways if not way.begins or way.begins in scene.told]
    return [
        next(way.delay for way in reversed(known) if way.begins <= k / 100)
        for k in range(round(scene.seconds * 100))
    ]


def webrtc(scene: Scene) -> Heard:
    """Aligned."""
    reference = np.zeros_like(scene.played)
    known = [way for way in scene.ways if not way.begins or way.begins in scene.told]
    for way in known:
        placed = delayed(scene.played, max(way.delay - EARLY, 0.0), scene.samplerate)
        begin = round(way.begins * scene.samplerate)
        reference[begin:] = placed[begin:]
    return _by_webrtc(scene, reference)


def arrival(scene: Scene) -> Heard:
    return _by_webrtc(scene, popped(scene.played, scene.samplerate))


def popped(played: Floats, samplerate: int) -> Floats:
    """Out of a queue of messages that is read as fast as a microphone is; each comes before it is played."""
    frames = samplerate // 50
    messages = played[: len(played) // frames * frames].reshape(-1, frames)
    early = np.random.default_rng(len(messages)).uniform(0, MESSAGES_AHEAD, len(messages))
    arrivals = np.maximum.accumulate(np.arange(len(messages)) - early)
    out, taken = np.zeros_like(messages), 0
    for now in range(-MESSAGES_AHEAD, len(messages)):
        if taken < len(messages) and arrivals[taken] <= now:
            if now >= 0:
                out[now] = messages[taken]
            taken += 1
    return np.pad(out.ravel(), (0, len(played) - out.size))


def dithered(reference: Floats) -> Samples:
    steps = np.random.default_rng(0).choice((-1, 1), len(reference))
    return np.clip(int16(reference).astype(np.int32) + steps, -32768, 32767).astype(np.int16)


def _by_webrtc(scene: Scene, reference: Floats) -> Heard:
    canceller = pywebrtc_audio.EchoCanceller(scene.samplerate, 1)
    captured, played = int16(scene.microphone), dithered(reference)
    block = scene.samplerate // 100
    frames = len(captured) // block * block
    begin = time.process_time()
    out = canceller.process(captured[:frames], played[:frames])
    cpu = time.process_time() - begin
    whole = np.pad(floats(out), (0, len(captured) - frames))
    return Heard(undelayed(whole, WEBRTC_LATENCY[scene.samplerate], scene.samplerate), cpu)


WEBRTC_LATENCY = {16_000: 0.008, 48_000: 0.009}  # seconds, measured

RIVALS: dict[str, Callable[[Scene], Heard]] = {
    "off": off,
    "gate": gate,
    "webrtc": webrtc,
    "arrival": arrival,
}

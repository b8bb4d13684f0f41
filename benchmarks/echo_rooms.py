"""What an agent's voice becomes on its way from the wire to a microphone: loudspeakers, rooms, delays, clocks.

Rooms are boxes of image sources (J. Allen, D. Berkley, "Image method for efficiently simulating small-room acoustics",
1979; PyPI's `pyroomacoustics`). A way changes at once where a list of ways says so, and slowly where it wanders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pyroomacoustics
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, iirpeak, lfilter, oaconvolve, sosfilt

Floats = NDArray[np.float32]

SAMPLERATE = 16_000  # of the speech, and of all that is not said to be otherwise
LEAD = 40  # frames of pyroomacoustics' own filter before the first arrival
MOST_REFLECTIONS = 60
SMALL_SPEAKER_HZ = 200  # below, a small loudspeaker plays little
RESONANCE_HZ, RESONANCE_Q = 320, 25  # rings for 25 ms
RESONANCE_GAIN = 4.0


class Box(NamedTuple):
    metres: tuple[float, float, float]
    rt60: float
    apart: float
    """Of loudspeaker and microphone, in metres."""


ROOMS = {
    "0.2": Box((5, 4, 2.7), 0.2, 0.5),
    "0.4": Box((5, 4, 2.7), 0.4, 0.5),
    "0.7": Box((5, 4, 2.7), 0.7, 0.5),
    "mobile": Box((4, 3, 2.5), 0.3, 0.06),
    "hall": Box((14, 10, 5), 1.4, 1.0),
}


@dataclass(frozen=True)
class Way:
    """From what is played to what a microphone hears of it."""

    room: str = "0.4"
    seed: int = 0
    """Of the room: its size, and where in it things are."""
    below: float = 10.0
    """dB of the echo below what is played."""
    delay: float = 0.1
    """Seconds that the devices take, both together."""
    ppm: float = 0.0
    """By which the microphone's clock is fast."""
    clip: float | None = None
    """Peak of a loudspeaker that clips softly; None is a linear one."""
    rings: bool = False
    """A small loudspeaker that has a resonance."""
    wanders: float | None = None
    """Seconds in which the reflections become others, and back."""
    begins: float = 0.0
    """When it takes the place of the one before."""
    is_fresh: bool = False
    """Another device: it has nothing of what was played before it began."""


@cache
def response(room: str, seed: int = 0, samplerate: int = SAMPLERATE) -> Floats:
    """Of a room, of energy 1. Its first arrival is where it is."""
    box, rng = ROOMS[room], np.random.default_rng(seed)
    size = np.array(box.metres, float)
    size[:2] *= 1 + rng.uniform(-0.1, 0.1, 2)
    absorption, order = pyroomacoustics.inverse_sabine(box.rt60, size)
    shoe_box = pyroomacoustics.ShoeBox(
        size,
        fs=samplerate,
        materials=pyroomacoustics.Material(absorption),
        max_order=min(order, MOST_REFLECTIONS),
    )
    loudspeaker = size * [0.4, 0.375, 0.37] + rng.uniform(-0.3, 0.3, 3)
    angle = rng.uniform(0, 2 * np.pi)
    shoe_box.add_source(loudspeaker)
    shoe_box.add_microphone(loudspeaker + box.apart * np.array([np.cos(angle), np.sin(angle), 0.1]))
    shoe_box.compute_rir()
    found = np.asarray(shoe_box.rir[0][0])[LEAD:]
    return (found / np.sqrt(found @ found)).astype(np.float32)


def through_room(sound: Floats, room: str, seed: int, samplerate: int = SAMPLERATE) -> Floats:
    return _through(sound, response(room, seed, samplerate))


def _through(sound: Floats, taps: Floats) -> Floats:
    return oaconvolve(sound, taps)[: len(sound)].astype(np.float32)  # type: ignore[no-any-return]


def echo_of(played: Floats, ways: Sequence[Way], samplerate: int = SAMPLERATE) -> Floats:
    """At the microphone, by one way after another."""
    heard = np.zeros(len(played), np.float32)
    for way in ways:
        begin = round(way.begins * samplerate)
        sound = played.copy()
        if way.is_fresh:
            sound[:begin] = 0
        heard[begin:] = _by_way(sound, way, samplerate)[begin:]
    return heard


def _by_way(played: Floats, way: Way, samplerate: int) -> Floats:
    emitted = loudspeaker(played, way, samplerate)
    reflected = through_room(emitted, way.room, way.seed, samplerate)
    if way.wanders:
        reflected = _wandering(emitted, reflected, way, samplerate)
    power = np.mean(reflected**2)
    if power > 0:
        reflected = reflected * np.sqrt(10 ** (-way.below / 10) * np.mean(played**2) / power)
    return drifted(delayed(reflected.astype(np.float32), way.delay, samplerate), way.ppm)


def loudspeaker(played: Floats, way: Way, samplerate: int) -> Floats:
    sound = played if way.clip is None else way.clip * np.tanh(played / way.clip)
    if way.rings:
        ringing = lfilter(*iirpeak(RESONANCE_HZ, RESONANCE_Q, fs=samplerate), sound)
        bass_cut = butter(2, SMALL_SPEAKER_HZ, "high", fs=samplerate, output="sos")
        sound = sosfilt(bass_cut, sound + (RESONANCE_GAIN - 1) * ringing)
    return sound.astype(np.float32)


def _wandering(emitted: Floats, reflected: Floats, way: Way, samplerate: int) -> Floats:
    """The direct sound stays; what comes 4 ms after it and later turns into that of other places, and back."""
    here, there = response(way.room, way.seed, samplerate), None
    there = response(way.room, way.seed + 1000, samplerate).copy()
    direct = int(np.argmax(np.abs(here))) + samplerate // 250
    there[:direct] = 0
    there[: min(direct, len(here))] = here[:direct]
    assert way.wanders is not None
    phase = np.pi / 2 * np.arange(len(emitted)) / (way.wanders * samplerate)
    moved = _through(emitted, there)
    return (np.cos(phase) ** 2 * reflected + np.sin(phase) ** 2 * moved).astype(np.float32)


def delayed(sound: Floats, seconds: float, samplerate: int = SAMPLERATE) -> Floats:
    frames = min(round(seconds * samplerate), len(sound))
    return np.concatenate([np.zeros(frames, np.float32), sound[: len(sound) - frames]])


def drifted(sound: Floats, ppm: float) -> Floats:
    """As a clock that is so much faster samples it."""
    if not ppm:
        return sound
    other = soxr.resample(sound, 1e6, 1e6 + ppm, quality="HQ")[: len(sound)]
    return np.pad(other, (0, len(sound) - len(other))).astype(np.float32)  # type: ignore[no-any-return]


def noise(frames: int, dbfs: float, seed: int) -> Floats:
    """Of a room: most of it is low."""
    white = np.random.default_rng(seed).standard_normal(frames)
    low = lfilter([1], [1, -0.95], white)
    return (low * (10 ** (dbfs / 20) / low.std())).astype(np.float32)  # type: ignore[no-any-return]

"""Rooms with a loudspeaker and a microphone, made of noise: what is like a voice, and how it comes back."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfaudio import EchoCanceller, EchoCancellerStatistics

Samples = NDArray[Any]


def voice(seconds: float, seed: int, samplerate: int = 16_000, dbfs: float = -23) -> Samples:
    """Noise as loud as syllables are, four in a second, and with as little above as a voice has."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * samplerate)
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    hertz = np.fft.rfftfreq(frames, 1 / samplerate)
    spectrum *= (hertz > 100) / (1 + hertz / 500)
    syllables = np.arange(frames) * 4 / samplerate + rng.random()
    samples = np.fft.irfft(spectrum, frames) * (1.1 - np.cos(2 * np.pi * syllables)) / 2
    return scaled(samples, dbfs)


def noise(seconds: float, dbfs: float, seed: int, samplerate: int = 16_000) -> Samples:
    return scaled(np.random.default_rng(seed).standard_normal(round(seconds * samplerate)), dbfs)


def scaled(samples: Samples, dbfs: float) -> Samples:
    scale = 10 ** (dbfs / 20) / np.sqrt(np.mean(samples**2))
    return (samples * scale).astype(np.float32)


def echo(
    played: Samples, delay: float, seed: int = 0, samplerate: int = 16_000, loss_db: float = 10
) -> Samples:
    """Of a room that rings for 0.3 s (RT60), so much below what was played."""
    rng = np.random.default_rng(seed)
    taps = round(0.3 * samplerate)
    room = 0.3 * rng.standard_normal(taps) * 10 ** (-3 * np.arange(taps) / taps)
    room *= np.sqrt(400 / samplerate)
    room[0] = 1
    room /= np.sqrt(np.sum(room**2))
    points = 1 << (len(played) + taps).bit_length()
    rung = np.fft.irfft(np.fft.rfft(played, points) * np.fft.rfft(room, points))
    late = np.concatenate([np.zeros(round(delay * samplerate)), rung])[: len(played)]
    return (late * 10 ** (-loss_db / 20)).astype(np.float32)


def silence(seconds: float, samplerate: int = 16_000) -> Samples:
    return np.zeros(round(seconds * samplerate), np.float32)


def decibels(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=float)) + 1e-15))


class Heard(NamedTuple):
    """What came out, moved to when it was captured."""

    out: Samples
    told: list[EchoCancellerStatistics]
    """At the end of each 10 ms."""

    def when(self, state: str, since: float = 0.0) -> float:
        """When it was first told, in seconds."""
        at = round(since * 100)
        states = [told.state for told in self.told[at:]]
        return (at + states.index(state) + 1) / 100


def blocks(canceller: EchoCanceller, *streams: Samples) -> Iterator[tuple[Samples, ...]]:
    block = canceller.samplerate // 100
    for at in range(0, len(streams[0]), block):
        yield tuple(stream[at : at + block] for stream in streams)


def hear(canceller: EchoCanceller, captured: Samples, played: Samples) -> Heard:
    outs, told = [], []
    for block in blocks(canceller, captured, played):
        outs.append(canceller.process(*block))
        told.append(canceller.statistics())
        books = told[-1]
        assert books.frames == (
            books.passed_frames + books.silenced_frames + books.cancelled_frames
        )
    late = round(canceller.latency * canceller.samplerate)
    out = np.concatenate(outs)
    return Heard(np.concatenate([out[late:], np.zeros(late, out.dtype)]), told)


def reduction(before: Samples, after: Samples, begin: float, end: float) -> float:
    """By how many dB, between these seconds at 16 kHz."""
    span = slice(round(begin * 16_000), round(end * 16_000))
    return decibels(before[span]) - decibels(after[span])

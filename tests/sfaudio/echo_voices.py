"""Somebody talks, in a room: made of numbers, so that tests need no recordings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]

LEVEL = 10 ** (-23 / 20)  # of what somebody says


def power(sound: Sound) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64)))


def decibels(ratio: float) -> float:
    return float(10 * np.log10(max(ratio, 1e-14)))


def talk(seed: int, seconds: float, samplerate: int = 16000, words: int = 12) -> Sound:
    """Syllables of 0.12 to 0.3 s, voiced or not, of random formants; a pause after each `words`."""
    rng = np.random.default_rng(seed)
    pieces: list[NDArray[np.float64]] = []
    made, count = 0, 0
    while made < seconds * samplerate:
        frames = int(rng.uniform(0.12, 0.3) * samplerate)
        if rng.random() < 0.7:
            turns = np.cumsum(rng.uniform(90, 220) * np.linspace(1, rng.uniform(0.8, 1.2), frames))
            source = np.diff(np.floor(turns / samplerate), prepend=0.0)
        else:
            source = 0.1 * rng.standard_normal(frames)
        hertz = np.fft.rfftfreq(frames, 1 / samplerate)
        formants = zip((300, 800, 2000), (900, 2200, 3400), (1, 0.5, 0.3), strict=True)
        shape = sum(a / (1 + ((hertz - rng.uniform(lo, hi)) / 120) ** 2) for lo, hi, a in formants)
        syllable = np.fft.irfft(np.fft.rfft(source) * (shape + 0.002), frames)
        pieces.append(syllable / syllable.std() * np.hanning(frames) * rng.uniform(0.5, 1.5))
        count += 1
        pieces.append(np.zeros(int((0.3 if count % words == 0 else 0.02) * samplerate)))
        made += len(pieces[-1]) + frames
    sound = np.concatenate(pieces)[: int(seconds * samplerate)]
    return (sound * LEVEL / sound.std()).astype(np.float32)


def room(seed: int, samplerate: int = 16000, rt60: float = 0.4) -> Sound:
    """The sound itself after 10 ms, and an echo of noise that decays; energy 1."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(1.2 * rt60 * samplerate)) / samplerate
    response = rng.standard_normal(len(time)) * np.exp(-6.9 * time / rt60)
    response *= 1 / np.sqrt(np.square(response).sum())
    response[0] = rng.choice((-1, 1))
    late = np.concatenate([np.zeros(samplerate // 100), response / np.sqrt(2)])
    return late.astype(np.float32)


def noise(seed: int, frames: int, decibel: float = -70) -> Sound:
    sound = np.random.default_rng(seed).standard_normal(frames)
    return (sound * 10 ** (decibel / 20)).astype(np.float32)


def echo(played: Sound, response: Sound, down: float = 10) -> Sound:
    """What the microphone hears of it, `down` dB below what was played."""
    size = len(played) + len(response)
    heard = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(response, size), size)
    return (heard[: len(played)] * 10 ** (-down / 20)).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """Of an agent who talks, and the noise of the room."""

    played: Sound
    echo: Sound
    captured: Sound
    samplerate: int = 16000

    def down(self, out: Sound, start: float, stop: float) -> float:
        """By how many dB the echo is less in `out`, which is a block late, than at the microphone."""
        block = self.samplerate // 100
        begin, end = int(start * self.samplerate), int(stop * self.samplerate)
        return decibels(power(self.echo[begin:end]) / power(out[begin + block : end + block]))


def alone(seed: int, seconds: float, samplerate: int = 16000) -> Scene:
    played = talk(seed, seconds, samplerate)
    heard = echo(played, room(seed, samplerate))
    return Scene(played, heard, heard + noise(seed, len(played)), samplerate)


def changing(seed: int, seconds: float, at: float) -> Scene:
    """The path becomes another one, 4 dB louder."""
    played = talk(seed, seconds)
    heard = echo(played, room(seed))
    frame = int(at * 16000)
    heard[frame:] = echo(played, room(seed + 100), down=6)[frame:]
    return Scene(played, heard, heard + noise(seed, len(played)))

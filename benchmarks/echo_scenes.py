"""Who talks when, in the laboratory of echo: an agent, callers, their coughs; and what a microphone hears."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import soxr
from echo_rooms import SAMPLERATE, Floats, Way, echo_of, noise, through_room
from recorded_speech import prompts
from scipy.signal import lfilter

AGENT = "en"
CALLERS = ("it", "fr", "ru")
LEVEL_DBFS = -23.0  # of an agent who talks, as of the prompts
CALLER_DBFS = -26.0  # at the microphone
NOISE_DBFS = -70.0
CALLERS_ROOM = "0.2"
BLOCK = SAMPLERATE // 100


@dataclass(frozen=True)
class Scene:
    """What was played, and the parts of what a microphone heard; floats at one rate, all of one length."""

    played: Floats
    near: Floats
    echo: Floats
    noise: Floats
    ways: tuple[Way, ...]
    told: tuple[float, ...] = ()
    """When the client knew that the way changed, in seconds."""
    samplerate: int = SAMPLERATE

    @cached_property
    def microphone(self) -> Floats:
        return self.near + self.echo + self.noise

    @property
    def seconds(self) -> float:
        return len(self.played) / self.samplerate

    def at(self, samplerate: int) -> "Scene":
        """The same, resampled."""
        parts = (self.played, self.near, self.echo, self.noise)
        other = (
            soxr.resample(part, self.samplerate, samplerate).astype(np.float32) for part in parts
        )
        return Scene(*other, ways=self.ways, told=self.told, samplerate=samplerate)


def staged(
    played: Floats,
    ways: Way | Sequence[Way],
    *,
    near: Floats | None = None,
    told: Sequence[float] = (),
    noise_dbfs: float = NOISE_DBFS,
    seed: int = 0,
) -> Scene:
    ways = (ways,) if isinstance(ways, Way) else tuple(ways)
    if near is None:
        near = np.zeros(len(played), np.float32)
    hum = noise(len(played), noise_dbfs, seed)
    return Scene(played, near, echo_of(played, ways), hum, ways, tuple(told))


@cache
def voice(language: str) -> list[Floats]:
    """The prompts of one person."""
    return [(prompt / 32768).astype(np.float32) for prompt in prompts(language)]


def talk(language: str, seconds: float, seed: int) -> Floats:
    """Whole prompts with 0.2 to 0.6 s between them, at -23 dBFS."""
    rng, said, frames = np.random.default_rng(seed), [], 0
    pool = voice(language)
    while frames < seconds * SAMPLERATE:
        pause = np.zeros(int(rng.uniform(0.2, 0.6) * SAMPLERATE), np.float32)
        said += [pool[rng.integers(len(pool))], pause]
        frames += len(said[-2]) + len(pause)
    return np.concatenate(said)[: round(seconds * SAMPLERATE)]


def agent(seconds: float, seed: int) -> Floats:
    return talk(AGENT, seconds, seed)


def caller(seconds: float, seed: int, begins: float = 0.0) -> Floats:
    """As the microphone hears one of three people; silent until they begin, in seconds."""
    said = talk(CALLERS[seed % len(CALLERS)], seconds, seed + 5000)
    said *= 10 ** ((CALLER_DBFS - LEVEL_DBFS) / 20)
    heard = through_room(said, CALLERS_ROOM, seed + 7)
    heard[: round(begins * SAMPLERATE)] = 0
    return heard


def in_turns(sound: Floats, on: float, off: float) -> Floats:
    """So many seconds of it, then so many of nothing, and again."""
    seconds = np.arange(len(sound)) / SAMPLERATE
    return np.where(seconds % (on + off) < on, sound, 0).astype(np.float32)


def over_echo(ser: float) -> float:
    """dB of the echo below what is played, for a caller who is so many dB over the echo."""
    return ser - CALLER_DBFS + LEVEL_DBFS


def music(seconds: float, seed: int) -> Floats:
    """Held while one waits: plucked chords over a bass, with a drum, at -23 dBFS."""
    rng, frames = np.random.default_rng(seed), round(seconds * SAMPLERATE)
    sound, beat = np.zeros(frames + SAMPLERATE * 2), SAMPLERATE // 2
    time = np.arange(SAMPLERATE * 2) / SAMPLERATE
    chords = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
    for k, begin in enumerate(range(0, frames, beat)):
        chord = chords[k // 4 % len(chords)]
        notes = [*(220 * 2 ** (step / 12) for step in chord), 110 * 2 ** (chord[0] / 12)]
        for pitch in notes:
            for harmonic in range(1, 9):
                swing = np.exp(-time * (1.5 + harmonic)) / harmonic
                phase = 2 * np.pi * (harmonic * pitch * time + rng.random())
                sound[begin : begin + len(time)] += swing * np.sin(phase)
        hit = rng.standard_normal(800) * np.exp(-np.arange(800) / 200)
        sound[begin : begin + len(hit)] += 0.5 * hit
    sound = sound[:frames]
    return (sound * (10 ** (LEVEL_DBFS / 20) / sound.std())).astype(np.float32)


# ---- what is no speech


def cough(rng: np.random.Generator) -> Floats:
    """A burst, 100 to 250 ms of breath through a throat, and after half of them a voice that falls. Of power 1."""
    burst_frames, breath_frames = (
        int(rng.uniform(*span) * SAMPLERATE) for span in ((0.03, 0.06), (0.1, 0.25))
    )
    fade = np.exp(-np.arange(burst_frames) / (0.02 * SAMPLERATE))
    breath = _throat(
        rng.standard_normal(breath_frames),
        rng.uniform((450, 1100, 2300), (700, 1600, 2900)),
        (150, 250, 400),
    ) * np.exp(-np.arange(breath_frames) / (0.12 * SAMPLERATE))
    parts = [3 * rng.standard_normal(burst_frames) * fade, breath]
    if rng.random() < 0.5:
        frames = int(rng.uniform(0.06, 0.15) * SAMPLERATE)
        pitch = np.linspace(rng.uniform(160, 260), rng.uniform(90, 140), frames)
        beats = np.diff(np.floor(np.cumsum(pitch) / SAMPLERATE), prepend=0) > 0
        hoarse = beats + 0.05 * rng.standard_normal(frames)
        parts.append(0.7 * _throat(hoarse, (550, 1300, 2500), (120, 180, 300)) * np.hanning(frames))
    whole = np.concatenate(parts)
    return (whole / np.sqrt(np.mean(whole**2))).astype(np.float32)


def _throat(sound: np.ndarray, formants: Sequence[float], widths: Sequence[float]) -> np.ndarray:
    """Resonances in Hz, of power 1."""
    for formant, width in zip(formants, widths, strict=True):
        radius = np.exp(-np.pi * width / SAMPLERATE)
        turn = 2 * np.pi * formant / SAMPLERATE
        sound = lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius**2], sound)
    return sound / (sound.std() + 1e-9)


def click(rng: np.random.Generator) -> Floats:
    """Of a key, a cup: 5 to 40 ms."""
    frames = int(rng.uniform(0.005, 0.04) * SAMPLERATE)
    fade = np.exp(-np.arange(frames) / (0.3 * frames))
    return (2 * rng.standard_normal(frames) * fade).astype(np.float32)  # type: ignore[no-any-return]


def cough_group(rng: np.random.Generator) -> Floats:
    """One to three coughs, 0.1 to 0.4 s apart."""
    coughs = (cough(rng) for _ in range(rng.integers(1, 4)))
    return np.concatenate(
        [np.pad(one, (0, int(rng.uniform(0.1, 0.4) * SAMPLERATE))) for one in coughs]
    )

"""What is played in the laboratory of playout: when each message arrives, and what is said in it.

A message carries 20 ms of PCM16 at 16 kHz. Times are in ms; message k was sent at 20 k ms.
"""

import math
import re
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfaudio import Resampler

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Samples = NDArray[np.int16]

SAMPLERATE = 16_000
MESSAGE = 20  # ms
MESSAGE_FRAMES = SAMPLERATE * MESSAGE // 1000
TURN, PAUSE = 3600, 1400  # ms of speech and of pause, in turns
SPEECH_RMS = 0.003  # of full scale in 20 ms: -50 dBFS
BRIDGED = 200  # ms: a stop or a breath within speech is no pause
VOICE = Path(__file__).parent.parent / "src" / "sfclient" / "_assets" / "hello.wav"


# ---- what is said


@dataclass(frozen=True)
class Speech:
    """A loop of PCM16 at 16 kHz, and which of its blocks of 10 ms are speech."""

    samples: Samples
    spoken: Bools

    def without_pauses(self) -> "Speech":
        said = self.samples.reshape(len(self.spoken), -1)[self.spoken].ravel()
        return Speech(said, np.ones(len(said) // 160, bool))

    def with_noise(self, dbfs: float) -> "Speech":
        """Stationary noise of a room, -6 dB an octave above 130 Hz, under all of it."""
        from scipy.signal import lfilter

        white = np.random.default_rng(1).normal(0, 1, len(self.samples))
        noise = lfilter([1], [1, -0.95], white)
        noise *= 32768 * 10 ** (dbfs / 20) / np.sqrt(np.mean(noise**2))
        noisy = np.clip(np.rint(self.samples + noise), -32768, 32767).astype(np.int16)
        return Speech(noisy, self.spoken)


def read_wav(path: Path) -> Samples:
    """The first channel of a WAV file of 16 bits, at 16 kHz."""
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise SystemExit(
                    f"{path} has {8 * file.getsampwidth()} bits a sample; give a WAV file of 16"
                )
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")[:: file.getnchannels()]
            rate = file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise SystemExit(f"{path} is no WAV file of PCM that can be read: {error}") from None
    if rate != SAMPLERATE:
        resampler = Resampler(rate, SAMPLERATE)
        pcm = np.append(resampler.process(pcm), resampler.drain(np.int16))
    return pcm.astype(np.int16)


def spoken_blocks(samples: Samples, bridged: int) -> Bools:
    """Per 10 ms whether it is speech; pauses of less than `bridged` ms within it are too."""
    pairs = samples[: len(samples) // MESSAGE_FRAMES * MESSAGE_FRAMES].reshape(-1, MESSAGE_FRAMES)
    spoken = np.repeat(np.sqrt(np.mean((pairs / 32768) ** 2, axis=1)) > SPEECH_RMS, 2)
    for begin, end in runs(~spoken):
        if begin > 0 and end < len(spoken) and 10 * (end - begin) < bridged:
            spoken[begin:end] = True
    return spoken


def runs(flags: Bools) -> list[tuple[int, int]]:
    """Where `flags` are true: begin and end of each run."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def speech_of(path: Path) -> Speech:
    """A file as it is, in a loop, with the pauses that it has."""
    samples = read_wav(path)
    samples = samples[: len(samples) // MESSAGE_FRAMES * MESSAGE_FRAMES]
    spoken = spoken_blocks(samples, BRIDGED)
    if not spoken.any():
        raise SystemExit(f"{path} holds no speech: no 20 ms of it are louder than -50 dBFS")
    return Speech(samples, spoken)


def bundled_speech() -> Speech:
    """The bundled voice without its own pauses, in turns with pauses between them."""
    voice = read_wav(VOICE)
    voice = voice[: len(voice) // 160 * 160]
    spoken = spoken_blocks(voice, 40)
    voice = voice[: 160 * len(spoken)].reshape(-1, 160)[spoken].ravel()
    turns = math.ceil(len(voice) / (16 * TURN)) + 1
    said = np.resize(voice, (turns, 16 * TURN))
    samples = np.pad(said, [(0, 0), (0, 16 * PAUSE)]).ravel()
    return Speech(samples, np.arange(len(samples) // 160) * 10 % (TURN + PAUSE) < TURN)


# ---- when it arrives


@dataclass(frozen=True)
class Trace:
    """When the messages of a sender arrive that sends silence as it sends speech."""

    name: str
    arrivals: Floats
    pace: float = 1.0
    """Of the sender's clock to ours. Sent by that clock, speech is due by it."""
    is_ahead: bool = False
    """It was sent before it is due: delay counts from the first message."""
    turns: float | None = None
    """Silence is not sent, and a turn is sent at so many times real time from its own moment on."""
    is_continuous: bool = False
    """Speech without a pause is sent, whatever was asked for."""

    @property
    def family(self) -> str:
        return "lte" if "LTE" in self.name else re.split("[-+]", self.name)[0]

    @property
    def minutes(self) -> float:
        return len(self.arrivals) * MESSAGE / 60_000

    def lay(self, speech: Speech, phase: int) -> "Laid":
        """What arrives when, for speech that begins `phase` ms into its loop."""
        speech = speech.without_pauses() if self.is_continuous else speech
        samples = np.resize(
            np.roll(speech.samples, -16 * phase), len(self.arrivals) * MESSAGE_FRAMES
        )
        spoken = np.resize(np.roll(speech.spoken, -phase // 10), 2 * len(self.arrivals))[::2]
        due = np.arange(len(self.arrivals)) * (MESSAGE / self.pace)
        if self.turns is None:
            base = self.arrivals[0] if self.is_ahead else np.min(self.arrivals - due)
            return Laid(self.arrivals, due, spoken, samples, float(base))
        begin = np.maximum.accumulate(np.where(spoken & ~np.roll(spoken, 1), due, 0.0))
        sent = self.arrivals[0] + begin + (due - begin) / self.turns
        said = samples.reshape(-1, MESSAGE_FRAMES)[spoken].ravel()
        return Laid(sent[spoken], due[spoken], spoken[spoken], said, float(self.arrivals[0]))


class Laid(NamedTuple):
    """The messages of a trace."""

    arrivals: Floats
    due: Floats
    """When each is due, were there no way to go."""
    spoken: Bools
    samples: Samples
    base: float
    """The least of arrivals less due."""

    @property
    def starts(self) -> Bools:
        """Which messages begin a turn."""
        first = np.append([True], self.spoken[1:] & ~self.spoken[:-1])
        return first | (np.diff(self.due, prepend=self.due[0]) > 1.5 * MESSAGE)


def recorded(folder: Path) -> list[Trace]:
    """Every trace of a folder: line k of a file is the arrival of message k in ms."""
    files = sorted(path for path in folder.glob("*.txt") if path.name[0].isalnum())
    if not files:
        raise SystemExit(
            f"{folder} holds no traces: files NAME.txt with an arrival time in each line"
        )
    return [Trace(path.stem, read_arrivals(path)) for path in files]


def read_arrivals(path: Path) -> Floats:
    try:
        arrivals = np.array(path.read_text("utf-8").splitlines(), float)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path} is no trace, of a number in each line: {error}") from None
    if len(arrivals) < 2 or not np.isfinite(arrivals).all() or (np.diff(arrivals) < 0).any():
        raise SystemExit(f"{path} is no trace: give two or more times in ms, none before another")
    return arrivals


def paced(seconds: float, rate: float = 1.0) -> Floats:
    """Messages of a sender at `rate` times real time."""
    return 100.0 + np.arange(round(50 * seconds)) * (MESSAGE / rate)


def stalled(arrivals: Floats, stalls: Iterable[tuple[float, float]]) -> Floats:
    """With a network that delivers nothing for so many ms from each of these times on, then all at once."""
    late = arrivals.copy()
    for at, duration in stalls:
        late[(late >= at) & (late < at + duration)] = at + duration
    return late


def queued(delays: Floats) -> Floats:
    """Arrivals after delays in which no message overtakes another: a link hands one over in 0.5 ms at the least."""
    sent = np.arange(len(delays)) * float(MESSAGE)
    wire = 0.5 * np.arange(len(delays))
    return np.maximum.accumulate(sent + delays - wire) + wire


def wifi_like(seconds: float, seed: int) -> Floats:
    """A few ms of contention on each message; every five seconds a scan or a neighbour takes the air for a while."""
    rng = np.random.default_rng(seed)
    delays = 4 + rng.exponential(2.5, round(50 * seconds))
    busy = rng.random(len(delays)) < MESSAGE / 5000
    delays[busy] += rng.lognormal(math.log(35), 0.8, busy.sum())
    return queued(delays)


def cellular_like(seconds: float, seed: int) -> Floats:
    """A queue that swells and empties within seconds, grants every 5 ms, and handovers now and then."""
    rng = np.random.default_rng(seed)
    count = round(50 * seconds)
    swell = np.empty(count)
    level = 0.0
    for k, step in enumerate(rng.normal(0, 1, count)):
        level += 0.02 * -level + 0.2 * step  # comes back within a second
        swell[k] = level
    delays = 25 + 15 * np.exp(0.9 * swell)
    handover = rng.random(count) < MESSAGE / 30_000
    delays[handover] += rng.lognormal(math.log(250), 0.7, handover.sum())
    return np.ceil(queued(delays) / 5) * 5


def generated() -> list[Trace]:
    """Traces of our own: what a network or a sender can do, one thing at a time."""
    stalls = {}
    for length in (500, 1000, 2000):
        late = stalled(paced(120), [(10_000 + 29_000 * k, length) for k in range(4)])
        stalls[f"stall-{length}"] = Trace(f"stall-{length}", late)
        name = f"stall-{length}-continuous"
        stalls[name] = Trace(name, late, is_continuous=True)
    begins = []
    for name, kept in (("begin-1000", 1), ("begin-1000-nothing-before", 0)):
        late = paced(40)
        late[kept:] = np.maximum(late[kept:], late[0] + 1000)
        begins += [Trace(name, late), Trace(f"{name}-continuous", late, is_continuous=True)]
    fast, slow = 1 + 300e-6, 1 - 300e-6
    return [
        *stalls.values(),
        *begins,
        Trace("burst-3x", paced(30, 3), is_ahead=True),
        Trace("burst-10x", paced(30, 10), is_ahead=True),
        Trace("burst-all", paced(30, 1e9), is_ahead=True),
        Trace("slow-0.9x", paced(120, 0.9), pace=0.9, is_continuous=True),
        Trace("drift+300ppm", paced(3600, fast), pace=fast),
        Trace("drift-300ppm", paced(3600, slow), pace=slow),
        Trace("drift+300ppm-continuous", paced(3600, fast), pace=fast, is_continuous=True),
        Trace("drift-300ppm-continuous", paced(3600, slow), pace=slow, is_continuous=True),
        Trace("turns-paced", paced(120), turns=1),
        Trace("turns-3x", paced(120), turns=3),
        Trace("turns-all", paced(120), turns=1e9),
        Trace("lead-1000", np.maximum(100.0, paced(60) - 1000)),
        *(Trace(f"wifilike-{seed}", wifi_like(300, seed)) for seed in range(3)),
        *(Trace(f"cellular-{seed}", cellular_like(300, seed)) for seed in range(3)),
    ]


def chosen(traces: list[Trace], names: list[str]) -> list[Trace]:
    """Those whose names begin with one of these."""
    return [trace for trace in traces if any(trace.name.startswith(name) for name in names)]

"""What a scripted caller says: WAV files, read once, and once more at the rate of each wire."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfaudio import Meter
from sfclient._devices import read_sound
from sfclient._errors import AudioFileError
from sfclient._rates import resampler_between


@dataclass(frozen=True, slots=True)
class Sound:
    """Of a file, as it is said. Times are in seconds from its beginning, as the core's energy gate has them."""

    samples: NDArray[np.int16]
    """Mono, read-only."""
    samplerate: int
    speaks_from: float
    """When speech begins in it: 0 if there is none."""
    speaks_until: float
    """When the last of it is over: at the end of the file if there is none."""


@dataclass(slots=True)
class Sounds:
    """Of the steps of a script. For any thread; what two of them read at once is read twice."""

    _read: dict[Path, tuple[int, NDArray[np.int16]]] = field(default_factory=dict)
    _made: dict[tuple[Path, int], Sound] = field(default_factory=dict)

    def read(self, path: Path) -> tuple[int, NDArray[np.int16]]:
        """The rate and the samples of a file. It may block. Raises `AudioFileError`."""
        if path not in self._read:
            samplerate, samples = read_sound(path)
            if not len(samples):
                raise AudioFileError(f"{path} holds no sound: there is nothing to say")
            self._read[path] = samplerate, samples
        return self._read[path]

    def at_rate(self, path: Path, samplerate: int) -> Sound:
        """What is said where the wire has this rate, in Hz; bit for bit where the file has the same. As `read`."""
        key = path, samplerate
        if key not in self._made:
            self._made[key] = _made(*self.read(path), samplerate)
        return self._made[key]


def _made(samplerate_in: int, samples: NDArray[np.int16], samplerate: int) -> Sound:
    if (resampler := resampler_between(samplerate_in, samplerate)) is not None:
        early = round(resampler.delay * samplerate)
        parts = resampler.process(samples), resampler.drain()
        samples = np.concatenate([np.asarray(part) for part in parts])[early:]
        samples.flags.writeable = False
    meter = Meter(samplerate)
    meter.hear(samples, 0.0)
    began = next((segment.seconds for segment in meter.read_segments()), 0.0)
    until = meter.speech_until
    return Sound(samples, samplerate, began, len(samples) / samplerate if until is None else until)

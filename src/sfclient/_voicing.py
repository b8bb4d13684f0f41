"""How voiced a moment of sound is: vocal folds repeat themselves at a pitch; clicks, breath and most of a cough do not.

The autocorrelation of a window of sound, normalised by its power and by the window's own autocorrelation, at the lags
of a pitch (P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of
a sampled sound", 1993).
"""

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.032  # two periods of the deepest voice and a little more
# The pitch of speech: from the deepest of men to that of excited children.
LOWEST_HZ, HIGHEST_HZ = 70, 400


class Voicing:
    """Of sound at this rate, in Hz. `frames` is how many it looks at."""

    def __init__(self, samplerate: int) -> None:
        self.frames = round(WINDOW_SECONDS * samplerate)
        self._window = np.hanning(self.frames)
        self._lags = slice(samplerate // HIGHEST_HZ, samplerate // LOWEST_HZ + 1)
        of_window = self._autocorrelation(np.ones(self.frames))
        self._of_window = of_window[self._lags] / of_window[0]

    def of(self, frames: NDArray[np.int16]) -> float:
        """From about 0, noise, to 1, what repeats itself exactly; 0 for silence."""
        found = self._autocorrelation(frames)
        power = found[0]
        return float(np.max(found[self._lags] / self._of_window) / power) if power else 0.0

    def _autocorrelation(
        self, frames: NDArray[np.float64] | NDArray[np.int16]
    ) -> NDArray[np.float64]:
        """Under the window, by way of its spectrum, twice as long so that its ends do not meet."""
        spectrum = np.fft.rfft(frames * self._window, 2 * self.frames)
        return np.fft.irfft(spectrum.real**2 + spectrum.imag**2)

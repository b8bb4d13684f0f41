"""Where the echo of what was played is, in what was captured.

The whitened cross-correlation of the two (GCC-PHAT: C. H. Knapp, G. C. Carter, "The generalized correlation method
for estimation of time delay", 1976) has a sharp peak for each way that the echo takes, whatever the voice, and however
loudspeaker and room colour it.
"""

from typing import Any, NamedTuple

import numpy
from numpy import fft
from numpy.typing import NDArray

LONGEST_SECONDS = 1.2
"""Of the delays looked for: Bluetooth loudspeakers and slow drivers stay below one second."""
HEARD_SECONDS = 0.6
"""Of what was captured is looked at: with less, a caller beside the echo hides it; with more, the place where the echo
was before hides the one where it is now."""

_LOWEST_HZ, _HIGHEST_HZ = 150, 4000  # where speech is, and what any loudspeaker plays
_PEAKS_RATE = 8000  # Hz. All of that is below half of it.
AVERAGED = round(LONGEST_SECONDS * _PEAKS_RATE)
"""Delays."""
_EDGE_SECONDS = 0.01  # Both end at once: without a taper, that is what they have in common.
_ROOM_SECONDS = 0.03  # Peaks that are nearer to each other may be one echo's, by way of a wall.
_FIRST = 0.7  # So high, over the highest of them, is that of the first arrival at least.
_ALIKE_SECONDS = 0.002  # What two looks may differ by, to agree.
_AUDIBLE = 1e-6  # mean square of 10 ms: -60 dBFS
_LEAST_AUDIBLE_BLOCKS = 12  # A shorter sound resembles the begin of any other.
# How far the peak is above the next one, and above the root mean square of all. Of 4,800 looks at a caller with a
# headset who talks into all that the agent says, one was as likely. An echo is after 0.2 s.
_LIKELY = 1.7, 16.0
# The same of the average of looks, where all that a room rings is one peak. Of 10,000 at such a caller, none was 3.4
# over the next one; of those at a voice that comes back without direct sound (RT60 0.4 s), half were 5.7.
_LIKELY_ON_AVERAGE = 4.0, 9.0
_RINGS_SECONDS = 0.2  # So long after its first arrival an echo is still the same one.
_LEAST_AVERAGED_BLOCKS = 100  # After less, there is nothing from elsewhere to compare with.
_AVERAGE_KEPT = 0.9  # from look to look: 0.5 s while it is sought, 2 s when none seems to be.


class Look(NamedTuple):
    """The most likely delay."""

    seconds: float
    over_next: float
    """How high its peak is, over the next one from elsewhere."""
    over_all: float
    """How high it is, over the root mean square of all."""
    least: tuple[float, float] = _LIKELY
    """Of these two, for it to be likely."""

    @property
    def is_likely(self) -> bool:
        """Whether a second look that agrees makes it sure: by chance, one may be as high as any echo."""
        return self.over_next >= self.least[0] and self.over_all >= self.least[1]

    def is_near(self, seconds: float) -> bool:
        """Whether another delay is the same, but for the error of a look."""
        return abs(self.seconds - seconds) <= _ALIKE_SECONDS


def look(
    played: NDArray[Any],
    captured: NDArray[Any],
    samplerate: int,
    average: NDArray[Any] | None = None,
) -> Look | None:
    """Look for what was played in what was captured until the same moment; None if nothing can be seen.

    `captured` should be `HEARD_SECONDS`, and `played` that and the `LONGEST_SECONDS` before it, of 8000 or 16000 Hz. It
    takes about a millisecond.

    `average`, of `AVERAGED` zeros at first, is of the looks at one path, and is what is looked at where this one alone
    shows nothing likely. An echo without much direct sound (a telephone in a bag, a loudspeaker that faces away) has
    many small peaks and none that stands out; but they stay where they are, and what both have in common by chance
    does not.
    """
    correlation = _correlation(played, captured, samplerate)
    found = _judge(correlation, played, samplerate, _ROOM_SECONDS, _LIKELY)
    if average is None or _audible_blocks(played, samplerate) < _LEAST_AVERAGED_BLOCKS:
        return found
    average += (1 - _AVERAGE_KEPT) * (correlation - average)
    if found is not None and found.is_likely:
        return found
    return _judge(average, played, samplerate, _RINGS_SECONDS, _LIKELY_ON_AVERAGE)


def _correlation(played: NDArray[Any], captured: NDArray[Any], samplerate: int) -> NDArray[Any]:
    """The whitened one, at each lag."""
    frames, lags = len(played), len(played) - len(captured)
    spectrum = (
        _spectrum(captured, frames, samplerate) * _spectrum(played, frames, samplerate).conj()
    )
    sizes = numpy.abs(spectrum)
    numpy.divide(spectrum, sizes, out=spectrum, where=sizes > 0)
    step = samplerate // _PEAKS_RATE
    # Circular, and yet right: at each of these lags all of `captured` meets something that was played.
    return fft.irfft(spectrum, frames // step)[: lags // step]


def _judge(
    correlation: NDArray[Any],
    played: NDArray[Any],
    samplerate: int,
    rings_seconds: float,
    least: tuple[float, float],
) -> Look | None:
    """What is seen in it, where so much after a peak is the same echo's."""
    peaks, step = numpy.abs(correlation), samplerate // _PEAKS_RATE
    at = int(peaks.argmax())
    highest, begin = float(peaks[at]), max(at - int(_ROOM_SECONDS * _PEAKS_RATE), 0)
    end = at + int(rings_seconds * _PEAKS_RATE)
    next_one = float(max(peaks[:begin].max(initial=0.0), peaks[end:].max(initial=0.0)))
    rms = float(numpy.sqrt(numpy.mean(peaks**2)))
    heard = played[(len(peaks) - at) * step : len(played) - at * step]
    if next_one == 0 or _audible_blocks(heard, samplerate) < _LEAST_AUDIBLE_BLOCKS:
        return None
    first = begin + int(numpy.argmax(peaks[begin : at + 1] >= _FIRST * highest))
    return Look(first / _PEAKS_RATE, highest / next_one, highest / rms, least)


def _spectrum(samples: NDArray[Any], frames: int, samplerate: int) -> NDArray[Any]:
    """Of the band that is looked at, of these samples behind zeros, as far as it is needed at `_PEAKS_RATE`."""
    edge = int(_EDGE_SECONDS * samplerate)
    rise = numpy.sin(numpy.linspace(0, numpy.pi / 2, edge, dtype=numpy.float32)) ** 2
    padded = numpy.zeros(frames, numpy.float32)
    padded[-len(samples) :] = samples
    padded[-len(samples) :][:edge] *= rise
    padded[-edge:] *= rise[::-1]
    spectrum = fft.rfft(padded)[: frames * _PEAKS_RATE // samplerate // 2 + 1]
    spectrum[: _LOWEST_HZ * frames // samplerate] = 0
    spectrum[_HIGHEST_HZ * frames // samplerate :] = 0
    return spectrum


def _audible_blocks(samples: NDArray[Any], samplerate: int) -> int:
    block = samplerate // 100
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    return int(numpy.count_nonzero(numpy.mean(blocks**2, axis=1) > _AUDIBLE))

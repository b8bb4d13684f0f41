"""What was played, by position: as it is, at another rate, or between its frames. Without I/O."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sfaudio import CaptureQueue
from sfclient._rates import resampler_between

# The filter between frames, a sinc under a window of Hann: 80 dB up to half the band, which all speech at 16 kHz is in.
HALF_TAPS = 16
PHASES = 1024  # in each frame: the nearest is 76 dB right
# A piece is filtered for its begin and its end, and faded from the one to the other: so far they may be apart.
LONGEST_GLIDE = 0.08  # frames: 60 dB right at 3 kHz of 16
HISTORY_FRAMES = (
    2 * HALF_TAPS + 4
)  # that are kept behind what was taken: as far as the filter looks back


class Played:
    """What is in the queue, at the input's rate. A position is how many frames were played before.

    One goes forward only: what was taken is forgotten.
    """

    def __init__(self, queue: CaptureQueue, input_samplerate: int, output_samplerate: int) -> None:
        self._queue = queue
        self._rates = output_samplerate, input_samplerate
        self._resampler = resampler_between(output_samplerate, input_samplerate)
        self._kept = np.empty(0, np.int16)
        self._end = 0  # the position behind what is kept
        self._taken = 0  # frames read from the queue
        self._tail = 0  # of the queue: those, and what was too old
        self.padded_frames = 0
        """Zeros that were given for frames that are not there, or no longer."""

    def position(self, played: int) -> int:
        """Of that frame of the queue."""
        return played * self._rates[1] // self._rates[0]

    def silence(self, frames: int) -> NDArray[np.int16]:
        """For as many frames, in which nothing was played."""
        self.padded_frames += frames
        return np.zeros(frames, np.int16)

    def at(self, first: int, frames: int, *, aside: int = 0) -> NDArray[np.int16]:
        """The frames from that position on, and so many aside of them at either end."""
        begin, end = first - aside, first + frames + aside
        if end > self._end:
            self._read(end - self._end)
        out = np.zeros(end - begin, np.int16)
        oldest = self._end - len(self._kept)
        since, until = max(begin, oldest), min(end, self._end)
        if since < until:
            out[since - begin : until - begin] = self._kept[since - oldest : until - oldest]
        there = min(first + frames, until) - max(first, since)
        self.padded_frames += frames - max(0, there)
        self._kept = self._kept[max(0, first + frames - HISTORY_FRAMES - oldest) :]
        return out

    def glide(self, first: float, frames: int, step: float) -> NDArray[np.int16]:
        """As many frames from that position on, which are so far apart: nearly 1.0."""
        most = max(1, int(LONGEST_GLIDE / max(abs(step - 1), 1e-9)))
        pieces = []
        for done in range(0, frames, most):
            pieces.append(self._piece(first + done * step, min(most, frames - done), step))
        return np.concatenate(pieces)

    def _piece(self, first: float, frames: int, step: float) -> NDArray[np.int16]:
        whole = int(np.floor(first))
        samples = self.at(whole, frames, aside=HALF_TAPS).astype(np.float32)
        filters = _filters()
        begin = round((first - whole + 0.5) * PHASES)
        end = begin + round(frames * (step - 1) * PHASES)
        out = np.convolve(samples, filters[begin], "valid")
        if end != begin:
            fade = np.arange(frames, dtype=np.float32) / frames
            out += fade * (np.convolve(samples, filters[end], "valid") - out)
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)

    def _read(self, frames: int) -> None:
        """So many more, if they are there."""
        if self._resampler is not None:
            frames = self._resampler.input_frames(frames)
        samples = np.frombuffer(self._queue.read(frames), np.int16)
        self._taken += len(samples)
        tail = self._taken + self._queue.dropped_frames
        if tail - len(samples) > self._tail:  # some were too old: go on behind them
            self._kept = self._kept[:0]
            self._end = self.position(tail - len(samples))
            if self._resampler is not None:
                self._resampler.reset()
        self._tail = tail
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        self._kept = np.concatenate((self._kept, samples))
        self._end += len(samples)


@cache
def _filters() -> NDArray[np.float32]:
    """For positions from half a frame before a frame to half a frame behind the next, as `numpy.convolve` has them."""
    after = np.arange(2 * PHASES + 1)[:, None] / PHASES - 0.5
    distance = after + np.arange(-HALF_TAPS, HALF_TAPS + 1)
    window = np.cos(np.pi / 2 * np.clip(distance / (HALF_TAPS + 1.5), -1, 1)) ** 2
    rows = np.sinc(distance) * window
    filters: NDArray[np.float32] = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return filters

"""What was played while a frame was recorded: the reference of an echo canceller.

A line writes what it plays, after the volume, into a queue beside that of what it records, and tells from which frames
on the two belong together. Where one callback, or one turn, does both, they do so by their counts.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfaudio import CaptureQueue
from sfclient._rates import resampler_between

REFERENCE_SECONDS = 20.0  # as long as what is recorded may wait to be sent
MOST_EPOCHS = (
    1000  # that begin and are not yet reached: more is a source that stutters while nobody takes
)
HISTORY_FRAMES = 64  # of what was taken, that are kept: more than any filter looks back


@dataclass(frozen=True, slots=True)
class ReferenceStatistics:
    """What was played, in frames of the output device: ``written == read + queued + dropped``, each ``..._frames``."""

    written_frames: int = 0
    read_frames: int = 0
    """Paired with what was recorded, or passed over, since nothing was recorded meanwhile."""
    queued_frames: int = 0
    dropped_frames: int = 0
    """Too old, where nobody took them for twenty seconds."""
    padded_frames: int = 0
    """Zeros given in place of what was not known to be played, in frames of the input device; not part of the sum."""
    changes: int = 0
    """Times that the devices changed, so that the way from the loudspeaker to the microphone is another one."""


class _Epoch(NamedTuple):
    """From these frames on, the two sides belong together."""

    captured: int  # counted as by the capture queue
    played: int  # counted as by the reference's queue
    is_change: bool


class Reference:
    """Give `queue` to whatever plays, and `take` what was played with what was recorded.

    For the thread that runs trio. `samplerates` are those of the devices, in Hz; where they differ, what was played is
    resampled to that of the input, and is as much later as the resampler's filter takes: 2 ms at most.
    """

    def __init__(self, input_samplerate: int, output_samplerate: int) -> None:
        self.queue = CaptureQueue(round(REFERENCE_SECONDS * output_samplerate))
        """Gets what is played, after the volume."""
        self.changes = 0
        """Times that the devices changed, as far as was taken: the way from the loudspeaker to the microphone is
        another one."""
        self._played = _Played(self.queue, input_samplerate, output_samplerate)
        self._epoch = _Epoch(0, 0, False)
        self._coming: deque[_Epoch] = deque(maxlen=MOST_EPOCHS)
        self._had_devices = False

    def begin(self, captured: int, *, of_devices: bool = False) -> None:
        """The next frame that is written belongs to that which is recorded as number `captured` of the capture queue,
        and so on from there. Nobody writes while this is told."""
        is_change = of_devices and self._had_devices
        self._had_devices |= of_devices
        played = self.queue.statistics().written_frames
        self._coming.append(_Epoch(captured, played, is_change))

    def take(self, end: int, frames: int) -> NDArray[np.int16]:
        """What was played while those frames were recorded that end before number `end` of the capture queue: after a
        read, what was read and dropped until then.

        As many frames at the input's rate, zeros where nothing is known. Each call goes on behind the one before it.
        """
        pieces = []
        at = end - frames
        while at < end:
            while self._coming and self._coming[0].captured <= at:
                self._epoch = self._coming.popleft()
                self.changes += self._epoch.is_change
            until = min(end, self._coming[0].captured) if self._coming else end
            first = self._played.position(self._epoch.played) + at - self._epoch.captured
            pieces.append(self._played.at(first, until - at))
            at = until
        return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]

    def statistics(self) -> ReferenceStatistics:
        """The books of the queue, and how it went."""
        counts = self.queue.statistics()
        return ReferenceStatistics(
            written_frames=counts.written_frames,
            read_frames=counts.read_frames,
            queued_frames=counts.queued_frames,
            dropped_frames=counts.dropped_frames,
            padded_frames=self._played.padded_frames,
            changes=self.changes,
        )


class _Played:
    """What is in the queue, at the input's rate, by its position: how many frames were played before."""

    def __init__(self, queue: CaptureQueue, input_samplerate: int, output_samplerate: int) -> None:
        self._queue = queue
        self._rates = output_samplerate, input_samplerate
        self._resampler = resampler_between(output_samplerate, input_samplerate)
        self._kept = np.empty(0, np.int16)
        self._end = 0  # the position behind what is kept
        self._taken = 0  # frames read from the queue
        self._tail = 0  # of the queue: those, and what was too old
        self.padded_frames = 0

    def position(self, played: int) -> int:
        """Of that frame of the queue."""
        return played * self._rates[1] // self._rates[0]

    def at(self, first: int, frames: int) -> NDArray[np.int16]:
        """The frames from that position on; zeros for those that are not there, or no longer."""
        if first + frames > self._end:
            self._read(first + frames - self._end)
        out = np.zeros(frames, np.int16)
        begin = self._end - len(self._kept)
        since, until = max(first, begin), min(first + frames, self._end)
        if since < until:
            out[since - first : until - first] = self._kept[since - begin : until - begin]
        self.padded_frames += frames - max(0, until - since)
        self._kept = self._kept[max(0, first + frames - HISTORY_FRAMES - begin) :]
        return out

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

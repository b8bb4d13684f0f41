"""What was played while a frame was recorded: the reference of an echo canceller.

A line writes what it plays, after the volume, into a queue beside that of what it records, and tells from which frames
on the two belong together. Where one callback, or one turn, does both, they do so by their counts. Two streams are
paired by the moments at which they call back, and what was played is resampled by the ratio of their clocks.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfaudio import CaptureQueue
from sfclient._devices._device_clock import ClockPair, Look
from sfclient._devices._played import HALF_TAPS, Played

REFERENCE_SECONDS = 20.0  # as long as what is recorded may wait to be sent
MOST_EPOCHS = (
    1000  # that begin and are not yet reached: more is a source that stutters while nobody takes
)
# Of two streams, the reference is so much later than what was played: for a callback that is late. No two devices take
# less time than that, from one to the other.
LATE_SECONDS = 0.002
# What was measured anew is reached so slowly: 0.02 ms of it are a drift of 4 in a million. A canceller bears 10.
SETTLE_SECONDS = 5.0
STEP_SECONDS = 0.002  # farther off, it is gone there at once: a device has lost frames


@dataclass(frozen=True, slots=True)
class ReferenceStatistics:
    """What was played, in frames of the output device: ``written == read + queued + dropped``, each ``..._frames``."""

    written_frames: int = 0
    read_frames: int = 0
    """Paired with what was recorded, or passed over, since nothing was recorded meanwhile."""
    queued_frames: int = 0
    dropped_frames: int = 0
    """Too old: nobody took them for twenty seconds."""
    padded_frames: int = 0
    """Zeros given in place of what was not known to be played, in frames of the input device; not part of the sum."""
    changes: int = 0
    """Times that the devices changed, so that the way from the loudspeaker to the microphone is another one."""
    drift_ppm: float | None = None
    """By how many millionths the loudspeaker's clock is faster than the microphone's, as measured; None where they are
    one."""
    spread_seconds: float = 0.0
    """How far what was measured lies around that (RMS): by so much the two may be misaligned. 0 where they are one."""
    steps: int = 0
    """Times that one of two devices lost frames, which were made good on the other side."""


class _Epoch(NamedTuple):
    """From these frames on, the two sides belong together."""

    captured: int  # counted as by the capture queue
    played: int  # counted as by the reference's queue
    is_change: bool = False
    clocks: ClockPair | None = None


class Reference:
    """`queue` is for who plays; one `take`s from here what was played with what was recorded.

    For the thread that runs trio. The rates are those of the devices, in Hz; where they differ, what was played is
    resampled to that of the input, and is as much later as the resampler's filter takes: 2 ms at most.
    """

    def __init__(self, input_samplerate: int, output_samplerate: int) -> None:
        self.queue = CaptureQueue(round(REFERENCE_SECONDS * output_samplerate))
        """Gets what is played, after the volume."""
        self.changes = 0
        """Times that the devices changed, as far as was taken: the way from the loudspeaker to the microphone is
        another one."""
        self._rates = input_samplerate, output_samplerate
        self._played = Played(self.queue, input_samplerate, output_samplerate)
        self._epoch = _Epoch(0, 0)
        self._coming: deque[_Epoch] = deque(maxlen=MOST_EPOCHS)
        self._had_devices = False
        self._at: float | None = None  # of two clocks: the position of the next frame
        self._steps = 0  # of the epochs before

    def begin(self, captured: int) -> None:
        """The next frame that is written belongs to that which is recorded as number `captured` of the capture queue,
        and so on from there. Nobody writes while this is told."""
        self._coming.append(_Epoch(captured, self._written))

    def begin_devices(self, captured: int, looks: tuple[Look, Look] | None = None) -> None:
        """As `begin`, of devices; of two streams, each is looked at for how far it is: that which records first."""
        clocks = ClockPair(*looks, *self._rates) if looks is not None else None
        self._coming.append(_Epoch(captured, self._written, self._had_devices, clocks))
        self._had_devices = True

    @property
    def _written(self) -> int:
        return self.queue.statistics().written_frames

    def take(self, end: int, frames: int) -> NDArray[np.int16]:
        """What was played while those frames were recorded that end before number `end` of the capture queue: after a
        read, what was read and dropped until then.

        As many frames at the input's rate, zeros where nothing is known. Each call goes on behind the one before it;
        what it passes over is lost.
        """
        pieces = [np.empty(0, np.int16)]
        at = end - frames
        while at < end:
            while self._coming and self._coming[0].captured <= at:
                self._enter(self._coming.popleft())
            until = min(end, self._coming[0].captured) if self._coming else end
            number, frames = at - self._epoch.captured, until - at
            if self._epoch.clocks is None:
                pieces += self._counted(number, frames)
            else:
                pieces.append(self._timed(self._epoch.clocks, number, frames))
            at = until
        return np.concatenate(pieces)

    def _enter(self, epoch: _Epoch) -> None:
        if self._epoch.clocks is not None:
            self._steps += self._epoch.clocks.steps
        self.changes += epoch.is_change
        self._epoch = epoch
        self._at = None

    def _counted(self, number: int, frames: int) -> list[NDArray[np.int16]]:
        """Of what was recorded in this epoch, from that number on."""
        first = self._played.position(self._epoch.played) + number
        there = frames
        if self._coming:  # what is played from then on belongs to something else
            there = min(frames, max(0, self._played.position(self._coming[0].played) - first))
        return [self._played.at(first, there), self._played.silence(frames - there)]

    def _timed(self, clocks: ClockPair, number: int, frames: int) -> NDArray[np.int16]:
        """As `_counted`, of two streams."""
        first = self._played.position(self._epoch.played)
        clocks.look()
        played = clocks.played_when(number)
        if played is None:
            return self._played.silence(frames)
        rate, output_samplerate = self._rates
        goal = first + played * rate / output_samplerate - HALF_TAPS - LATE_SECONDS * rate
        step = clocks.ratio
        if self._at is None or not clocks.is_settled or abs(goal - self._at) > STEP_SECONDS * rate:
            self._at = goal
        step += (goal - self._at) / (SETTLE_SECONDS * rate)
        taken = self._played.glide(self._at, frames, step)
        self._at += frames * step
        return taken

    def statistics(self) -> ReferenceStatistics:
        """The books of the queue, and how well it is aligned."""
        counts, clocks = self.queue.statistics(), self._epoch.clocks
        return ReferenceStatistics(
            written_frames=counts.written_frames,
            read_frames=counts.read_frames,
            queued_frames=counts.queued_frames,
            dropped_frames=counts.dropped_frames,
            padded_frames=self._played.padded_frames,
            changes=self.changes,
            drift_ppm=None if clocks is None else 1e6 * (clocks.ratio - 1),
            spread_seconds=0.0 if clocks is None else clocks.spread,
            steps=self._steps + (0 if clocks is None else clocks.steps),
        )

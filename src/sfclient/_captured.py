"""What was recorded, on its way to the wire: it waits in the capture queue, at the device's rate, and nowhere else."""

from dataclasses import dataclass

from sfaudio import CaptureQueue
from sfclient._rates import at_rate, resampler_between

# How long Python may be kept from sending without a loss: four threads that hold the GIL for 100 ms
# at a time have kept it for 6.6 s.
CAPTURE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class CaptureStatistics:
    """The caller's speech, in frames of the wire: ``captured + ahead == sent + in_hand + queued + dropped``."""

    captured_frames: int = 0
    sent_frames: int = 0
    in_hand_frames: int = 0
    """In the message that is leaving, or that was when the call ended."""
    queued_frames: int = 0
    """With those that an echo canceller or a gate holds."""
    dropped_frames: int = 0
    """Too old to be sent when the network stalled, or the program a steady clock; or left over at the end."""
    ahead_frames: int = 0
    """What resampling has rounded up, less what it holds back."""
    padded_frames: int = 0
    """Zeros sent beside them, where a steady clock was due and the microphone late."""
    overruns: int = 0
    """Times that frames were dropped as too old."""


class Captured:
    """Frames of the wire, of those that a line records at its own rate.

    `queue` is where the line writes. Raises `UsageError` for rates that cannot be resampled.
    """

    def __init__(self, device_samplerate: int, wire_samplerate: int) -> None:
        self.rates = device_samplerate, wire_samplerate
        self._resampler = resampler_between(device_samplerate, wire_samplerate)
        self.queue = CaptureQueue(round(CAPTURE_SECONDS * device_samplerate))

    def queued_for(self, frames: int) -> int:
        """How many the queue must have for so many of the wire."""
        return frames if self._resampler is None else self._resampler.input_frames(frames)

    @property
    def available(self) -> int:
        """Frames of the wire that can be taken."""
        queued = self.queue.queued_frames
        return queued if self._resampler is None else self._resampler.output_frames(queued)

    @property
    def behind_seconds(self) -> float:
        """How long before all that was recorded what was taken ended."""
        return self.queue.queued_frames / self.rates[0]

    def take(self, frames: int) -> bytes:
        """Just so many of the wire as PCM16, with zeros at the end where fewer are available."""
        if self._resampler is None:
            return self.queue.read(frames, pad=True)
        block = self.queue.read(self._resampler.input_frames(frames))
        return self._resampler.process(block, frames).tobytes()

    def drop(self, frames: int) -> None:
        """Throw away so many of the queue, as too old."""
        self.queue.drop(frames)

    @property
    def lost_frames(self) -> int:
        """Of the wire, given up until now."""
        return self.queue.dropped_frames * self.rates[1] // self.rates[0]

    @property
    def padded_frames(self) -> int:
        """Zeros until now where fewer were available than were taken."""
        if self._resampler is None:
            return self.queue.padded_frames
        return self._resampler.statistics().padded_frames

    def close(self) -> None:
        """Nothing more is taken, and the device has stopped: what is queued counts as dropped."""
        self.queue.flush()

    def statistics(self) -> CaptureStatistics:
        """The counters of queue and resampler, in frames of the wire; all that were taken count as sent."""
        counts = self.queue.statistics()
        taken, ahead = counts.read_frames, 0
        if self._resampler is not None:
            made = self._resampler.statistics()
            taken, ahead = made.output_frames, -(-made.ahead_ticks // self.rates[0])
        (captured,) = at_rate([counts.written_frames], *self.rates)
        _, dropped, queued = at_rate(
            [counts.read_frames, counts.dropped_frames, counts.queued_frames], *self.rates
        )
        return CaptureStatistics(
            captured_frames=captured,
            sent_frames=taken,
            queued_frames=queued,
            dropped_frames=dropped,
            ahead_frames=ahead,
            padded_frames=self.padded_frames,
            overruns=counts.overruns,
        )

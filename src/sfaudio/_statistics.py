"""What is counted and measured. Every count of a queue is in frames since the queue was made,
unless it says otherwise."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class JitterBufferStatistics:
    """A consistent snapshot: ``written_frames == read_frames + queued_frames + dropped_frames``."""

    written_frames: int
    """Frames accepted by `JitterBuffer.write`."""
    read_frames: int
    """Frames handed to the reader."""
    queued_frames: int
    """Frames waiting."""
    dropped_frames: int
    """Frames thrown away by `JitterBuffer.flush` or `JitterBuffer.abort`."""
    padded_frames: int
    """Frames of silence handed to the reader in place of queued ones; not part of the sum."""
    underruns: int
    """Times the reader asked while playing and the queue ran empty; a drained queue does not count."""
    partial_bytes: int
    """1 while the first byte of a split sample waits for its second, else 0."""


@dataclass(frozen=True, slots=True)
class CaptureQueueStatistics:
    """A consistent snapshot: ``written_frames == read_frames + queued_frames + dropped_frames``."""

    written_frames: int
    """Frames given to `CaptureQueue.write`."""
    read_frames: int
    """Frames handed to the reader."""
    queued_frames: int
    """Frames waiting."""
    dropped_frames: int
    """The oldest frames, given up because the reader came too late, dropped or flushed them."""
    overruns: int
    """Times frames were given up because the reader came too late, or dropped them as too late."""
    padded_frames: int = 0
    """Frames of silence handed to the reader in place of queued ones; not part of the sum."""


@dataclass(frozen=True, slots=True)
class ResamplerStatistics:
    """A snapshot, in which ``output_frames * samplerate_in == input_frames * samplerate_out + ahead_ticks``."""

    input_frames: int
    """Frames taken."""
    output_frames: int
    """Frames given for them, and by `Resampler.drain`."""
    padded_frames: int
    """Frames of silence given in place of output for which there was no input; not part of the sum."""
    ahead_ticks: int
    """How much longer the output is than the input, in units of 1 / (samplerate_in * samplerate_out) seconds: what
    rounding (less than an output frame, at each `Resampler.reset` anew) and `Resampler.drain` have added, less what is
    held back of the last frame, or was when it was reset."""


class Level(NamedTuple):
    """How loud a block of int16 samples is; full scale is 1.0."""

    peak: float
    """The largest absolute value, divided by 32768."""
    rms: float
    """The square root of the mean square, divided by 32768."""
    clipped: int
    """Samples at either end of the range, -32768 or 32767."""


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """What a stream has seen of its device since it was opened. Durations are in seconds."""

    callbacks: int = 0
    input_frames: int = 0
    """Frames recorded."""
    output_frames: int = 0
    """Frames played, silence included."""
    input_overflows: int = 0
    """Callbacks before which the device lost recorded frames, as PortAudio tells."""
    output_underflows: int = 0
    """Callbacks that came too late for the loudspeaker, as PortAudio tells."""
    priming_callbacks: int = 0
    """Callbacks that filled the device's buffers before it started."""
    longest_callback: float = 0.0
    p999_callback: float = 0.0
    """What 99.9 % of the callbacks took at most, by the clock on the wall."""
    longest_gap: float = 0.0
    """From the begin of one callback to the next."""
    p999_gap: float = 0.0

"""What the queues count. Every count is in frames since the queue was made, unless it says
otherwise."""

from dataclasses import dataclass


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
    """Times the reader asked while playing and the queue ran empty; a drained queue does not
    count."""
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
    """The oldest frames, given up because the reader came too late or flushed."""
    overruns: int
    """Times frames were found lost because the reader came too late."""

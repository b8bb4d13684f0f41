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
class PlayoutEngineStatistics:
    """A consistent snapshot: ``written == read + queued + dropped + removed - inserted``, each of them ``..._frames``.

    Where W3C's *Identifiers for WebRTC's Statistics API* has a word, its meaning is taken, and it is named. Silence and
    concealment are counted when they are made, up to 10 ms before they are handed out. Under ``"lossless"``, nothing is
    told but frames written, read, queued, dropped, padded and handed out, and underruns: all else is 0, `state` "idle".
    """

    written_frames: int
    """Frames accepted by the queue."""
    read_frames: int
    """Frames handed out, those that were stretched or lengthen a pause included (jitterBufferEmittedCount)."""
    queued_frames: int
    """Frames waiting, those included that are prepared for the next 10 ms."""
    dropped_frames: int
    """Frames thrown away by a flush or an abort, or cut out of pauses."""
    removed_frames: int
    """What playing faster has saved (removedSamplesForAcceleration)."""
    inserted_frames: int
    """What playing slower and lengthening pauses has added (insertedSamplesForDeceleration)."""
    cut_frames: int
    """Of those dropped: cut out of pauses."""
    held_frames: int
    """Of those inserted: pauses lengthened."""
    padded_frames: int
    """Silence handed out where nothing was to be played; not part of the sum."""
    concealed_frames: int
    """What was played in place of missing speech (concealedSamples), the silent ones included; not part of the sum."""
    silent_concealed_frames: int
    """Of these: silence (silentConcealedSamples), as far as it is known that speech was missing."""
    concealment_events: int
    """Times that it ran dry in speech (concealmentEvents): ends of sentences are among them."""
    output_frames: int
    """All frames handed out, whatever they were made of."""
    underruns: int
    """Times that it ran dry and was not drained."""
    underruns_in_speech: int
    """Of these: with speech to come that was late, as is known some time after."""
    interruptions: int
    """Of these: for 150 ms or more (interruptionCount)."""
    interrupted_seconds: float
    """How long these were together (totalInterruptionDuration)."""
    jitter_buffer_delay: float
    """Seconds that the frames handed out have waited, in all, times frames (jitterBufferDelay)."""
    jitter_buffer_target_delay: float
    """Seconds that they were meant to wait, in all, times frames (jitterBufferTargetDelay)."""
    target_seconds: float
    """What is wanted in the queue, now."""
    first_sound_seconds: float
    """From when the first frame was seen queued until it was played."""
    flush_seconds: float
    """From when the last flush was seen until silence."""
    state: str
    """``"idle"``, ``"prefilling"``, ``"playing"``, ``"concealing"`` or ``"stalled"``."""


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


@dataclass(frozen=True, slots=True)
class EchoCancellerStatistics:
    """A consistent snapshot: ``frames == passed_frames + silenced_frames + cancelled_frames``."""

    state: str
    """``"searching"`` while the delay of the echo is not known, ``"cancelling"`` when it is, ``"no echo"`` when none
    was found in 1.3 s of what was played: a headset, until one is found."""
    delay_seconds: float | None
    """From when something is played until it is captured again; None while that is not known."""
    frames: int
    """Frames captured, and given back."""
    passed_frames: int
    """Of these: given back untouched."""
    silenced_frames: int
    """Of these: given back as zeros, with a fade at either end."""
    cancelled_frames: int
    """Of these: given back without the echo."""
    skipped_frames: int
    """Frames played whose captured ones were lost, as `EchoCanceller.skip` was told; not part of the sum."""
    erle_db: float | None
    """By how much what comes out was below what was captured lately, in the last second or so in which only what was
    played was heard (echo return loss enhancement, ITU-T G.168), from 300 Hz on, where no hum is; None before the
    first."""
    is_leaking: bool
    """Whether that was less than 12 dB for a second, and was not more since."""
    path_changes: int
    """Times that the path of the echo was another: as `EchoCanceller.path_changed` was told, or as was noticed."""
    realignments: int
    """Times that the delay of the echo was found to be another than was known."""


class Level(NamedTuple):
    """How loud a block of int16 samples is; full scale is 1.0."""

    peak: float
    """The largest absolute value, divided by 32768."""
    rms: float
    """The square root of the mean square, divided by 32768."""
    clipped: int
    """Samples at either end of the range, -32768 or 32767."""


class Segment(NamedTuple):
    """Where speech begins or ends."""

    is_beginning: bool
    """Whether it begins there; else it ends."""
    seconds: float
    """When that was, on the clock of what was heard."""


@dataclass(frozen=True, slots=True)
class MeterStatistics:
    """What a meter has heard since it was made; full scale is 1.0."""

    frames: int
    """Frames heard."""
    peak: float
    """The largest absolute value."""
    rms: float
    """The square root of the mean square."""
    clipped: int
    """Samples at either end of the range, or beyond."""
    zero_frames: int
    """Exact digital zeros in a row, up to now."""
    longest_zero_frames: int
    """The most of them in a row; runs are measured to within 10 ms."""
    speech_seconds: float
    """How long there was speech, the pauses of less than half a second in it included."""
    lost_segments: int
    """Beginnings and ends of speech for which `Meter.read_segments` was called too late."""


@dataclass(frozen=True, slots=True)
class EchoGateStatistics:
    """A snapshot, in which ``frames == passed_frames + silenced_frames + waiting_frames``."""

    is_open: bool
    """Whether what is captured now will pass."""
    frames: int
    """Frames captured."""
    passed_frames: int
    """Frames that left as they came."""
    silenced_frames: int
    """Frames that left as zeros."""
    waiting_frames: int
    """Frames that have yet to leave."""
    early_openings: int
    """Times that a caller spoke up before the agent's tail was over."""


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """What a stream has seen of its device since it was opened. Durations are in seconds."""

    callbacks: int = 0
    """Times that the device called back."""
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
    """What a callback took at most, by the clock on the wall."""
    p999_callback: float = 0.0
    """What 99.9 % of the callbacks took at most."""
    longest_gap: float = 0.0
    """From the begin of one callback to that of the next, at most."""
    p999_gap: float = 0.0
    """What 99.9 % of these gaps were at most."""


class StreamPosition(NamedTuple):
    """How far a stream is, as of the begin of its last callback: two streams are aligned by such, and their clocks
    compared."""

    seconds: float
    """When that began, by `time.perf_counter()`. It may have been late, but never early."""
    input_frames: int
    """Recorded by then, since the stream was opened: its block is among them."""
    output_frames: int
    """Handed to the device by then: its block is not among them."""

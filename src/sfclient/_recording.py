"""A call as a stereo WAV file: the caller left, the agent right, as they were heard together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import trio

from sfaudio import CaptureQueue, CaptureQueueStatistics
from sfclient._devices import SpooledWav, close_in_time
from sfclient._errors import AudioFileError
from sfclient._rates import resampler_between
from sfclient._spool import in_thread

LOOK_SECONDS = 0.25
TAP_SECONDS = 20.0  # as long as Python may be kept from running without a loss


@dataclass(frozen=True, slots=True)
class RecordingStatistics:
    """What a recording is made of. Frames are at the caller's rate, but for those of `played`."""

    written_frames: int
    """In the file; the shorter side was filled up with silence at the end."""
    caller_frames: int
    """Waiting for the agent's side to be written with them."""
    agent_frames: int
    """Waiting for the caller's side to be written with them."""
    played: CaptureQueueStatistics
    """Of the tap at the device, at its rate. What it had to drop is silence in the recording."""
    leaving_frames: int = 0
    """Of both sides, on their way to the file."""
    lost_frames: int = 0
    """Of both sides, that the file did not take: a full disk, or one that stalled for too long."""
    crc32: int = 0
    """Of the sound in the file (zlib): by this a report knows which recording belongs to these figures."""
    begins_at: float | None = None
    """When the first frame of the caller was recorded, in seconds since `open_call` was entered; None before.

    Whenever a device is opened anew, both sides lack the time that this takes: what follows is later by as much.
    """
    agent_begins_at: float | None = None
    """When the first frame beside it was heard: a block later, and what the loudspeaker needs."""


class Recorder:
    """Aligns what was sent with what was played, by counting frames from the moment the devices
    started.

    The left channel is bit for bit what was recorded and sent, with silence where speech was lost;
    the right one is what the loudspeaker got, resampled if the caller's rate is another.
    Opening and closing may block, the rest does not. A file that fails does not end the call: see `error`.
    """

    def __init__(self, path: Path, capture_samplerate: int, playout_samplerate: int) -> None:
        self._resampler = resampler_between(playout_samplerate, capture_samplerate)
        # Frames until the first has come through the resampler.
        self._early = round(self._resampler.delay * capture_samplerate) if self._resampler else 0
        self.played = CaptureQueue(round(TAP_SECONDS * playout_samplerate))
        """Where the device writes what it plays."""
        self._file = SpooledWav(path, capture_samplerate, channels=2)
        self.listener: Callable[[bytes], None] | None = None
        """Is told what was played as well, at the device's rate."""
        self.error: str | None = None
        """Why the recording stopped, if it did."""
        self._given_frames = 0  # to the file, whether it took them or not
        self._caller = bytearray()
        self._agent = bytearray()
        self._known_losses = 0

    async def run(self, failed: Callable[[str], None]) -> None:
        """Write from time to time, until cancelled. Calls `failed` with the reason, once, when the file fails."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            had_failed = self.error is not None
            self.take_played()
            self._write(min(len(self._caller), len(self._agent)))
            if self.error is not None and not had_failed:
                failed(self.error)

    def caller(self, speech: bytes, lost_frames: int) -> None:
        """Add what the caller said, before which so many frames were lost."""
        self._caller += bytes(2 * lost_frames) + speech

    def close(self) -> None:
        """Write what is left, and complete the file. Raises `AudioFileError` if something is lacking."""
        try:
            self.take_played()
            if self._resampler is not None:
                self._agent += self._resampler.drain()[self._early :].tobytes()
            length = max(len(self._caller), len(self._agent))
            self._caller += bytes(length - len(self._caller))
            self._agent += bytes(length - len(self._agent))
            self._write(length)
        finally:
            self._file.close()

    def statistics(self) -> RecordingStatistics:
        written = self._file.frames
        lacking = self._given_frames - written
        return RecordingStatistics(
            written,
            len(self._caller) // 2,
            len(self._agent) // 2,
            self.played.statistics(),
            leaving_frames=0 if self.error else lacking,
            lost_frames=lacking if self.error else 0,
            crc32=self._file.crc32,
        )

    def take_played(self) -> None:
        """Take what the device has played since the last time."""
        block = self.played.read(self.played.capacity)
        losses = self.played.statistics().dropped_frames
        block = bytes(2 * (losses - self._known_losses)) + block
        self._known_losses = losses
        if self.listener is not None:
            self.listener(block)
        if self._resampler is None:
            self._agent += block
            return
        resampled = self._resampler.process(block)
        self._agent += resampled[self._early :].tobytes()
        self._early = max(0, self._early - len(resampled))

    def _write(self, length: int) -> None:
        frames = np.empty((length // 2, 2), np.int16)
        frames[:, 0] = np.frombuffer(bytes(self._caller[:length]), np.int16)
        frames[:, 1] = np.frombuffer(bytes(self._agent[:length]), np.int16)
        del self._caller[:length], self._agent[:length]
        self._given_frames += len(frames)
        if self.error is None and len(frames):
            try:
                self._file.write(frames)
            except AudioFileError as error:
                self.error = str(error)


@asynccontextmanager
async def open_recorder(
    path: Path, capture_samplerate: int, playout_samplerate: int
) -> AsyncIterator[Recorder]:
    """A `Recorder` whose file is complete on leaving, as far as it could be written: `Recorder.error` tells."""
    make = partial(Recorder, path, capture_samplerate, playout_samplerate)
    recorder = await in_thread(make, undo=Recorder.close)
    try:
        yield recorder
    finally:
        try:
            await close_in_time(recorder.close, str(path))
        except AudioFileError as error:
            recorder.error = recorder.error or str(error)

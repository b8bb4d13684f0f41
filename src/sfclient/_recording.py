"""A call as a stereo WAV file: the caller left, the agent right, as they were heard together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trio

from sfaudio import CaptureQueue, CaptureQueueStatistics
from sfclient._devices import WavWriter
from sfclient._rates import resampler_between

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


class Recorder:
    """Aligns what was sent with what was played, by counting frames from the moment the devices
    started.

    The left channel is bit for bit what was recorded and sent, with silence where speech was lost;
    the right one is what the loudspeaker got, resampled if the caller's rate is another.
    """

    def __init__(self, path: Path, capture_samplerate: int, playout_samplerate: int) -> None:
        self.played = CaptureQueue(round(TAP_SECONDS * playout_samplerate))
        """Where the device writes what it plays."""
        self._resampler = resampler_between(playout_samplerate, capture_samplerate)
        # Frames until the first has come through the resampler.
        self._early = round(self._resampler.delay * capture_samplerate) if self._resampler else 0
        self._writer = WavWriter(path, capture_samplerate, channels=2)
        self._caller = bytearray()
        self._agent = bytearray()
        self._known_losses = 0

    async def run(self) -> None:
        """Write from time to time, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self._take_played()
            self._write(min(len(self._caller), len(self._agent)))

    def caller(self, speech: bytes, lost_frames: int) -> None:
        """Add what the caller said, before which so many frames were lost."""
        self._caller += bytes(2 * lost_frames) + speech

    def close(self) -> None:
        """Write what is left, and complete the file."""
        try:
            self._take_played()
            if self._resampler is not None:
                self._agent += self._resampler.drain()[self._early :].tobytes()
            length = max(len(self._caller), len(self._agent))
            self._caller += bytes(length - len(self._caller))
            self._agent += bytes(length - len(self._agent))
            self._write(length)
        finally:
            self._writer.close()

    def statistics(self) -> RecordingStatistics:
        return RecordingStatistics(
            self._writer.frames,
            len(self._caller) // 2,
            len(self._agent) // 2,
            self.played.statistics(),
        )

    def _take_played(self) -> None:
        block = self.played.read(self.played.capacity)
        losses = self.played.statistics().dropped_frames
        block = bytes(2 * (losses - self._known_losses)) + block
        self._known_losses = losses
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
        self._writer.write(frames)
        del self._caller[:length], self._agent[:length]

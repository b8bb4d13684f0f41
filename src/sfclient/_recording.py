"""A call as a stereo WAV file: the caller left, the agent right, as they were heard together."""

from pathlib import Path

import numpy as np
import trio

from sfaudio import CaptureQueue, Resampler
from sfclient._devices import WavWriter

LOOK_SECONDS = 0.25
TAP_SECONDS = 5.0


class Recorder:
    """Aligns what was sent with what was played, by counting frames from the moment the devices
    started.

    The left channel is bit for bit what was recorded and sent, with silence where speech was lost;
    the right one is what the loudspeaker got, resampled if the caller's rate is another.
    """

    def __init__(self, path: Path, capture_samplerate: int, playout_samplerate: int) -> None:
        self.played = CaptureQueue(round(TAP_SECONDS * playout_samplerate))
        """Where the device writes what it plays."""
        self._writer = WavWriter(path, capture_samplerate, channels=2)
        self._resampler: Resampler | None = None
        self._early = 0  # frames until the first has come through the resampler
        if playout_samplerate != capture_samplerate:
            self._resampler = Resampler(playout_samplerate, capture_samplerate)
            self._early = round(self._resampler.delay * capture_samplerate)
        self._caller = bytearray()
        self._agent = bytearray()
        self._lost_caller = 0
        self._lost_agent = 0

    async def run(self) -> None:
        """Write from time to time, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self._take_played()
            self._write(min(len(self._caller), len(self._agent)))

    def caller(self, chunk: bytes, lost_frames: int) -> None:
        """Add a chunk of the caller's speech, before which so many frames of the call were lost in
        all."""
        self._caller += bytes(2 * (lost_frames - self._lost_caller)) + chunk
        self._lost_caller = lost_frames

    def close(self) -> None:
        """Write what is left, and complete the file."""
        try:
            self._take_played()
            if self._resampler is not None:
                self._add(bytes(2 * round(self._resampler.delay * self._resampler.samplerate_in)))
            length = max(len(self._caller), len(self._agent))
            self._caller += bytes(length - len(self._caller))
            self._agent += bytes(length - len(self._agent))
            self._write(length)
        finally:
            self._writer.close()

    def _take_played(self) -> None:
        block = self.played.read(self.played.capacity)
        lost = self.played.statistics().dropped_frames
        self._add(bytes(2 * (lost - self._lost_agent)) + block)
        self._lost_agent = lost

    def _add(self, block: bytes) -> None:
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

"""Sound without hardware, paced by trio's clock: WAV files, memory, nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
import trio
from numpy.typing import NDArray

from sfclient._devices._interface import DeviceChanged, Queues
from sfclient._devices._wav import WavWriter, read_wav

BLOCK_SECONDS = 0.01


class Source(Protocol):
    """Where a virtual line takes the caller's speech from."""

    def open(self) -> int:
        """Get ready, and tell the sample rate in Hz."""

    def read(self, frames: int) -> NDArray[np.int16]:
        """The next frames, silence where there is nothing."""


class Sink(Protocol):
    """Where a virtual line takes the agent's speech to."""

    def open(self, samplerate: int) -> int:
        """Get ready, and tell the sample rate in Hz; `samplerate`, the wire's, spares resampling."""

    def write(self, block: NDArray[np.int16]) -> None:
        """Take a block, which is read no more after the call."""

    def close(self) -> None:
        """There is no more to come."""


class MemoryInput:
    """What a program says: PCM16 mono, in real time, silence before and after.

    `samplerate` is in Hz; at the wire's own (48000 in the widget dialect) the samples arrive bit
    for bit. Use it for one call.
    """

    def __init__(self, pcm: bytes = b"", *, samplerate: int = 48_000) -> None:
        self._samplerate = samplerate
        self._waiting = bytearray(pcm)

    def say(self, pcm: bytes) -> None:
        """Say this, after what is still to be said."""
        self._waiting += pcm

    @property
    def waiting_frames(self) -> int:
        """Frames still to be said."""
        return len(self._waiting) // 2

    def open(self) -> int:
        return self._samplerate

    def read(self, frames: int) -> NDArray[np.int16]:
        block = np.zeros(frames, np.int16)
        taken = min(frames, self.waiting_frames)
        block[:taken] = np.frombuffer(bytes(self._waiting[: 2 * taken]), np.int16)
        del self._waiting[: 2 * taken]
        return block


class WavInput(MemoryInput):
    """What a WAV file says, in real time, then silence. See `read_wav` for what can be read."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._path = Path(path)

    def open(self) -> int:
        self._samplerate, samples = read_wav(self._path)
        self._waiting = bytearray(samples.tobytes())
        return self._samplerate


class MemoryOutput:
    """Keeps what a loudspeaker would have played, silence included, as PCM16 mono.

    `samplerate` is in Hz; None, until the call begins, for the wire's own, at which the samples are
    bit for bit what came.
    """

    def __init__(self, *, samplerate: int | None = None) -> None:
        self.samplerate = samplerate
        self._played = bytearray()

    @property
    def played(self) -> bytes:
        """All that was played, from the first block on."""
        return bytes(self._played)

    def open(self, samplerate: int) -> int:
        self.samplerate = self.samplerate or samplerate
        return self.samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        self._played += block.tobytes()

    def close(self) -> None:
        pass


class WavOutput:
    """Writes what a loudspeaker would have played to a 16-bit mono WAV file at the wire's rate."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def open(self, samplerate: int) -> int:
        self._writer = WavWriter(self._path, samplerate)
        return samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        self._writer.write(block)

    def close(self) -> None:
        self._writer.close()


class NullOutput:
    """Plays to nobody."""

    def open(self, samplerate: int) -> int:
        return samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        pass

    def close(self) -> None:
        pass


class VirtualLine:
    """A line whose blocks are due by trio's clock, every `BLOCK_SECONDS`, late ones at once."""

    output_latency = 0.0

    def __init__(
        self,
        source: Source | None,
        sink: Sink | None,
        input_samplerate: int,
        output_samplerate: int,
    ) -> None:
        self._source = source
        self._sink = sink
        self.input_samplerate = input_samplerate
        self.output_samplerate = output_samplerate

    def statistics(self) -> None:
        """There is no device."""

    async def run(
        self,
        queues: Queues,
        _device_changed: DeviceChanged,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        start = trio.current_time()
        task_status.started()
        recorded = played = 0
        for blocks in count(1):
            # Blocks of a rate that does not divide evenly differ by a frame, so that none is ever
            # lost.
            await trio.sleep_until(start + blocks * BLOCK_SECONDS)
            if self._source is not None:
                due = int(blocks * BLOCK_SECONDS * self.input_samplerate + 0.5)
                queues.capture.write(self._source.read(due - recorded))
                recorded = due
            if self._sink is not None:
                due = int(blocks * BLOCK_SECONDS * self.output_samplerate + 0.5)
                block = np.empty(due - played, np.int16)
                queues.playout.read_into(block)
                if queues.played is not None:
                    queues.played.write(block)
                self._sink.write(block)
                played = due


@contextmanager
def open_virtual_line(
    source: Source | None, sink: Sink | None, output_samplerate: int
) -> Iterator[VirtualLine]:
    """A line from `source` and to `sink`, either of which may be missing. Raises `AudioFileError`."""
    input_samplerate = source.open() if source is not None else 0
    if sink is None:
        yield VirtualLine(source, None, input_samplerate, 0)
        return
    output_samplerate = sink.open(output_samplerate) or output_samplerate  # some do not tell
    try:
        yield VirtualLine(source, sink, input_samplerate, output_samplerate)
    finally:
        sink.close()

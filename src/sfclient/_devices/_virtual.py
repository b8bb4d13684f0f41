"""Sound without hardware, paced by trio's clock: WAV files, memory, nothing."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
import trio
from numpy.typing import NDArray

from sfclient._devices._interface import DeviceChanged, Queues
from sfclient._devices._wav import read_wav
from sfclient._devices._wav_writer import SpooledWav
from sfclient._errors import AudioFileError, SfclientError, UsageError
from sfclient._rates import whole_rate
from sfclient._spool import CLOSE_SECONDS, in_thread, in_time

BLOCK_SECONDS = 0.01
# Of raw bytes, and of native int16, as the buffer protocol tells them.
PCM16_FORMATS = ("B", "b", "c", "h", "=h", "@h", "<h" if sys.byteorder == "little" else ">h")

# Of bytes, or of int16 in the order of the machine.
Pcm16 = bytes | bytearray | memoryview | NDArray[np.int16]


class Source(Protocol):
    """Where a virtual line takes the caller's speech from.

    `open` may block: it is called in a thread of its own. `read` must not: it is called where trio runs.
    """

    def open(self) -> int:
        """Get ready, and tell the sample rate in Hz."""

    def read(self, frames: int) -> NDArray[np.int16]:
        """The next frames, native int16, silence where there is nothing.

        Fewer are taken as they are, and so are more, as from a microphone that stutters, but no more than a second.
        """


class Sink(Protocol):
    """Where a virtual line takes the agent's speech to.

    `open` and `close` may block: they are called in a thread of their own. `write` must not: it is called where trio
    runs. A `close` that takes longer than 2 s is left alone.
    """

    def open(self, samplerate: int) -> int:
        """Get ready, and tell the sample rate in Hz; `samplerate`, the wire's, spares resampling."""

    def write(self, block: NDArray[np.int16]) -> None:
        """Take a block, which is read no more after the call."""

    def close(self) -> None:
        """There is no more to come."""


class MemoryInput:
    """What a program says: PCM16 mono, in real time, silence before and after.

    `pcm` is bytes, or an array of int16. `samplerate` is in Hz; at the wire's own (48000 in the widget dialect) the
    samples arrive bit for bit. Use it for one call.

    Raises TypeError or ValueError for samples of another format or shape, `UsageError` for no whole rate.
    """

    def __init__(self, pcm: Pcm16 = b"", *, samplerate: int = 48_000) -> None:
        self._samplerate = whole_rate(samplerate, "the samplerate of a MemoryInput")
        self._waiting = bytearray(_pcm16(pcm))

    def say(self, pcm: Pcm16) -> None:
        """Say this, after what is still to be said. Bytes may be split anywhere."""
        self._waiting += _pcm16(pcm)

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
        self.path = Path(path)

    def open(self) -> int:
        self._samplerate, samples = read_wav(self.path)
        self._waiting = bytearray(samples.data)
        return self._samplerate


class MemoryOutput:
    """Keeps what a loudspeaker would have played, silence included, as PCM16 mono.

    `samplerate` is in Hz; None, until the call begins, for the wire's own, at which the samples are
    bit for bit what came.
    """

    def __init__(self, *, samplerate: int | None = None) -> None:
        self.samplerate = (
            None
            if samplerate is None
            else whole_rate(samplerate, "the samplerate of a MemoryOutput")
        )
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
    """Writes what a loudspeaker would have played to a 16-bit mono WAV file at the wire's rate.

    The file is whole at every moment, at most half a second behind, and private to the user (0600).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def open(self, samplerate: int) -> int:
        self._file = SpooledWav(self.path, samplerate)
        return samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        self._file.write(block)

    def close(self) -> None:
        self._file.close()


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
                queues.capture.write(_read(self._source, due - recorded, self.input_samplerate))
                recorded = due
            if self._sink is not None:
                due = int(blocks * BLOCK_SECONDS * self.output_samplerate + 0.5)
                block = np.empty(due - played, np.int16)
                queues.playout.read_into(block)
                if queues.played is not None:
                    queues.played.write(block)
                self._sink.write(block)
                played = due


@asynccontextmanager
async def open_virtual_line(
    source: Source | None, sink: Sink | None, output_samplerate: int
) -> AsyncIterator[VirtualLine]:
    """A line from `source` and to `sink`, either of which may be missing. Raises `UsageError`, and what they raise."""
    input_samplerate = 0
    if source is not None:
        told = await in_thread(source.open)
        input_samplerate = whole_rate(told, f"the rate that {_name(source)}.open told")
    if sink is None:
        yield VirtualLine(source, None, input_samplerate, 0)
        return
    told = await in_thread(lambda: sink.open(output_samplerate), undo=lambda _: sink.close())
    try:
        if told is not None:  # some do not tell
            output_samplerate = whole_rate(told, f"the rate that {_name(sink)}.open told")
        yield VirtualLine(source, sink, input_samplerate, output_samplerate)
    except BaseException:
        with suppress(SfclientError):  # what went wrong before is what is told
            await close_in_time(sink.close, _name(sink))
        raise
    await close_in_time(sink.close, _name(sink))


async def close_in_time(close: Callable[[], None], what: str) -> None:
    """Do it in a thread, cancelled or not, but do not wait for ever. Raises `AudioFileError`, and what it raises."""
    try:
        await in_time(close)
    except TimeoutError:
        raise AudioFileError(
            f"{what} could not be completed within {CLOSE_SECONDS:g} s, so its end may be missing: is the disk stalled?"
        ) from None


def _name(end: Source | Sink) -> str:
    return type(end).__name__


def _pcm16(pcm: Pcm16) -> bytes:
    try:
        view = memoryview(pcm)  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        raise TypeError(
            f"pcm must be bytes of PCM16 or an array of int16, not {type(pcm).__name__}"
        ) from None
    if view.format not in PCM16_FORMATS:
        raise TypeError(
            f"pcm must hold native int16 samples (or raw bytes of them), not items of format {view.format!r}:"
            " convert them, as with sfaudio.float32_to_int16 or numpy's astype"
        )
    if view.ndim != 1 and (view.shape or ())[1:] != (1,):
        raise ValueError(f"pcm must be mono, not of shape {view.shape}: see sfaudio.to_mono")
    return view.tobytes()


def _read(source: Source, frames: int, samplerate: int) -> NDArray[np.int16]:
    """What it gives, if that is what it says. Raises `UsageError`."""
    block = source.read(frames)
    given = np.asarray(block)
    if given.dtype != np.int16 or given.ndim != 1 or len(given) > max(frames, samplerate):
        raise UsageError(
            f"{_name(source)}.read({frames}) gave {given.dtype} of shape {given.shape}: it must give so many samples of"
            " native int16, mono (sfaudio.float32_to_int16 converts)"
        )
    return given

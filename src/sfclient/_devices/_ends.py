"""Where the sound of a call comes from and goes to when no device is asked: memory, WAV files, nothing."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sfclient._devices._samples import Pcm16, PcmQueue, pcm16
from sfclient._devices._wav import read_wav
from sfclient._devices._wav_writer import SpooledWav
from sfclient._rates import whole_rate


class Source(Protocol):
    """Where a virtual line takes the caller's speech from.

    `open` may block: it is called in a thread of its own. `read` must not: it is called where trio runs.

    It may have `waiting_frames`, how many are left to be said, and `has_end`, whether the call is to end by itself when
    none is, as it does behind a file. It may have an async function `feed` without arguments, which trio runs while
    sound flows and then cancels: until that returns, more may come.
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

    `pcm` is bytes, which are kept as they are until they have been said, so that many calls may share them; or an array
    of int16, which is copied. `samplerate` is in Hz; at the wire's own (48000 in the widget dialect) the samples arrive
    bit for bit. Use it for one call.

    Raises TypeError or ValueError for samples of another format or shape, `UsageError` for no whole rate.
    """

    def __init__(self, pcm: Pcm16 = b"", *, samplerate: int = 48_000) -> None:
        self._samplerate = whole_rate(samplerate, "the samplerate of a MemoryInput")
        self._queue = PcmQueue()
        self.say(pcm)

    def say(self, pcm: Pcm16) -> None:
        """Say this, after what is still to be said. Bytes may be split anywhere.

        From any thread, while the call goes on, but from one at a time.
        """
        self._queue.put(pcm16(pcm))

    @property
    def waiting_frames(self) -> int:
        """Frames still to be said."""
        return self._queue.waiting_bytes // 2

    def open(self) -> int:
        return self._samplerate

    def read(self, frames: int) -> NDArray[np.int16]:
        return self._queue.read(frames)


class WavInput(MemoryInput):
    """What a WAV file says, in real time, then silence. See `read_wav` for what can be read.

    Calls that say the same file at the same time share its samples.
    """

    has_end = True

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)

    def open(self) -> int:
        self._samplerate, samples = self._read_file()
        self._queue = PcmQueue()
        self._queue.put(samples.data.cast("B"))
        return self._samplerate

    def _read_file(self) -> tuple[int, NDArray[np.int16]]:
        return read_wav(self.path)


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
        self._blocks: list[bytes] = []

    @property
    def played(self) -> bytes:
        """All that was played, from the first block on. For any thread."""
        return b"".join(tuple(self._blocks))  # of which there may be more at any moment

    def open(self, samplerate: int) -> int:
        self.samplerate = self.samplerate or samplerate
        return self.samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        self._blocks.append(block.tobytes())

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

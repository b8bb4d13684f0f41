"""Samples as programs give them, and on their way from the thread that gives them to that which reads them."""

import sys
from collections import deque

import numpy as np
from numpy.typing import NDArray

# Of raw bytes, and of native int16, as the buffer protocol tells them.
PCM16_FORMATS = ("B", "b", "c", "h", "=h", "@h", "<h" if sys.byteorder == "little" else ">h")

# Of bytes, or of int16 in the order of the machine.
Pcm16 = bytes | bytearray | memoryview | NDArray[np.int16]

NOTHING = memoryview(b"")


def pcm16(pcm: Pcm16) -> memoryview:
    """Its bytes, which nobody will change. Raises TypeError, or ValueError for more than one channel."""
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
    return view if isinstance(pcm, bytes) else memoryview(view.tobytes())


class PcmQueue:
    """PCM16 that waits to be read. One thread puts it and one reads it, at the same time; neither waits.

    Bytes are kept as they are until they have been read.
    """

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._rest = NOTHING  # of the piece that is being read
        # Each is counted by one thread alone; what was put is there before it is counted.
        self.put_bytes = 0
        self.read_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Those that were put and not read yet; to be asked in either thread, or another."""
        read = self.read_bytes  # first: it never is more than what was put by then
        return self.put_bytes - read

    def put(self, piece: memoryview) -> None:
        """Bytes that nobody will change, split anywhere."""
        if piece:
            self._pieces.append(piece)
            self.put_bytes += len(piece)

    def read(self, frames: int) -> NDArray[np.int16]:
        """So many frames, silence where there is nothing."""
        wanted = 2 * min(frames, self.waiting_bytes // 2)
        block = bytearray()
        while len(block) < wanted:
            self._rest = self._rest or self._pieces.popleft()
            taken = self._rest[: wanted - len(block)]
            block += taken
            self._rest = (
                self._rest[len(taken) :] or NOTHING
            )  # an empty one would hold all of the piece
        self.read_bytes += wanted
        block += bytes(2 * frames - wanted)
        return np.frombuffer(block, np.int16)

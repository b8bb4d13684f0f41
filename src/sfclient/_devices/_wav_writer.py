"""WAV files that are whole at every moment: what was written so far opens, whatever comes.

The header is brought up to date with every write. Beyond 4 GiB it becomes that of RF64, in the place
of a JUNK chunk that is kept for it (EBU Tech 3306, "RF64: an extended file format for audio", 2009).
"""

import errno
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from sfclient._devices._files import OutputFile, cannot
from sfclient._errors import AudioFileError
from sfclient._spool import Spool

WRITE_SECONDS = 0.25
MOST_WAITING_BYTES = 16 << 20  # 87 s of a stereo recording at 48 kHz, for a disk that stalls
HEADER_BYTES = 80
LARGEST_RIFF = 0xFFFFFFFF
SAMPLE_BYTES = 2


def header(samplerate: int, channels: int, data_bytes: int) -> bytes:
    """Of a WAV file of 16-bit PCM; of RF64, as long, where RIFF cannot tell how much there is."""
    block = SAMPLE_BYTES * channels
    whole = HEADER_BYTES - 8 + data_bytes
    sound = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, samplerate, samplerate * block, block, 16
    )
    if whole <= LARGEST_RIFF:
        start = struct.pack("<4sI4s4sI28x", b"RIFF", whole, b"WAVE", b"JUNK", 28)
        return start + sound + struct.pack("<4sI", b"data", data_bytes)
    sizes = whole, data_bytes, data_bytes // block
    start = struct.pack("<4sI4s4sIQQQI", b"RF64", 0xFFFFFFFF, b"WAVE", b"ds64", 28, *sizes, 0)
    return start + sound + struct.pack("<4sI", b"data", 0xFFFFFFFF)


class WavWriter:
    """A 16-bit PCM WAV file that grows; it blocks. Raises `AudioFileError`.

    An older file of the name is replaced, and a new one there to stay, as soon as there is something to write.
    """

    def __init__(self, path: Path, samplerate: int, channels: int = 1) -> None:
        self._path = path
        self._format = samplerate, channels
        self._frame_bytes = SAMPLE_BYTES * channels
        self._file = OutputFile(path)
        self._data_bytes: int | None = None  # None until it is begun
        self.crc32 = 0
        """Of all that was written (zlib), and of half a frame that did not fit."""

    @property
    def frames(self) -> int:
        """In the file, as its header tells."""
        return (self._data_bytes or 0) // self._frame_bytes

    def write(self, data: bytes) -> None:
        """Add whole frames. What does not fit is left out; what does is in the header, also if this raises."""
        try:
            if self._data_bytes is None:
                self._file.begin()
                self._data_bytes = 0
                self._bring_up_to_date()
            rest = memoryview(data)
            try:
                while rest:
                    taken = self._file.write(rest) or 0
                    self._data_bytes += taken
                    self.crc32 = zlib.crc32(rest[:taken], self.crc32)
                    rest = rest[taken:]
            finally:
                self._bring_up_to_date()
        except OSError as error:
            raise cannot("write", self._path, error) from None

    def _bring_up_to_date(self) -> None:
        """The header, and what a power failure would find; the end is where the next frame belongs."""
        self._data_bytes = self.frames * self._frame_bytes
        self._file.seek(0)
        self._file.write(header(*self._format, self._data_bytes))
        end = HEADER_BYTES + self._data_bytes
        if self._file.seek(0, os.SEEK_END) > end:  # half a frame, of one that did not fit
            self._file.seek(end)
            self._file.truncate()
        try:
            getattr(os, "fdatasync", os.fsync)(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # there is no such thing here
                raise

    def close(self) -> None:
        """May be called again."""
        try:
            self._file.close()
        except OSError as error:
            raise cannot("write", self._path, error) from None


class SpooledWav:
    """A WAV file that a thread writes: `write` never blocks, all else may. Raises `AudioFileError`."""

    def __init__(self, path: Path, samplerate: int, channels: int = 1) -> None:
        self._path = path
        self._writer = WavWriter(path, samplerate, channels)
        try:
            self._spool = Spool(
                self._writer.write,
                self._writer.close,
                every=WRITE_SECONDS,
                most_bytes=MOST_WAITING_BYTES,
            )
        except RuntimeError as error:  # no more threads
            with suppress(AudioFileError):
                self._writer.close()
            raise cannot("write", path, str(error)) from None

    @property
    def frames(self) -> int:
        """In the file."""
        return self._writer.frames

    @property
    def crc32(self) -> int:
        """Of what is in the file (zlib)."""
        return self._writer.crc32

    def write(self, samples: NDArray[np.int16]) -> None:
        """Add frames. Raises `AudioFileError` if earlier ones could not be written; then no more are taken."""
        if not self._spool.put(samples.tobytes()):
            self._raise_failure()

    def close(self) -> None:
        """Wait until all is written. Raises `AudioFileError` if something could not be."""
        self._spool.close()
        if self._spool.error is not None:
            self._raise_failure()

    def _raise_failure(self) -> NoReturn:
        error = self._spool.error
        if isinstance(error, AudioFileError):
            raise AudioFileError(str(error))  # a new one: this one outlives who raises it
        raise cannot("write", self._path, str(error))

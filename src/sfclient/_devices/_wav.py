"""WAV files in, as programs of all kinds write them.

The standard library's `wave` reads neither floats nor, before Python 3.12, the extensible format that many programs
write, so the reading is done here (Microsoft, "Multiple channel audio data and WAVE files", 2001; RF64 by EBU Tech
3306). What the header says is checked against itself and the file: sound that is not understood is refused, not played.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from sfaudio import alaw_to_int16, float32_to_int16, ulaw_to_int16
from sfclient._devices._files import cannot, open_input
from sfclient._devices._shared import decoded_once, version_of
from sfclient._errors import AudioFileError

PCM, IEEE_FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
UNKNOWN_BYTES = 0xFFFFFFFF  # of a data chunk in RF64, or of a program that did not know
MOST_FRAMES = 64 << 20  # 128 MiB as int16: 23 minutes at 48 kHz, 69 at 16 kHz
MOST_BYTES = 1 << 30
MOST_CHUNKS = 10_000  # a file may be full of empty ones
PIECE_BYTES = 1 << 20  # is decoded at a time
USUAL_CHUNKS = (b"fmt ", b"data", b"LIST", b"fact", b"cue ", b"JUNK", b"bext", b"id3 ", b"smpl")

Samples = NDArray[np.int16] | NDArray[np.float64] | NDArray[np.float32]
Decode = Callable[[NDArray[np.uint8]], Samples]
"""From bytes of whole samples to samples: int16 as they are, anything else as float64 in [-1, 1]."""


def read_wav(path: Path) -> tuple[int, NDArray[np.int16]]:
    """The sample rate and the frames of a WAV file, as mono int16, shared and so read-only. It may block.

    8, 16, 24 and 32-bit integers, 32 and 64-bit floats, and G.711 are understood, in RIFF and RF64. 16-bit mono comes
    as it is. Other widths are rounded to 16 bits, several channels are averaged. A file may have at most `MOST_FRAMES`
    in `MOST_BYTES`. Raises `AudioFileError`.
    """
    try:
        with open_input(path) as file:
            return _Reader(file).read()
    except OSError as error:
        raise cannot("read", path, error) from None
    except MemoryError:
        raise cannot("read", path, "it does not fit into memory: cut it") from None
    except OverflowError as error:
        raise cannot("read", path, str(error)) from None
    except (ValueError, struct.error) as error:
        raise AudioFileError(
            f"{path} is no WAV file that can be read ({error}): convert it to 16-bit PCM WAV"
        ) from None


@contextmanager
def open_stereo(path: Path) -> Iterator["StereoSound"]:
    """A recording of a call, to be read from its beginning; it may block. Raises `AudioFileError`."""
    with open_input(path) as file:
        try:
            layout, at, length = _Reader(file).find()
        except OSError as error:
            raise cannot("read", path, error) from None
        except (ValueError, struct.error) as error:
            raise AudioFileError(f"{path} is no WAV file that can be read ({error})") from None
        if (layout.kind, layout.bits, layout.channels, layout.frame_bytes) != (PCM, 16, 2, 4):
            told = f"{layout.channels} channels of {layout.bits} bits, format {layout.kind}"
            raise AudioFileError(
                f"{path} has {told}: a recording of a call has two channels of 16-bit PCM"
            )
        file.seek(at)
        yield StereoSound(path, file, layout.samplerate, length // layout.frame_bytes)


class StereoSound:
    """The sound of a file of 16-bit PCM in two channels."""

    def __init__(self, path: Path, file: BinaryIO, samplerate: int, frames: int) -> None:
        self._path = path
        self._file = file
        self.samplerate = samplerate
        self.frames = frames
        self.crc32 = 0
        """Of what was read so far (zlib)."""

    def read(self, frames: int) -> NDArray[np.int16]:
        """The next ones, as (frames, 2). Raises `AudioFileError` if there are fewer, or they cannot be read."""
        try:
            data = self._file.read(4 * frames)
        except OSError as error:
            raise cannot("read", self._path, error) from None
        if len(data) < 4 * frames:
            raise cannot("read", self._path, "it became shorter while it was read")
        self.crc32 = zlib.crc32(data, self.crc32)
        return np.frombuffer(data, "<i2").reshape(-1, 2).astype(np.int16, copy=False)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a fmt chunk tells."""

    kind: int
    channels: int
    samplerate: int
    bits: int
    sample_bytes: int

    @classmethod
    def parse(cls, body: bytes) -> "_Layout":
        kind, channels, samplerate, _, block, bits = struct.unpack_from("<HHIIHH", body)
        if kind == EXTENSIBLE:
            (kind,) = struct.unpack_from("<H", body, 24)
        if not channels or not samplerate:
            raise ValueError(f"it has {channels} channels at {samplerate} Hz")
        sample_bytes = block // channels if block else bits // 8
        if block % channels or (kind, bits, sample_bytes) not in DECODERS:
            place = f" in blocks of {block} bytes" if block else ""
            told = f"format {kind} with {bits} bits, {channels} channels{place} is not understood"
            raise ValueError(told)
        return cls(kind, channels, samplerate, bits, sample_bytes)

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.sample_bytes


class _Reader:
    """Of one file: finds the chunks, and decodes a piece at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        found = os.fstat(file.fileno())
        self._version = version_of(found)
        self._end = found.st_size

    def read(self) -> tuple[int, NDArray[np.int16]]:
        layout, at, length = self.find()
        decode = partial(self._decode, layout, at, length)
        return layout.samplerate, decoded_once(self._version, decode)

    def find(self) -> tuple[_Layout, int, int]:
        """How its sound is written, where, and how many bytes of it are there."""
        name, _, form = self._take(0, "<4sI4s") if self._end >= 12 else (b"", 0, b"")
        if name not in (b"RIFF", b"RF64", b"BW64") or form != b"WAVE":
            raise ValueError("it does not begin with RIFF or RF64, and WAVE")
        layout: _Layout | None = None
        large_bytes = UNKNOWN_BYTES
        for name, at, length in self._chunks(12):
            if name == b"ds64":
                _, large_bytes = self._take(at, "<QQ")
            elif name == b"fmt ":
                self._file.seek(at)
                layout = _Layout.parse(self._file.read(min(length, 40)))
            elif name == b"data":
                if layout is None:
                    raise ValueError("its data come before its format")
                if length == UNKNOWN_BYTES:
                    length = large_bytes
                if not length and not self._are_chunks(at):  # of a program that was killed
                    length = self._end - at
                return layout, at, min(length, self._end - at)
        raise ValueError("it has no data")

    def _take(self, at: int, layout: str) -> tuple[Any, ...]:
        self._file.seek(at)
        return struct.unpack(layout, self._file.read(struct.calcsize(layout)))

    def _chunks(self, at: int) -> Iterator[tuple[bytes, int, int]]:
        """The name of each, where its body is, and the length that it tells."""
        for _ in range(MOST_CHUNKS):
            if at + 8 > self._end:
                return
            name, length = self._take(at, "<4sI")
            yield name, at + 8, length
            at += 8 + length
            if length % 2 and self._is_padded(at):
                at += 1

    def _is_padded(self, at: int) -> bool:
        """Whether a byte of padding follows, as it should behind an odd length, or the next chunk."""
        self._file.seek(at)
        there = self._file.read(5)
        at_once, behind_it = there[:4], there[1:]
        for name, is_padded in ((behind_it, True), (at_once, False)):
            if name in USUAL_CHUNKS:
                return is_padded
        return not _is_name(at_once) or _is_name(behind_it)

    def _are_chunks(self, at: int) -> bool:
        """Whether all from here on is chunks, so that a data chunk before them may be empty."""
        for name, body, length in self._chunks(at):
            at = body + length
            if not _is_name(name):
                return False
        return at <= self._end <= at + 1

    def _decode(self, layout: _Layout, at: int, length: int) -> NDArray[np.int16]:
        frames = length // layout.frame_bytes
        if frames > MOST_FRAMES or length > MOST_BYTES:
            seconds = frames / layout.samplerate
            raise OverflowError(
                f"it holds {seconds:.0f} s of sound, more than the {MOST_FRAMES} frames in {MOST_BYTES} bytes that can"
                " be kept: cut it, or convert it to mono at a lower rate"
            )
        decode = DECODERS[layout.kind, layout.bits, layout.sample_bytes]
        if decode is _low_or_high:
            pieces = self._pieces(layout, at, frames)
            decode = _low if all(_is_low(piece) for piece in pieces) else DECODERS[PCM, 32, 4]
        decoded = np.empty(frames, np.int16)
        done = 0
        for piece in self._pieces(layout, at, frames):
            mono = to_mono_int16(decode(piece), layout.channels)
            decoded[done : done + len(mono)] = mono
            done += len(mono)
        return decoded[:done]

    def _pieces(self, layout: _Layout, at: int, frames: int) -> Iterator[NDArray[np.uint8]]:
        """The bytes of whole frames; fewer if the file was cut meanwhile."""
        self._file.seek(at)
        most = max(1, PIECE_BYTES // layout.frame_bytes)
        while frames:
            data = self._file.read(min(frames, most) * layout.frame_bytes)
            whole = len(data) // layout.frame_bytes
            if not whole:
                return
            yield np.frombuffer(data, np.uint8, whole * layout.frame_bytes)
            frames -= whole


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= letter < 0x7F for letter in name)


def _twenty_four(data: NDArray[np.uint8]) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = data.reshape(-1, 3)
    return wide.view("<i4")[:, 0] / 2.0**31


def _is_low(data: NDArray[np.uint8]) -> bool:
    """Whether 24 bits in 4 bytes may be the low ones, though the high ones are the rule: the rest is but a sign.

    High ones whose loudest sample is below -48 dBFS look alike, but nobody says that to an agent.
    """
    samples = data.view("<i4")
    return bool(np.all((samples >= -(2**23)) & (samples < 2**23)))


def _low(data: NDArray[np.uint8]) -> Samples:
    low: Samples = (data.view("<i4") << 8) / 2.0**31
    return low


def _low_or_high(_data: NDArray[np.uint8]) -> NoReturn:
    raise AssertionError("which of them is decided for the whole file")


DECODERS: dict[tuple[int, int, int], Decode] = {
    (PCM, 8, 1): lambda data: (data.astype(np.float64) - 128) / 128,
    (PCM, 16, 2): lambda data: data.view("<i2").astype(np.int16, copy=False),
    (PCM, 24, 3): _twenty_four,
    (PCM, 24, 4): _low_or_high,
    (PCM, 32, 4): lambda data: data.view("<i4") / 2.0**31,
    (IEEE_FLOAT, 32, 4): lambda data: data.view("<f4").astype(np.float64),
    (IEEE_FLOAT, 64, 8): lambda data: data.view("<f8").astype(np.float64),
    (ALAW, 8, 1): alaw_to_int16,
    (ULAW, 8, 1): ulaw_to_int16,
}
"""By format, bits of a sample, and the bytes that it is in."""


def to_mono_int16(samples: Samples, channels: int) -> NDArray[np.int16]:
    """Several channels as their mean."""
    if samples.dtype == np.int16:
        if channels == 1:
            return samples.astype(np.int16, copy=False)
        samples = samples / 32768.0
    with np.errstate(over="ignore", invalid="ignore"):  # infinities saturate, NaN becomes 0
        mixed = samples.reshape(-1, channels).mean(axis=1).astype(np.float32)
    return float32_to_int16(mixed, rule="symmetric")

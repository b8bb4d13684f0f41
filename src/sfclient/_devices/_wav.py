"""WAV files in and out.

The standard library's `wave` writes them; it reads neither floats nor, before Python 3.12, the
extensible format that many programs write, so the reading is done here (Microsoft, "Multiple
channel audio data and WAVE files", 2001).
"""

import struct
import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfaudio import float32_to_int16
from sfclient._errors import AudioFileError

PCM, IEEE_FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def read_wav(path: Path) -> tuple[int, NDArray[np.int16]]:
    """The sample rate and the frames of a WAV file, as mono int16.

    8, 16, 24 and 32-bit integers and 32 and 64-bit floats are understood. 16-bit mono comes as it
    is. Other widths are rounded to 16 bits, several channels are averaged. Raises `AudioFileError`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AudioFileError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        return _parse(memoryview(data))
    except (ValueError, struct.error) as error:
        raise AudioFileError(
            f"{path} is no WAV file that can be read ({error}): convert it to 16-bit PCM WAV"
        ) from None


def _parse(data: memoryview) -> tuple[int, NDArray[np.int16]]:
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WAVE":
        raise ValueError("it does not begin with RIFF and WAVE")
    layout: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]  # a file cut short, or streamed, ends where it ends
        if name == b"fmt ":
            kind, channels, samplerate, _bytes_a_second, _block, bits = struct.unpack_from(
                "<HHIIHH", body
            )
            if kind == EXTENSIBLE:
                (kind,) = struct.unpack_from("<H", body, 24)
            layout = kind, channels, samplerate, bits
        elif name == b"data":
            if layout is None:
                raise ValueError("its data come before its format")
            kind, channels, samplerate, bits = layout
            if not channels or not samplerate:
                raise ValueError(f"it has {channels} channels at {samplerate} Hz")
            whole = len(body) // (channels * (bits // 8 or 1)) * channels * (bits // 8 or 1)
            return samplerate, _mono(_samples(kind, bits, body[:whole]), channels)
        at += 8 + length + length % 2
    raise ValueError("it has no data")


def _samples(kind: int, bits: int, body: memoryview) -> NDArray[np.int16] | NDArray[np.float64]:
    """The samples, int16 as they are, anything else as float64 in [-1, 1]."""
    if kind == PCM and bits == 8:
        return (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    if kind == PCM and bits == 16:
        return np.frombuffer(body, "<i2").astype(np.int16, copy=False)
    if kind == PCM and bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0] / 2.0**31
    if kind == PCM and bits == 32:
        return np.frombuffer(body, "<i4") / 2.0**31
    if kind == IEEE_FLOAT and bits in (32, 64):
        return np.frombuffer(body, f"<f{bits // 8}").astype(np.float64)
    raise ValueError(f"format {kind} with {bits} bits is not understood")


def _mono(samples: NDArray[np.int16] | NDArray[np.float64], channels: int) -> NDArray[np.int16]:
    if samples.dtype == np.int16:
        if channels == 1:
            return samples.astype(np.int16, copy=False)
        samples = samples / 32768.0
    with np.errstate(over="ignore", invalid="ignore"):  # infinities saturate, NaN becomes 0
        mixed = samples.reshape(-1, channels).mean(axis=1).astype(np.float32)
    return float32_to_int16(mixed, rule="symmetric")


class WavWriter:
    """A 16-bit PCM WAV file that grows; close it, or its header is wrong. Raises `AudioFileError`."""

    def __init__(self, path: Path, samplerate: int, channels: int = 1) -> None:
        self._path = path
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise AudioFileError(f"cannot write {path}: {error.strerror or error}") from None
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 -- closed by close()
        self._wave.setnchannels(channels)
        self._wave.setsampwidth(2)
        self._wave.setframerate(samplerate)

    @property
    def frames(self) -> int:
        """Written so far."""
        return self._wave.getnframes()

    def write(self, samples: NDArray[np.int16]) -> None:
        try:
            self._wave.writeframesraw(samples.tobytes())
        except (OSError, struct.error) as error:  # struct.error: beyond the 4 GiB of the format
            raise self._failed(error) from None

    def close(self) -> None:
        """Complete the header. May be called again."""
        try:
            self._wave.close()
            self._file.close()
        except (OSError, struct.error) as error:
            with suppress(OSError):
                self._file.close()  # it tries to write again, but gives the descriptor back
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> AudioFileError:
        return AudioFileError(
            f"cannot write {self._path}: {getattr(error, 'strerror', None) or error}"
        )

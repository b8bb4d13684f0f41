"""Other sound files than WAV: what libsndfile reads, if the extra ``files`` is installed."""

import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfclient._devices._ends import WavInput
from sfclient._devices._files import cannot, open_input
from sfclient._devices._shared import decoded_once, version_of
from sfclient._devices._wav import MOST_FRAMES, read_wav, to_mono_int16

# By which a name is that of a sound file; what libsndfile does not read of them is told when it is opened.
SUFFIXES = (
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".au",
    ".caf",
    ".m4a",
    ".aac",
)
PIECE_FRAMES = 1 << 16  # are decoded at a time
MISSING = "it takes another package to read it: pip install 'sfaudio[files]'; or convert it to WAV"


def is_sound_file(name: str | Path) -> bool:
    """Whether the name is that of a sound file, a WAV file or another one."""
    return str(name).lower().endswith((".wav", *SUFFIXES))


def file_input(path: str | Path) -> WavInput:
    """What says a file of such a name."""
    return WavInput(path) if str(path).lower().endswith(".wav") else SoundFileInput(path)


def read_sound(path: Path) -> tuple[int, NDArray[np.int16]]:
    """The sample rate and the frames of a sound file of any kind, as `read_wav` does it. Raises `AudioFileError`."""
    read = read_sound_file if str(path).lower().endswith(SUFFIXES) else read_wav
    return read(path)


class SoundFileInput(WavInput):
    """What another sound file says; otherwise as `WavInput`."""

    def _read_file(self) -> tuple[int, NDArray[np.int16]]:
        return read_sound_file(self.path)


def read_sound_file(path: Path) -> tuple[int, NDArray[np.int16]]:
    """The sample rate and the frames of a sound file, as `read_wav` does it. Raises `AudioFileError`."""
    try:
        soundfile: Any = import_module("soundfile")
    except (ImportError, OSError):  # OSError: without its library
        raise cannot("read", path, MISSING) from None
    try:
        with open_input(path) as file:
            version = version_of(os.fstat(file.fileno()))
            with soundfile.SoundFile(file) as opened:
                return opened.samplerate, decoded_once(version, partial(_decode, path, opened))
    except soundfile.LibsndfileError as error:
        told = f"libsndfile says: {error.error_string.rstrip('.')}: convert it to WAV"
        raise cannot("read", path, told) from None


def _decode(path: Path, opened: Any) -> NDArray[np.int16]:
    pieces = [np.empty(0, np.int16)]
    left = MOST_FRAMES
    for block in opened.blocks(PIECE_FRAMES, dtype="float32", always_2d=True):
        left -= len(block)
        if left < 0:
            seconds = MOST_FRAMES / opened.samplerate
            raise cannot("read", path, f"it holds more than {seconds:.0f} s of sound: cut it")
        pieces.append(to_mono_int16(block, opened.channels))
    return np.concatenate(pieces)

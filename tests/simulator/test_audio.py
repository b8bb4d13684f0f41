"""The simulator's sample conversions."""

import itertools
import math
import struct
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sfclient.simulator import UnreadableWavError
from sfclient.simulator._audio import Decimator, read_wav

Floats = npt.NDArray[np.float64]


def tone(hertz: float, samplerate: int, seconds: float = 1.0) -> Floats:
    return np.sin(2 * np.pi * hertz * np.arange(round(samplerate * seconds)) / samplerate)


def pcm16(samples: Floats) -> bytes:
    return np.rint(samples * 32767).astype("<i2").tobytes()


def floats(pcm: bytes) -> Floats:
    return np.frombuffer(pcm, dtype="<i2") / 32767


def level(samples: Floats) -> float:
    """RMS level in dB, 0 for a full-scale sine."""
    return 10 * math.log10(2 * float(np.mean(samples**2)) + 1e-12)


def write_wav(path: Path, data: bytes, *, width: int, channels: int, samplerate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, samplerate, 0, "NONE", ""))
        file.writeframes(data)
    return path


@pytest.mark.parametrize("seed", range(5))
def test_decimation_does_not_depend_on_the_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pcm = rng.integers(-32768, 32768, 30_001).astype("<i2").tobytes()
    whole = Decimator().feed(pcm)
    cuts = [0, *sorted(2 * rng.integers(0, 30_001, 200)), len(pcm)]
    decimator = Decimator()
    pieces = b"".join(decimator.feed(pcm[a:b]) for a, b in itertools.pairwise(cuts))
    assert pieces == whole
    assert len(whole) // 2 == 10_001


def test_decimation_is_late_by_16_samples_and_keeps_the_level() -> None:
    given = tone(1000, 48_000) * 0.5
    output = floats(Decimator().feed(pcm16(given)))
    assert np.abs(output[1000:] - given[::3][1000 - 16 : -16]).max() < 1e-3
    # A full-scale square wave overshoots the filter and has to be clipped, not wrapped.
    square = np.sign(tone(100, 48_000) + 1e-9)
    assert floats(Decimator().feed(pcm16(square))).min() < -0.999
    assert np.corrcoef(floats(Decimator().feed(pcm16(square)))[16:], square[::3][:-16])[0, 1] > 0.95


def test_decimation_of_a_constant_is_exact() -> None:
    output = np.frombuffer(Decimator().feed(b"\x34\x12" * 4800), dtype="<i2")
    assert set(output[40:]) == {0x1234}


@pytest.mark.parametrize(("hertz", "low", "high"), [(5_500, -0.1, 0.1), (8_100, -120, -65)])
def test_decimation_filters(hertz: float, low: float, high: float) -> None:
    output = floats(Decimator().feed(pcm16(tone(hertz, 48_000))))[100:]
    assert low < level(output) < high


def test_pcm16_mono_16_khz_is_read_bit_for_bit(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    path = write_wav(tmp_path / "a.wav", data, width=2, channels=1, samplerate=16_000)
    assert read_wav(path) == data
    assert read_wav(str(path)) == data


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samplerate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_any_pcm_is_converted(tmp_path: Path, width: int, channels: int, samplerate: int) -> None:
    given = 0.5 * tone(440, samplerate, 0.7)
    scaled = np.rint(given * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    if width == 1:
        scaled += 128
    frames = np.repeat(scaled, channels)
    data = b"".join((int(s) & 0xFFFFFFFF).to_bytes(4, "little")[:width] for s in frames)
    path = write_wav(
        tmp_path / "a.wav", data, width=width, channels=channels, samplerate=samplerate
    )
    output = floats(read_wav(path))
    expected = 0.5 * tone(440, 16_000, 0.7)
    assert abs(len(output) - len(expected)) <= 1
    middle = slice(800, 10_000)
    assert np.abs(output[middle] - expected[middle]).max() < (0.02 if width == 1 else 0.002)


def test_the_end_of_a_file_is_not_heard_at_its_beginning(tmp_path: Path) -> None:
    given = np.zeros(3 * 2**14)
    given[-4800:] = 0.9
    path = write_wav(tmp_path / "a.wav", pcm16(given), width=2, channels=1, samplerate=48_000)
    output = floats(read_wav(path))
    assert np.abs(output[:1000]).max() < 0.001
    assert output[-800] == pytest.approx(0.9, abs=0.01)


def test_stereo_is_mixed(tmp_path: Path) -> None:
    path = write_wav(
        tmp_path / "a.wav", struct.pack("<4h", 100, 300, -32768, -32768), width=2, channels=2,
        samplerate=16_000,
    )  # fmt: skip
    assert read_wav(path) == struct.pack("<2h", 200, -32768)


@pytest.mark.parametrize("samplerate", [8_000, 16_000, 48_000])
def test_an_empty_wav_says_nothing(tmp_path: Path, samplerate: int) -> None:
    path = write_wav(tmp_path / "a.wav", b"", width=2, channels=2, samplerate=samplerate)
    assert read_wav(path) == b""


HEADER = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0"


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"RIFF",
        b"no wav at all, but long enough to be looked at closely",
        HEADER + struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32) + b"data\x04\0\0\0\0\0\0\0",
        HEADER + struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16) + b"data\x04\0\0\0\0\0\0\0",
        HEADER + struct.pack("<HHIIHH", 1, 1, 16_000, 0, 8, 64) + b"data\x04\0\0\0\0\0\0\0",
    ],
)
def test_unreadable_wav_names_the_path_and_the_remedy(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "speech.wav"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnreadableWavError) as caught:
        read_wav(path)
    assert str(caught.value).count("speech.wav") == 1
    assert "ffmpeg" in str(caught.value)
    assert "()" not in str(caught.value)


def test_a_folder_is_no_wav(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWavError, match="directory"):
        read_wav(tmp_path)


def test_a_wav_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(400), width=2, channels=2, samplerate=16_000)
    path.write_bytes(path.read_bytes()[:-3])
    assert read_wav(path) == bytes(198)

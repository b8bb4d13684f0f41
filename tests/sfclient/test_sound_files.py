"""Other sound files than WAV say what the caller says, where the extra is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sfclient import Audio, AudioFileError, MemoryOutput
from sfclient._devices import _sound_files, is_sound_file, open_lines
from sfclient._devices._sound_files import file_input, read_sound_file

RATE = 24_000
TONE = (9000 * np.sin(np.arange(RATE) * 0.1)).astype(np.int16)


@pytest.fixture
def flac(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "tone.flac", TONE, RATE)
    return tmp_path / "tone.flac"


def test_lossless_mono_is_read_to_the_bit(flac: Path) -> None:
    samplerate, samples = read_sound_file(flac)
    assert samplerate == RATE
    np.testing.assert_array_equal(samples, TONE)


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".aiff"])
def test_whatever_libsndfile_knows_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, TONE, RATE)
    samplerate, samples = read_sound_file(path)
    assert samplerate == RATE
    assert len(samples) == pytest.approx(RATE, abs=2400)
    assert 6000 < np.abs(samples.astype(int)).max() < 12_000


def test_several_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.flac"
    soundfile.write(path, np.stack([TONE, np.zeros_like(TONE)], axis=1), RATE)
    assert np.abs(read_sound_file(path)[1] - TONE / 2).max() <= 1


def test_calls_that_say_the_same_file_share_its_samples(flac: Path) -> None:
    assert read_sound_file(flac)[1] is read_sound_file(flac)[1]


async def test_a_line_says_it(flac: Path) -> None:
    audio = Audio(str(flac), MemoryOutput())
    async with open_lines(audio, 16_000, 16_000) as (line,):
        assert line.input_samplerate == RATE
        assert line.has_end


def test_what_is_no_sound_is_told(tmp_path: Path) -> None:
    path = tmp_path / "letter.mp3"
    path.write_bytes(b"Dear Sir or Madam, " * 100)
    with pytest.raises(
        AudioFileError, match=r"letter\.mp3: libsndfile says: .*: convert it to WAV"
    ):
        read_sound_file(path)
    with pytest.raises(AudioFileError, match="No such file"):
        read_sound_file(tmp_path / "none.flac")


def test_too_long_a_file_is_told(flac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sound_files, "MOST_FRAMES", RATE // 2)
    with pytest.raises(AudioFileError, match="more than 0 s of sound: cut it"):
        read_sound_file(flac)


def test_without_the_extra_the_line_to_type_is_told(
    flac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(AudioFileError, match=r"pip install 'sfaudio\[files\]'"):
        file_input(flac).open()


async def test_what_the_agent_says_is_written_as_wav_alone(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"name it \.wav"):
        async with open_lines(Audio("none", tmp_path / "answer.flac"), 16_000, 16_000):
            pass


def test_a_name_tells_a_file_from_a_device() -> None:
    names = ["a.wav", "A.FLAC", "b.ogg", "c.mp3", ".wav"]
    assert all(map(is_sound_file, names))
    assert not any(map(is_sound_file, ["USB", "hw:0,0", "none", "wav", "Mixer 2.0"]))

"""What has the name of a WAV file and is none, or cannot be opened."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfclient import AudioFileError, WavInput
from sfclient._devices._wav import read_wav

from .conftest import write_wav


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return tmp_path / "in.wav"


@pytest.fixture(params=["pipe", "device", "folder", "socket"])
def odd_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """What is there is no file, and is called one."""
    if sys.platform == "win32":
        pytest.skip("files are of one kind")
    path = tmp_path / "odd.wav"
    with socket.socket(socket.AF_UNIX) as sock:
        match request.param:
            case "pipe":
                os.mkfifo(path)
            case "device":
                path.symlink_to(os.devnull)
            case "folder":
                path.mkdir()
            case "socket":
                sock.bind(str(path))
        yield path


class TestPaths:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(AudioFileError, match=r"cannot read .*gone\.wav: No such file"):
            read_wav(tmp_path / "gone.wav")

    def test_what_is_no_file_is_refused_by_its_kind(self, odd_path: Path) -> None:
        """Before it is opened: a pipe would wait for ever, and a device may do anything."""
        told = "it is a (named pipe|device|directory|socket), not a file: save"
        with pytest.raises(AudioFileError, match=rf"cannot read .*odd\.wav: {told}"):
            read_wav(odd_path)

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
    def test_link_to_itself(self, wav: Path) -> None:
        wav.symlink_to(wav)
        with pytest.raises(AudioFileError, match=r"cannot read .*in\.wav: Too many levels"):
            read_wav(wav)

    @pytest.mark.parametrize("name", ["a\0.wav", "a\ud800.wav"])
    def test_name_of_no_file(self, name: str) -> None:
        with pytest.raises(AudioFileError, match="cannot read"):
            read_wav(Path(name))

    @pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() == 0, reason="root reads every file"
    )
    def test_unreadable(self, wav: Path) -> None:
        write_wav(wav, b"", 48_000)
        wav.chmod(0)
        with pytest.raises(AudioFileError, match="ermission denied"):
            read_wav(wav)

    def test_input_is_read_when_it_is_opened(self, wav: Path) -> None:
        source = WavInput(wav)
        with pytest.raises(AudioFileError):
            source.open()
        write_wav(wav, b"\1\0\2\0\3\0", 44_100)
        assert source.open() == 44_100
        assert source.waiting_frames == 3
        assert source.read(2).tolist() == [1, 2]
        assert source.read(3).tolist() == [3, 0, 0]
        assert source.read(1).tolist() == [0]

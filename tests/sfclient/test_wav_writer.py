"""WAV files that a call writes: whole at every moment, private, and never in the way of a call."""

import os
import socket
import stat
import struct
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sfclient import AudioFileError, WavOutput
from sfclient._devices import SpooledWav, _files, _wav_writer
from sfclient._devices._wav import read_wav
from sfclient._devices._wav_writer import WavWriter

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="files have other rights and limits")


def read_back(path: Path) -> tuple[int, int, int, bytes]:
    with wave.open(str(path)) as file:
        frames = file.readframes(file.getnframes())
        return file.getnchannels(), file.getsampwidth(), file.getframerate(), frames


def samples(first: int, last: int) -> NDArray[np.int16]:
    return np.arange(first, last).astype(np.int16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.wav"


@pytest.fixture
def small_disk() -> Iterator[int]:
    """No file of this process may have more bytes; there is no room for the last of a frame."""
    if sys.platform == "win32":
        pytest.skip("no limits on Windows")
    import resource

    limit, rest = 100_001, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, rest))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (rest, rest))


class TestFile:
    @pytest.mark.parametrize("channels", [1, 2])
    def test_is_whole_after_every_write(self, channels: int, path: Path) -> None:
        """So it is for who reads it meanwhile, or when this program is killed."""
        writer = WavWriter(path, 16_000, channels)
        for end in (7, 8, 600):
            written = writer.frames * channels
            writer.write(samples(written, end * channels).tobytes())
            assert read_back(path) == (channels, 2, 16_000, samples(0, end * channels).tobytes())
        writer.close()
        writer.close()
        assert read_back(path)[3] == samples(0, 600 * channels).tobytes()

    def test_what_is_written_is_read_back(self, path: Path) -> None:
        written = samples(-32768, 32768)
        writer = WavWriter(path, 48_000)
        writer.write(written.tobytes())
        writer.close()
        samplerate, read = read_wav(path)
        assert samplerate == 48_000
        np.testing.assert_array_equal(read, written)

    def test_nothing_written_is_no_file_and_an_older_one_stays(self, path: Path) -> None:
        WavWriter(path, 16_000).close()
        assert not path.exists()
        path.write_bytes(b"older")
        WavWriter(path, 16_000).close()
        assert path.read_bytes() == b"older"

    def test_older_file_is_replaced(self, path: Path) -> None:
        path.write_bytes(bytes(10_000))
        writer = WavWriter(path, 48_000)
        writer.write(b"\1\0")
        writer.close()
        assert read_back(path)[3] == b"\1\0"
        assert path.stat().st_size == _wav_writer.HEADER_BYTES + 2

    @POSIX
    @pytest.mark.parametrize("older", [False, True])
    def test_is_private_to_the_user(self, older: bool, path: Path) -> None:
        if older:
            path.touch(0o644)
        writer = WavWriter(path, 48_000)
        writer.write(b"\1\0")
        writer.close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_beyond_4_gib_it_is_rf64(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By EBU Tech 3306; the sound stays where it is."""
        monkeypatch.setattr(_wav_writer, "LARGEST_RIFF", 1000)
        writer = WavWriter(path, 16_000, 2)
        writer.write(samples(0, 400).tobytes())
        assert read_back(path)[3] == samples(0, 400).tobytes()
        writer.write(samples(400, 600).tobytes())
        writer.close()
        data = path.read_bytes()
        assert data[:12] == b"RF64\xff\xff\xff\xffWAVE"
        told = struct.unpack_from("<4sIQQQI", data, 12)
        assert told == (b"ds64", 28, len(data) - 8, 1200, 300, 0)
        assert data[-1208:-1200] == b"data\xff\xff\xff\xff"
        assert data[-1200:] == samples(0, 600).tobytes()
        assert len(read_wav(path)[1]) == 300

    def test_where_riff_ends_and_rf64_begins(self) -> None:
        most = 0xFFFFFFFF - _wav_writer.HEADER_BYTES + 8
        most -= most % 4
        assert _wav_writer.header(48_000, 2, most)[:4] == b"RIFF"
        assert _wav_writer.header(48_000, 2, most + 4)[:4] == b"RF64"

    def test_full_disk_leaves_what_fitted(self, small_disk: int, path: Path) -> None:
        writer = WavWriter(path, 16_000, 2)
        writer.write(samples(0, 40_000).tobytes())
        with pytest.raises(AudioFileError, match=r"cannot write .*out\.wav: File too large"):
            writer.write(samples(40_000, 60_000).tobytes())
        fitted = (small_disk - _wav_writer.HEADER_BYTES) // 4
        assert writer.frames == fitted
        assert read_back(path)[3] == samples(0, 60_000).tobytes()[: 4 * fitted]
        assert path.stat().st_size == _wav_writer.HEADER_BYTES + 4 * fitted
        writer.close()


class TestPlace:
    @pytest.mark.parametrize("where", ["gone/out.wav", ".", "a\0.wav", "a\ud800.wav"])
    def test_that_cannot_be_written(self, where: str, tmp_path: Path) -> None:
        for open_it in (lambda path: WavWriter(path, 48_000), lambda path: WavOutput(path).open(1)):
            with pytest.raises(AudioFileError, match="cannot write"):
                open_it(tmp_path / where)

    @POSIX
    @pytest.mark.parametrize("kind", ["named pipe", "device", "directory", "socket"])
    def test_that_is_no_file_is_refused_by_its_kind(self, kind: str, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            match kind:
                case "named pipe":
                    os.mkfifo(path)
                case "device":
                    path.symlink_to("/dev/full")
                case "directory":
                    path.mkdir()
                case "socket":
                    sock.bind(str(path))
            with pytest.raises(AudioFileError, match=f'it is a {kind}, not a file: .*"none"'):
                WavWriter(path, 48_000)

    def test_that_is_written_already(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Under whatever name; when that is done it is free again."""
        monkeypatch.setattr(_files, "CLAIM_SECONDS", 0.01)
        first = WavWriter(path, 48_000)
        other = path.with_name("other.wav")
        os.link(path, other)
        for name in (path, other):
            with pytest.raises(AudioFileError, match="is being written already"):
                WavWriter(name, 48_000)
        first.write(b"\1\0")
        first.close()
        WavWriter(other, 48_000).close()
        assert read_back(path)[3] == b"\1\0"

    def test_that_is_just_being_closed_is_waited_for(self, path: Path) -> None:
        first = WavWriter(path, 48_000)
        threading.Timer(0.02, first.close).start()
        WavWriter(path, 48_000).close()
        assert not path.exists()


class TestSpooled:
    """By a thread, which may be held up as long as it likes."""

    def test_nothing_waits_longer_than_it_must(self, path: Path) -> None:
        spooled = SpooledWav(path, 16_000, 2)
        for at in range(0, 1000, 100):
            spooled.write(samples(at, at + 100).reshape(-1, 2))
        spooled.close()
        assert spooled.frames == 500
        assert read_back(path) == (2, 2, 16_000, samples(0, 1000).tobytes())

    def test_header_follows_within_a_quarter_of_a_second(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert _wav_writer.WRITE_SECONDS == 0.25
        monkeypatch.setattr(_wav_writer, "WRITE_SECONDS", 0.01)
        written = threading.Event()
        write = WavWriter.write

        def tell(self: WavWriter, data: bytes) -> None:
            write(self, data)
            written.set()

        monkeypatch.setattr(WavWriter, "write", tell)
        spooled = SpooledWav(path, 16_000)
        spooled.write(samples(0, 100))
        assert written.wait(20)
        assert read_back(path)[3] == samples(0, 100).tobytes()
        spooled.close()

    def test_disk_that_stalls_holds_nobody_up_and_costs_no_memory(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        going_on = threading.Event()
        write = WavWriter.write

        def stall(self: WavWriter, data: bytes) -> None:
            assert going_on.wait(20)
            write(self, data)

        monkeypatch.setattr(WavWriter, "write", stall)
        monkeypatch.setattr(_wav_writer, "MOST_WAITING_BYTES", 100_000)
        spooled = SpooledWav(path, 16_000)
        for _ in range(50):
            spooled.write(samples(0, 1000))
        with pytest.raises(AudioFileError, match="it takes so long that 100000 bytes wait"):
            spooled.write(samples(0, 1))
        going_on.set()  # what was taken is written after all, and no more
        with pytest.raises(AudioFileError, match="wait"):
            spooled.write(samples(0, 1000))
        with pytest.raises(AudioFileError, match="wait"):
            spooled.close()
        assert len(read_back(path)[3]) == 100_000

    def test_full_disk_is_told_to_who_writes_next_and_at_the_end(
        self, small_disk: int, path: Path
    ) -> None:
        spooled = SpooledWav(path, 16_000)
        spooled.write(samples(0, 60_000))
        with pytest.raises(AudioFileError, match="File too large"):
            spooled.close()
        with pytest.raises(AudioFileError, match="File too large"):
            spooled.write(samples(0, 1))
        assert len(read_back(path)[3]) == (small_disk - _wav_writer.HEADER_BYTES) // 2 * 2
        WavWriter(path, 16_000).close()  # it is free again

    def test_no_thread_to_be_had_is_told(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def start(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start)
            with pytest.raises(AudioFileError, match="new thread"):
                SpooledWav(path, 16_000)
        assert not path.exists()

"""WAV files: what can be read, how it becomes 16-bit mono, and what is written."""

import os
import struct
import subprocess
import sys
import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sfclient import AudioFileError, WavInput, WavOutput
from sfclient._devices import WavWriter
from sfclient._devices._wav import read_wav

PCM, FLOAT, EXTENSIBLE, ALAW = 1, 3, 0xFFFE, 6
# The rest of a GUID after the format's number (Microsoft, mmreg.h: KSDATAFORMAT_SUBTYPE_...).
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def fmt(
    kind: int, bits: int, channels: int = 1, rate: int = 48_000, *, extensible: bool = False
) -> bytes:
    frame = channels * bits // 8
    outer = EXTENSIBLE if extensible else kind
    body = struct.pack("<HHIIHH", outer, channels, rate, rate * frame % 2**32, frame, bits)
    if extensible:
        body += struct.pack("<HHIH", 22, bits, 0, kind) + GUID_TAIL
    return chunk(b"fmt ", body)


def packed(kind: int, bits: int, full_scale: NDArray[np.float64]) -> bytes:
    """Samples in [-1, 1) in this format, exactly where it can hold them."""
    if kind == FLOAT:
        return full_scale.astype(f"<f{bits // 8}").tobytes()
    integers = np.floor(full_scale * 2.0 ** (bits - 1)).astype(np.int64)
    if bits == 8:
        return (integers + 128).astype(np.uint8).tobytes()
    if bits == 24:
        return integers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return integers.astype(f"<i{bits // 8}").tobytes()


FORMATS = [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)]
# Values that 8 bits hold too, so that every format must give the same.
EXACT = np.array([-128, -127, -64, -1, 0, 1, 2, 63, 64, 126, 127]) / 128


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return tmp_path / "in.wav"


class TestFormats:
    @pytest.mark.parametrize("extensible", [False, True])
    @pytest.mark.parametrize(("kind", "bits"), FORMATS)
    def test_every_width_gives_the_same_samples(
        self, kind: int, bits: int, extensible: bool, wav: Path
    ) -> None:
        data = packed(kind, bits, EXACT)
        wav.write_bytes(
            riff(fmt(kind, bits, rate=8000, extensible=extensible), chunk(b"data", data))
        )
        samplerate, samples = read_wav(wav)
        assert samplerate == 8000
        assert samples.dtype == np.int16
        np.testing.assert_array_equal(samples, EXACT * 32768)

    @pytest.mark.parametrize("channels", [2, 3, 6])
    @pytest.mark.parametrize(("kind", "bits"), FORMATS)
    def test_channels_are_averaged(self, kind: int, bits: int, channels: int, wav: Path) -> None:
        first = EXACT * channels / 8  # alone in its frame, so the mean is an eighth
        first = first[(first >= -1) & (first < 1) & (first * 128 % 1 == 0)]
        frames = np.zeros((len(first), channels))
        frames[:, 0] = first
        data = packed(kind, bits, frames.ravel())
        wav.write_bytes(riff(fmt(kind, bits, channels), chunk(b"data", data)))
        _, samples = read_wav(wav)
        np.testing.assert_allclose(samples, first / channels * 32768, atol=0.51)

    def test_channels_of_one_voice_are_that_voice(self, wav: Path) -> None:
        mono = np.arange(-32768, 32768).astype("<i2")
        data = np.repeat(mono, 2).tobytes()
        wav.write_bytes(riff(fmt(PCM, 16, 2), chunk(b"data", data)))
        np.testing.assert_array_equal(read_wav(wav)[1], mono)

    def test_opposite_channels_cancel(self, wav: Path) -> None:
        data = np.array([32767, -32767, -32768, 32767], "<i2").tobytes()
        wav.write_bytes(riff(fmt(PCM, 16, 2), chunk(b"data", data)))
        assert abs(read_wav(wav)[1]).max() <= 1

    def test_sixteen_bit_mono_is_exact(self, wav: Path) -> None:
        samples = np.arange(-32768, 32768).astype("<i2")
        wav.write_bytes(riff(fmt(PCM, 16), chunk(b"data", samples.tobytes())))
        assert read_wav(wav)[1].tobytes() == samples.tobytes()

    @pytest.mark.parametrize("bits", [24, 32])
    def test_wider_samples_are_rounded(self, bits: int, wav: Path) -> None:
        step = 2 ** (bits - 16)
        integers = np.array(
            [step // 2 - 1, step // 2 + 1, -step // 2 - 1, 3 * step, 2 ** (bits - 1) - 1]
        )
        data = packed(PCM, bits, integers / 2.0 ** (bits - 1))
        wav.write_bytes(riff(fmt(PCM, bits), chunk(b"data", data)))
        np.testing.assert_array_equal(read_wav(wav)[1], [0, 1, -1, 3, 32767])

    @pytest.mark.parametrize("bits", [32, 64])
    def test_floats_beyond_full_scale_are_clipped(self, bits: int, wav: Path) -> None:
        largest = float(np.finfo(f"f{bits // 8}").max)
        values = np.array([1.0, 1.5, -1.0, -7, largest, -largest, np.inf, -np.inf, np.nan])
        wav.write_bytes(riff(fmt(FLOAT, bits), chunk(b"data", packed(FLOAT, bits, values))))
        low, high = -32768, 32767
        expected = [high, high, low, low, high, low, high, low, 0]
        np.testing.assert_array_equal(read_wav(wav)[1], expected)

    def test_infinities_that_cancel_are_survived(self, wav: Path) -> None:
        data = packed(FLOAT, 32, np.array([np.inf, -np.inf]))
        wav.write_bytes(riff(fmt(FLOAT, 32, 2), chunk(b"data", data)))
        np.testing.assert_array_equal(read_wav(wav)[1], [0])

    @given(
        samples=st.lists(st.integers(-32768, 32767), max_size=50), rate=st.integers(1, 2**32 - 1)
    )
    def test_what_the_standard_library_writes(
        self, samples: list[int], rate: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "stdlib.wav"
        rate = min(rate, (2**32 - 1) // 2)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.array(samples, "<i2").tobytes())
        samplerate, read = read_wav(path)
        assert samplerate == rate
        assert read.tolist() == samples


class TestLayout:
    DATA = np.arange(1, 101).astype("<i2").tobytes()

    def test_other_chunks_around(self, wav: Path) -> None:
        odd = chunk(b"LIST", b"INFOISFT\5\0\0\0sox\0\0")  # an odd length, so it is padded
        cue = chunk(b"cue ", b"\1\2\3")
        wav.write_bytes(
            riff(
                odd, fmt(PCM, 16), cue, chunk(b"fact", b"\0\0\0\0"), chunk(b"data", self.DATA), odd
            )
        )
        assert read_wav(wav)[1].tobytes() == self.DATA

    def test_fmt_chunk_with_an_extension(self, wav: Path) -> None:
        body = fmt(PCM, 16)[8:] + b"\0\0"
        wav.write_bytes(riff(chunk(b"fmt ", body), chunk(b"data", self.DATA)))
        assert read_wav(wav)[1].tobytes() == self.DATA

    @pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFE])
    def test_streamed_header(self, length: int, wav: Path) -> None:
        """What a program writes that does not know how long it will be (ffmpeg, sox, to a pipe)."""
        head = b"RIFF\xff\xff\xff\xffWAVE" + fmt(PCM, 16) + b"data" + struct.pack("<I", length)
        wav.write_bytes(head + self.DATA)
        assert read_wav(wav)[1].tobytes() == self.DATA

    @pytest.mark.parametrize("cut", [1, 2, 3, 7, 199])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_file_cut_short_ends_at_its_last_whole_frame(
        self, cut: int, channels: int, wav: Path
    ) -> None:
        wav.write_bytes(riff(fmt(PCM, 16, channels), chunk(b"data", self.DATA))[:-cut])
        frame = 2 * channels
        assert len(read_wav(wav)[1]) == (len(self.DATA) - cut) // frame

    @pytest.mark.parametrize(("kind", "bits"), FORMATS)
    def test_no_samples(self, kind: int, bits: int, wav: Path) -> None:
        wav.write_bytes(riff(fmt(kind, bits), chunk(b"data", b"")))
        assert len(read_wav(wav)[1]) == 0

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"", "RIFF"),
            (b"RIFF", "RIFF"),
            (b"ID3\x04" + bytes(500), "RIFF"),
            (b"RIFX\0\0\0\0WAVE" + bytes(50), "RIFF"),
            (b"RIFF\x04\0\0\0AVI ", "RIFF"),
            (riff(), "no data"),
            (riff(fmt(PCM, 16)), "no data"),
            (riff(chunk(b"data", b"\0\0"), fmt(PCM, 16)), "before"),
            (riff(chunk(b"fmt ", b"\1\0\1\0"), chunk(b"data", b"\0\0")), ""),
            (riff(fmt(EXTENSIBLE, 16), chunk(b"data", b"\0\0")), ""),
            (riff(fmt(ALAW, 8), chunk(b"data", b"\0\0")), "format 6"),
            (riff(fmt(2, 4), chunk(b"data", b"\0\0")), "format 2"),
            (riff(fmt(PCM, 0), chunk(b"data", b"\0\0")), "bits"),
            (riff(fmt(PCM, 12), chunk(b"data", b"\0\0\0")), "12 bits"),
            (riff(fmt(PCM, 64), chunk(b"data", bytes(16))), "64 bits"),
            (riff(fmt(FLOAT, 16), chunk(b"data", b"\0\0")), "16 bits"),
            (riff(fmt(PCM, 16, 0), chunk(b"data", b"\0\0")), "0 channels"),
            (riff(fmt(PCM, 16, 1, 0), chunk(b"data", b"\0\0")), "0 Hz"),
        ],
    )
    def test_what_is_no_wav_is_told(self, data: bytes, why: str, wav: Path) -> None:
        wav.write_bytes(data)
        with pytest.raises(AudioFileError, match=f"in.wav is no WAV.*{why}"):
            read_wav(wav)

    @given(data=st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(
        self, data: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.wav"
        for content in (data, b"RIFF\0\0\0\0WAVE" + data, riff(fmt(PCM, 24, 2), data)):
            path.write_bytes(content)
            with suppress(AudioFileError):
                read_wav(path)

    @given(
        kind=st.sampled_from([0, PCM, 2, FLOAT, EXTENSIBLE]),
        channels=st.integers(0, 65535),
        rate=st.integers(0, 2**32 - 1),
        bits=st.integers(0, 65535),
        data=st.binary(max_size=64),
    )
    def test_any_format_is_read_or_refused(
        self,
        kind: int,
        channels: int,
        rate: int,
        bits: int,
        data: bytes,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "format.wav"
        body = struct.pack("<HHIIHH", kind, channels, rate, 0, 0, bits)
        path.write_bytes(riff(chunk(b"fmt ", body), chunk(b"data", data)))
        with suppress(AudioFileError):
            read_wav(path)


class TestPaths:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(AudioFileError, match=r"cannot read .*gone\.wav: No such file"):
            read_wav(tmp_path / "gone.wav")

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(AudioFileError, match=r"cannot read"):
            read_wav(tmp_path)

    @pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() == 0, reason="root reads every file"
    )
    def test_unreadable(self, wav: Path) -> None:
        wav.write_bytes(riff(fmt(PCM, 16), chunk(b"data", b"")))
        wav.chmod(0)
        with pytest.raises(AudioFileError, match="ermission denied"):
            read_wav(wav)

    def test_input_is_read_when_it_is_opened(self, wav: Path) -> None:
        source = WavInput(wav)
        with pytest.raises(AudioFileError):
            source.open()
        wav.write_bytes(riff(fmt(PCM, 16, rate=44_100), chunk(b"data", b"\1\0\2\0\3\0")))
        assert source.open() == 44_100
        assert source.waiting_frames == 3
        assert source.read(2).tolist() == [1, 2]
        assert source.read(3).tolist() == [3, 0, 0]
        assert source.read(1).tolist() == [0]


def read_back(path: Path) -> tuple[int, int, int, bytes]:
    with wave.open(str(path)) as file:
        frames = file.readframes(file.getnframes())
        return file.getnchannels(), file.getsampwidth(), file.getframerate(), frames


class TestWriting:
    @pytest.mark.parametrize("channels", [1, 2])
    def test_standard_library_reads_it(self, channels: int, tmp_path: Path) -> None:
        path = tmp_path / "out.wav"
        samples = np.arange(-300, 300).astype(np.int16).reshape(-1, channels)
        writer = WavWriter(path, 16_000, channels)
        writer.write(samples[:7])
        writer.write(samples[7:])
        writer.close()
        writer.close()
        assert read_back(path) == (channels, 2, 16_000, samples.tobytes())

    def test_nothing_written_is_a_whole_file(self, tmp_path: Path) -> None:
        writer = WavWriter(tmp_path / "out.wav", 48_000)
        writer.close()
        assert read_back(tmp_path / "out.wav") == (1, 2, 48_000, b"")

    def test_what_is_written_is_read_back(self, tmp_path: Path) -> None:
        samples = np.arange(-32768, 32768).astype(np.int16)
        writer = WavWriter(tmp_path / "out.wav", 48_000)
        writer.write(samples)
        writer.close()
        samplerate, read = read_wav(tmp_path / "out.wav")
        assert samplerate == 48_000
        np.testing.assert_array_equal(read, samples)

    def test_older_file_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "out.wav").write_bytes(bytes(10_000))
        writer = WavWriter(tmp_path / "out.wav", 48_000)
        writer.write(np.ones(1, np.int16))
        writer.close()
        assert read_back(tmp_path / "out.wav")[3] == b"\1\0"

    @pytest.mark.parametrize("where", ["gone/out.wav", "."])
    def test_place_that_cannot_be_written(self, where: str, tmp_path: Path) -> None:
        with pytest.raises(AudioFileError, match="cannot write"):
            WavWriter(tmp_path / where, 48_000)
        with pytest.raises(AudioFileError, match="cannot write"):
            WavOutput(tmp_path / where).open(16_000)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    @pytest.mark.parametrize("frames", [0, 10, 100_000])
    def test_full_disk(self, frames: int) -> None:
        def fill() -> None:
            writer = WavWriter(Path("/dev/full"), 48_000)
            try:
                writer.write(np.ones(frames, np.int16))
            finally:
                writer.close()

        with pytest.raises(AudioFileError, match=r"/dev/full.*No space left"):
            fill()

    @pytest.mark.skipif(sys.platform == "win32", reason="no limits on Windows")
    @pytest.mark.parametrize("frames", [100, 50_000])
    def test_file_that_grows_too_large(self, frames: int, tmp_path: Path) -> None:
        program = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from sfclient import AudioFileError
from sfclient._devices import WavWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = WavWriter(Path(sys.argv[1]), 48_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
for attempt in "write", "close":
    try:
        writer.write(np.ones(int(sys.argv[2]), np.int16)) if attempt == "write" else writer.close()
    except AudioFileError as error:
        print(attempt, error)
"""
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(
            [*command, tmp_path / "out.wav", str(frames)],
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.stderr == ""
        assert "File too large" in done.stdout

"""WAV files: what can be read, how it becomes 16-bit mono, and what is written."""

import os
import struct
import tracemalloc
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sfaudio import int16_to_alaw, int16_to_ulaw
from sfclient import AudioFileError
from sfclient._devices import _wav
from sfclient._devices._wav import read_wav

PCM, FLOAT, EXTENSIBLE, ALAW, ULAW = 1, 3, 0xFFFE, 6, 7
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


def layout(kind: int, bits: int, channels: int = 1, *, block: int) -> bytes:
    """A fmt chunk whose block align is as told."""
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, 8000, 8000 * block, block, bits))


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
            (riff(fmt(ALAW, 16), chunk(b"data", b"\0\0")), "format 6"),
            (riff(layout(PCM, 16, block=1), chunk(b"data", b"\0\0")), "blocks of 1 bytes"),
            (riff(layout(PCM, 16, 2, block=5), chunk(b"data", bytes(20))), "blocks of 5 bytes"),
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


class TestOtherPrograms:
    """What is common, and was once heard as silence or noise."""

    SPOKEN = np.round(12_000 * np.sin(np.arange(400) / 7)).astype("<i2")

    def heard(self, wav: Path, *chunks: bytes) -> NDArray[np.int16]:
        wav.write_bytes(riff(*chunks))
        return read_wav(wav)[1]

    @pytest.mark.parametrize("shift", [0, 8], ids=["low", "high"])
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("noisy", [False, True])
    def test_24_bits_in_4_bytes_are_heard_wherever_they_are(
        self, shift: int, channels: int, noisy: bool, wav: Path
    ) -> None:
        wide = np.repeat(self.SPOKEN.astype("<i4") * 256 + 77 * noisy, channels) << shift
        sound = layout(PCM, 24, channels, block=4 * channels)
        heard = self.heard(wav, sound, chunk(b"data", wide.astype("<i4").tobytes()))
        np.testing.assert_array_equal(heard, self.SPOKEN)

    def test_where_24_bits_are_is_decided_for_the_whole_file(
        self, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_wav, "PIECE_BYTES", 64)
        quiet_then_loud = np.concatenate([np.full(400, 3), self.SPOKEN]).astype("<i4") << 16
        sound = layout(PCM, 24, block=4), chunk(b"data", quiet_then_loud.tobytes())
        np.testing.assert_array_equal(self.heard(wav, *sound), quiet_then_loud >> 16)

    @pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
    def test_data_of_unknown_length_go_to_the_end(self, length: int, wav: Path) -> None:
        head = riff(fmt(PCM, 16), chunk(b"data", b""))[:-4]
        wav.write_bytes(head + struct.pack("<I", length) + self.SPOKEN.tobytes())
        np.testing.assert_array_equal(read_wav(wav)[1], self.SPOKEN)

    def test_no_data_before_other_chunks_are_no_data(self, wav: Path) -> None:
        after = chunk(b"LIST", b"INFOISFT\4\0\0\0sox\0"), chunk(b"id3 ", b"123")
        assert len(self.heard(wav, fmt(PCM, 16), chunk(b"data", b""), *after)) == 0

    @pytest.mark.parametrize("name", [b"LIST", b"bext", b"odd "])
    @pytest.mark.parametrize("body", [b"INFOx", b"\0", b"datax"])
    @pytest.mark.parametrize("padding", [b"", b"\0", b"x", b"\xff"])
    def test_odd_chunk_is_followed_by_a_byte_or_not(
        self, name: bytes, body: bytes, padding: bytes, wav: Path
    ) -> None:
        odd = name + struct.pack("<I", len(body)) + body + padding
        for chunks in (
            (odd, fmt(PCM, 16), chunk(b"data", self.SPOKEN.tobytes())),
            (fmt(PCM, 16), odd, odd, chunk(b"data", self.SPOKEN.tobytes())),
        ):
            np.testing.assert_array_equal(self.heard(wav, *chunks), self.SPOKEN)

    @pytest.mark.parametrize("extensible", [False, True])
    @pytest.mark.parametrize(
        ("kind", "encode"), [(ULAW, int16_to_ulaw), (ALAW, int16_to_alaw)], ids=["ulaw", "alaw"]
    )
    def test_g711_is_decoded(self, kind: int, encode: Any, extensible: bool, wav: Path) -> None:
        sound = fmt(kind, 8, rate=8000, extensible=extensible)
        heard = self.heard(wav, sound, chunk(b"data", encode(self.SPOKEN).tobytes()))
        np.testing.assert_allclose(heard, self.SPOKEN, atol=520)
        assert np.abs(heard).max() > 11_000

    @pytest.mark.parametrize("name", [b"RF64", b"BW64"])
    @pytest.mark.parametrize("known", [True, False])
    def test_rf64_tells_its_length_elsewhere(self, name: bytes, known: bool, wav: Path) -> None:
        length = self.SPOKEN.nbytes if known else 0
        sizes = chunk(b"ds64", struct.pack("<QQQI", 0, length, 0, 0))
        data = b"data\xff\xff\xff\xff" + self.SPOKEN.tobytes() + (b"LIST\0\0\0\0" if known else b"")
        wav.write_bytes(name + b"\xff\xff\xff\xffWAVE" + sizes + fmt(PCM, 16) + data)
        np.testing.assert_array_equal(read_wav(wav)[1], self.SPOKEN)

    @pytest.mark.parametrize(("kind", "bits"), FORMATS)
    def test_a_piece_at_a_time_gives_the_same(
        self, kind: int, bits: int, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_wav, "PIECE_BYTES", 50)
        data = packed(kind, bits, np.repeat(EXACT, 9))
        wav.write_bytes(riff(fmt(kind, bits, 3), chunk(b"data", data)))
        np.testing.assert_array_equal(read_wav(wav)[1], np.repeat(EXACT, 3) * 32768)


class TestBounds:
    """Of memory and time, whatever a file says."""

    @pytest.mark.parametrize(
        ("channels", "bits", "said"),
        [(1, 16, 2**33), (65_535, 8, 2**33), (1, 8, 70 << 20)],
        ids=["long", "wide", "codes"],
    )
    def test_more_than_can_be_kept_is_refused_unread(
        self, channels: int, bits: int, said: int, wav: Path
    ) -> None:
        sizes = chunk(b"ds64", struct.pack("<QQQI", 0, said, 0, 0))
        kept = fmt(PCM, bits, channels, rate=48_000)
        head = b"RF64\xff\xff\xff\xffWAVE" + sizes + kept + b"data\xff\xff\xff\xff"
        wav.write_bytes(head)
        os.truncate(wav, len(head) + said)  # nothing of it is on the disk
        with pytest.raises(AudioFileError, match=r"in\.wav: it holds \d+ s of sound, more than"):
            read_wav(wav)

    @pytest.mark.parametrize("channels", [1, 65_535])
    @pytest.mark.parametrize("rate", [1, 4_000_000_000])
    def test_what_is_claimed_but_not_there_costs_nothing(
        self, channels: int, rate: int, wav: Path
    ) -> None:
        data = b"data" + struct.pack("<I", 0xFFFFFFF0) + bytes(4000)
        wav.write_bytes(riff(fmt(PCM, 16, 1, rate)[:-6] + bytes(2) + b"\x10\0", data))
        tracemalloc.start()
        with suppress(AudioFileError):
            read_wav(wav)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20

    def test_file_of_empty_chunks_is_given_up(self, wav: Path) -> None:
        wav.write_bytes(riff(b"none\0\0\0\0" * 50_000))
        with pytest.raises(AudioFileError, match="no data"):
            read_wav(wav)

    def test_no_memory_is_told(self, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def empty(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(_wav.np, "empty", empty)
        wav.write_bytes(riff(fmt(PCM, 16), chunk(b"data", bytes(20))))
        with pytest.raises(AudioFileError, match="does not fit into memory"):
            read_wav(wav)


HEADS = [
    riff(fmt(PCM, 16, 2), chunk(b"LIST", b"INFO!"), chunk(b"data", bytes(range(200)))),
    riff(fmt(PCM, 24, 3, extensible=True), chunk(b"data", bytes(range(90)))),
    riff(layout(PCM, 24, block=4), chunk(b"data", bytes(range(80)))),
    riff(fmt(ULAW, 8), chunk(b"data", bytes(range(256)))),
    riff(fmt(FLOAT, 64), chunk(b"data", bytes(range(160)))),
    b"RF64" + riff(chunk(b"ds64", bytes(28)), fmt(FLOAT, 32), chunk(b"data", bytes(40)))[4:],
]
CHANGES = st.lists(
    st.tuples(st.integers(0, 120), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4
)


def check_changed(head: bytes, changes: list[tuple[int, bytes]], cut: int, path: Path) -> None:
    """Any bytes give samples or an `AudioFileError`."""
    content = bytearray(head[: len(head) - cut])
    for at, there in changes:
        content[at : at + len(there)] = there
    path.write_bytes(content)
    try:
        rate, samples = read_wav(path)
    except AudioFileError as error:
        assert str(path) in str(error)  # noqa: PT017 -- it may raise nothing
    else:
        assert rate > 0
        assert samples.dtype == np.int16
        assert len(samples) <= len(content)


@seed(12)
@given(head=st.sampled_from(HEADS), changes=CHANGES, cut=st.integers(0, 250))
def test_any_change_of_a_file_is_read_or_refused(
    head: bytes,
    changes: list[tuple[int, bytes]],
    cut: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    check_changed(head, changes, cut, tmp_path_factory.getbasetemp() / "changed.wav")


@pytest.mark.slow
@seed(13)
@settings(max_examples=20_000, deadline=None)
@given(head=st.sampled_from(HEADS), changes=CHANGES, cut=st.integers(0, 250))
def test_20000_changes_of_a_file_are_read_or_refused(
    head: bytes,
    changes: list[tuple[int, bytes]],
    cut: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    check_changed(head, changes, cut, tmp_path_factory.getbasetemp() / "changed.wav")

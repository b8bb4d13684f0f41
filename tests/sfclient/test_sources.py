"""Sound from and to programs: what is given is looked at, and what may block holds nobody up."""

import array
import os
import sys
import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from sfclient import (
    Audio,
    AudioFileError,
    MemoryInput,
    MemoryOutput,
    UsageError,
    open_call,
)
from sfclient._devices import NullOutput, _files, open_lines
from sfclient._devices._samples import PcmQueue
from sfclient._spool import CLOSE_SECONDS
from sfclient.simulator import open_simulator

from .conftest import exactly, listen, noise, without_silence, write_wav

NOWHERE = "ws://127.0.0.1:1/"
SPOKEN = np.array([1, -2, 300, -32768], np.int16)


class TestSamples:
    @pytest.mark.parametrize(
        "pcm",
        [
            SPOKEN,
            SPOKEN.tobytes(),
            bytearray(SPOKEN.tobytes()),
            memoryview(SPOKEN),
            SPOKEN.view(np.uint8),
            SPOKEN.reshape(-1, 1),
            np.repeat(SPOKEN, 2)[::2],
            array.array("h", SPOKEN.tolist()),
        ],
        ids=lambda pcm: type(pcm).__name__,
    )
    def test_pcm16_is_said_as_it_is(self, pcm: Any) -> None:
        said = MemoryInput()
        said.say(pcm)
        for source in (MemoryInput(pcm), said):
            assert source.waiting_frames == len(SPOKEN)
            assert source.read(4).tolist() == SPOKEN.tolist()

    @pytest.mark.parametrize("kind", ["f4", "f8", "f2", ">i2", "i4", "u2", "i8", "c8", "?"])
    def test_samples_of_another_kind_are_refused_with_a_remedy(self, kind: str) -> None:
        with pytest.raises(TypeError, match=r"native int16.*float32_to_int16"):
            MemoryInput(np.ones(4, kind))
        source = MemoryInput()
        with pytest.raises(TypeError, match=r"native int16.*float32_to_int16"):
            source.say(np.ones(4, kind))
        assert source.waiting_frames == 0

    @pytest.mark.parametrize("pcm", [None, 7, "said", [1, 2, 3]])
    def test_what_is_no_samples_is_refused(self, pcm: Any) -> None:
        with pytest.raises(TypeError, match="bytes of PCM16 or an array of int16"):
            MemoryInput(pcm)

    def test_several_channels_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"mono.*to_mono"):
            MemoryInput(SPOKEN.reshape(-1, 2))

    def test_split_sample_is_rejoined(self) -> None:
        source = MemoryInput(b"\1")
        source.say(b"\0\2\0")
        assert source.read(3).tolist() == [1, 2, 0]

    @given(
        pieces=st.lists(st.binary(max_size=9), max_size=6),
        reads=st.lists(st.integers(0, 9), min_size=1, max_size=12),
        data=st.data(),
    )
    def test_what_is_said_in_pieces_is_said_whole(
        self, pieces: list[bytes], reads: list[int], data: st.DataObject
    ) -> None:
        """Whenever they come, wherever they are split, in blocks of any length."""
        source = MemoryInput()
        waiting = b""
        for frames in reads:
            for _ in range(data.draw(st.integers(0, len(pieces)))):
                piece = pieces.pop()
                kind = data.draw(st.sampled_from([bytes, bytearray, memoryview]))
                source.say(kind(piece))
                waiting += piece
            assert source.waiting_frames == len(waiting) // 2
            block = source.read(frames)
            said = 2 * min(frames, len(waiting) // 2)
            assert block.dtype == np.int16
            assert block.tobytes() == waiting[:said] + bytes(2 * frames - said)
            waiting = waiting[said:]
            assert source.waiting_frames == len(waiting) // 2

    @pytest.mark.parametrize("kind", [bytearray, memoryview, np.frombuffer])
    def test_what_the_caller_changes_afterwards_is_said_as_it_was(self, kind: Any) -> None:
        held = bytearray(8)
        pcm = (
            kind(held, np.int16)
            if kind is np.frombuffer
            else held
            if kind is bytearray
            else kind(held)
        )
        source = MemoryInput(pcm)
        source.say(pcm)
        held[:] = b"\1" * 8
        assert source.read(8).tolist() == [0] * 8

    def test_block_is_the_takers_to_change(self) -> None:
        pcm = SPOKEN.tobytes()
        for source in (MemoryInput(pcm), MemoryInput()):
            source.read(4)[:] = 7
        assert pcm == SPOKEN.tobytes()
        assert MemoryInput().read(4).tolist() == [0] * 4

    def test_is_said_whole_from_another_thread(self) -> None:
        """While it is read, in pieces of odd lengths."""
        whole = noise(1, 48_000)
        source = MemoryInput()

        def say() -> None:
            for at in range(0, len(whole), 151):
                source.say(whole[at : at + 151])

        speaker = threading.Thread(target=say)
        said = b""
        switch = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            speaker.start()
            while speaker.is_alive() or source.waiting_frames:
                said += without_silence(source.read(160).tobytes())
            speaker.join()
        finally:
            sys.setswitchinterval(switch)
        assert said == whole

    def test_never_less_waits_than_nothing(self) -> None:
        """Whoever asks while it is said and read."""

        class Overtaken(PcmQueue):
            now = 0

            @property
            def put_bytes(self) -> int:
                put, self.now = self.now, 100
                self.read_bytes = 100
                return put

            @put_bytes.setter
            def put_bytes(self, put: int) -> None:
                self.now = put

        assert Overtaken().waiting_bytes == 0


class TestRates:
    @pytest.mark.parametrize("rate", [44_100, 44_100.0, np.int64(44_100), np.float32(44_100)])
    def test_whole_number_of_any_type_is_taken(self, rate: Any) -> None:
        told = MemoryInput(samplerate=rate).open()
        assert (type(told), told) == (int, 44_100)
        assert MemoryOutput(samplerate=rate).open(8000) == 44_100

    @pytest.mark.parametrize(
        "rate", [0, -1, 44_100.5, None, "48k", "48000", float("nan"), float("inf"), True, [48_000]]
    )
    def test_what_is_no_rate_is_refused_by_its_value(self, rate: Any) -> None:
        with pytest.raises(UsageError, match=r"MemoryInput is .*give a whole number of Hz"):
            MemoryInput(samplerate=rate)
        if rate is not None:
            with pytest.raises(UsageError, match=r"MemoryOutput is .*give a whole number"):
                MemoryOutput(samplerate=rate)

    @pytest.mark.parametrize("rate", [0, None, "48k", Fraction(1, 3), 2**31])
    async def test_wrong_rate_of_a_programs_source_or_sink_is_refused_before_anybody_is_called(
        self, rate: Any, tmp_path: Any
    ) -> None:
        class Own(NullOutput):
            def open(self, samplerate: Any = 0) -> Any:
                return rate

        ends = [Audio(Own(), MemoryOutput())]  # type: ignore[arg-type]
        ends += [Audio(MemoryInput(), Own())] if rate is not None else []
        for audio in ends:
            with pytest.raises(UsageError, match=r"Own\.open told is|cannot be resampled"):
                async with open_call(NOWHERE, audio, record=tmp_path / "both.wav"):
                    raise AssertionError
            assert os.listdir(tmp_path) == []


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda frames: np.zeros(frames, np.float32), r"gave float32 of shape \(\d+,\)"),
        (lambda frames: np.zeros(frames, ">i2"), "gave >i2"),
        (lambda frames: bytes(2 * frames), "gave .S"),
        (lambda frames: np.zeros((frames, 2), np.int16), r"gave int16 of shape \(\d+, 2\)"),
        (lambda frames: np.zeros(10_000_000, np.int16), r"gave int16 of shape \(10000000,\)"),
        (lambda frames: None, "gave object"),
    ],
    ids=["floats", "big-endian", "bytes", "stereo", "all at once", "nothing"],
)
async def test_wrong_samples_of_a_programs_source_end_the_call_by_its_name(
    hold, fast_clock, given, told
):
    class Own(MemoryInput):
        def read(self, frames: int) -> Any:
            return given(frames)

    async with open_simulator(listen) as simulator:
        session = await hold.session(simulator)
        with pytest.raises(UsageError, match=rf"Own\.read\(\d+\) {told}.*must give so many"):
            async with open_call(session, Audio(Own(), "none")) as call:
                await trio.sleep(5)
    assert call.ended.by == "caller"


class TestBlocking:
    """What may block is called in threads."""

    async def test_source_that_never_opens_is_left_alone_at_once(self) -> None:
        begun, let = threading.Event(), threading.Event()

        class Stalled(MemoryInput):
            def open(self) -> int:
                begun.set()
                assert let.wait(20)
                return 48_000

        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def cancel() -> None:
                    await trio.to_thread.run_sync(begun.wait, 20)
                    scope.cancel()

                async with open_call(NOWHERE, Audio(Stalled(), "none")):
                    raise AssertionError
        assert not let.is_set()
        let.set()

    async def test_sink_that_opens_when_nobody_waits_any_more_is_closed(self) -> None:
        begun, let, closed = threading.Event(), threading.Event(), threading.Event()

        class Stalled(NullOutput):
            def open(self, samplerate: int) -> int:
                begun.set()
                assert let.wait(20)
                return samplerate

            def close(self) -> None:
                closed.set()

        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def open_it() -> None:
                async with open_lines(Audio("none", Stalled()), 16_000, 16_000):
                    raise AssertionError

            await trio.to_thread.run_sync(begun.wait, 20)
            nursery.cancel_scope.cancel()
        let.set()
        assert closed.wait(20)

    async def test_sink_that_never_closes_is_left_alone_and_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert CLOSE_SECONDS == 2
        monkeypatch.setattr("sfclient._spool.in_time.__defaults__", (0.05,))
        let = threading.Event()

        class Stalled(NullOutput):
            def close(self) -> None:
                assert let.wait(20)

        with pytest.raises(AudioFileError, match="Stalled could not be completed within"):
            async with open_lines(Audio("none", Stalled()), 16_000, 16_000):
                pass
        with pytest.raises(ZeroDivisionError):  # what went wrong before is what is told
            async with open_lines(Audio("none", Stalled()), 16_000, 16_000):
                _ = 1 / 0
        let.set()


async def test_plain_function_of_a_source_s_own_is_not_run(fast_clock: Any) -> None:
    """``feed`` is a likely name for what a program gives its samples to."""

    class Fed(MemoryInput):
        def feed(self, pcm: bytes) -> None:
            self.say(pcm)

    async with open_lines(Audio(Fed(), "none"), 16_000, 16_000) as (line,):
        await trio.testing.wait_all_tasks_blocked()
        assert line.is_said


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
class TestTheSameFile:
    @pytest.mark.parametrize("link", [os.link, os.symlink, None])
    @pytest.mark.parametrize("end", ["output", "record"])
    async def test_output_that_is_the_input_under_another_name_is_refused_unharmed(
        self, link: Any, end: str, tmp_path: Any
    ) -> None:
        spoken = write_wav(tmp_path / "spoken.wav", noise(0.1, 48_000), 48_000)
        content = spoken.read_bytes()
        other = tmp_path / "other.wav" if link else spoken
        if link:
            link(spoken, other)
        audio = Audio(spoken, other if end == "output" else "none")
        with pytest.raises(AudioFileError, match=rf"{other.name}: it is the input .*spoken\.wav"):
            async with open_call(NOWHERE, audio, record=other if end == "record" else None):
                raise AssertionError
        assert spoken.read_bytes() == content

    async def test_recording_into_the_output_is_refused(
        self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_files, "CLAIM_SECONDS", 0.01)
        path = tmp_path / "out.wav"
        with pytest.raises(AudioFileError, match="is being written already"):
            async with open_call(NOWHERE, Audio("none", path), record=path):
                raise AssertionError
        assert not path.exists()

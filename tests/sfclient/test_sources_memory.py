"""What sources hold: once what many say, and nothing that has been said."""

import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfclient import MemoryInput, WavInput
from sfclient._devices._wav import _Reader

from .conftest import noise, write_wav

SPOKEN = np.array([1, -2, 300, -32768], np.int16)


class Traced:
    """What Python and numpy have allocated, in bytes."""

    def __call__(self) -> int:
        return tracemalloc.get_traced_memory()[0]

    def peak(self) -> int:
        return tracemalloc.get_traced_memory()[1]


@pytest.fixture
def traced() -> Iterator[Traced]:
    tracemalloc.start()
    yield Traced()
    tracemalloc.stop()


def opened(path: Path) -> WavInput:
    source = WavInput(path)
    source.open()
    return source


@contextmanager
def stalled_decoding_of(wav: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile a thread decodes it, and comes to no end."""
    begun, let = threading.Event(), threading.Event()
    decode = _Reader._decode

    def stalled(*arguments: Any) -> Any:
        begun.set()
        assert let.wait(20)
        return decode(*arguments)

    thread = threading.Thread(target=opened, args=[wav])
    with monkeypatch.context() as patch:
        patch.setattr(_Reader, "_decode", stalled)
        thread.start()
        assert begun.wait(20)
    try:
        yield
    finally:
        let.set()
        thread.join()


class TestMemory:
    """What sources hold, as tracemalloc counts it."""

    MIB = 1 << 20

    def test_bytes_are_held_once_by_all_who_say_them(self, traced: Traced) -> None:
        speech = bytes(4 * self.MIB)
        before = traced()
        sources = [MemoryInput(speech) for _ in range(100)]
        for source in sources:
            source.say(speech)
            source.read(960)
        assert traced() - before < self.MIB // 4
        assert {source.waiting_frames for source in sources} == {4 * self.MIB - 960}

    def test_a_block_costs_no_more_than_itself(self, traced: Traced) -> None:
        source = MemoryInput(bytes(4 * self.MIB))
        before = traced()
        tracemalloc.reset_peak()
        source.read(960)
        assert traced.peak() - before < 8192

    def test_what_has_been_said_is_let_go(self, traced: Traced) -> None:
        """Piece by piece, although the call lasts."""
        source = MemoryInput(samplerate=16_000)
        before = traced()
        for _ in range(3):
            source.say(bytes(self.MIB))
        for left in (2, 1, 0):
            source.read(self.MIB // 2)
            assert abs(traced() - before - left * self.MIB) < 8192


class TestTheSameWav:
    """Calls that say the same file at the same time have one copy of its samples."""

    FRAMES = 1 << 20

    @pytest.fixture
    def wav(self, tmp_path: Path) -> Path:
        return write_wav(tmp_path / "in.wav", noise(1, self.FRAMES), 16_000)

    def test_is_held_once_and_gone_with_the_last(self, wav: Path, traced: Traced) -> None:
        before = traced()
        sources = [opened(wav) for _ in range(20)]
        assert 2 * self.FRAMES <= traced() - before < 2.2 * self.FRAMES
        said = {source.read(self.FRAMES).tobytes() for source in sources}
        assert said == {noise(1, self.FRAMES)}
        said.clear()
        assert traced() - before < self.FRAMES // 10  # it has been said
        sources = [opened(wav), opened(wav)]
        sources.clear()
        assert traced() - before < self.FRAMES // 10

    def test_is_decoded_once_by_threads_at_the_same_moment(
        self, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decoded: list[None] = []
        decode = _Reader._decode

        def slowly(*arguments: Any) -> Any:
            decoded.append(None)
            time.sleep(0.02)
            return decode(*arguments)

        monkeypatch.setattr(_Reader, "_decode", slowly)
        sources: list[WavInput] = []
        threads = [threading.Thread(target=lambda: sources.append(opened(wav))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(decoded) == 1
        assert {source.read(9).tobytes() for source in sources} == {noise(1, self.FRAMES)[:18]}

    @pytest.mark.parametrize("way", ["in its place", "over it"])
    def test_changed_between_calls_is_read_anew(self, way: str, wav: Path) -> None:
        first = opened(wav)
        other = noise(1, self.FRAMES, seed=2)
        if way == "in its place":
            written = os.stat(wav).st_mtime_ns
            write_wav(wav, other, 16_000)
            os.utime(wav, ns=(written, written + 1))  # the clock of a file system may be coarse
        else:
            os.replace(write_wav(wav.with_name("new.wav"), other, 16_000), wav)
        assert opened(wav).read(9).tobytes() == other[:18]
        assert first.read(9).tobytes() == noise(1, self.FRAMES)[:18]

    def test_written_anew_while_it_is_opened_spoils_no_other(
        self, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the header said before does not go with what follows it now."""
        other = noise(1, self.FRAMES // 2, seed=2)
        read = _Reader._chunks

        def overtaken(reader: _Reader, at: int) -> Any:
            for chunk in read(reader, at):
                if chunk[0] == b"data":
                    write_wav(wav, other, 8000)
                yield chunk

        with monkeypatch.context() as patch:
            patch.setattr(_Reader, "_chunks", overtaken)
            spoiled = opened(wav)
        source = opened(wav)
        assert (source.open(), source.waiting_frames) == (8000, self.FRAMES // 2)
        assert source.read(9).tobytes() == other[:18]
        del spoiled

    def test_that_stalls_holds_up_no_other(
        self, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = write_wav(wav.with_name("other.wav"), SPOKEN.tobytes(), 16_000)
        with stalled_decoding_of(wav, monkeypatch):
            assert opened(other).read(4).tolist() == SPOKEN.tolist()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_that_a_thread_decodes_is_read_by_a_forked_child(
        self, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with stalled_decoding_of(wav, monkeypatch):
            child = os.fork()
            if child == 0:
                signal.alarm(5)  # whose default is to end it
                os._exit(opened(wav).waiting_frames != self.FRAMES)
            _, status = os.waitpid(child, 0)
        assert status == 0

    def test_is_tried_again_after_a_failure(
        self, wav: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(_Reader, "_decode", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                opened(wav)
        assert opened(wav).waiting_frames == self.FRAMES

    def test_without_a_frame_is_silence(self, wav: Path) -> None:
        source = opened(write_wav(wav, b"", 16_000))
        assert source.waiting_frames == 0
        assert source.read(2).tolist() == [0, 0]

    def test_is_said_from_its_beginning_when_it_is_opened_again(self, wav: Path) -> None:
        source = opened(wav)
        source.read(9)
        source.open()
        assert source.waiting_frames == self.FRAMES
        assert source.read(9).tobytes() == noise(1, self.FRAMES)[:18]

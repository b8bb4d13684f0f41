"""What a program says while it makes it: taken piece by piece, and no faster than it is said."""

import io
import itertools
import queue
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio import float32_to_int16
from sfclient import StreamInput, UsageError
from sfclient._devices._stream_input import ENOUGH_SECONDS, FEW_SECONDS

from .conftest import noise, without_silence
from .streams import PIECES, RATE, SPOKEN, ending_with, feeding, one_after_another, read, said_by


def channel_of(pieces: Iterable[Any]) -> Any:
    send, receive = trio.open_memory_channel[Any](1000)
    for piece in pieces:
        send.send_nowait(piece)
    send.close()
    return receive


def queue_of(pieces: Iterable[Any]) -> Any:
    given: queue.Queue[Any] = queue.Queue()
    for piece in (*pieces, None):
        given.put(piece)
    return given


def simple_queue_of(pieces: Iterable[Any]) -> Any:
    given: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for piece in (*pieces, None):
        given.put(piece)
    return given


WAYS: list[Callable[[Iterable[Any]], Any]] = [
    one_after_another,
    channel_of,
    list,
    iter,
    queue_of,
    simple_queue_of,
]
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


class TestPieces:
    @each_way
    async def test_are_said_whole_however_they_are_given(self, way: Any) -> None:
        async with feeding(way(PIECES)) as source:
            assert await said_by(source) == SPOKEN
            told = source.statistics()
        assert told.taken_frames == told.said_frames == len(SPOKEN) // 2

    @pytest.mark.parametrize(
        "piece",
        [
            np.array([1, -2, 300], np.int16),
            np.array([[1], [-2], [300]], np.int16),
            np.array([1, 0, -2, 0, 300, 0], np.int16)[::2],
            bytearray(np.array([1, -2, 300], np.int16)),
            memoryview(np.array([1, -2, 300], np.int16)),
        ],
    )
    async def test_of_pcm16_are_said_as_they_are(self, piece: Any) -> None:
        async with feeding(one_after_another([piece])) as source:
            source.read(1)
            await trio.testing.wait_all_tasks_blocked()
            assert source.read(3).tolist() == [1, -2, 300]

    @pytest.mark.parametrize("shape", [(4, 1), (4,)])
    async def test_of_float32_are_said_as_a_microphone_would(self, shape: Any) -> None:
        floats = np.array([0.5, -0.25, 1.25, np.nan], np.float32)
        twice = np.repeat(floats.reshape(shape), 2, axis=0)[::2]  # not contiguous
        async with feeding(one_after_another([twice])) as source:
            await read(source, 1)
            assert source.read(4).tolist() == float32_to_int16(floats).tolist()

    @settings(max_examples=30, derandomize=True, deadline=None)
    @given(cuts=st.lists(st.integers(0, 40), max_size=12), reads=st.lists(st.integers(0, 9)))
    def test_may_be_split_anywhere(self, cuts: list[int], reads: list[int]) -> None:
        whole = noise(20 / RATE, RATE)
        edges = [0, *sorted(cuts), 40]
        pieces = [whole[begin:end] for begin, end in itertools.pairwise(edges)]

        async def say() -> None:
            said = b""
            async with feeding(one_after_another(pieces)) as source:
                for frames in (*reads, 1, 40):
                    said += await read(source, frames)
            assert without_silence(said) == whole

        trio.run(say)

    @pytest.mark.parametrize(
        ("pieces", "told"),
        [
            ([np.zeros(4)], "piece 1 of a StreamInput: pcm must hold native int16.*'d'"),
            ([b"", np.zeros(4, ">i2")], "piece 2 of a StreamInput: pcm must hold native int16"),
            ([np.zeros((4, 2), np.int16)], r"must be mono, not of shape \(4, 2\)"),
            ([np.zeros((1, 4), np.float32)], r"must be mono, not of shape \(1, 4\)"),
            ([np.full(4, 2e4, np.float32)], r"full scale of 1\.0, but this reaches 20000"),
            ([np.array([np.nan, 2e4], np.float32)], r"full scale of 1\.0, but this reaches 20000"),
            ([np.full(4, np.inf, np.float32)], r"full scale of 1\.0, but this reaches inf"),
            (["said"], "must be bytes of PCM16 or an array of int16, not str"),
            ([None], "not NoneType"),
            ([b"abc", np.zeros(4, np.int16)], "piece 2 .*follows half a sample"),
            ([b"abc", np.zeros(4, np.float32)], "piece 2 .*follows half a sample"),
            ([b"abc", memoryview(np.zeros(4, np.int16))], "piece 2 .*follows half a sample"),
            ([b"abc"], "end with half a sample"),
        ],
    )
    @pytest.mark.parametrize("way", [one_after_another, list])
    async def test_that_are_no_samples_are_refused_and_none_is_said(
        self, pieces: Any, told: str, way: Any
    ) -> None:
        async with ending_with(told), feeding(way(pieces)) as source:
            source.read(1)
            await trio.sleep(5)

    @pytest.mark.parametrize(
        "given", [SPOKEN, bytearray(2), memoryview(SPOKEN), np.zeros(4, np.int16), "said", None, 7]
    )
    def test_that_are_none_are_refused_at_once(self, given: Any) -> None:
        with pytest.raises(UsageError, match=f"StreamInput takes .*{type(given).__name__}"):
            StreamInput(given, samplerate=RATE)

    @pytest.mark.parametrize("kind", [io.BytesIO, io.BufferedReader, io.StringIO])
    def test_of_a_file_would_be_lines(self, kind: Any) -> None:
        """Where there is no byte of a newline, as in silence, they never end."""
        file = kind(io.BytesIO()) if kind is io.BufferedReader else kind()
        with pytest.raises(UsageError, match="iterated by lines"):
            StreamInput(file, samplerate=RATE)

    def test_have_a_rate(self) -> None:
        with pytest.raises(UsageError, match="samplerate of a StreamInput is 0"):
            StreamInput([], samplerate=0)

    def test_are_for_one_call(self) -> None:
        source = StreamInput([], samplerate=RATE)
        source.open()
        with pytest.raises(UsageError, match="good for one call"):
            source.open()


class TestBackPressure:
    async def test_nothing_is_asked_for_before_sound_flows(self) -> None:
        asked = []

        def pieces() -> Iterator[bytes]:
            asked.append(None)
            yield SPOKEN

        async with feeding(one_after_another(pieces())) as source:
            assert asked == []
            assert await read(source, 80) == bytes(160)
            assert asked == [None]
            assert source.statistics().underruns == 0

    async def test_no_more_is_asked_for_than_is_soon_to_be_said(self) -> None:
        """And more, before that is used up."""
        block = RATE // 100
        async with feeding(one_after_another(noise(0.01, RATE) for _ in range(1000))) as source:
            await read(source, block)
            assert source.waiting_frames == ENOUGH_SECONDS * RATE
            for _ in range(100):
                await read(source, block)
                assert FEW_SECONDS * RATE < source.waiting_frames <= ENOUGH_SECONDS * RATE
            assert source.statistics().padded_frames == 0

    async def test_stall_is_silence_and_counted(self) -> None:
        send, receive = trio.open_memory_channel[bytes](1)
        async with feeding(receive) as source:
            await read(source, 80)
            for times in (1, 2):
                await send.send(noise(0.01, RATE))
                await trio.testing.wait_all_tasks_blocked()
                said = await read(source, 120) + await read(source, 40)
                assert said == noise(0.01, RATE) + bytes(160)
                told = source.statistics()
                assert (told.underruns, told.padded_frames) == (times, 80 * times)
            assert told.taken_frames == told.said_frames + told.waiting_frames == 160

    async def test_what_comes_after_the_end_is_no_stall(self) -> None:
        async with feeding(one_after_another([noise(0.01, RATE)])) as source:
            await read(source, 1)
            await read(source, 120)
            told = source.statistics()
        assert (told.has_ended, told.underruns, told.padded_frames) == (True, 0, 0)

    async def test_pieces_without_end_or_sound_hold_up_nobody(self) -> None:
        async def nothing() -> AsyncIterator[bytes]:
            while True:
                yield b""

        source = StreamInput(nothing(), samplerate=RATE)
        source.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.feed)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
                source.read(1)
            nursery.cancel_scope.cancel()

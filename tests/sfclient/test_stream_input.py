"""What a program says while it makes it: taken piece by piece, and no faster than it is said."""

import asyncio
import io
import itertools
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine, float32_to_int16
from sfclient import Audio, InputEnded, StreamInput, StreamOutput, UsageError, open_call
from sfclient._devices import Queues, open_lines
from sfclient._devices._stream_input import ENOUGH_SECONDS, FEW_SECONDS
from sfclient._host import serve
from sfclient._loop import LoopHost
from sfclient.simulator import open_simulator

from .conftest import Hold, exactly, listen, noise, without_silence

RATE = 8000
SPOKEN = noise(0.5, RATE)
PIECES = [SPOKEN[at : at + 321] for at in range(0, len(SPOKEN), 321)]  # of an odd length


async def one_after_another(pieces: Iterable[Any]) -> AsyncIterator[Any]:
    for piece in pieces:
        await trio.lowlevel.checkpoint()
        yield piece


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


@asynccontextmanager
async def feeding(pieces: Any, samplerate: int = RATE) -> AsyncIterator[StreamInput]:
    """An open one whose `feed` runs; it is read by hand."""
    source = StreamInput(pieces, samplerate=samplerate)
    assert source.open() == samplerate
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.feed)
        await trio.testing.wait_all_tasks_blocked()
        yield source
        nursery.cancel_scope.cancel()


async def read(source: StreamInput, frames: int) -> bytes:
    """A block, after which it has taken what it wants; not for one that is pulled in a thread."""
    block = source.read(frames).tobytes()
    await trio.testing.wait_all_tasks_blocked()
    return block


async def said_by(source: StreamInput) -> bytes:
    """All that it says, without silence."""
    said = b""
    with trio.fail_after(20):
        while not (source.statistics().has_ended and source.waiting_frames == 0):
            said += without_silence(source.read(160).tobytes())
            await trio.sleep(0.0005)
    return said


@asynccontextmanager
async def ending_with(match: str) -> AsyncIterator[None]:
    with pytest.RaisesGroup(pytest.RaisesExc(UsageError, match=match), allow_unwrapped=True):
        yield


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


class TestEnd:
    @exactly
    @pytest.mark.parametrize("way", [one_after_another, iter])
    async def test_is_that_of_a_file(self, hold: Hold, fast_clock: Any, way: Any) -> None:
        words = noise(0.5, hold.capture_samplerate)
        pieces = [words[at : at + 1000] for at in range(0, len(words), 1000)]
        source = StreamInput(way(pieces), samplerate=hold.capture_samplerate)
        async with hold(listen, microphone=source, silence_seconds=1) as held:
            events = [event async for event in held.call]
        (simulated,) = held.simulator.calls
        assert without_silence(bytes(simulated.received_audio)) == words
        assert len([event for event in events if isinstance(event, InputEnded)]) == 1
        assert held.call.ended is not None
        assert held.call.ended.reason == "all was said, and the agent silent for 1 s"

    async def test_has_not_come_while_more_may_be_said(self, fast_clock: Any) -> None:
        send, receive = trio.open_memory_channel[bytes](1)
        audio = Audio(StreamInput(receive, samplerate=RATE), "none")
        async with open_simulator(listen) as simulator:
            async with open_call(simulator.new_session_url(), audio, silence_seconds=0.5) as call:
                await trio.sleep(5)
                assert call.ended is None
                send.close()
                assert (await call.wait_ended()).reason.startswith("all was said")

    @pytest.mark.parametrize("way", [one_after_another, iter])
    async def test_that_is_an_error_ends_the_call_with_it(self, fast_clock: Any, way: Any) -> None:
        def failing() -> Iterator[bytes]:
            yield noise(0.1, RATE)
            raise ZeroDivisionError("no model")

        audio = Audio(StreamInput(way(failing()), samplerate=RATE), "none")
        async with open_simulator(listen) as simulator:
            with pytest.raises(UsageError, match="raised ZeroDivisionError: no model") as raised:
                async with open_call(simulator.new_session_url(), audio) as call:
                    await trio.sleep_forever()
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
        assert call.ended is not None
        assert call.ended.by == "caller"

    @pytest.mark.parametrize("way", [one_after_another, iter])
    async def test_of_the_call_at_which_they_raise_is_told_as_theirs(self, way: Any) -> None:
        def endless() -> Iterator[bytes]:
            try:
                while True:
                    yield SPOKEN
            finally:
                raise ZeroDivisionError("no model")

        async def given() -> AsyncIterator[bytes]:
            with closing(endless()) as pieces:
                for piece in pieces:
                    yield piece

        async with ending_with("raised ZeroDivisionError: no model"):
            async with feeding(given() if way is one_after_another else endless()) as source:
                await said_some(source)

    async def test_of_the_call_closes_a_generator(self) -> None:
        closed = threading.Event()

        def endless() -> Iterator[bytes]:
            try:
                while True:
                    yield SPOKEN
            finally:
                closed.set()

        async with feeding(endless()) as source:
            await said_some(source)
        assert closed.is_set()
        assert not source.statistics().was_abandoned

    async def test_of_the_call_closes_an_async_generator(self) -> None:
        closed = []

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield SPOKEN
            finally:
                closed.append(None)

        async with feeding(endless()) as source:
            await read(source, 80)
        assert closed == [None]

    async def test_of_the_call_is_told_to_who_sends_by_a_channel(self) -> None:
        send, receive = trio.open_memory_channel[bytes](0)
        async with feeding(receive) as source:
            await read(source, 80)
        with pytest.raises(trio.BrokenResourceError):
            await send.send(SPOKEN)

    async def test_of_the_call_ends_the_wait_for_a_queue(self) -> None:
        async with feeding(queue.Queue()) as source:
            await read(source, 80)
        assert not source.statistics().was_abandoned

    async def test_of_the_call_leaves_alone_what_is_stuck_and_says_so(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("sfclient._spool.in_time.__defaults__", (0.05,))
        stuck, let, closed = threading.Event(), threading.Event(), threading.Event()

        def endless() -> Iterator[bytes]:
            try:
                stuck.set()
                assert let.wait(20)
                yield SPOKEN
            finally:
                closed.set()

        with caplog.at_level(logging.WARNING, "sfclient"):
            async with feeding(endless()) as source:
                source.read(80)
                await trio.to_thread.run_sync(stuck.wait, 20)
        assert "did not come back within 2 s" in caplog.text
        assert source.statistics().was_abandoned
        let.set()
        assert closed.wait(20)
        assert source.statistics().taken_frames == 0

    async def test_does_not_come_with_that_of_an_attempt(self, autojump_clock: Any) -> None:
        """A call that is redialled runs its line again, and waits in between."""
        words = noise(1, RATE)
        capture = CaptureQueue(2 * RATE)
        queues = Queues(capture, PlayoutEngine(JitterBuffer(RATE)), None)
        pieces = one_after_another(words[at : at + 160] for at in range(0, len(words), 160))
        source = StreamInput(pieces, samplerate=RATE)
        async with open_lines(Audio(source, StreamOutput()), RATE, RATE) as [line]:
            for _ in range(2):
                with trio.move_on_after(0.75):
                    await line.run(queues, lambda _: None)
                await trio.sleep(5)
            assert line.is_said
        assert without_silence(capture.read(2 * RATE)) == words
        assert source.statistics().padded_frames == 0

    @pytest.mark.skipif(not hasattr(queue, "ShutDown"), reason="since Python 3.13")
    async def test_comes_with_the_shutdown_of_a_queue(self) -> None:
        given: Any = queue.Queue()
        given.put(SPOKEN)
        given.shutdown()
        async with feeding(given) as source:
            assert await said_by(source) == SPOKEN


async def said_some(source: StreamInput) -> None:
    while not without_silence(source.read(80).tobytes()):  # noqa: ASYNC110 -- a thread gives it
        await trio.sleep(0.001)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One of asyncio's that runs in another thread, as that of a program behind a door."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class TestHost:
    """The program behind a door has the pieces that its loop must give."""

    async def test_of_asyncio_gives_them_in_its_loop(self, loop: Any) -> None:
        loops = set()

        async def pieces() -> AsyncIterator[bytes]:
            for piece in PIECES:
                await asyncio.sleep(0)
                loops.add(asyncio.get_running_loop())
                yield piece

        serve(LoopHost(loop))
        async with feeding(pieces()) as source:
            assert await said_by(source) == SPOKEN
        assert loops == {loop}

    async def test_of_asyncio_gives_them_by_its_queue(self, loop: Any) -> None:
        given: asyncio.Queue[Any] = asyncio.Queue()
        for piece in (*PIECES, None):
            given.put_nowait(piece)
        serve(LoopHost(loop))
        async with feeding(given) as source:
            assert await said_by(source) == SPOKEN

    async def test_of_asyncio_may_take_a_while_to_stop(self, loop: Any) -> None:
        """What is cancelled there has not ended when that is asked for."""
        steps = []

        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield SPOKEN[:2]
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                steps.append("stopped")

        serve(LoopHost(loop))
        async with feeding(pieces()) as source:
            await said_some(source)
        assert steps == ["stopped"]

    async def test_of_trio_has_no_loop_for_those_of_asyncio(self) -> None:
        async with ending_with(r"by Queue are for sfclient\.aio: .* memory channel"):
            async with feeding(asyncio.Queue()) as source:
                await read(source, 80)

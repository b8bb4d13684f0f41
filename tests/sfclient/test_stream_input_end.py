"""Where what a program makes ends, and where its call ends first; and in whose loop it is made."""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pytest
import trio
import trio.testing

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
from sfclient import Audio, InputEnded, StreamInput, StreamOutput, UsageError, open_call
from sfclient._devices import Queues, open_lines
from sfclient._host import serve
from sfclient._loop import LoopHost
from sfclient.simulator import open_simulator

from .conftest import Hold, exactly, listen, noise, without_silence
from .streams import (
    PIECES,
    RATE,
    SPOKEN,
    ending_with,
    feeding,
    one_after_another,
    read,
    said_by,
    said_some,
)


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

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_of_the_call_tells_what_closing_raised(self, is_async: bool) -> None:
        def endless() -> Iterator[bytes]:
            try:
                while True:
                    yield SPOKEN
            finally:
                _ = 1 / 0

        async def endless_as_well() -> AsyncIterator[bytes]:
            with closing(endless()) as pieces:
                for piece in pieces:
                    yield piece

        made = endless_as_well() if is_async else endless()
        async with ending_with("raised ZeroDivisionError"), feeding(made) as source:
            await said_some(source)

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

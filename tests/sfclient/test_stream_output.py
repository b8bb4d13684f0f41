"""What the agent says, block by block: for whoever reads it in time, and never at the cost of the call."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import trio

from sfaudio import int16_to_float32
from sfclient import Audio, StreamOutput, StreamOutputStatistics, UsageError, open_call
from sfclient._devices import BlockQueue
from sfclient._stream_outputs import AsyncioStreamOutput, BlockingStreamOutput
from sfclient.simulator import SpeakAgent, open_simulator

from .conftest import Hold, exactly, noise, without_silence

RATE = 16_000
BLOCK = RATE // 100


def blocks(number: int) -> Iterator[np.ndarray[Any, np.dtype[np.int16]]]:
    for seed in range(number):
        yield np.frombuffer(noise(0.01, RATE, seed), np.int16)


def read_while_played(read: Any, output: Any, number: int, *, switch_seconds: float) -> Any:
    """What a reader gets of so many blocks, while another thread plays them and the two take turns so often."""

    def play() -> None:
        for block in blocks(number):
            output.write(block)
        output.close()

    switch = sys.getswitchinterval()
    sys.setswitchinterval(switch_seconds)
    try:
        player = threading.Thread(target=play)
        player.start()
        heard = read(output)
        player.join()
    finally:
        sys.setswitchinterval(switch)
    return heard


def unread(told: StreamOutputStatistics) -> int:
    """What is left, if nothing is lost from the books."""
    return told.played_frames - told.read_frames - told.dropped_frames


def played(output: Any, number: int) -> Any:
    """The same, of a call that has played so many blocks and is over."""
    output.open(RATE)
    for block in blocks(number):
        output.write(block)
    output.close()
    return output


async def read_by_trio(output: Any) -> list[Any]:
    return [block async for block in output]


def read_by_asyncio(output: Any) -> list[Any]:
    async def read() -> list[Any]:
        return [block async for block in output]

    return asyncio.run(read())


def in_asyncio(read: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    async def reading(output: Any) -> list[Any]:
        return read(output)

    return lambda output: asyncio.run(reading(output))


def read_by_trio_alone(output: Any) -> list[Any]:
    return trio.run(read_by_trio, output)


DOORS: dict[str, tuple[Callable[..., Any], Callable[[Any], list[Any]]]] = {
    "trio": (StreamOutput, read_by_trio_alone),
    "asyncio": (AsyncioStreamOutput, read_by_asyncio),
    "blocking": (BlockingStreamOutput, list),
}
each_door = pytest.mark.parametrize(("make", "read"), DOORS.values(), ids=DOORS)


class TestInACall:
    @pytest.mark.parametrize("dtype", ["int16", "float32"])
    @exactly
    async def test_all_is_heard_and_ends_with_the_call(
        self, hold: Hold, fast_clock: Any, dtype: Any
    ) -> None:
        words = noise(0.3, hold.playout_samplerate)
        output = StreamOutput(dtype=dtype)
        async with hold(SpeakAgent(words, then="close"), speaker=output):
            heard = np.concatenate(await read_by_trio(output))
        assert heard.dtype == dtype
        if dtype == "float32":
            heard = (heard * 32768).astype(np.int16)
        assert without_silence(heard.tobytes()) == words
        told = output.statistics()
        assert told.played_frames == told.read_frames == len(heard)
        assert output.samplerate == hold.playout_samplerate

    async def test_nobody_who_reads_keeps_it_from_going_on(self, fast_clock: Any) -> None:
        words = noise(1, RATE)
        output = StreamOutput(samplerate=8000, capacity_seconds=0.3)
        async with open_simulator(SpeakAgent(words, then="close")) as simulator:
            async with open_call(simulator.new_session_url(), Audio("none", output)) as call:
                ended = await call.wait_ended()
        assert ended.audio == "drained"
        told = output.statistics()
        assert 0.2 * 8000 < told.unread_frames <= 0.3 * 8000
        assert told.unread_frames == unread(told)
        assert told.played_frames >= 8000

    async def test_that_fails_before_it_begins_ends_the_reading(self) -> None:
        output = StreamOutput()
        with pytest.raises(Exception, match="127"):
            async with open_call("ws://127.0.0.1:1/", Audio("none", output)):
                raise AssertionError
        assert await read_by_trio(output) == []


@pytest.mark.parametrize(
    ("make", "read", "told"),
    [
        (StreamOutput, read_by_asyncio, r"is for trio.* sfclient\.aio\.StreamOutput"),
        (AsyncioStreamOutput, read_by_trio_alone, r"is for asyncio.* sfclient\.StreamOutput"),
        (BlockingStreamOutput, in_asyncio(list), r"would block .* sfclient\.aio\.StreamOutput"),
    ],
)
def test_at_the_wrong_door_is_told_which_to_take(make: Any, read: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read(played(make(), 1))


@each_door
class TestReading:
    def test_gives_what_was_played(self, make: Any, read: Any) -> None:
        output = played(make(), 3)
        assert [block.tolist() for block in read(output)] == [each.tolist() for each in blocks(3)]
        assert read(output) == []

    def test_gives_floats_of_full_scale_1(self, make: Any, read: Any) -> None:
        (block,) = read(played(make(dtype="float32"), 1))
        assert block.dtype == np.float32
        assert block.tolist() == int16_to_float32(next(blocks(1))).tolist()

    def test_gives_the_latest_where_it_is_late(self, make: Any, read: Any) -> None:
        output = played(make(capacity_seconds=0.02), 5)
        told = output.statistics()
        assert (told.played_frames, told.dropped_frames) == (5 * BLOCK, 3 * BLOCK)
        assert told.unread_frames == unread(told) == 2 * BLOCK
        assert [block.tolist() for block in read(output)] == [
            each.tolist() for each in list(blocks(5))[3:]
        ]

    def test_before_the_call_is_refused(self, make: Any, read: Any) -> None:
        with pytest.raises(UsageError, match="no call plays to this StreamOutput yet"):
            read(make())

    def test_in_a_forked_child_is_refused(
        self, make: Any, read: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would wait for ever."""
        output = make()
        output.open(RATE)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with pytest.raises(UsageError, match="process that this one was forked from"):
            read(output)

    def test_loses_nothing_to_the_thread_that_plays(self, make: Any, read: Any) -> None:
        """They meet at each step of either: the reader waits, and is woken, or finds a block before it does."""
        number, output = 500, make(capacity_seconds=100)
        output.open(RATE)
        heard = read_while_played(read, output, number, switch_seconds=1e-5)
        assert [block.tobytes() for block in heard] == [each.tobytes() for each in blocks(number)]
        told = output.statistics()
        assert told == StreamOutputStatistics(number * BLOCK, number * BLOCK, 0, 0)

    def test_whose_thread_is_late_has_it_counted(self, make: Any, read: Any) -> None:
        """Both take blocks away at the same time, and each is counted once."""
        number, output = 500, make(capacity_seconds=0.03)
        output.open(RATE)
        heard = read_while_played(read, output, number, switch_seconds=1e-6)
        told = output.statistics()
        assert sum(map(len, heard)) == told.read_frames
        assert (told.played_frames, told.unread_frames) == (number * BLOCK, 0)
        assert unread(told) == 0


def test_block_that_comes_when_the_reader_has_just_looked_is_not_overlooked() -> None:
    """Nor the end behind it."""

    class Overtaken(BlockQueue):
        def _oldest(self) -> Any:
            found = super()._oldest()
            if found is None and not self._is_over:
                self.write(next(blocks(1)))
                self.close()
            return found

    output = Overtaken()
    output.open(RATE)
    block = output._next(lambda: None)
    assert block is not None
    assert block.tolist() == next(blocks(1)).tolist()
    with pytest.raises(StopAsyncIteration):
        output._next(lambda: None)


class TestUse:
    def test_is_for_one_call(self) -> None:
        output = played(StreamOutput(), 0)
        with pytest.raises(UsageError, match="good for one call"):
            output.open(RATE)

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"samplerate": 0}, "samplerate of a StreamOutput is 0"),
            ({"dtype": "int32"}, "is int16 or float32, not 'int32'"),
            ({"capacity_seconds": 0}, "more than 0, not 0"),
            ({"capacity_seconds": "1"}, "more than 0, not '1'"),
        ],
    )
    def test_arguments_are_looked_at(self, wrong: Any, told: str) -> None:
        with pytest.raises(UsageError, match=told):
            StreamOutput(**wrong)

    async def test_reader_that_is_cancelled_loses_nothing(self) -> None:
        output = StreamOutput()
        output.open(RATE)
        with trio.move_on_after(0.001):
            await anext(output)
        output.write(next(blocks(1)))
        output.close()
        assert len(await read_by_trio(output)) == 1

    def test_loop_that_is_closed_does_not_hold_up_the_call(self) -> None:
        output = AsyncioStreamOutput()
        output.open(RATE)

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(output), 0.001)

        asyncio.run(give_up())
        output.write(next(blocks(1)))
        output.close()
        assert len(list(iter(output._blocks))) == 1

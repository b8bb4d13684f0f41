"""The line without hardware: its blocks, what is late, and others that must not wait for it."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import trio
import trio.testing
from numpy.typing import NDArray

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
from sfclient import Audio, MemoryInput, NullOutput
from sfclient._captured import Captured
from sfclient._clock import SLOT_SECONDS, shared_clock
from sfclient._devices import Queues, open_lines
from sfclient._devices._virtual import BLOCK_SECONDS, VirtualLine
from sfclient._nursery import open_unwrapped_nursery
from sfclient._uplink import FIRST_SOUND_SECONDS, Uplink

RATE = 16_000


class Counted(MemoryInput):
    """Silence, and when it was asked for."""

    def __init__(self, work: Callable[[], None] = lambda: None) -> None:
        super().__init__(samplerate=RATE)
        self.reads: list[tuple[float, int]] = []
        self._work = work

    def read(self, frames: int) -> NDArray[np.int16]:
        self.reads.append((round(trio.current_time(), 6), frames))
        self._work()
        return super().read(frames)

    @property
    def frames(self) -> int:
        return sum(frames for _, frames in self.reads)


def queues() -> Queues:
    return Queues(CaptureQueue(RATE), PlayoutEngine(JitterBuffer(RATE)), None)


@pytest.mark.parametrize(
    ("chunk", "block"),
    [(0.005, 80), (0.02, 320), (0.03, 480), (0.1, 1600), (0.15, 1200), (1.0, 1600)],
)
async def test_blocks_are_as_long_as_a_chunk_or_an_equal_part_of_a_long_one(
    autojump_clock, nursery, chunk, block
):
    source = Counted()
    async with open_lines(Audio(source, "none"), RATE, RATE, chunk_seconds=chunk) as [line]:
        await nursery.start(line.run, queues(), lambda _: None)
        await trio.sleep(2.001)
        nursery.cancel_scope.cancel()
    assert {frames for _, frames in source.reads} == {block}
    assert len(source.reads) == 2 * RATE // block


async def test_blocks_that_are_late_come_at_once(autojump_clock, nursery):
    source = Counted()
    line = VirtualLine(source, NullOutput(), RATE, RATE, 0.02)
    await nursery.start(line.run, queues(), lambda _: None)
    await trio.sleep(0.101)
    assert source.frames == 1600
    autojump_clock.jump(1)
    await trio.testing.wait_all_tasks_blocked()
    assert source.reads[5:] == [(1.101, 320)] * 50
    await trio.sleep(0.02)
    assert source.reads[55:] == [(1.12, 320)]
    nursery.cancel_scope.cancel()


async def test_source_that_is_slow_holds_nobody_up_longer_than_for_a_few_blocks(
    autojump_clock, nursery
):
    """Its own blocks are late, ever more, and the others' are not."""
    slow = Counted(lambda: autojump_clock.jump(0.03))
    quick = Counted()
    for source in (slow, quick):
        line = VirtualLine(source, NullOutput(), RATE, RATE, 0.02)
        await nursery.start(line.run, queues(), lambda _: None)
    await trio.sleep(3)
    behind = [time - 0.02 * index for index, (time, _) in enumerate(quick.reads, start=1)]
    assert len(quick.reads) >= 148
    assert max(behind) < 0.1
    assert slow.reads[-1][0] > 0.02 * len(slow.reads) + 0.5
    nursery.cancel_scope.cancel()


async def test_who_waits_for_what_is_recorded_is_woken_with_it(autojump_clock, nursery):
    line = VirtualLine(Counted(), None, RATE, 0, BLOCK_SECONDS)
    capture = queues()
    await nursery.start(line.run, capture, lambda _: None)
    for frames in (160, 320, 480):
        with trio.fail_after(1):
            await line.wait_recorded(0)
        assert capture.capture.queued_frames == frames
        assert round(trio.current_time(), 6) == frames / RATE
    nursery.cancel_scope.cancel()


async def test_line_whose_waiter_is_busy_takes_its_turns_itself(autojump_clock, nursery):
    source = Counted()
    line = VirtualLine(source, NullOutput(), RATE, RATE, 0.02)
    await nursery.start(line.run, queues(), lambda _: None)

    async def wait_and_work() -> None:
        while True:
            await line.wait_recorded(0)
            await trio.sleep(0.05)

    nursery.start_soon(wait_and_work)
    await trio.sleep(1.001)
    assert source.reads == [(round(0.02 * turn, 6), 320) for turn in range(1, 51)]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("somebody_waits", [True, False])
async def test_what_a_source_raises_ends_its_call_and_no_other(
    autojump_clock, nursery, somebody_waits
):
    def fail() -> None:
        raise OSError("no more")

    broken, sound = Counted(fail), Counted()
    other = VirtualLine(sound, NullOutput(), RATE, RATE, 0.02)
    line = VirtualLine(broken, NullOutput(), RATE, RATE, 0.02)

    async def hold() -> None:
        async with open_unwrapped_nursery() as tasks:
            await tasks.start(line.run, queues(), lambda _: None)
            if somebody_waits:
                await line.wait_recorded(0)
            await trio.sleep_forever()

    await nursery.start(other.run, queues(), lambda _: None)
    with pytest.raises(OSError, match="no more"):
        await hold()
    await trio.sleep(1)
    assert len(sound.reads) >= 50
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(4))
async def test_turns_are_taken_in_time_whoever_waits_and_gives_up_and_leaves(autojump_clock, seed):
    chance = random.Random(seed)

    async def wait(line: VirtualLine) -> None:
        while True:
            some, more = (chance.random() * 0.05 for _ in range(2))
            with trio.move_on_after(chance.choice((0, 0.02, some))):
                match chance.randrange(4):
                    case 0:
                        await trio.sleep(more)
                    case 1:
                        await line.sleep_until(trio.current_time() + more)
                    case 2:
                        await line.catch_up()
                    case _:
                        await line.wait_recorded(0)

    async def hold(source: Counted, block: float, seconds: float) -> None:
        line = VirtualLine(source, NullOutput(), RATE, RATE, block)
        async with trio.open_nursery() as tasks:
            await tasks.start(line.run, queues(), lambda _: None)
            tasks.start_soon(wait, line)
            start = line._start
            await trio.sleep(seconds)
            tasks.cancel_scope.cancel()
        behind = [time - start - block * (turn + 1) for turn, (time, _) in enumerate(source.reads)]
        assert len(behind) >= int((seconds - block - SLOT_SECONDS) / block)
        assert -1e-5 < min(behind) <= max(behind) < SLOT_SECONDS + 1e-5

    async with trio.open_nursery() as calls:
        for block in (0.005, 0.0123, 0.02, 0.02, 0.1):
            calls.start_soon(hold, Counted(), block, 0.3 + chance.random())
            await trio.sleep(chance.random() / 20)
    assert not shared_clock()._slots


async def test_nothing_of_a_line_is_left_with_the_clock(autojump_clock):
    line = VirtualLine(Counted(), NullOutput(), RATE, RATE, 0.02)
    with trio.move_on_after(0.5):
        await line.run(queues(), lambda _: None)
    assert not shared_clock()._slots


async def test_many_lines_sleep_as_one(autojump_clock, nursery, monkeypatch):
    slept: list[None] = []
    sleep_of_trio = trio.sleep_forever

    async def sleep() -> None:
        slept.append(None)
        await sleep_of_trio()

    monkeypatch.setattr(trio, "sleep_forever", sleep)
    lines = [VirtualLine(Counted(), NullOutput(), RATE, RATE, 0.02) for _ in range(100)]
    for line in lines:
        await nursery.start(line.run, queues(), lambda _: None)
    await trio.sleep(1)
    assert 190 < len(slept) < 210
    nursery.cancel_scope.cancel()


async def test_program_that_was_kept_from_running_at_the_start_does_not_blame_the_microphone(
    autojump_clock, nursery
):
    line = VirtualLine(Counted(), None, RATE, 0, 0.02)
    uplinks = [Uplink(Captured(RATE, RATE), 320, line=each) for each in (line, None)]
    await nursery.start(
        line.run,
        Queues(uplinks[0].captured.queue, PlayoutEngine(JitterBuffer(RATE)), None),
        lambda _: None,
    )
    for uplink in uplinks:
        nursery.start_soon(uplink.wait_recorded)
    await trio.testing.wait_all_tasks_blocked()
    uplinks[1].captured.queue.write(np.zeros(320, np.int16))  # as a device does meanwhile
    autojump_clock.jump(FIRST_SOUND_SECONDS + 1)
    await trio.sleep(1)
    nursery.cancel_scope.cancel()

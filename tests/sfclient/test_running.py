"""Time in which the program ran."""

import pytest
import trio
import trio.testing

from sfclient._running import RunningTime, running_time


async def test_time_in_which_the_program_was_kept_from_running_does_not_count(
    autojump_clock, nursery
):
    running = RunningTime()
    nursery.start_soon(running.keep)
    await trio.sleep(0.45)
    assert running.ticks == 4
    autojump_clock.jump(5)
    await trio.testing.wait_all_tasks_blocked()
    assert running.ticks == 4
    await trio.sleep(0.25)
    assert running.ticks == 6


async def test_of_all_who_keep_it_one_works_and_the_next_when_that_is_gone(autojump_clock, nursery):
    running = RunningTime()
    scopes = [trio.CancelScope() for _ in range(3)]

    async def keep(scope: trio.CancelScope) -> None:
        with scope:
            await running.keep()

    for scope in scopes:
        nursery.start_soon(keep, scope)
    await trio.sleep(0.95)
    assert running.ticks == 9
    scopes[0].cancel()
    scopes[1].cancel()
    await trio.sleep(1)
    assert running.ticks == 19
    scopes[2].cancel()
    await trio.sleep(1)
    assert running.ticks == 19


async def test_goes_on_though_nobody_keeps_it_for_as_long_as_a_tick(autojump_clock, nursery):
    """As where calls begin and end all the time, and each is the oldest for a moment."""
    running = RunningTime()

    async def keep(seconds: float) -> None:
        with trio.move_on_after(seconds):
            await running.keep()

    for index in range(1, 102):
        nursery.start_soon(keep, 0.03 * index)
    await trio.sleep(2.95)
    assert running.ticks == 29
    await trio.sleep(5)
    assert running.ticks == 30
    nursery.start_soon(keep, 1)
    await trio.sleep(0.05)
    assert running.ticks == 30


def test_there_is_one_for_a_run_of_trio():
    async def look() -> RunningTime:
        await trio.lowlevel.checkpoint()
        assert running_time() is running_time()
        return running_time()

    assert trio.run(look) is not trio.run(look)
    with pytest.raises(RuntimeError):
        running_time()

"""The clock that many share: who waits is woken in time, whoever leaves, and nothing is left of it."""

import random
from collections import Counter

import pytest
import trio
import trio.testing

from sfclient import _clock
from sfclient._clock import SLOT_SECONDS, quietest_start, sleep_until


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """Until when somebody slept by trio's clock."""
    slept = []

    async def sleep(deadline: float) -> None:
        slept.append(round(deadline, 6))
        await sleep_of_trio(deadline)

    sleep_of_trio = trio.sleep_until
    monkeypatch.setattr(trio, "sleep_until", sleep)
    return slept


async def wake_up(deadline: float, woken: list[float]) -> None:
    await sleep_until(deadline)
    woken.append(round(trio.current_time(), 6))


def is_left() -> bool:
    return bool(_clock._slots_of_this_run())


async def test_all_who_wait_for_a_slot_are_woken_at_once_by_one_sleep(autojump_clock, slept):
    woken: list[float] = []
    async with trio.open_nursery() as nursery:
        for deadline in (0.0051, 0.01, 0.007, 0.015, 0.012):
            nursery.start_soon(wake_up, deadline, woken)
    assert woken == [0.01, 0.01, 0.01, 0.015, 0.015]
    assert sorted(slept) == [0.01, 0.015]
    assert not is_left()


async def test_what_is_past_is_a_checkpoint(autojump_clock, slept):
    await trio.sleep(1)
    with trio.testing.assert_checkpoints():
        await sleep_until(0.5)
    assert trio.current_time() == 1
    assert not slept


async def test_sums_of_chunks_do_not_slip_into_the_next_slot(autojump_clock):
    woken: list[float] = []
    for beats in range(1, 200):
        await wake_up(beats * 0.02, woken)
    assert woken == [round(beats * 0.02, 6) for beats in range(1, 200)]


async def test_when_the_one_who_sleeps_for_all_leaves_the_next_does(autojump_clock, nursery, slept):
    woken: list[float] = []
    scopes = [trio.CancelScope() for _ in range(4)]

    async def wait(scope: trio.CancelScope) -> None:
        with scope:
            await wake_up(1.0, woken)

    for scope in scopes:
        nursery.start_soon(wait, scope)
        await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(0.5)
    for leaving in (0, 2, 1):  # the first, one for whom he sleeps, his heir
        scopes[leaving].cancel()
        await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(1)
    assert woken == [1.0]
    assert slept == [1.0, 1.0, 1.0]
    assert not is_left()


async def test_heir_who_is_cancelled_before_he_wakes_hands_it_on(autojump_clock, nursery):
    woken: list[float] = []
    scopes = [trio.CancelScope() for _ in range(3)]

    async def wait(scope: trio.CancelScope) -> None:
        with scope:
            await wake_up(1.0, woken)

    for scope in scopes:
        nursery.start_soon(wait, scope)
        await trio.testing.wait_all_tasks_blocked()
    scopes[0].cancel()
    scopes[1].cancel()  # in the same step
    await trio.sleep(2)
    assert woken == [1.0]
    assert not is_left()


@pytest.mark.parametrize("seed", range(5))
async def test_everybody_is_woken_in_time_whoever_comes_and_goes(autojump_clock, seed):
    chance = random.Random(seed)
    late: list[float] = []

    async def live() -> None:
        for _ in range(chance.randrange(20)):
            deadline = trio.current_time() + chance.choice(
                (-0.01, 0.001, 0.02, chance.random() / 10)
            )
            with trio.move_on_after(chance.choice((chance.random() / 10, 1))) as scope:
                await sleep_until(deadline)
            if not scope.cancelled_caught:
                late.append(trio.current_time() - deadline)

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(live)
    assert len(late) > 200
    assert all(seconds >= -1e-6 for seconds in late)
    assert all(seconds < SLOT_SECONDS + 1e-6 for seconds in late if seconds < 0.0099)
    assert not is_left()


def test_runs_of_trio_share_nothing():
    async def run() -> None:
        with trio.move_on_after(0.001):
            await sleep_until(trio.current_time() + 100)
        assert not is_left()

    trio.run(run)
    trio.run(run)


async def test_what_begins_together_is_spread_over_the_slots_of_its_period(autojump_clock, nursery):
    woken: list[float] = []
    starts: list[float] = []

    async def beat() -> None:
        start = quietest_start(0.02)
        starts.append(round(start, 6))
        for beats in range(1, 50):
            await wake_up(start + 0.02 * beats, woken)

    for _ in range(8):
        nursery.start_soon(beat)
    await trio.sleep(0.0222)
    for _ in range(4):  # as they are under way
        nursery.start_soon(beat)
    await trio.sleep(0.5)
    assert Counter(starts[:8]) == {0: 2, 0.005: 2, 0.01: 2, 0.015: 2}
    assert set(Counter(time for time in woken if 0.1 < time < 0.3).values()) == {3}
    nursery.cancel_scope.cancel()

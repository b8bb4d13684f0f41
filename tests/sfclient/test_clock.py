"""The clock that many share: who waits is woken in time, whoever leaves, and nothing is left of it."""

import random
from collections import Counter

import pytest
import trio
import trio.testing

from sfclient._clock import SLOT_SECONDS, Bell, Clock, shared_clock


@pytest.fixture
async def clock(nursery) -> Clock:
    clock = Clock()
    nursery.start_soon(clock.keep)
    return clock


async def wake_up(clock: Clock, deadline: float, woken: list[float]) -> None:
    await clock.sleep_until(deadline)
    woken.append(round(trio.current_time(), 6))


async def test_all_who_wait_for_a_slot_are_woken_at_once(autojump_clock, clock):
    woken: list[float] = []
    async with trio.open_nursery() as nursery:
        for deadline in (0.0051, 0.01, 0.007, 0.015, 0.012):
            nursery.start_soon(wake_up, clock, deadline, woken)
    assert woken == [0.01, 0.01, 0.01, 0.015, 0.015]
    assert not clock._slots


async def test_what_is_past_is_due_at_once(autojump_clock, clock):
    await trio.sleep(1)
    with trio.testing.assert_checkpoints():
        await clock.sleep_until(0.5)
    assert trio.current_time() == 1


async def test_sums_of_chunks_do_not_slip_into_the_next_slot(autojump_clock, clock):
    woken: list[float] = []
    for beats in range(1, 200):
        await wake_up(clock, beats * 0.02, woken)
    assert woken == [round(beats * 0.02, 6) for beats in range(1, 200)]


async def test_who_comes_later_may_be_due_earlier(autojump_clock, clock, nursery):
    woken: list[float] = []
    for deadline in (1.0, 0.5, 0.25):
        nursery.start_soon(wake_up, clock, deadline, woken)
        await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(2)
    assert woken == [0.25, 0.5, 1.0]


async def test_what_is_forgotten_is_not_called_and_the_rest_is(autojump_clock, clock):
    calls: list[str] = []

    def one() -> None:
        calls.append("one")

    def other() -> None:
        calls.append("other")

    for call in (one, other):
        clock.call_at(1.0, call)
    clock.forget(one)
    clock.forget(one)
    await trio.sleep(2)
    assert calls == ["other"]


async def test_of_all_who_keep_it_one_works_and_the_next_when_that_is_gone(autojump_clock, nursery):
    clock = Clock()
    woken: list[float] = []
    scopes = [trio.CancelScope() for _ in range(3)]

    async def keep(scope: trio.CancelScope) -> None:
        with scope:
            await clock.keep()

    for deadline in (1.0, 2.0, 3.0, 4.0):
        nursery.start_soon(wake_up, clock, deadline, woken)
    for scope in scopes:
        nursery.start_soon(keep, scope)
        await trio.testing.wait_all_tasks_blocked()
    await trio.sleep(1.5)
    scopes[0].cancel()
    scopes[1].cancel()
    clock.call_at(1.6, lambda: woken.append(1.6))  # for the next, who has yet to begin
    await trio.sleep(2)
    assert woken == [1.0, 1.6, 2.0, 3.0]
    scopes[2].cancel()
    await trio.sleep(1)
    assert woken == [1.0, 1.6, 2.0, 3.0]
    nursery.cancel_scope.cancel()


async def test_an_interrupt_does_not_strike_between_those_who_are_woken(autojump_clock, clock):
    """Or those after it would wait for ever, in calls of their own."""
    is_safe: list[bool] = []
    clock.call_at(1.0, lambda: is_safe.append(trio.lowlevel.currently_ki_protected()))
    await trio.sleep(2)
    assert is_safe == [True]
    assert not trio.lowlevel.currently_ki_protected()


@pytest.mark.parametrize("seed", range(5))
async def test_everybody_is_woken_in_time_whoever_comes_and_goes(autojump_clock, seed):
    chance = random.Random(seed)
    clock = Clock()
    late: list[float] = []

    async def live() -> None:
        for _ in range(chance.randrange(20)):
            delay = chance.choice((0.001, 0.02, chance.random() / 10))
            deadline = trio.current_time() + delay
            with trio.move_on_after(chance.choice((chance.random() / 10, 1))) as scope:
                await clock.sleep_until(deadline)
            if not scope.cancelled_caught:
                late.append(trio.current_time() - deadline)

    async def keep_for_a_while() -> None:
        for _ in range(100):
            with trio.move_on_after(chance.random() / 10):
                await clock.keep()

    async with trio.open_nursery() as keepers:
        for _ in range(3):
            keepers.start_soon(keep_for_a_while)
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(live)
        keepers.cancel_scope.cancel()
    assert len(late) > 200
    assert min(late) > -1e-6
    assert max(late) < SLOT_SECONDS + 1e-6
    assert not clock._slots


def test_runs_of_trio_share_nothing():
    async def run() -> Clock:
        await trio.lowlevel.checkpoint()
        assert shared_clock() is shared_clock()
        return shared_clock()

    assert trio.run(run) is not trio.run(run)


async def test_what_begins_together_shares_slots_of_its_period_but_none_with_too_many(
    autojump_clock, clock, nursery, monkeypatch
):
    monkeypatch.setattr("sfclient._clock.CALLS_A_SLOT", 3)
    woken: list[float] = []
    starts: list[float] = []

    async def beat() -> None:
        start = clock.good_start(0.02)
        starts.append(round(start % 0.02, 6))
        for beats in range(1, 50):
            await wake_up(clock, start + 0.02 * beats, woken)

    for _ in range(5):
        nursery.start_soon(beat)
    await trio.sleep(0.0222)
    assert sorted(Counter(starts).values()) == [2, 3]
    for _ in range(7):  # as they are under way
        nursery.start_soon(beat)
    await trio.sleep(0.2)
    assert set(Counter(time for time in woken if 0.1 < time < 0.2).values()) == {3}
    for _ in range(4):  # more than the slots are for
        nursery.start_soon(beat)
    await trio.sleep(0.2)
    assert set(Counter(time for time in woken if 0.3 < time < 0.4).values()) == {4}
    nursery.cancel_scope.cancel()


async def test_bell_wakes_the_one_who_waits_and_rings_for_nobody_else(autojump_clock, nursery):
    bell = Bell()
    assert not bell.ring()
    woken: list[float] = []

    async def wait(scope: trio.CancelScope) -> None:
        with scope:
            await bell.wait()
            woken.append(trio.current_time())

    nursery.start_soon(wait, trio.CancelScope())
    await trio.sleep(1)
    assert bell.ring()
    assert not bell.ring()
    await trio.sleep(1)
    assert woken == [1.0]
    nursery.start_soon(wait, leaving := trio.CancelScope())
    await trio.sleep(1)
    leaving.cancel()
    await trio.sleep(1)
    assert not bell.ring()
    assert woken == [1.0]

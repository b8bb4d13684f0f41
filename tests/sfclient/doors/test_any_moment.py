"""A call that is given up at any moment, by whatever way a program has to, leaves nothing behind."""

import asyncio
import gc
import os
import random
import signal
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import sfclient
from sfclient import TimeLimits, aio, blocking
from sfclient.simulator import SpeakAgent

from ..conftest import noise
from .conftest import Hold
from .doors import RATE, threads_of_trio
from .far_side import FarSide, open_far_side

MOMENTS = pytest.mark.parametrize("moments", [6, pytest.param(200, marks=pytest.mark.slow)])
LONGEST_SECONDS = 0.06  # of real time: about as long as a whole call takes
CALLS = sfclient.Call, aio.Call, blocking.Call
DESCRIPTORS = Path("/proc/self/fd")

Program = Callable[[], Awaitable[None]]


async def give_up_trio(program: Program, seconds: float, again: float) -> None:
    with trio.move_on_after(seconds * RATE):
        await program()


async def give_up_asyncio(program: Program, seconds: float, again: float) -> None:
    """And once more, while it is about to stop."""
    task = asyncio.ensure_future(program())
    for pause in (seconds, again):
        await asyncio.wait([task], timeout=pause)
        task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def give_up_blocking(program: Program, seconds: float, again: float) -> None:
    """By Ctrl-C, or what the main thread takes for it."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        await program()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        forget_unstarted_threads()
    finally:
        signal.signal(signal.SIGALRM, before)


def forget_unstarted_threads() -> None:
    """What CPython itself leaves behind where an interrupt hits `threading.Thread.start` before there is a thread."""
    for thread in threading.enumerate():
        if thread.ident is None:
            threading._limbo.pop(thread, None)


GIVE_UP = {
    "trio": give_up_trio,
    "asyncio": give_up_asyncio,
    "uvloop": give_up_asyncio,
    "blocking": give_up_blocking,
}


async def hold_a_call(hold: Hold, far: FarSide, how: int) -> None:
    """In one of several ways."""
    session = await hold.session(far)
    async with hold.door.open_call(session, hold.audio()) as call:
        if how == 0:
            async for _ in call:
                pass
        elif how == 1:
            await call.wait_ended()
        elif how == 2:
            await anext(call)
            call.flush()
        else:
            await hold.door.sleep(1)


def what_is_there() -> dict[str, Any]:
    gc.collect()
    return {
        "threads": {each for each in threading.enumerate() if not each.daemon},
        "descriptors": len(os.listdir(DESCRIPTORS)) if DESCRIPTORS.exists() else 0,
        "calls": sum(isinstance(each, CALLS) for each in gc.get_objects()),
    }


@MOMENTS
def test_a_call_given_up_at_any_moment_leaves_nothing(hold: Hold, moments: int) -> None:
    chance = random.Random(17)
    late: list[int] = []

    async def give_up_all() -> None:
        with open_far_side(SpeakAgent(noise(0.2, 16_000), then="close")) as far:
            await hold_a_call(hold, far, 0)
            before = what_is_there()
            for moment in range(moments):
                seconds, again = (chance.uniform(0.001, LONGEST_SECONDS) for _ in range(2))
                program = partial(hold_a_call, hold, far, chance.randrange(4))
                await GIVE_UP[hold.door.name](program, seconds, again / 10)
                if threads_of_trio():
                    late.append(moment)
            for number in range(len(far.simulator.calls)):
                far.ended(number)
            assert what_is_there() == before

    hold.door.run(give_up_all)
    assert late == []


@pytest.mark.parametrize("dialect", ["widget"])
def test_who_gives_up_on_leaving_waits_for_no_agent(hold: Hold) -> None:
    """One that does not answer the close is waited for, and that can be given up too."""
    calls = []

    async def leave(far: FarSide) -> None:
        limits = TimeLimits(close=1e6)
        session = await hold.session(far)
        async with hold.door.open_call(session, hold.audio(), limits=limits) as call:
            calls.append(call)
            while not call.connected:
                await hold.door.sleep(0.1)
            far.do(far.proxy.stall)

    async def give_up() -> None:
        with open_far_side(SpeakAgent(b"")) as far:
            await GIVE_UP[hold.door.name](partial(leave, far), 0.3, 0.01)

    hold.door.run(give_up)
    assert threads_of_trio() == []
    assert calls[0].ended.by == "caller"

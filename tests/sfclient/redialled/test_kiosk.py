"""A kiosk in a network that fails every few minutes."""

from itertools import count
from typing import Any

import pytest
import trio

from sfclient import (
    Call,
    Connecting,
    Disconnected,
    Redial,
    Redialing,
)

from ..books import capture_errors, playout_errors
from ..conftest import UnhurriedClock
from .conftest import Kiosk, kinds, open_kiosk


async def run_kiosk(
    it: Kiosk, seconds: float, gaps: list[float], redial: Redial
) -> tuple[Call, list[Any]]:
    """The network fails after each of these gaps in turn, in one way or another; each second time it stands still."""
    events: list[Any] = []

    async def fail() -> None:
        for turn in count():
            await trio.sleep(gaps[turn % len(gaps)])
            if turn % 2:
                it.proxy.stall(20)
            (it.proxy.close if turn % 3 == 2 else it.proxy.reset)()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        async with it.call(redial=redial, chunk_seconds=0.2) as call:  # fewer messages, less to do
            with trio.move_on_after(seconds):
                async for event in call:
                    events.append(event)
        nursery.cancel_scope.cancel()
    return call, events + [event async for event in call]


def check_kiosk(it: Kiosk, call: Call, events: list[Any], redial: Redial, log: str) -> None:
    """Each failure was redialled, within the limits, and the log tells all of it."""
    dials, redials = (
        [event for event in events if isinstance(event, kind)] for kind in (Connecting, Redialing)
    )
    assert len(dials) == call.attempt == it.fetched
    assert len(call.earlier) == call.attempt - 1
    assert len(redials) in (len(dials) - 1, len(dials))  # at the end it may be in a pause
    assert kinds(events)[-1] is Disconnected
    assert (call.ended.by, call.ended.reason) == ("caller", "hung up")
    for number, (event, dial) in enumerate(zip(redials, dials[1:], strict=False), 2):
        assert event.attempt == number
        assert event.ended.by in ("network", "agent")
        assert redial.first_pause <= event.pause_seconds
        assert event.pause_seconds <= redial.longest_pause * (1 + redial.jitter)
        assert dial.at >= event.at + event.pause_seconds
    for dial in dials:
        assert sum(dial.at - 3600 < each.at <= dial.at for each in dials[1:]) <= redial.most_an_hour
    for figures in (*(past.statistics for past in call.earlier), call.statistics()):
        assert capture_errors(figures.capture) == playout_errors(figures.playout) == []
    for told in (*dials, *redials):
        assert f"{told.at:.3f} s: {told}" in log
    assert log.count("The call is redialled") == len(redials)


@pytest.mark.slow
def test_a_kiosk_for_half_an_hour(dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    """Faster than time: the machine sets the pace."""

    async def run() -> None:
        caplog.set_level("INFO", "sfclient")
        redial = Redial()
        async with open_kiosk(dialect) as it:
            call, events = await run_kiosk(it, 30 * 60, [100.0, 200.0, 20.0, 310.0], redial)
            check_kiosk(it, call, events, redial, caplog.text)
        assert call.attempt >= 10

    trio.run(run, clock=UnhurriedClock(rate=200))


async def test_a_kiosk_for_seconds(kiosk, fast_clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sfclient")
    redial = Redial(first_pause=0.5, steady_seconds=1.0)
    async with kiosk() as it:
        call, events = await run_kiosk(it, 6.0, [2.0], redial)
        check_kiosk(it, call, events, redial, caplog.text)
    assert call.attempt > 1

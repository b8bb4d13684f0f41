"""How late chunks leave is told of the machine alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from sfclient import TimeLimits
from sfclient.testing.load._punctual import Punctuality, TimedConnect

CHUNK = bytes(1920)


class Way:
    """A connection that takes each message at once, or when the network does."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.stalls = 0.0

    async def send(self, message: str | bytes, within: float = inf) -> None:
        await trio.sleep(self.stalls)
        self.sent.append(message)


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@asynccontextmanager
async def timed() -> AsyncIterator[tuple[Any, Way, Punctuality]]:
    way, punctuality = Way(), Punctuality()

    @asynccontextmanager
    async def connect(url: str, /, **_: Any) -> AsyncIterator[Any]:
        yield way

    async with TimedConnect(connect, punctuality, 0.02)(
        "ws://x", limits=TimeLimits(), secrets=None
    ) as connection:
        yield connection, way, punctuality


async def say(connection: Any, pauses: list[float], message: bytes = CHUNK) -> None:
    for pause in pauses:
        await trio.sleep(pause)
        await connection.send(message)


async def test_chunks_that_leave_in_time_are_not_late(clock: MockClock) -> None:
    async with timed() as (connection, way, punctuality):
        await connection.send("status_client_ready")
        await say(connection, [0.3, *[0.02] * 49])
        assert punctuality.take() == pytest.approx(0.0, abs=1e-9)
        assert len(way.sent) == 51


async def test_a_loop_that_was_kept_from_sending_is_late_by_so_much(clock: MockClock) -> None:
    async with timed() as (connection, _, punctuality):
        await say(connection, [0.02, 0.02])
        await trio.sleep(0.3)
        await connection.send(15 * CHUNK)  # all that was recorded meanwhile
        await say(connection, [0.02, 0.02])
        assert punctuality.take() == pytest.approx(0.28)


async def test_chunks_that_are_joined_are_as_long_as_all_of_them(clock: MockClock) -> None:
    async with timed() as (connection, _, punctuality):
        await say(connection, [0.02])
        await say(connection, [0.04] * 10, 2 * CHUNK)
        assert punctuality.take() == pytest.approx(0.02)


async def test_a_program_that_is_slower_all_the_time_falls_behind(clock: MockClock) -> None:
    async with timed() as (connection, _, punctuality):
        await say(connection, [0.025] * 41)
        assert punctuality.take() == pytest.approx(40 * 0.005)


async def test_a_network_that_takes_nothing_is_not_the_machine(clock: MockClock) -> None:
    async with timed() as (connection, way, punctuality):
        await say(connection, [0.02, 0.02])
        way.stalls = 2.0
        await say(connection, [0.02])
        way.stalls = 0.0
        await say(connection, [0.0, 0.02])
        assert punctuality.take() == pytest.approx(0.0, abs=1e-9)


async def test_what_was_late_in_one_span_is_not_late_in_the_next(clock: MockClock) -> None:
    async with timed() as (connection, _, punctuality):
        await say(connection, [0.02, 0.32])
        assert punctuality.take() == pytest.approx(0.3)
        await say(connection, [0.02] * 10)
        assert punctuality.take() == pytest.approx(0.0, abs=1e-9)


async def test_a_stall_across_two_spans_is_told_in_the_second(clock: MockClock) -> None:
    async with timed() as (connection, _, punctuality):
        await say(connection, [0.02, 0.02])
        assert punctuality.take() == pytest.approx(0.0, abs=1e-9)
        await say(connection, [0.32])
        assert punctuality.take() == pytest.approx(0.3)

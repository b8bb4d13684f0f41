"""A connection in memory keeps to the same timetable as the proxy: to the float, for time there is trio's alone."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from sfclient.testing import NETWORKS, Link, network_named
from sfclient.testing._timetable import Timetable
from sfclient.testing.virtual._way import Frame, Way


class Far:
    """The end where it arrives."""

    def __init__(self) -> None:
        self.arrived_at: list[tuple[bytes, float]] = []

    def arrived(self, frame: Frame, length: int) -> None:
        assert isinstance(frame, bytes)
        self.arrived_at.append((frame, trio.current_time()))


async def carried(link: Link, messages: int, pause: float) -> tuple[list[float], list[float]]:
    """When each was due, were there always room, and when it arrived."""
    timetables = [Timetable(link, (0, "down"), trio.current_time()) for _ in range(2)]
    way, far = Way(timetables[0], link.limit, masks=False), Far()
    way.lead_to(far)
    due: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(way.carry)
        for number in range(messages):
            message = number.to_bytes(2, "big") * 320
            due.append(timetables[1].due(trio.current_time(), way._length(message)))
            way.send(message)
            await trio.sleep(pause)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert [frame[:2] for frame, _ in far.arrived_at] == [
        number.to_bytes(2, "big") for number in range(messages)
    ]
    return due, [at for _, at in far.arrived_at]


@pytest.mark.parametrize("name", NETWORKS)
async def test_memory_keeps_to_the_timetable(name: str, autojump_clock: MockClock) -> None:
    due, arrived = await carried(network_named(name, 3).down, 500, 0.02)
    assert arrived == due


async def test_a_sender_in_a_trace_never_has_to_wait(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "stall.txt"
    path.write_text("30000\n" * 1500)
    due, arrived = await carried(network_named(f"trace:{path}").down, 1400, 0.02)
    assert set(arrived) == set(due)
    assert arrived[0] == arrived[-1] == pytest.approx(30)


@pytest.mark.parametrize(("name", "seconds"), [("burst-3x", 7.7), ("burst-10x", 3.1)])
async def test_a_fast_sender_is_not_slower_than_its_burst(
    name: str, seconds: float, autojump_clock: MockClock
) -> None:
    _, arrived = await carried(network_named(name).down, 1000, 0.0)  # 20 s of sound
    assert arrived[-1] == pytest.approx(seconds, abs=0.5)

"""A connection in memory keeps to the same timetable as the proxy: to the float, for time there is trio's alone."""

import pytest
import trio
from trio.testing import MockClock

from sfclient.testing import NETWORKS, network_named
from sfclient.testing._timetable import Timetable
from sfclient.testing.virtual._way import Frame, Way


class Far:
    """The end where it arrives."""

    def __init__(self) -> None:
        self.arrived_at: list[tuple[Frame, float]] = []

    def arrived(self, frame: Frame, length: int) -> None:
        self.arrived_at.append((frame, trio.current_time()))


@pytest.mark.parametrize("name", NETWORKS)
async def test_memory_keeps_to_the_timetable(name: str, autojump_clock: MockClock) -> None:
    link = network_named(name, 3).down
    timetables = [Timetable(link, (0, "down"), trio.current_time()) for _ in range(2)]
    way, far = Way(timetables[0], link.limit, masks=False), Far()
    way.lead_to(far)
    due: list[tuple[Frame, float]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(way.carry)
        for number in range(500):
            message = number.to_bytes(2, "big") * 320
            due.append((message, timetables[1].due(trio.current_time(), way._length(message))))
            way.send(message)
            await trio.sleep(0.02)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert far.arrived_at == due

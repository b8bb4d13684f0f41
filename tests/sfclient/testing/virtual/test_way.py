"""One direction in memory: the law of the network, message by message."""

import random

import pytest
import trio

from sfclient.testing import Link, run_virtually
from sfclient.testing._timetable import Timetable
from sfclient.testing.virtual._way import CUT, PING, SOCKET_BYTES, Close, Frame, Way

LINK = Link(delay=0.05, jitter=0.04, rate=50_000, coalesce=0.01, seed=7)
BYE = Close(1000, "bye")


class Arrivals:
    """An end that reads everything at once, or nothing."""

    def __init__(self, way: Way, *, reads: bool = True) -> None:
        self.frames: list[tuple[float, Frame]] = []
        self._way = way
        self._reads = reads
        way.lead_to(self)

    def arrived(self, frame: Frame, length: int) -> None:
        self.frames.append((trio.current_time(), frame))
        if self._reads:
            self._way.read(length)


def timetable(link: Link) -> Timetable:
    return Timetable(link, (0, "up"), trio.current_time())


def test_each_message_arrives_when_the_timetable_has_it_due():
    lengths = random.Random(1).choices(range(1, 2000), k=200)

    async def main() -> None:
        way = Way(timetable(LINK), 1 << 30, masks=True)
        end, law, due = Arrivals(way), timetable(LINK), []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(way.carry)
            for length in lengths:
                way.send(bytes(length))
                header = 6 if length < 126 else 8
                due.append((law.due(trio.current_time(), length + header), bytes(length)))
                await trio.sleep(0.02)
            way.send(BYE)
        assert end.frames == [*due, (trio.current_time(), BYE)]
        assert way.sent_bytes == way.arrived_bytes == way.read_bytes

    run_virtually(main)


def test_only_so_many_bytes_are_under_way_as_the_link_holds():
    """The rest is sent when those have arrived, as a proxy reads no more meanwhile."""

    async def main() -> None:
        way = Way(timetable(Link(delay=1)), 1000, masks=False)
        end = Arrivals(way)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(way.carry)
            for _ in range(4):
                way.send(bytes(502))
            way.send(BYE)
        assert [at for at, _ in end.frames] == [1, 1, 2, 2, 3]

    run_virtually(main)


@pytest.mark.parametrize("link", [None, Link(rate=1e9)], ids=["at once", "timetable"])
def test_a_sender_waits_for_a_reader_who_does_not_read(link):
    async def main() -> None:
        way = Way(link and timetable(link), 1000, masks=False)
        end = Arrivals(way, reads=False)
        async with trio.open_nursery() as nursery:
            if link:
                nursery.start_soon(way.carry)
            while way.has_room:
                way.send(bytes(10_000))
                await trio.sleep(0.001)
            most = SOCKET_BYTES + (1000 if link else 0)
            assert most <= way.sent_bytes < most + 10_010
            with trio.move_on_after(1) as patience:
                await way.wait_room()
            assert patience.cancelled_caught
            nursery.start_soon(_read, way)
            await way.wait_room()
            assert way.has_room
            way.send(BYE)
        assert end.frames[-1][1] == BYE

    async def _read(way: Way) -> None:
        way.read(20_000)

    run_virtually(main)


def test_what_is_under_way_when_it_is_cut_never_arrives():
    async def main() -> None:
        way = Way(timetable(Link(delay=1)), 1000, masks=False)
        end = Arrivals(way)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(way.carry)
            way.send(b"lost")
            await trio.sleep(0.5)
            way.cut()
            way.send(PING)  # nor what comes behind the end
        assert end.frames == [(0.5, CUT)]

    run_virtually(main)

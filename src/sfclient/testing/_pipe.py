"""One direction of one connection: bytes are received, are under way for a while, and are sent on."""

import math
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import trio

from sfclient.testing._network import (
    Close,
    Corrupt,
    Direction,
    Fault,
    HalfClose,
    Link,
    LinkStatistics,
    Reset,
    Stall,
)
from sfclient.testing._timetable import Timetable


class Tap:
    """What all connections share in one direction: a tap that may be shut for a while, and the counters."""

    def __init__(self) -> None:
        self.received = self.sent = self.dropped = 0
        self._shut_until = -math.inf
        self._turned = trio.Event()

    def shut(self, seconds: float) -> None:
        self._shut_until = trio.current_time() + seconds
        self._turned.set()
        self._turned = trio.Event()

    async def wait_open(self) -> None:
        while trio.current_time() < self._shut_until:
            with trio.move_on_at(self._shut_until):
                await self._turned.wait()

    def statistics(self) -> LinkStatistics:
        waiting = self.received - self.sent - self.dropped
        return LinkStatistics(self.received, self.sent, waiting, self.dropped)


class Pipe:
    """`close` and `reset` are of the whole connection."""

    def __init__(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        link: Link,
        tap: Tap,
        name: tuple[int, Direction],
        close: Callable[[], None],
        reset: Callable[[], None],
    ) -> None:
        self._source = source
        self._sink = sink
        self._tap = tap
        self._close = close
        self._reset = reset
        self._timetable = Timetable(link, name, trio.current_time())
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._waiting_bytes = 0
        self._has_ended = False  # at its source
        self._is_shut = False  # at its sink
        self._changed = trio.lowlevel.ParkingLot()
        self._passed = 0  # bytes that are through
        self.change(link)

    def change(self, link: Link) -> None:
        """From now on it is another; bytes under way are not affected."""
        self._link = link
        self._timetable.change(link)
        coming = (fault for fault in link.faults if fault.at >= self._passed)
        self._faults: deque[Fault] = deque(sorted(coming, key=lambda fault: fault.at))
        self._changed.unpark_all()

    def shut(self) -> None:
        """Send a FIN; what comes from now on is thrown away."""
        if not self._is_shut:
            self._is_shut = True
            with suppress(OSError):  # the other end was faster
                self._sink.socket.shutdown(socket.SHUT_WR)

    async def run(self) -> None:
        """Until both its source and its sink have ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._receive)
            nursery.start_soon(self._send)

    def abandon(self) -> None:
        """The connection is over: what is under way is lost."""
        self._tap.dropped += self._waiting_bytes
        self._waiting_bytes = 0

    async def _receive(self) -> None:
        try:
            while True:
                while self._waiting_bytes >= self._link.limit:
                    await self._changed.park()
                part = await self._source.receive_some(self._link.limit - self._waiting_bytes)
                if not part:
                    break
                self._tap.received += len(part)
                self._waiting_bytes += len(part)
                now, begin = trio.current_time(), 0
                for length in self._timetable.pieces(len(part)):
                    piece = bytes(part[begin : begin + length])
                    self._under_way.append((self._timetable.due(now, length), piece))
                    begin += length
                self._changed.unpark_all()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._reset()
        self._has_ended = True
        self._changed.unpark_all()

    async def _send(self) -> None:
        while True:
            while not self._under_way:
                if self._has_ended:
                    self.shut()
                    return
                await self._changed.park()
            await trio.sleep_until(self._under_way[0][0])
            _, piece = self._under_way.popleft()
            while self._link.coalesce and self._under_way:
                if self._under_way[0][0] > trio.current_time():
                    break
                piece += self._under_way.popleft()[1]
            while piece:
                await self._tap.wait_open()
                piece = await self._pass(piece)

    async def _pass(self, piece: bytes) -> bytes:
        """Send on what comes before the next fault, or let that happen; returns what is left."""
        while self._faults and self._faults[0].at < self._passed:
            self._faults.popleft()  # it came by `change` when its byte was being passed on
        if self._faults and self._faults[0].at == self._passed:
            return await self._strike(self._faults.popleft(), piece)
        length = len(piece)
        if self._faults:
            length = min(length, self._faults[0].at - self._passed)
        is_sent = not self._is_shut
        try:
            if is_sent:
                await self._sink.send_all(piece[:length])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            is_sent = False
            if not self._is_shut:
                self._reset()
        self._count(length, is_sent=is_sent)
        return piece[length:]

    def _count(self, length: int, *, is_sent: bool) -> None:
        if self._waiting_bytes:  # else it was abandoned
            self._waiting_bytes -= length
            if is_sent:
                self._tap.sent += length
            else:
                self._tap.dropped += length
        self._passed += length
        self._changed.unpark_all()

    async def _strike(self, fault: Fault, piece: bytes) -> bytes:
        match fault:
            case Stall(seconds=seconds):
                await trio.sleep(seconds)
            case Corrupt(bits=bits):
                return bytes([piece[0] ^ bits]) + piece[1:]
            case HalfClose():
                self.shut()
            case Close():
                self._close()
            case Reset():
                self._reset()
                await trio.sleep_forever()  # the connection is torn down around us
        return piece

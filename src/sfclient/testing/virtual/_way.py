"""One direction between two ends in memory: what is sent arrives, in order, when the law of a network says so."""

from collections import deque
from typing import NamedTuple, Protocol

import trio

from sfclient._clock import Bell
from sfclient.testing._timetable import Timetable

SOCKET_BYTES = (
    1 << 17
)  # that wait before the sender does, as in the sockets of a connection over this machine


class Close(NamedTuple):
    """A close frame."""

    code: int
    reason: str


class Ping:
    """A ping frame."""


class Pong:
    """Its answer."""


class Cut:
    """The end of the stream, without a close frame."""


PING, PONG, CUT = Ping(), Pong(), Cut()
Frame = str | bytes | Close | Ping | Pong | Cut


class Destination(Protocol):
    """The end that a way leads to."""

    def arrived(self, frame: Frame, length: int) -> None:
        """A frame of so many bytes is there. Never waits."""


class Way:
    """From one end to the other. A close, or a cut, is the last that arrives.

    Without a timetable everything arrives at once; else `carry` has to run. `limit` is the number of bytes that may be
    under way by the timetable; more wait before it, and the sender when those are `SOCKET_BYTES`.
    """

    def __init__(self, timetable: Timetable | None, limit: int, *, masks: bool) -> None:
        self.sent_bytes = 0
        self.arrived_bytes = 0
        self.read_bytes = 0
        """Of these three: payload and headers of the frames that were sent, that arrived, and of these the messages
        that were received."""
        self._far: Destination | None = None  # None again behind the last frame
        self._timetable = timetable
        self._limit = limit
        self._most_bytes = SOCKET_BYTES + (0 if timetable is None else limit)
        self._header_bytes = 6 if masks else 2  # RFC 6455, 5.2; of a client's is a mask of 4
        self._waiting: deque[tuple[Frame, int]] = deque()
        self._under_way: deque[tuple[float, Frame, int]] = deque()
        self._under_way_bytes = 0
        self._news = Bell()
        self._room = trio.lowlevel.ParkingLot()

    def lead_to(self, far: Destination) -> None:
        """That end."""
        self._far = far

    def send(self, frame: Frame) -> None:
        """Have it arrive; be there room or not."""
        length = self._length(frame)
        self.sent_bytes += length
        if self._timetable is None:
            self._arrive(frame, length)
        else:
            self._waiting.append((frame, length))
            self._leave()
            self._news.ring()

    @property
    def has_room(self) -> bool:
        """Whether a sender need not wait."""
        return self.sent_bytes - self.read_bytes < self._most_bytes

    async def wait_room(self) -> None:
        """Until there may be, or something else has changed for who sends: see `wake`."""
        await self._room.park()

    def wake(self) -> None:
        """Whoever waits for room, to look."""
        self._room.unpark_all()

    def read(self, length: int) -> None:
        """A frame of so many bytes was received, or needs not be."""
        self.read_bytes += length
        if self._room:
            self._room.unpark_all()

    def cut(self) -> None:
        """What is under way is lost, and the far end sees the end of the stream at once."""
        self._arrive(CUT, 0)
        self._news.ring()

    async def carry(self) -> None:
        """Until the last frame has arrived."""
        while self._far is not None:
            if not self._under_way:
                await self._news.wait()
                continue
            await trio.sleep_until(self._under_way[0][0])
            now = trio.current_time()
            while self._under_way and self._under_way[0][0] <= now:
                _, frame, length = self._under_way.popleft()
                self._under_way_bytes -= length
                self._arrive(frame, length)
            self._leave()

    def _leave(self) -> None:
        """What waited is under way, as far as there is room."""
        assert self._timetable is not None
        now = trio.current_time()
        while self._waiting and self._under_way_bytes < self._limit:
            frame, length = self._waiting.popleft()
            self._under_way_bytes += length
            self._under_way.append((self._timetable.due(now, length), frame, length))

    def _arrive(self, frame: Frame, length: int) -> None:
        self.arrived_bytes += length
        far = self._far
        if far is None:
            return
        if isinstance(frame, Close | Cut):
            self._far = None
            self._room.unpark_all()
        far.arrived(frame, length)

    def _length(self, frame: Frame) -> int:
        """Of the frame on a wire."""
        if isinstance(frame, bytes):
            length = len(frame)
        elif isinstance(frame, str):
            length = len(frame.encode())
        elif isinstance(frame, Close):
            length = 2 + len(frame.reason.encode())
        elif isinstance(frame, Cut):
            return 0
        else:
            length = 0
        return length + self._header_bytes + (0 if length < 126 else 2 if length < 1 << 16 else 8)

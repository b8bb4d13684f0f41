"""When what is sent over one direction of one connection is due at its other end: no I/O, no clock.

The proxy of bytes and the connection in memory ask the same timetable.
"""

import math
import random
from collections.abc import Iterator

from sfclient.testing._network import Direction, Link

PIECE_SECONDS = 0.01  # of a limited rate, that are passed on at a time


class Timetable:
    """Of one direction of one connection: what its `Link` does to time, its faults apart.

    In this order: what is sent is under way (`Link.trace`, `Link.delay`, `Link.jitter`), is gathered
    (`Link.coalesce`), and gets through as fast as `Link.rate` lets it. Nothing is lost, nothing overtakes. The same
    link, name and calls give the same times.

    Parameters
    ----------
    link
        What is done.
    name
        The number of the connection, from 0, and its direction: each has its own chance.
    began
        When the connection began, in seconds on the clock that the others are on.
    """

    def __init__(self, link: Link, name: tuple[int, Direction], began: float) -> None:
        number, direction = name
        self._link = link
        self._began = began
        self._random = random.Random(f"{link.seed} {number} {direction}")  # noqa: S311 -- no secret
        self._gathered_at = self._through = -math.inf

    def change(self, link: Link) -> None:
        """From now on it is another; what is under way is not affected, and nothing overtakes it."""
        self._link = link

    def pieces(self, length: int) -> Iterator[int]:
        """Of how many bytes each, so many are passed on that came at once."""
        while length:
            match self._link.split:
                case int(piece):
                    pass
                case shortest, longest:
                    piece = self._random.randint(shortest, longest)
                case _:
                    piece = math.ceil(min(length, self._link.rate * PIECE_SECONDS))
            piece = min(piece, length)
            yield piece
            length -= piece

    def due(self, now: float, length: int) -> float:
        """When the last of so many bytes that are sent now is due; `now` never goes back."""
        link = self._link
        sent = now
        if link.trace is not None:
            sent = self._began + link.trace.arrival(now - self._began)
        delay = link.delay + self._random.uniform(-link.jitter, link.jitter)
        there = sent + max(0.0, delay)
        if link.coalesce and there > self._gathered_at and length >= link.coalesce_from:
            self._gathered_at = there + link.coalesce
        self._through = max(self._through, self._gathered_at, there) + length / link.rate
        return self._through

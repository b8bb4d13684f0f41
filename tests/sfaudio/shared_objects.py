"""Objects that several threads use at the same time, against the rules: what they call, and what must hold at the end.

A call adds what it was told to a `Counter`; so the books of an object are compared with those of its users. Each
sample that goes through a queue is `SAMPLE`, so that what is spoiled is seen.

Nothing here asserts: pytest explains a failed assertion only where it collects tests.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Done = Counter[str]
Call = Callable[[Done], object]

SAMPLE = 257  # Of two bytes that are alike: split anywhere, it is the same.
CALL = "is held by another call, which has not returned: let one thread at a time use it"
STREAM = "is held by a stream that is open: close it first"
ENGINE = "is held by a PlayoutEngine, which reads it"


class Spoiled(Exception):  # noqa: N818
    """What no thread may see."""


def heard(samples: Any) -> int:
    """How many there are before the silence."""
    whole = np.rint(np.asarray(samples) * (32768 if samples.dtype == np.float32 else 1))
    frames = np.count_nonzero(whole)
    if (whole[:frames] != SAMPLE).any() or whole[frames:].any():
        raise Spoiled(f"{whole} where only {SAMPLE} was queued")
    return int(frames)


def seen_balanced(look: Callable[[], bool]) -> None:
    """At least once: a snapshot may be torn if its writer is stopped for long."""
    if not any(look() for _ in range(20)):
        raise Spoiled("the books do not balance")


def int16(frames: int) -> Any:
    return np.full(frames, SAMPLE, np.int16)


def float32(frames: int) -> Any:
    """Which is `SAMPLE` by either rule."""
    return np.full(frames, (SAMPLE + 0.2) / 32767, np.float32)


class Shared:
    """One object, or some that belong together."""

    refusals: tuple[str, ...] = (CALL,)
    """The texts of the RuntimeErrors that are right; none where every call is."""

    def objects(self) -> list[Any]:
        """Whose own books must balance."""
        return [self.thing]

    thing: Any

    def calls(self) -> list[Call]:
        """What each thread calls, again and again; together they do all that the object can."""
        raise NotImplementedError

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        """Of what there is, how much was found and how much is due. Nobody uses it any more."""
        yield from ()

    def works(self) -> bool:
        """Whether it still does what it is for."""
        raise NotImplementedError

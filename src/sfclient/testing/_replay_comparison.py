"""Where what is played again is not what was played."""

from collections import deque
from dataclasses import dataclass
from math import log10

import numpy as np
from numpy.typing import NDArray

from sfclient._cassette import Kind, Record

FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class Parting:
    """Where what was played again is not what was played."""

    frame: int
    """The first of the output that differs, from 0."""
    seconds: float
    """The same, of the output."""
    call_seconds: float
    """The last that was known of the call before it: seconds since `open_call` was entered."""
    compared_frames: int
    """From there on."""
    differing_frames: int
    """Of these."""
    largest_difference: float
    """Of two samples; full scale is 1."""

    def __str__(self) -> str:
        level = f"{20 * log10(self.largest_difference):.0f} dBFS" if self.largest_difference else ""
        what = f"{self.differing_frames} of the {self.compared_frames} frames from there differ, by {level} at most"
        if not self.compared_frames:
            what = "one of the two is over there"
        return (
            f"at frame {self.frame}, {self.seconds:.3f} s of the output, at {self.call_seconds:.2f} s of the call: "
            + what
        )


class Comparison:
    """Of what is played again with what the cassette has of it; `samplerate` is that of both, in Hz."""

    def __init__(self, samplerate: int) -> None:
        self.parting: Parting | None = None
        """None as long as they are the same."""
        self.lost_frames = 0
        """Of what was played: not kept."""
        self._samplerate = samplerate
        self._again, self._live = bytearray(), bytearray()
        self._frames = 0  # compared
        self._holes: deque[tuple[int, int]] = deque()
        self._seconds = 0.0

    def learn(self, record: Record) -> None:
        """Of the cassette."""
        self._seconds = record.seconds
        if record.kind is Kind.PLAYED:
            self._live += record.payload[: len(record.payload) // 2 * 2]
            self._compare()
        elif record.kind is Kind.LOST:
            lost = int.from_bytes(record.payload[:8], "little")
            begins = self._frames + len(self._live) // 2
            self._holes.append((begins, begins + lost))
            self.lost_frames += lost

    def add(self, block: bytes) -> None:
        """It was played again."""
        self._again += block
        self._compare()

    def _compare(self) -> None:
        length = min(len(self._again), len(self._live))
        if not length:
            return
        again, live = bytes(self._again[:length]), bytes(self._live[:length])
        del self._again[:length], self._live[:length]
        if again != live or self.parting is not None:
            self._differ(np.frombuffer(again, np.int16), np.frombuffer(live, np.int16))
        self._frames += length // 2

    def _differ(self, again: NDArray[np.int16], live: NDArray[np.int16]) -> None:
        difference = np.abs(again.astype(np.int32) - live)
        for begins, ends in self._holes:
            difference[max(0, begins - self._frames) : max(0, ends - self._frames)] = 0
        where = np.flatnonzero(difference)
        past = self.parting
        if past is None:
            if not len(where):
                return
            first = int(where[0])
            past = self._part(self._frames + first)
            compared = len(difference) - first
        else:
            compared = len(difference)
        largest = float(difference.max(initial=0)) / FULL_SCALE
        self.parting = Parting(
            past.frame,
            past.seconds,
            past.call_seconds,
            past.compared_frames + compared,
            past.differing_frames + len(where),
            max(past.largest_difference, largest),
        )

    def _part(self, frame: int) -> Parting:
        return Parting(frame, frame / self._samplerate, self._seconds, 0, 0, 0.0)

    def finish(self, *, is_whole: bool) -> None:
        """All was played again. One that goes on where the other is over parts there, too."""
        if self.parting is None and (self._live or (self._again and is_whole)):
            self.parting = self._part(self._frames)

"""How the agent's speech comes: gaps in its arrival, told from the ends of sentences, and how long what is heard has
waited. Times and media positions, no clock and no sockets.

TCP loses nothing: what a stall has held back comes at once behind it, and then the stream is back on its schedule. An
agent who pauses, and sends nothing, never comes back on it; did he pause during the stall, more comes at once than he
sends ahead. That is the whole test, much as it is that of the playout engine (`_playout_law`, "schedule"). It needs a
sender in real time: one that is far ahead of it, as with a minute of speech in a second, has no schedule, and its gaps
are heard only when all is said.
"""

import math
from collections import deque
from typing import NamedTuple

import sfaudio

# Later than the schedule, a message opens a gap; closer to it, what was missing has come. Messages of 20 ms over a
# network without stalls are within it.
LATE_SECONDS = 0.06
ON_TIME_SECONDS = 0.04
# What a stall has held back comes within it: a retransmission or two, and a slow link. What does not was a pause.
DOUBT_SECONDS = 1.0
# A sender in real time gets so far ahead at most, as by a burst at the start, and is known as such after so long.
LEAD_SECONDS = 0.5
SEEN_SECONDS = 0.2
# The clock of the sender may be slower than ours by one in a thousand, and is not to look ever later.
DRIFT = 0.001
TOLD_SECONDS = 0.15  # a gap of so much is an interruption: W3C's webrtc-stats, interruptionCount
QUIETEST_PEAK = 0.01  # full scale is 1: less is no speech, nobody misses it
ROUNDING_SECONDS = 1e-6  # of the sum of many messages: less than a frame
BATCH_SECONDS = 0.01  # what came within it counts as one arrival, so that few are kept


class Gap(NamedTuple):
    """In the arrival of speech."""

    at: float
    """When what came next was due, as what had come before it tells."""
    seconds: float
    """How much later it came."""


class Arrivals:
    """Of the speech of one call. Times are in seconds on any clock, positions in seconds of speech."""

    def __init__(self) -> None:
        self.first: float | None = None
        """When the first came."""
        self._gaps: list[Gap] = []
        self.listens = False
        """Whether to find out what is loud, for `is_loud`; in a gap it is found out anyway."""
        self.underruns = 0
        """Gaps for which nothing was queued any more."""
        self._position = self._loud_until = 0.0
        # Of each: the position of its end, and when it came.
        self._batches: deque[list[float]] = deque()
        self._last = -math.inf
        self._ran = 0.0
        self._begin(-math.inf)

    def _begin(self, now: float) -> None:
        """A new utterance: what comes now is on time."""
        self._began = now
        self._from = self._position
        self._schedule = now - self._position  # the least transit: when it came, less its position
        self._gap: Gap | None = None

    def arrived(self, now: float, ran: float, pcm: bytes, seconds: float, is_dry: bool) -> None:
        """Speech came, PCM16 of so many seconds; `is_dry`: nothing was queued any more.

        `ran` is a stopwatch that stands while the program is kept from running: such time is no gap.
        """
        if self.first is None:
            self.first = now
            self._begin(now)
        late = now - self._position - self._schedule
        still, ran_still = now - self._last, ran - self._ran
        if self._gap is not None:
            self._reconsider(now, late, still)
        elif late < LATE_SECONDS:
            self._schedule += min(late, DRIFT * still)
        elif not self._is_paced or ran_still < still / 2:
            self._begin(now)
        else:
            self._gap = Gap(now - late, late)
            self._gap_end, self._was_dry, self._gap_position = now, is_dry, self._position
        self._last, self._ran = now, ran
        self._position += seconds
        if self.listens or self._gap is not None:
            self._listen(pcm)
        self._note(now)

    def _listen(self, pcm: bytes) -> None:
        if sfaudio.level(memoryview(pcm)[: len(pcm) // 2 * 2]).peak >= QUIETEST_PEAK:
            self._loud_until = self._position

    def _reconsider(self, now: float, late: float, still: float) -> None:
        """Whether what was missing in the gap has come."""
        assert self._gap is not None
        is_made_up_for = late <= ON_TIME_SECONDS
        if not is_made_up_for and still >= LATE_SECONDS:  # it stands again, before all has come
            self._gap = Gap(self._gap.at, now - self._gap.at)
            self._gap_end += still
        elif not is_made_up_for and now <= self._gap_end + DOUBT_SECONDS:
            return  # it may yet be
        else:
            gained = self._position - self._gap_position - (now - self._gap_end)
            if (is_made_up_for or gained > LEAD_SECONDS) and self._loud_until > self._gap_position:
                self.underruns += self._was_dry
                self._gaps.append(self._gap)
            self._gap = None
            if not is_made_up_for:
                self._begin(now)

    def take_gaps(self) -> list[Gap]:
        """Those found since this was asked last, each when it is certain."""
        found, self._gaps = self._gaps, []
        return found

    @property
    def _is_paced(self) -> bool:
        """Whether the sender keeps to real time, so that its lateness tells something."""
        took = self._last - self._began
        return took >= SEEN_SECONDS and self._position - self._from - took <= LEAD_SECONDS

    def _note(self, now: float) -> None:
        if self._batches and now - self._batches[-1][1] < BATCH_SECONDS:
            self._batches[-1][0] = self._position
        else:
            self._batches.append([self._position, now])

    def is_loud(self, queued_seconds: float) -> bool:
        """Whether there is what may be speech in what came last, so much of it."""
        return self._loud_until > self._position - queued_seconds + ROUNDING_SECONDS

    def waited(self, now: float, queued_seconds: float) -> float | None:
        """For how long that has waited which is played now, with so much queued behind it; None if that is nothing.

        To be asked again and again: what was played is forgotten.
        """
        position = self._position - queued_seconds + ROUNDING_SECONDS
        while self._batches and self._batches[0][0] <= position:
            self._batches.popleft()
        if not self._batches:
            return None
        return now - self._batches[0][1]

"""What a call does with what comes, and a line with that: again, by a cassette, without network and device."""

from collections import deque
from collections.abc import Callable
from math import gcd
from pathlib import Path

import numpy as np

from sfaudio import Resampler
from sfclient._cassette import BLOCKS, CassetteError, Head, Kind, Record
from sfclient._dialects import DIALECTS, Dialect, Play
from sfclient._errors import ServiceError
from sfclient._playout import POLICIES, Playout, PlayoutStatistics

# No position is beyond what plays in the time of the call: no clock is twice as fast, and some seconds are its start.
FASTEST = 2
SLACK_SECONDS = 10
DEVICE_FRAMES = (
    512  # that a native callback plays at a time (`sfaudio/_sound.pxd`), if its block is longer
)
SHORTEST_BLOCK_SECONDS = 0.0005


class Player:
    """Meets the records of a cassette, which has this path and head; `heard` is told each block that it plays.

    Raises `CassetteError` for what cannot be.
    """

    def __init__(self, path: Path, head: Head, policy: str, heard: Callable[[bytes], None]) -> None:
        _check(path, head)
        self._path = path
        self._dialect: Dialect = DIALECTS[head.dialect](head.codec, head.framing)
        self._dialect.resumed()
        self._playout = Playout(head.playout_samplerate, head.output_samplerate, policy)
        self._heard = heard
        self._is_device = head.is_device
        self._block_frames = 0.0  # not known
        self._samplerates = head.playout_samplerate, head.output_samplerate
        common = gcd(*self._samplerates)
        self._down, self._up = (rate // common for rate in self._samplerates)
        self._first = Resampler(*self._samplerates).input_frames(1)
        self._frames = self._blocks = 0
        self._pending: deque[bytes] = deque()  # what messages have brought
        self._is_draining = False

    def meet(self, record: Record, *, late: bool = False) -> None:
        """What was done, at its position; `late`: at the last one that is possible, where that is in doubt."""
        position = record.position + (record.doubt if late else 0)
        match record.kind:
            case Kind.BLOCKS if len(record.payload) == BLOCKS.size:
                (seconds,) = BLOCKS.unpack(record.payload)
                if SHORTEST_BLOCK_SECONDS <= seconds <= 1:
                    self._block_frames = seconds * self._samplerates[1]
            case Kind.RECEIVED:
                self._receive(record.payload)
            case Kind.CLOSED:
                self._pending += [
                    action.data for action in self._dialect.closed() if isinstance(action, Play)
                ]
            case Kind.TAKE:
                self._play_until(position, record.seconds)
                if self._pending:
                    self._playout.take(self._pending.popleft())
            case Kind.REFILL:
                self._play_until(position, record.seconds)
                self._playout.refill()
            case Kind.FLUSH:
                self._play_until(position, record.seconds)
                self._playout.flush()
            case Kind.DRAIN:
                self._play_until(position, record.seconds)
                self._playout.finish()
                self._is_draining = True

    def _receive(self, message: bytes) -> None:
        try:
            actions = list(self._dialect.received(message))
        except ServiceError:
            return  # by which the call has failed
        self._pending += [action.data for action in actions if isinstance(action, Play)]

    def _play_until(self, position: int, seconds: float) -> None:
        """A position on the wire."""
        if position > (FASTEST * seconds + SLACK_SECONDS) * self._samplerates[0]:
            raise CassetteError(
                f"{self._path} is damaged: after {seconds:.2f} s of the call it claims to have played"
                f" {position} frames"
            )
        if position >= self._first:
            # The fewest that take so many of the wire: one, and what a resampler makes of those behind its first.
            self.play(1 + -(-(position - self._first) * self._up // self._down))

    def play_out(self) -> None:
        """To the last word, where nothing more was to come: another policy plays it later."""
        block = max(1, round(self._block_frames))
        while self._is_draining and self._playout.pending:
            self._playout.refill()
            self.play(self._frames + block)

    def play(self, frames: int) -> None:
        """Until so many frames of the output were played, block by block."""
        while self._frames < frames:
            until = frames
            if self._block_frames:
                end = int((self._blocks + 1) * self._block_frames + 0.5)
                if end <= self._frames:
                    self._blocks += 1
                    continue
                until = min(end, frames)
            if self._is_device:
                until = min(until, self._frames + DEVICE_FRAMES)
            block = np.empty(until - self._frames, np.int16)
            self._playout.engine.read_into(block)
            self._frames = until
            self._heard(block.tobytes())

    def statistics(self) -> PlayoutStatistics:
        return self._playout.statistics()


def _check(path: Path, head: Head) -> None:
    """What is spoken and played can be. Raises `CassetteError`."""
    kind = DIALECTS.get(head.dialect)
    rates = head.capture_samplerate, head.playout_samplerate, head.output_samplerate
    for is_known, what in (
        (kind is not None, f"the dialect {head.dialect!r}"),
        (kind is None or head.codec in kind.codecs, f"the codec {head.codec!r}"),
        (kind is None or head.framing in kind.framings, f"the framing {head.framing!r}"),
        (head.policy in POLICIES, f"the playout {head.policy!r}"),
        (all(1000 <= rate <= 768_000 for rate in rates), f"rates of {rates} Hz"),
    ):
        if not is_known:
            raise CassetteError(
                f"{path} is of a call with {what[:80]}, which this program does not know"
            )

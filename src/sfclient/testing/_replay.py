"""A cassette, played again: by the dialect, the playout and its engine that a call uses, at the same positions.

The engine knows no clock but the frames that it has handed out, and reads its queue. So what is played depends on what
was done to that queue, and at which frame; and under the policies other than ``"adaptive"`` on where blocks of the
output begin, since these start to play with a block. A cassette has all of it, of a call without a sound device; the
blocks of a device are its own, and not on it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from math import gcd, inf, log10
from pathlib import Path

import numpy as np
import trio

from sfaudio import Resampler
from sfclient._cassette import BLOCKS, Cassette, CassetteError, Head, Kind, Record
from sfclient._devices import WavWriter, check_distinct
from sfclient._dialects import DIALECTS, Dialect, Play
from sfclient._errors import ServiceError, UsageError
from sfclient._playout import POLICIES, Playout, PlayoutStatistics
from sfclient._running import TICK_SECONDS, running_time

WRITE_BYTES = 1 << 20  # of sound at a time: each write of a WAV file brings its header up to date
# Of a position beyond what was played in the time of the call: twice as fast is no clock, and some seconds are its start.
FASTEST = 2
SLACK_SECONDS = 10
FULL_SCALE = 32768
DEVICE_FRAMES = 512  # that a native callback plays at a time (`sfaudio/_sound.pxd`), if its block is longer
SHORTEST_BLOCK_SECONDS = 0.0005


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


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of a cassette that was played again."""

    head: Head
    policy: str
    """By which it was played again."""
    frames: int
    """Of the output."""
    output_hash: str
    """Of these as PCM16 mono: sha256."""
    live_hash: str | None
    """Of what the call has played; None if the cassette is cut off."""
    parting: Parting | None
    """Where they part; None if they do not, or were not compared."""
    cut_off: str | None
    """Where and why the cassette stops before its end, if it does."""
    lost_frames: int
    """Of what the call has played: not on the cassette, and not compared."""
    doubtful: int
    """Operations of which a device that was playing has left open at which frame they were done."""
    playout: PlayoutStatistics
    """Of the replay, up to its end."""

    @property
    def is_compared(self) -> bool:
        """Whether it could be: another policy plays something else."""
        return self.policy == self.head.policy

    def lines(self) -> list[str]:
        """For a person: what was played again, and whether it is the same."""
        head, rate = self.head, self.head.output_samplerate
        wire = " ".join((head.dialect, head.codec, *([head.framing] if head.framing == "rtp" else [])))
        of = f"attempt {head.attempt} of a call" if head.attempt > 1 else "a call"
        told = [
            f"The cassette of {of}: {wire}, played {head.policy} at {rate} Hz, kept by version {head.made_by}"
        ]
        if self.cut_off is not None:
            told.append(f"It is cut off {self.cut_off}")
        played = f"{self.frames} frames, {self.frames / rate:.2f} s, sha256 {self.output_hash}"
        if not self.is_compared:
            told.append(f"Played {self.policy}, which is not compared: {played}")
        elif self.parting is None:
            told.append(f"Played again to the same sound: {played}")
        else:
            told.append(f"It does not play the same again: they part {self.parting}")
        if self.lost_frames and self.is_compared:
            told.append(f"{self.lost_frames} frames of what was played were not kept, nor compared")
        if self.doubtful:
            told.append(
                f"{self.doubtful} messages came while the device was just playing: at which frame is not known for sure"
            )
        return told

    @property
    def is_same(self) -> bool:
        """Whether all that was kept of what the call has played was played again, frame by frame."""
        return self.is_compared and self.parting is None


def replay(
    path: str | Path, *, policy: str | None = None, output: str | Path | None = None
) -> Replay:
    """Play a call again, as fast as that goes. It blocks: from trio, call it by `trio.to_thread.run_sync`.

    Parameters
    ----------
    path
        What ``open_call(cassette=...)`` has written.
    policy
        The `playout` of `open_call` to play it by; None for that of the call. By another nothing is compared.
    output
        A WAV file to write what is played to.

    Raises
    ------
    CassetteError
        It is none, of another version, or damaged; one that is cut off is played up to there.
    UsageError, AudioFileError
        There is no such policy; a file cannot be read or written.
    """
    if policy not in (None, *POLICIES):
        raise UsageError(f"playout must be one of {', '.join(POLICIES)}, not {policy!r}")
    if trio.lowlevel.in_trio_run():
        raise UsageError(
            "replay blocks: in a trio program call it by trio.to_thread.run_sync(replay, path)"
        )
    cassette = Cassette(path)
    if output is not None:
        check_distinct([cassette.path], [Path(output)])
    clock = _CassetteClock()
    return trio.run(partial(_replay, cassette, policy, output, clock), clock=clock)


class _CassetteClock(trio.abc.Clock):
    """Time as it was in the call."""

    now = 0.0

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return inf if deadline > self.now else 0.0


async def _replay(
    cassette: Cassette, policy: str | None, output: str | Path | None, clock: _CassetteClock
) -> Replay:
    head = cassette.head
    policy = policy or head.policy
    _check(cassette)
    comparison = _Comparison(head.output_samplerate) if policy == head.policy else None
    heard = _Heard(comparison, output, head.output_samplerate)
    try:
        player = _Player(cassette, policy, heard.add)
        doubtful = _play_all(cassette, player, comparison, clock)
        end = cassette.end
        player.play_until_end(end.output_frames if end else 0)
        statistics = player.statistics()
    finally:
        heard.close()
    parting = None
    if comparison is not None:
        comparison.finish(is_whole=end is not None)
        parting = comparison.parting
    return Replay(
        head,
        policy,
        heard.frames,
        heard.hash.hexdigest(),
        end.sha256 if end else None,
        parting,
        cassette.cut_off,
        end.lost_frames if end else comparison.lost_frames if comparison else 0,
        doubtful,
        statistics,
    )


def _check(cassette: Cassette) -> None:
    """What is spoken and played can be. Raises `CassetteError`."""
    head = cassette.head
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
                f"{cassette.path} is of a call with {what[:80]}, which this program does not know"
            )


def _play_all(
    cassette: Cassette,
    player: "_Player",
    comparison: "_Comparison | None",
    clock: _CassetteClock,
) -> int:
    """All records; returns how many operations are doubtful."""
    ran = running_time()
    doubtful = 0
    for record in _with_blocks_first(cassette):
        clock.now = max(clock.now, record.seconds)
        ran.ticks = int(clock.now / TICK_SECONDS)  # the program ran, as far as the call knew
        if comparison is not None:
            comparison.learn(record)
        player.meet(record)
        doubtful += record.doubt > 0
    return doubtful


def _with_blocks_first(records: Iterable[Record]) -> Iterator[Record]:
    """What is known of the blocks only when they have been played comes before what was done meanwhile."""
    before: list[Record] = []
    records = iter(records)
    for record in records:
        if record.kind is Kind.BLOCKS:
            yield record
            break
        before.append(record)
        if record.kind is Kind.PLAYED:
            break
    yield from before
    yield from records


class _Player:
    """What a call does with what comes, without the network and the device."""

    def __init__(self, cassette: Cassette, policy: str, heard: Callable[[bytes], None]) -> None:
        head = cassette.head
        self._path = cassette.path
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

    def meet(self, record: Record) -> None:
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
                self._play_until(record)
                if self._pending:
                    self._playout.take(self._pending.popleft())
            case Kind.REFILL:
                self._play_until(record)
                self._playout.refill()
            case Kind.FLUSH:
                self._play_until(record)
                self._playout.flush()
            case Kind.DRAIN:
                self._play_until(record)
                self._playout.finish()
                self._is_draining = True

    def _receive(self, message: bytes) -> None:
        try:
            actions = list(self._dialect.received(message))
        except ServiceError:
            return  # by which the call has failed
        self._pending += [action.data for action in actions if isinstance(action, Play)]

    def _play_until(self, record: Record) -> None:
        """The position of a record."""
        if record.position > (FASTEST * record.seconds + SLACK_SECONDS) * self._samplerates[0]:
            raise CassetteError(
                f"{self._path} is damaged: after {record.seconds:.2f} s of the call it claims to have played"
                f" {record.position} frames"
            )
        if record.position >= self._first:
            # The fewest that take so many of the wire: one, and what a resampler makes of those behind its first.
            self._play(1 + -(-(record.position - self._first) * self._up // self._down))

    def play_until_end(self, frames: int) -> None:
        """Of the output; where nothing more was to come, to the last word, which another policy plays later."""
        self._play(frames)
        block = max(1, round(self._block_frames))
        while self._is_draining and self._playout.pending:
            self._playout.refill()
            self._play(self._frames + block)

    def _play(self, frames: int) -> None:
        """Until so many were played, block by block."""
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


class _Heard:
    """What is played again: its hash, a file, and who compares it."""

    def __init__(
        self, comparison: "_Comparison | None", output: str | Path | None, samplerate: int
    ) -> None:
        self.hash = sha256()
        self.frames = 0
        self._comparison = comparison
        self._file = None if output is None else WavWriter(Path(output), samplerate)
        self._waiting = bytearray()

    def add(self, block: bytes) -> None:
        self.hash.update(block)
        self.frames += len(block) // 2
        if self._comparison is not None:
            self._comparison.add(block)
        if self._file is not None:
            self._waiting += block
            if len(self._waiting) >= WRITE_BYTES:
                self._write(self._file)

    def _write(self, file: WavWriter) -> None:
        file.write(bytes(self._waiting))
        self._waiting.clear()

    def close(self) -> None:
        """Raises `AudioFileError`."""
        if self._file is not None:
            try:
                self._write(self._file)
            finally:
                self._file.close()


class _Comparison:
    """Of what is played again with what the cassette has of it."""

    def __init__(self, samplerate: int) -> None:
        self.parting: Parting | None = None
        self.lost_frames = 0
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

    def _differ(self, again: "np.typing.NDArray[np.int16]", live: "np.typing.NDArray[np.int16]") -> None:
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

"""A cassette, played again: by the dialect, the playout and its engine that a call uses, at the same positions.

The engine knows no clock but the frames that it has handed out, and reads its queue. So what is played depends on what
was done to that queue, and at which frame; and under the policies other than ``"adaptive"`` on where blocks of the
output begin, since these start to play with a block. A cassette has all of it, of a call without a sound device; the
blocks of a device are its own, and not on it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from math import inf
from pathlib import Path

import trio

from sfclient._cassette import Cassette, Head, Kind, Record
from sfclient._devices import WavWriter, check_distinct
from sfclient._errors import UsageError
from sfclient._playout import POLICIES, PlayoutStatistics
from sfclient._running import TICK_SECONDS, running_time
from sfclient.testing._replay_comparison import Comparison, Parting
from sfclient.testing._replay_player import Player

WRITE_BYTES = 1 << 20  # of sound at a time: each write of a WAV file brings its header up to date
MOST_TRIES = 16  # to find out when it was that something doubtful was done


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
    """Of what the call has played: not on the cassette, and so not compared."""
    doubtful: int
    """Operations that were done while a device was just playing, so that the cassette leaves open at which frame."""
    playout: PlayoutStatistics
    """Of the replay, up to its end."""

    @property
    def is_compared(self) -> bool:
        """Whether it could be: another policy plays something else."""
        return self.policy == self.head.policy

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
    with Cassette(path) as cassette:
        head = cassette.head
    if output is not None:
        check_distinct([cassette.path], [Path(output)])
    run = partial(_play_once, cassette.path, policy or head.policy, output)
    best = run(frozenset())
    tried: set[int] = set()
    for _ in range(MOST_TRIES):
        doubtful = [number for number in best.doubtful_before if number not in tried]
        if not doubtful:
            break
        tried.add(doubtful[-1])
        other = run(best.later | {doubtful[-1]})
        if other.frame > best.frame:
            best = other
    if output is not None and tried:
        best = run(best.later)
    return best.replay


@dataclass(frozen=True, slots=True)
class _Run:
    """Of a cassette, once."""

    replay: Replay
    later: frozenset[int]
    """By number: what of the doubtful was done at its last possible moment, all other at its first."""
    doubtful_before: list[int]
    """Those by which they may have parted: none if they have not."""

    @property
    def frame(self) -> float:
        """Up to which it plays the same."""
        return self.replay.parting.frame if self.replay.parting else inf


def _play_once(path: Path, policy: str, output: str | Path | None, later: frozenset[int]) -> _Run:
    clock = _CassetteClock()
    with Cassette(path) as cassette:
        return trio.run(partial(_replay, cassette, policy, output, clock, later), clock=clock)


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
    cassette: Cassette,
    policy: str,
    output: str | Path | None,
    clock: _CassetteClock,
    later: frozenset[int],
) -> _Run:
    head = cassette.head
    comparison = Comparison(head.output_samplerate) if policy == head.policy else None
    heard = _Heard(comparison, output, head.output_samplerate)
    doubtful: dict[int, int] = {}  # the frame at which, by number
    live_frames = 0
    try:
        player = Player(cassette.path, head, policy, heard.add)
        ran = running_time()
        for number, record in enumerate(_with_blocks_first(cassette)):
            clock.now = max(clock.now, record.seconds)
            ran.ticks = int(clock.now / TICK_SECONDS)  # the program ran, as far as the call knew
            if comparison is not None:
                comparison.learn(record)
            if record.kind is Kind.PLAYED:
                live_frames += len(record.payload) // 2
            if record.doubt:
                doubtful[number] = heard.frames
            player.meet(record, late=number in later)
        player.play(live_frames)
        if comparison is None:
            player.play_out()
    finally:
        heard.close()
    if comparison is not None:
        comparison.finish(is_whole=cassette.end is not None)
    parting = comparison.parting if comparison else None
    told = Replay(
        head,
        policy,
        heard.frames,
        heard.hash.hexdigest(),
        cassette.end.sha256 if cassette.end else None,
        parting,
        cassette.cut_off,
        comparison.lost_frames if comparison else 0,
        len(doubtful),
        player.statistics(),
    )
    before = [number for number, frame in doubtful.items() if parting and frame <= parting.frame]
    return _Run(told, later, before)


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


class _Heard:
    """What is played again: its hash, a file, and who compares it."""

    def __init__(
        self, comparison: Comparison | None, output: str | Path | None, samplerate: int
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

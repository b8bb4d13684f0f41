"""What a call leaves behind: which files there are to be, and how they come about whatever happened."""

import os
import stat
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sfclient._attempt import is_numbered, numbered
from sfclient._devices import check_distinct
from sfclient._errors import AudioFileError, UsageError
from sfclient._events import Event
from sfclient._interface import Call
from sfclient._spool import in_time
from sfclient._stats import (
    record_of,
    record_of_call,
    record_of_event,
    text_of,
    without_a_call,
    write_stats,
)
from sfclient._whole_file import check_place
from sfclient.cli._log import append
from sfclient.cli._telling import complain
from sfclient.report import write_report

STANDARD_OUTPUT = Path("-")
MOST_EVENTS = 50_000  # some hours of lively talk; then the oldest give way
PRINT_SECONDS = 10.0  # for who reads the figures from a pipe
REPORT_SECONDS = 60.0  # for that of a call of hours


@dataclass(frozen=True, slots=True)
class Called:
    """Who is called, and how, as far as it is known before there is a call."""

    dialect: str
    agent_id: str | None = None
    """None of a session that was got elsewhere."""

    def __str__(self) -> str:
        return f"{self.agent_id or 'a session'}, {self.dialect}"


@dataclass(frozen=True, slots=True)
class Files:
    """Those that a call writes, by option; None where it was not given."""

    output: Path | None = None
    record: Path | None = None
    cassette: Path | None = None
    stats: Path | None = None
    """`STANDARD_OUTPUT` is no file."""
    report: Path | None = None
    log: Path | None = None
    """Goes on where it was."""
    is_numbered: bool = False
    """Whether there may be further recordings, cassettes and reports, ``both-2.wav`` and so on, as of a call that is
    redialled."""

    @property
    def is_printed(self) -> bool:
        """Whether standard output is for the figures, so that all else goes to standard error."""
        return self.stats == STANDARD_OUTPUT

    @property
    def has_record(self) -> bool:
        return self.stats is not None or self.report is not None

    def check(self, *, read: list[Path], overwrite: bool) -> None:
        """They are different ones, also from those that are read; none of them is there already, unless all may be
        overwritten; and their folders take them. Makes none but the log. It may block. Raises `UsageError`."""
        stats = None if self.is_printed else self.stats
        new = [self.output, self.record, self.cassette, self.report, stats]
        written = [path for path in (*new, self.log) if path is not None]
        check_distinct(read, written)
        try:
            names = [os.path.realpath(path) for path in (*read, *written)]
        except OSError as error:
            raise UsageError(
                f"files have no place here ({error.strerror}): is the working directory gone?"
            ) from None
        if len(set(names)) < len(names):
            raise UsageError(
                "--input, --output, --record, --cassette, --stats, --report and --log must be different files"
            )
        numbered = [self.record, self.cassette, self.report] if self.is_numbered else []
        further = [found for path in filter(None, numbered) for found in _further(path)]
        for path in () if overwrite else (*filter(None, new), *further):
            if is_there(path):
                raise UsageError(f"{path} is there already: give another name, or --overwrite")
        for path in filter(None, new):
            # Sound goes into the file that is there, the others in its place.
            if path in (self.stats, self.report) or not is_there(path):
                check_place(path)
        if self.log is not None:
            append(self.log)

    @contextmanager
    def recording(self) -> Iterator[Path | None]:
        """The recording to be made: one that is only for the report is gone afterwards. Raises `UsageError`."""
        if self.record is not None or self.report is None:
            yield self.record
            return
        try:
            folder = tempfile.TemporaryDirectory(
                prefix=".sfclient.", dir=self.report.parent, ignore_cleanup_errors=True
            )
        except OSError as error:
            raise UsageError(f"cannot write beside {self.report}: {error.strerror}") from None
        with folder as name:
            yield Path(name) / "call.wav"


def is_there(path: Path) -> bool:
    """Whether it is a file; what is none is told when it is opened."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(path.stat().st_mode)
    return False


def _further(path: Path) -> list[Path]:
    """Files that are there, and have the name of one for a further attempt."""
    with suppress(OSError, ValueError):
        return sorted(each for each in path.parent.iterdir() if is_numbered(each, path))
    return []


def next_free(path: Path) -> Path:
    """This name, or with a number: ``call-2.wav``."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


class Leavings:
    """Is told of each event, and writes the figures and the report when the call is over: a page for each attempt."""

    def __init__(self, files: Files, recording: Path | None, called: Called) -> None:
        self._files = files
        self._called = called
        self._recording = recording
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)

    def learn(self, event: Event) -> None:
        if self._files.has_record:
            self._events.append(record_of_event(event))

    async def write(
        self, call: Call | None, problem: BaseException | None, call_id: str | None
    ) -> bool:
        """All of them; whether they could be written, which is told if not."""
        if not self._files.has_record:
            return True
        if call is not None:
            record = record_of_call(call, self._events)
        else:
            called = self._called
            statistics = without_a_call(problem, call_id, called.dialect, called.agent_id)
            record = record_of(statistics, self._events)
        stats, report = self._files.stats, self._files.report
        is_whole = True
        if self._files.is_printed:
            is_whole = await _done(partial(_print, text_of(record)), PRINT_SECONDS)
        elif stats is not None:
            is_whole = await _done(partial(write_stats, stats, record))
        if report is not None:
            for attempt in (*record.get("earlier", ()), record):
                number = attempt["attempt"]
                sound = self._recording and numbered(self._recording, number)
                sound = sound if sound and sound.exists() else None
                page = partial(_report, numbered(report, number), attempt, sound)
                is_whole &= await _done(page, REPORT_SECONDS)
        return is_whole


async def _done(work: "partial[None]", *seconds: float) -> bool:
    """Whether it could be; what went wrong is told."""
    try:
        await in_time(work, *seconds)
    except UsageError as error:
        complain(f"sfclient: {error}")
    except TimeoutError as error:
        complain(f"sfclient: cannot write {work.args[0]}: {error}")
    else:
        return True
    return False


def _report(path: Path, record: dict[str, Any], sound: Path | None) -> None:
    """Without the sound where that cannot be read, as after a full disk, which is told."""
    try:
        write_report(path, record, sound)
    except AudioFileError:
        write_report(path, record)
        raise


def _print(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write to standard output: {told}") from None

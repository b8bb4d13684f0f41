"""What the live screen shows: from a `Snapshot` to lines, without a call, a clock or a terminal.

It needs rich (the extra ``screen``), which only this module and ``_live`` import.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from rich.text import Text

from sfclient._echo import EchoStatistics
from sfclient._errors import printable
from sfclient._hearing import QUIETEST_DBFS
from sfclient.cli._facts import Note, Side, Snapshot, State

LABEL_WIDTH = 9
FLOOR_DB = -60.0  # the left end of a meter: a quiet room
# Speech that is recorded well stays in the green, and near full scale it is about to be cut off.
METER_STYLES = (("green", -12.0), ("yellow", -3.0), ("red", 0.0))
LEVEL_WIDTH = 8  # "-23 dB", "silence"
WORD_WIDTH = 9  # "too loud"
TROUBLE_LINES = 4  # of one trouble; its remedy is in its first words


class Letters(NamedTuple):
    """What a terminal can show."""

    full: str
    empty: str
    peak: str
    dot: str
    cut: str


# All of them are in the character sets of the oldest terminals, code page 437, too.
UNICODE = Letters("█", "░", "│", "■", "…")
ASCII = Letters("#", ".", "|", "*", "~")


class Rank(IntEnum):
    """What gives way last where a terminal is low comes first."""

    STATE = 0
    TROUBLE = 1
    KEYS = 2
    METER = 3
    REMEDY = 4
    TITLE = 5
    FIGURE = 6
    NOTE = 7
    SPACE = 8


STATE_STYLES = {
    State.CONNECTING: "bold yellow",
    State.WAITING: "bold yellow",
    State.STALLED: "bold yellow",
    State.PAUSED: "bold yellow",
    State.LISTENS: "bold green",
    State.CALLER_SPEAKS: "bold green",
    State.AGENT_SPEAKS: "bold cyan",
    State.MUTED: "bold magenta",
    State.ENDING: "bold",
    State.OVER: "bold",
}

Row = tuple[Rank, Text]


def draw(snapshot: Snapshot, width: int, height: int, letters: Letters = UNICODE) -> list[Text]:
    """At most `height` lines of at most `width` cells, whatever the size."""
    rows = [*_rows(snapshot, width, letters)]
    keys = [(Rank.KEYS, line) for line in _keys(snapshot, width)]
    room = height - len(rows) - len(keys)
    notes = [_note(note, width, letters) for note in snapshot.notes[-room:]] if room > 0 else []
    lines = _lowest(rows + [(Rank.NOTE, note) for note in notes] + keys, height)
    lines[len(lines) - len(keys) : len(lines) - len(keys)] = [Text()] * (height - len(lines))
    for line in lines:
        line.truncate(width)
    return lines


def clock(seconds: float) -> str:
    """As ``01:23`` or ``1:00:23``."""
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes:02}:{whole:02}"


def _lowest(rows: Sequence[Row], height: int) -> list[Text]:
    """Those that there is room for, in their order."""
    places = sorted(range(len(rows)), key=lambda place: (rows[place][0], place))[: max(height, 0)]
    return [rows[place][1] for place in sorted(places)]


def _rows(snapshot: Snapshot, width: int, letters: Letters) -> Iterator[Row]:
    space = Rank.SPACE, Text()
    yield (
        Rank.TITLE,
        Text.assemble(" ", ("sfclient", "bold"), "  ", (printable(snapshot.title), "dim")),
    )
    yield space
    yield Rank.STATE, _state(snapshot, width, letters)
    yield space
    for trouble in snapshot.troubles:
        for number, line in enumerate(_trouble(trouble, width)):
            yield Rank.REMEDY if number else Rank.TROUBLE, line
        yield space
    is_muted = snapshot.state is State.MUTED
    yield Rank.METER, _meter("You", snapshot.caller, width, letters, "muted" if is_muted else "")
    yield Rank.METER, _meter("Agent", snapshot.agent, width, letters)
    yield space
    for label, clauses, style in _figures(snapshot):
        yield Rank.FIGURE, _figure(label, clauses, width, style)
    yield space


def _state(snapshot: Snapshot, width: int, letters: Letters) -> Text:
    style = STATE_STYLES[snapshot.state]
    time = clock(snapshot.seconds)
    words = snapshot.state.value
    room = max(width - len(time) - 5, 0)
    return Text.assemble((f" {letters.dot} {words[:room]:<{room}} ", style), (time, "bold"))


def _trouble(text: str, width: int) -> Iterator[Text]:
    lines = textwrap.wrap(printable(text, None), max(width - 4, 10))
    for number, line in enumerate(lines[:TROUBLE_LINES]):
        yield Text.assemble((" ! " if number == 0 else "   ", "bold red"), (line, "bold red"))


def _meter(label: str, side: Side, width: int, letters: Letters, word: str = "") -> Text:
    word = word or ("too loud" if side.is_too_loud else "speaks" if side.speaks else "")
    room = max(width - LABEL_WIDTH - LEVEL_WIDTH - WORD_WIDTH, 5)
    filled, peak = _cells(side.rms, room), _cells(side.peak, room)
    bar = letters.full * filled + letters.empty * (room - filled)
    if peak > filled:
        bar = bar[: peak - 1] + letters.peak + bar[peak:]
    line = Text(f" {label:<{LABEL_WIDTH - 1}}{bar} {_level(side.rms):>{LEVEL_WIDTH - 1}} {word}")
    loud, begin = max(filled, peak), LABEL_WIDTH
    for style, level in METER_STYLES:
        end = LABEL_WIDTH + min(_cells(level, room), loud)
        line.stylize(style, begin, end)
        begin = end
    line.stylize("dim", LABEL_WIDTH + filled, LABEL_WIDTH + max(peak - 1, filled))
    line.stylize("dim", LABEL_WIDTH + loud, LABEL_WIDTH + room)
    line.stylize("bold red" if side.is_too_loud else "bold", len(line) - len(word))
    return line


def _cells(level: float | None, room: int) -> int:
    """Of a meter that are filled by it."""
    if level is None or level <= FLOOR_DB:
        return 0
    return min(math.ceil((1 - level / FLOOR_DB) * room), room)


def _level(level: float | None) -> str:
    if level is None:
        return ""
    return "silence" if level <= QUIETEST_DBFS else f"{level:.0f} dB"


def _figures(snapshot: Snapshot) -> Iterator[tuple[str, list[str], str]]:
    """What it is of, clauses of which the first matter most, and their style."""
    answers = snapshot.answers
    if answers is None:
        yield "Answers", ["none yet"], "dim"
    else:
        clauses = [f"{answers.last:.2f} s", f"median {answers.median:.2f} s of {answers.count}"]
        yield "Answers", [*clauses, f"longest {answers.longest:.2f} s"], ""
    if snapshot.queued_seconds is None:
        yield "Delay", ["nothing heard yet"], "dim"
    else:
        clauses = [f"{snapshot.queued_seconds:.2f} s queued"]
        if snapshot.delay_seconds is not None:
            clauses.append(f"heard {snapshot.delay_seconds:.2f} s after it came")
        yield "Delay", clauses, ""
    late = snapshot.late
    clauses = []
    if late.stalls:
        clauses.append(f"stood still {_times(late.stalls)}, {late.stalled:.1f} s")
    if late.times:
        clauses.append(f"late {_times(late.times)}, by {late.longest:.2f} s at most")
    yield "Network", clauses or ["nothing came late"], "yellow" if clauses else "dim"
    if snapshot.echo is not None:
        yield "Echo", *_echo(snapshot.echo)


def _echo(echo: EchoStatistics) -> tuple[list[str], str]:
    """Of the agent, in what the microphone hears."""
    match echo.state:
        case "gating":
            return ["you are heard while the agent is silent"], "yellow"
        case "cancelling":
            clauses = ["cancelled"]
            if echo.erle_db is not None:
                clauses.append(f"{echo.erle_db:.0f} dB weaker")
            if echo.delay_seconds is not None:
                clauses.append(f"came {echo.delay_seconds:.2f} s after the agent")
            return clauses, ""
        case "no echo":
            return ["none is heard"], "dim"
        case _:
            return ["not known before the agent speaks"], "dim"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _figure(label: str, clauses: list[str], width: int, style: str) -> Text:
    """As many clauses as there is room for, the first in any case."""
    told = clauses[0]
    for clause in clauses[1:]:
        if LABEL_WIDTH + len(told) + 2 + len(clause) > width:
            break
        told += f", {clause}"
    return Text.assemble(f" {label:<{LABEL_WIDTH - 1}}", (told, style))


def _note(note: Note, width: int, letters: Letters) -> Text:
    line = Text.assemble(" ", (clock(note.at), "dim"), f"  {printable(note.text, None)}")
    if line.cell_len > width:
        line.truncate(max(width - 1, 0))
        line.append(letters.cut)
    return line


def _keys(snapshot: Snapshot, width: int) -> Iterator[Text]:
    line = Text()
    for key, word in snapshot.keys:
        item = Text.assemble(" ", (key, "bold reverse"), f" {word} ")
        if line and line.cell_len + item.cell_len > width:
            yield line
            line = Text()
        line.append_text(item)
    if line:
        yield line

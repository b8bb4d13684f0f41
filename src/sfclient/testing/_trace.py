"""A recorded network: when what is sent every 20 ms arrives."""

import math
import stat
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from sfclient._errors import UsageError

MESSAGE_SECONDS = 0.02  # between two lines of a trace: what a message of speech carries
ROUNDING = 1e-6  # of a message: what floats lose of a time at which one is sent
LONGEST_DELAY = 3600.0  # seconds; what is later is of another clock, as that of the Unix epoch
EARLY = 0.0001  # seconds; times in ms that were rounded to a tenth are so much off
LONGEST_BYTES = 1 << 25  # of a file: two days
SHOWN_CHARACTERS = 40  # of a line that is no time


class _WrongArrivalError(ValueError):
    """Of the message with this number."""

    def __init__(self, number: int, wrong: str) -> None:
        super().__init__(f"arrival {number} {wrong}")
        self.number = number
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrival times of messages that are sent every 20 ms, over one direction of one connection.

    What is sent between two of them has the delay of the first, but arrives no later than the second: so a message more
    or less changes nothing for others. What is sent after the last begins again at the first.

    Raises ValueError if there is no arrival, or one that cannot be: no finite number, before an earlier one, before it
    was sent, or more than an hour after it.
    """

    arrivals: tuple[float, ...] = field(repr=False)
    """Seconds from the connection's beginning; number k, from 0, was sent at 0.02 k."""

    def __post_init__(self) -> None:
        if not self.arrivals:
            raise ValueError("a trace has one arrival at the least")
        before = 0.0
        for number, arrival in enumerate(self.arrivals):
            if wrong := _wrong(number, arrival, before):
                raise _WrongArrivalError(number, wrong)
            before = arrival

    def arrival(self, sent: float) -> float:
        """When it arrives; both in seconds from the connection's beginning."""
        number = int(sent / MESSAGE_SECONDS + ROUNDING)
        delay, begin = self._delay(number), number * MESSAGE_SECONDS
        following = begin + MESSAGE_SECONDS + self._delay(number + 1)
        # Where it begins again, the first may come before the last.
        return min(sent + delay, max(begin + delay, following))

    def _delay(self, number: int) -> float:
        number %= len(self.arrivals)
        return self.arrivals[number] - number * MESSAGE_SECONDS


def _wrong(number: int, arrival: float, before: float) -> str | None:
    """Why message `number` cannot arrive then, `before` being when the last one did; None if it can."""
    at, sent = f"{1000 * arrival:.12g} ms", number * MESSAGE_SECONDS
    if not math.isfinite(arrival):
        return f"is {arrival}: give milliseconds"
    if arrival < 0:
        return f"is {at}: times count from the beginning, and are not negative"
    if arrival < before:
        return f"is {at}, before the one that was sent earlier ({1000 * before:.12g} ms): messages keep their order"
    if arrival < sent - EARLY:
        return f"is {at}, before it was sent ({1000 * sent:g} ms): add the same to all"
    if arrival > sent + LONGEST_DELAY:
        return f"is {at}, more than an hour after it was sent ({1000 * sent:g} ms): take off the same from all"
    return None


def read_trace(path: str | PathLike[str]) -> Trace:
    """The trace in a text file: line k, from 0, is when message k arrived, in ms; it was sent at 20 k ms.

    It reads a file, so it may block. Raises `UsageError`, with file and line, for what is no trace.
    """
    arrivals = []
    for number, line in enumerate(_lines(Path(path))):
        try:
            arrivals.append(float(line) / 1000)
        except ValueError:
            shown = line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
            raise UsageError(
                f"{path}:{number + 1}: {shown!r} is no time: give one number in ms in each line"
            ) from None
    if not arrivals:
        raise UsageError(f"{path}:1: the trace is empty: give an arrival time in ms in each line")
    try:
        return Trace(tuple(arrivals))
    except _WrongArrivalError as error:
        raise UsageError(f"{path}:{error.number + 1}: the arrival time {error.wrong}") from None


def _lines(path: Path) -> list[str]:
    try:
        # A pipe would wait for a writer, and a device has no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no trace, but a folder or a device: give a file")
        if path.stat().st_size > LONGEST_BYTES:
            raise UsageError(
                f"{path} is too long for a trace: give at most {LONGEST_BYTES >> 20} MiB, which are days"
            )
        text = path.read_text("utf-8-sig", errors="replace")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise UsageError(f"the trace {str(path)!r} cannot be read: {error}") from None
    return text.rstrip().splitlines()

"""What somebody writes, as data that are checked when they are made: where it is written, and what is wrong in it."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from sfclient._errors import UsageError, printable

LONGEST_SECONDS = 86_400.0  # a day: more is a slip of the unit
MOST_CHARACTERS = 500  # of what is told: a value may be anything


class Place(NamedTuple):
    """Where something is written, for who has to mend it."""

    path: str
    line: int
    """From 1; 0 for the whole file."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Fault(NamedTuple):
    """What is wrong in a script."""

    place: Place | None
    text: str

    def __str__(self) -> str:
        told = printable(self.text, MOST_CHARACTERS)
        return f"{self.place}: {told}" if self.place else told


class ScriptError(UsageError):
    """A script that cannot be meant: all its faults, a line each, with file and line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults,)


class Wrong(NamedTuple):
    """A value that cannot be, by the name of it."""

    key: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is written somewhere, and checked as it is made. Raises `ScriptError`."""

    place: Place | None = field(default=None, repr=False, compare=False)
    """Where; None: where it is made in Python."""
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Of its values, in a file."""

    def __post_init__(self) -> None:
        if self.place is None:
            object.__setattr__(self, "place", _place_of_caller())
        if faults := list(self.faults()):
            raise ScriptError(faults)

    def place_of(self, key: str) -> Place | None:
        """Where a value of it is written, as far as that is known."""
        place = self.place
        return place and place._replace(line=self.lines.get(key, place.line))

    def faults(self) -> Iterator[Fault]:
        """All that cannot be meant."""
        for wrong in self.wrongs():
            yield Fault(self.place_of(wrong.key), wrong.text)

    def wrongs(self) -> Iterator["Wrong"]:
        """What of its values cannot be."""
        yield from ()


def _place_of_caller() -> Place | None:
    """The first frame outside of this package, and of what `dataclass` makes."""
    frame = sys._getframe(1)
    own = __name__.rpartition(".")[0]
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(own):
        frame = frame.f_back  # type: ignore[assignment]
    return Place(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def seconds_wrongs(
    key: str, value: object, *, optional: bool = False, zero: bool = False
) -> Iterator[Wrong]:
    if value is None and optional:
        return
    least = "0 seconds or more" if zero else "more than 0 seconds"
    if not is_number(value):
        yield Wrong(key, f"{key} must be a number of seconds, not {value!r}")
    elif value == 0 and zero:
        return
    elif not 0 < value < inf:
        yield Wrong(key, f"{key} must be {least}, not {value!r}")
    elif value > LONGEST_SECONDS:
        yield Wrong(key, f"{key} is more than a day, {value!r}: give it in seconds")


def shorter_wrongs(key: str, value: object, other: str, limit: object) -> Iterator[Wrong]:
    if is_number(value) and is_number(limit) and value >= limit:
        yield Wrong(
            key, f"{key} of {value:g} s can never be within {limit:g} s: make {other} longer"
        )


def share_wrongs(key: str, value: object) -> Iterator[Wrong]:
    if value is None:
        return
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(pair) != 2 or not all(map(is_number, pair)) or not all(0 <= each <= 1 for each in pair):
        yield Wrong(key, f"{key} must be two parts of 1, as [0.2, 0.8], not {value!r}")
    elif pair[0] > pair[1]:
        yield Wrong(key, f"{key} is at least {pair[0]:g} and at most {pair[1]:g}: swap them")


def path_wrongs(key: str, value: object) -> Iterator[Wrong]:
    if not isinstance(value, str | Path) or not str(value):
        yield Wrong(key, f"{key} must be the path of a WAV file, not {value!r}")

"""The record of a call as somebody gives it to us: nothing in it is believed before it was looked at."""

import json
import math
from pathlib import Path
from typing import TypeGuard

from sfclient._errors import UsageError

FORMAT = 1  # a later one has what this has, and more
MOST_BYTES = 64 << 20  # a call of a day, with its timeline, has 20 MiB
MOST_SECONDS = 1e7  # four months: what is more is no time in a call
MOST_CHARACTERS = 500  # of a text
REMEDY = "is this what --stats wrote?"


class Fields:
    """A JSON object. Each of its fields is of the kind that is asked for, or missing; raises `UsageError` if not.

    A field in an object inside is named with points: ``"times.ended"``. One that is null is missing.
    """

    def __init__(self, value: object, place: str, origin: float = 0.0) -> None:
        if not isinstance(value, dict):
            raise UsageError(f"{place} is {_shown(value)}, and should be an object: {REMEDY}")
        self._value = value
        self._place = place
        self._origin = origin
        """When the attempt began, on the call's clock."""

    def _get(self, name: str) -> object:
        value: object = self._value
        for word in name.split("."):
            if value is None:
                return None
            value = Fields(value, self._place)._value.get(word)
        return value

    def _wrong(self, name: str, value: object, kind: str) -> UsageError:
        return UsageError(
            f"{self._place}: {name} is {_shown(value)}, and should be {kind}: {REMEDY}"
        )

    def number(self, name: str) -> float | None:
        """A finite one."""
        value = self._get(name)
        if value is None:
            return None
        if not _is_number(value):
            raise self._wrong(name, value, "a number")
        return float(value)

    def seconds(self, name: str) -> float | None:
        """A time on the call's clock, or how long something was."""
        value = self.number(name)
        if value is not None and not 0 <= value <= MOST_SECONDS:
            raise self._wrong(name, value, f"seconds, 0 to {MOST_SECONDS:.0f}")
        return value

    def time(self, name: str) -> float | None:
        """A time on the call's clock, as seconds since the attempt began."""
        value = self.seconds(name)
        return None if value is None else max(0.0, value - self._origin)

    def text(self, name: str) -> str:
        """Empty if it is missing; cut if it is too long to be read."""
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, value, "a text")
        return value if len(value) <= MOST_CHARACTERS else f"{value[:MOST_CHARACTERS]}…"

    def series(self, name: str) -> list[float]:
        """Numbers; NaN for null."""
        values = self._list(name)
        for value in values:
            if value is not None and not _is_number(value):
                raise self._wrong(name, value, "numbers")
        return [float(value) if _is_number(value) else math.nan for value in values]

    def objects(self, name: str) -> list["Fields"]:
        """A list of them."""
        return [
            Fields(value, f"{self._place}: {name}[{index}]", self._origin)
            for index, value in enumerate(self._list(name))
        ]

    def attempts(self) -> list["Fields"]:
        """Those before this one, of a call that was redialled."""
        return [_of_attempt(each._value, each._place) for each in self.objects("earlier")]

    def inside(self, name: str) -> "Fields | None":
        """The object of this name."""
        value = self._get(name)
        return None if value is None else Fields(value, f"{self._place}: {name}", self._origin)

    def items(self) -> list[tuple[str, str]]:
        """All that is plain in it, as text."""
        plain = (str, int, float)
        return [
            (str(name), str(value)[:MOST_CHARACTERS])
            for name, value in self._value.items()
            if isinstance(value, plain) and not isinstance(value, bool)
        ]

    def _list(self, name: str) -> list[object]:
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise self._wrong(name, value, "a list")
        return list(value)


def checked(record: object, place: str) -> Fields:
    """The record of a call that came to something. Raises `UsageError`."""
    fields = Fields(record, place)
    if (fields.number("format") or 0) < FORMAT:
        raise UsageError(f"{place} is no record of a call: {REMEDY}")
    return _of_attempt(record, place)


def _of_attempt(record: object, place: str) -> Fields:
    return Fields(record, place, Fields(record, place).seconds("times.dialled") or 0.0)


def read_json(path: Path) -> object:
    """What is in a file. It may block. Raises `UsageError`."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise UsageError(f"cannot read {path}: it is not a file: give the name of one")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UsageError(f"{path} has more than {MOST_BYTES >> 20} MiB: {REMEDY}")
        value: object = json.loads(data)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # a name of a file with a NUL; no JSON, no UTF-8
        told = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise UsageError(f"{path} cannot be read as JSON ({told}): {REMEDY}") from None
    return value


def _is_number(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

"""Where in a TOML document each key and table is: the standard library's reader does not tell.

It reads what `tomllib` has read without complaint, and so only looks for where things end (https://toml.io/en/v1.0.0).
"""

import re
import tomllib
from bisect import bisect_left

Key = tuple[str | int, ...]
"""From the top: names of tables and keys, and the numbers of tables and values in arrays, from 0."""

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_KEY = re.compile(r"""\s*([A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')\s*""")
# A string of several lines may end with up to two quotes of its own.
_STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?""""{0,2}|\'\'\'.*?\'\'\'\'{0,2}|"(?:\\.|[^"\\])*"|'[^']*\'''', re.DOTALL
)
_PLAIN = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> dict[Key, int]:
    """The line, from 1, of each."""
    locator = _Locator(text)
    locator.read()
    return locator.lines


class _Locator:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._ends = [found.start() for found in re.finditer("\n", self._text)]  # of lines
        self._at = 0
        self._tables: dict[Key, int] = {}  # how many there are, of each array of them
        self.lines: dict[Key, int] = {}

    def read(self) -> None:
        table: Key = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            if self._next("[["):
                table = self._inside(self._names(), another=True)
                self._next("]]")
            elif self._next("["):
                table = self._inside(self._names())
                self._next("]")
            else:
                self._pair(table)
            self._skip(_SPACE)

    def _next(self, mark: str) -> bool:
        """Whether it comes next; then it is passed."""
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found is not None, f"no TOML at {self._text[self._at : self._at + 20]!r}"
        self._at = found.end()
        return found[0]

    def _names(self) -> list[str]:
        """A key, with points."""
        names = []
        while True:
            name = self._skip(_KEY).strip()
            names.append(tomllib.loads(f"k = {name}")["k"] if name[0] in "\"'" else name)
            if not self._next("."):
                return names

    def _note(self, key: Key) -> None:
        self.lines.setdefault(key, bisect_left(self._ends, self._at) + 1)

    def _inside(self, names: list[str], another: bool = False) -> Key:
        """The table of a header: in an array of tables the last one, or another."""
        key: Key = ()
        for number, name in enumerate(names, 1):
            key += (name,)
            if another and number == len(names):
                self._note(key)
                self._tables[key] = self._tables.get(key, 0) + 1
            if key in self._tables:
                key += (self._tables[key] - 1,)
        self._note(key)
        return key

    def _pair(self, table: Key) -> None:
        key = table
        for name in self._names():
            key += (name,)
            self._note(key)
        self._next("=")
        self._skip(_SPACE)
        self._value(key)

    def _value(self, key: Key) -> None:
        self._note(key)
        if self._next("["):
            self._values("]", key)
        elif self._next("{"):
            self._values("}", key)
        elif self._text[self._at] in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_PLAIN)

    def _values(self, end: str, key: Key) -> None:
        """Of an array, or an inline table."""
        number = 0
        self._skip(_SPACE)
        while not self._next(end):
            if end == "}":
                self._pair(key)
            else:
                self._value((*key, number))
            number += 1
            self._skip(_SPACE)
            self._next(",")
            self._skip(_SPACE)

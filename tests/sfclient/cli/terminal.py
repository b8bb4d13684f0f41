"""A terminal for the command: a pty, and an emulator as strict as can be of what may be written to it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .conftest import ENVIRONMENT, KEY, MODULE

COMMANDS = re.compile(rb"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Screen:
    """What a terminal shows. Knows the few sequences that are written to it, and fails at any other."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.is_other = False  # the other screen, without a cursor, uncut
        self.has_cursor = True
        self.wraps = True
        self.colours = 0
        self._main = self._blank()
        self._other = self._blank()
        self._row = self._column = 0
        self._kept = (0, 0)

    def _blank(self) -> list[list[str]]:
        return [[" "] * self.columns for _ in range(self.lines)]

    @property
    def _cells(self) -> list[list[str]]:
        return self._other if self.is_other else self._main

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self._cells).rstrip()

    def resize(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self._main, self._other = self._blank(), self._blank()

    def write(self, data: bytes) -> bytes:
        """What is left of it: the beginning of something."""
        while data:
            if data[:1] == b"\x1b":
                found = COMMANDS.match(data)
                if found is None:
                    assert len(data) < 12, f"unknown: {data[:20]!r}"
                    return data
                self._do(*(part.decode() for part in found.groups()))
                data = data[found.end() :]
                continue
            length = 1 if data[0] < 0x80 else 2 if data[0] < 0xE0 else 3
            if len(data) < length:
                return data
            self._put(data[:length].decode())
            data = data[length:]
        return b""

    def _do(self, private: str, numbers: str, letter: str) -> None:
        match private, numbers, letter:
            case "?", "1049", "h" | "l":
                if letter == "h":
                    assert not self.is_other
                    self._kept = self._row, self._column
                    self._other = self._blank()
                elif self.is_other:
                    self._row, self._column = self._kept
                self.is_other = letter == "h"
            case "?", "25", "h" | "l":
                self.has_cursor = letter == "h"
            case "?", "7", "h" | "l":
                self.wraps = letter == "h"
            case "", "2", "J":
                self._cells[:] = self._blank()
            case "", "", "J":
                self._cells[self._row][self._column :] = [" "] * (self.columns - self._column)
                self._cells[self._row + 1 :] = self._blank()[self._row + 1 :]
            case "", "", "K":
                self._cells[self._row][self._column :] = [" "] * (self.columns - self._column)
            case "", place, "H":
                row, column = map(int, place.split(";"))
                self._row, self._column = row - 1, column - 1
            case "", _, "m":
                self.colours += numbers not in ("", "0")
            case _:
                raise AssertionError(f"unknown: {private}{numbers}{letter}")

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._row += 1
            if self._row == self.lines:
                self._row -= 1
                self._cells[:] = [*self._cells[1:], [" "] * self.columns]
        else:
            assert letter.isprintable(), letter
            if self._column == self.columns and self.wraps:
                self._put("\r")
                self._put("\n")
            if self._row < self.lines and self._column < self.columns:
                self._cells[self._row][self._column] = letter
                self._column += 1


class Pty:
    """A terminal, without a program in it."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.screen = Screen(columns, lines)
        self.end, self.other_end = pty.openpty()
        self.stream = open(self.other_end, "w", closefd=False)  # noqa: SIM115 -- `close` does
        os.set_blocking(self.end, False)
        self.resize(columns, lines)
        self._mode = termios.tcgetattr(self.other_end)
        self.told = self._rest = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.other_end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(columns, lines)

    def read(self) -> None:
        """Show what has come."""
        with suppress(BlockingIOError):
            part = os.read(self.end, 65536)
            self.told += part
            self._rest = self.screen.write(self._rest + part)

    def hold(self, is_held: bool = True) -> None:
        """Take nothing, until it is let go."""
        termios.tcflow(self.other_end, termios.TCOOFF if is_held else termios.TCOON)

    def press(self, keys: str) -> None:
        os.write(self.end, keys.encode())

    @property
    def is_given_back(self) -> bool:
        screen = self.screen
        is_plain = not screen.is_other and screen.has_cursor and screen.wraps
        return is_plain and termios.tcgetattr(self.other_end) == self._mode

    def close(self) -> None:
        self.stream.close()
        os.close(self.end)
        os.close(self.other_end)


class Session(Pty):
    """A terminal with the command in it."""

    process: subprocess.Popen[bytes]

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.screen.text
            self.read()
            time.sleep(0.01)

    def shows(self, *words: str) -> None:
        """Wait until it does."""
        self.until(lambda: all(word in self.screen.text for word in words))

    def ended(self) -> int:
        """The exit status, when the command has ended and all is as it was before."""
        self.until(lambda: self.process.poll() is not None)
        self.read()
        assert self.is_given_back
        return self.process.returncode


@contextmanager
def terminal(
    *args: object, size: tuple[int, int] = (80, 24), shell: str = 'exec "$@"', **env: str
) -> Iterator[Session]:
    """The command in a terminal that controls it."""
    session = Session(*size)
    usual = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "", "SYNTHFLOW_API_KEY": KEY}
    session.process = subprocess.Popen(
        ["sh", "-c", shell, "sh", *MODULE, *map(str, args)],
        stdin=session.other_end,
        stdout=session.other_end,
        stderr=session.other_end,
        env={**ENVIRONMENT, **usual, **env},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        yield session
    finally:
        if session.process.poll() is None:
            session.process.kill()
            session.process.wait()
        session.close()

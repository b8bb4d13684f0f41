"""A terminal that is taken for the live screen, and given back whatever ends it.

On it: the other screen, so that what was there before comes back; no cursor; keys that are not echoed. Nothing waits
for the terminal but a thread of its own.
"""

import atexit
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

import trio

from sfclient._spool import Spool

if sys.platform == "win32":
    import msvcrt
else:
    import termios

    INPUT_FLAGS, LOCAL_FLAGS, CHARACTERS = 0, 3, 6  # where `termios.tcgetattr` has them

# The other screen, without a cursor; what is too long is cut, not wrapped.
TAKE = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
RELEASE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
USUAL_SIZE = (80, 24)  # where a terminal does not tell
# Programs of the system write into it as well, such as ALSA's complaints: all is painted over them.
REPAINT_SECONDS = 2.0
SETTLE_SECONDS = 0.2  # for a terminal to take what is to be written before the process stops
MOST_BYTES = 1 << 20
KEY_SECONDS = 0.05  # between looks at the keys: an interruption should not wait
MOST_KEYS = 64  # at a time; nobody types faster


def is_screen(stream: TextIO | None) -> bool:
    """Whether it is a terminal that can show more than lines."""
    if stream is None or not stream.isatty():
        return False
    if (
        sys.platform == "win32"
    ):  # of Windows Terminal; those before it know no sequences by themselves
        return "WT_SESSION" in os.environ
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def is_keyboard(stream: TextIO | None) -> bool:
    """Whether keys can be read from it."""
    return stream is not None and stream.isatty()


class Terminal:
    """Shows rows on `screen` and reads `keyboard`, each a terminal, while they are ours. For one thread."""

    def __init__(self, screen: TextIO, keyboard: TextIO | None) -> None:
        self._screen = screen
        self._keyboard = keyboard.fileno() if keyboard is not None else None
        self._before: list[Any] | None = None  # the mode of the keyboard, while it is another
        self._is_taken = False
        self._is_stale = False
        self._rows: Sequence[str] = ()
        self._size = (0, 0)
        self._painted = 0.0
        self._spool = Spool(self._write, most_bytes=MOST_BYTES)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self._screen.fileno())
            if columns > 0 and lines > 0:
                return columns, lines
        return USUAL_SIZE

    @property
    def is_ours(self) -> bool:
        """Whether we run in its foreground: in the background, one that touches it would be stopped."""
        if sys.platform == "win32":
            return True
        try:
            return os.tcgetpgrp(self._screen.fileno()) == os.getpgrp()
        except OSError:  # we are not controlled by it
            return True

    @property
    def is_busy(self) -> bool:
        """Whether it has not taken yet what was shown before."""
        return self._spool.waiting_bytes > 0

    def show(self, rows: Sequence[str]) -> None:
        """Take it if need be, and show these, each of them a line with its colours."""
        size, now = self.size, time.monotonic()
        told = ""
        if self._is_stale:
            told = RELEASE
        if not self._is_taken or self._is_stale:
            self._take()
            told += TAKE
        elif size != self._size:
            told = "\x1b[2J"
        if told or now > self._painted + REPAINT_SECONDS:
            self._rows, self._size, self._painted = (), size, now
        for place, row in enumerate(rows):
            if place >= len(self._rows) or self._rows[place] != row:
                told += f"\x1b[{place + 1};1H{row}\x1b[K"
        if len(rows) < len(self._rows):
            told += "\x1b[J"
        self._rows = rows
        self._put(told)

    async def wait_keys(self) -> str:
        """Those that are pressed while it is ours, without those that send several characters, such as arrows."""
        while True:
            # Of a system that can wait for them: each look would cost a busy program a turn of its threads.
            if sys.platform == "win32" or self._keyboard is None:
                await trio.sleep(KEY_SECONDS)
            else:
                await trio.lowlevel.wait_readable(self._keyboard)
            if self._is_taken and self.is_ours and (keys := self._read_keys()):
                return keys
            await trio.sleep(KEY_SECONDS)  # they are for others, or there is no terminal any more

    def _read_keys(self) -> str:
        if self._keyboard is None:
            return ""
        if sys.platform == "win32":
            pressed = ""
            while msvcrt.kbhit() and len(pressed) < MOST_KEYS:
                pressed += msvcrt.getwch()
            return pressed
        with suppress(OSError):  # it is gone; the signal that tells so ends the call
            return os.read(self._keyboard, MOST_KEYS).decode(errors="ignore").partition("\x1b")[0]
        return ""

    def repaint(self) -> None:
        """Show all anew, also what has not changed."""
        self._painted = -REPAINT_SECONDS

    def release(self) -> None:
        """Give it back, until something is shown."""
        if self._is_taken:
            below = f"\x1b[{self.size[1]};1H\n"  # what was shown, where there is no other screen
            self._put(f"{below}{RELEASE}")
            self._forget()

    def doubt(self) -> None:
        """Another program may have had it meanwhile: if it is taken, take it anew."""
        self._is_stale = self._is_taken

    def settle(self) -> None:
        """Wait until it has taken all, for a moment."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.is_busy and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        """Wait until it has taken all, when it was released. It may block."""
        self._spool.close()

    def _take(self) -> None:
        atexit.register(self._restore)
        self._is_taken, self._is_stale = True, False
        if sys.platform == "win32" or self._keyboard is None:
            return
        with suppress(termios.error):
            mode = termios.tcgetattr(self._keyboard)
            self._before = self._before or [*mode[:CHARACTERS], [*mode[CHARACTERS]]]
            mode[INPUT_FLAGS] &= ~termios.IXON  # Ctrl-S would keep us from giving it back
            mode[LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO)
            for limit in (termios.VMIN, termios.VTIME):
                mode[CHARACTERS][limit] = 0  # reading never waits
            termios.tcsetattr(self._keyboard, termios.TCSANOW, mode)

    def _forget(self) -> None:
        """Keys as they were before."""
        atexit.unregister(self._restore)
        self._is_taken = self._is_stale = False
        before, self._before = self._before, None
        if sys.platform == "win32" or before is None or self._keyboard is None or not self.is_ours:
            return
        with suppress(termios.error):
            termios.tcflush(self._keyboard, termios.TCIFLUSH)  # they were not for who comes next
            termios.tcsetattr(self._keyboard, termios.TCSANOW, before)

    def _restore(self) -> None:
        """At the exit of a program that could not do it in order."""
        self.release()
        self.settle()

    def _put(self, text: str) -> None:
        if text:
            self._spool.put(text.encode(errors="surrogatepass"))

    def _write(self, data: bytes) -> None:
        self._screen.write(data.decode(errors="surrogatepass"))
        self._screen.flush()

"""The live screen: draws what is to be seen, again and again, and hears what is pressed.

It needs rich (the extra ``screen``).
"""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TextIO

import trio
from rich.console import Console
from rich.text import Text

from sfclient._nursery import open_unwrapped_nursery
from sfclient._spool import in_time
from sfclient.cli._facts import Snapshot
from sfclient.cli._screen import ASCII, UNICODE, draw
from sfclient.cli._telling import TELL_SECONDS
from sfclient.cli._terminal import Terminal, is_keyboard

FRAME_SECONDS = 0.1  # meters move smoothly, and a level is of so long
MOST_COLUMNS = 10_000  # of a terminal
REDRAW = "\x0c"  # Ctrl-L, as everywhere
# What stops or kills a program that does nothing about it, and is not what ends a call; and what wakes it.
STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGTSTP", "SIGQUIT", "SIGCONT") if hasattr(signal, name)
]


@asynccontextmanager
async def open_screen(
    screen: TextIO,
    keyboard: TextIO | None,
    look: Callable[[], Snapshot],
    press: Callable[[str], object],
) -> AsyncIterator[None]:
    """Show what `look` gives on a terminal, and hand to `press` each key of another, until it is left.

    Ctrl-Z gives the terminal back until the program goes on in its foreground.
    """
    terminal = Terminal(screen, keyboard if is_keyboard(keyboard) else None)
    live = _Live(terminal, Painter(screen), look, press)
    try:
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(live.run)
            yield
            nursery.cancel_scope.cancel()
    finally:
        terminal.release()
        with suppress(TimeoutError):  # of a terminal that takes nothing
            await in_time(terminal.close, TELL_SECONDS)


class Painter:
    """Gives lines their colours, as far as a terminal has them."""

    def __init__(self, screen: TextIO) -> None:
        self._console = Console(
            file=screen,
            width=MOST_COLUMNS,  # lines are cut already; COLUMNS may be of another terminal, or 0
            force_terminal=True,
            legacy_windows=False,
            highlight=False,
            emoji=False,
        )
        shows_all = self._console.encoding.startswith("utf")
        in_c = os.environ.get("LC_ALL", "") in ("C", "POSIX")  # for which Python takes UTF-8
        self._letters = UNICODE if shows_all and not in_c else ASCII
        self._lines: list[Text] = []
        self._rows: list[str] = []

    def paint(self, snapshot: Snapshot, width: int, height: int) -> list[str]:
        """A row for each line; one that has not changed is taken from the last time."""
        lines = draw(snapshot, width, height, self._letters)
        old = dict(enumerate(zip(self._lines, self._rows, strict=True)))
        rows = []
        for place, line in enumerate(lines):
            before, row = old.get(place, (None, ""))
            rows.append(row if line == before else self._row(line))
        self._lines, self._rows = lines, rows
        return rows

    def _row(self, line: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(line, end="", soft_wrap=True)
        return capture.get()


class _Live:
    def __init__(
        self,
        terminal: Terminal,
        painter: Painter,
        look: Callable[[], Snapshot],
        press: Callable[[str], object],
    ) -> None:
        self._terminal = terminal
        self._painter = painter
        self._look = look
        self._press = press
        self._stop_signal: int | None = None

    async def run(self) -> None:
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(self._hear_keys)
            if STOP_SIGNALS:
                nursery.start_soon(self._hear_stops)
            while True:
                if self._stop_signal is not None:
                    self._stop(self._stop_signal)
                self._show()
                await trio.sleep(FRAME_SECONDS)

    def _show(self) -> None:
        if self._terminal.is_ours and not self._terminal.is_busy:
            self._terminal.show(self._painter.paint(self._look(), *self._terminal.size))

    async def _hear_keys(self) -> None:
        while True:
            for key in await self._terminal.wait_keys():
                if key == REDRAW:
                    self._terminal.repaint()
                else:
                    self._press(key)
            self._show()

    async def _hear_stops(self) -> None:
        with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
            async for number in signals:
                if number == signal.SIGCONT:
                    self._terminal.doubt()
                else:
                    self._stop_signal = number

    def _stop(self, number: int) -> None:
        """All of the program, which waits for nothing meanwhile."""
        self._stop_signal = None
        self._terminal.release()
        self._terminal.settle()
        if number == signal.SIGTSTP:
            number = signal.SIGSTOP
        else:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

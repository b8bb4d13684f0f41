"""How a call is told: as lines, or on a live screen that leaves the lines behind."""

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

from sfclient.cli._facts import MOST_NOTES, Snapshot
from sfclient.cli._telling import open_teller
from sfclient.cli._terminal import is_screen

NO_RICH = "For a live screen of the call: pip install 'sfaudio[screen]'"


@asynccontextmanager
async def open_display(
    out: TextIO | None,
    plain: bool,
    look: Callable[[], Snapshot],
    press: Callable[[str], object],
) -> AsyncIterator[Callable[[str], object]]:
    """A function that tells a line, and never waits or fails.

    On a terminal that is able to, and unless `plain`, what `look` gives is shown while this lasts, keys go to `press`,
    and the lines are told at the end.
    """
    if plain or out is None or not is_screen(out):
        async with open_teller(out) as tell:
            yield tell
        return
    try:
        from sfclient.cli._live import open_screen
    except ModuleNotFoundError:
        async with open_teller(out) as tell:
            tell(NO_RICH)
            yield tell
        return
    lines: deque[str] = deque(maxlen=MOST_NOTES)
    try:
        async with open_screen(out, sys.stdin, look, press):
            yield lines.append
    finally:
        async with open_teller(out) as tell:
            for line in lines:
                tell(line)

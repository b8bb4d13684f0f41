"""What runs in a Dask worker, in its loop's thread: each function returns at once.

The share runs in a thread of its own, and so outside of Dask's tasks, which are run again elsewhere when a worker is
lost: a call would be placed twice. Nothing here is ever begun twice: a share is begun once in the life of a process, by
who knows that process by its ID; and where nobody asks for its news any more it hangs up.
"""

import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import trio

from sfclient.testing.load._load import Load, Share
from sfclient.testing.load._placing import Ended, Placing
from sfclient.testing.load._spans import News

# Without being asked for news, so that calls do not go on that nobody knows of: several times what a network or a busy
# scheduler takes to deliver a question.
UNASKED_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Looks:
    """What is to be known of a worker before a call is placed."""

    process: str
    """The ID of its process: another one may come to have the same address."""
    has_key: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What a share has to tell since it was last asked."""

    news: list[News]
    ended: Ended | None
    """None while it lasts."""


class _Running:
    """A share in its thread."""

    def __init__(self, load: Load, share: Share) -> None:
        self._news: deque[News] = deque()
        self._ended: Ended | None = None
        self._asked = time.monotonic()
        self._placing = Placing(load, share, self._news.append, self._is_wanted)
        self._token: trio.lowlevel.TrioToken | None = None
        self._is_stopped = False
        threading.Thread(target=self._run, name="sfclient load", daemon=True).start()

    def told(self) -> Told:
        self._asked = time.monotonic()
        ended = self._ended  # before the news: nothing comes after it
        news = [self._news.popleft() for _ in range(len(self._news))]
        return Told(news, ended)

    def hang_up(self) -> None:
        self._is_stopped = True
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._placing.hang_up)

    def _is_wanted(self) -> bool:
        return not self._is_stopped and time.monotonic() < self._asked + UNASKED_SECONDS

    def _run(self) -> None:
        try:
            self._ended = trio.run(self._main)
        except BaseException as error:
            # Not what it says: nobody knows what is in it.
            self._ended = Ended(f"this worker failed: {type(error).__name__}")

    async def _main(self) -> Ended:
        self._token = trio.lowlevel.current_trio_token()
        return await self._placing.run()


_shares: dict[str, _Running] = {}


def look(key_variable: str, ignore_interrupts: bool, dask_worker: Any) -> Looks:
    """What there is. Where we have started it, Ctrl-C is for us alone: what is held is hung up in order."""
    if ignore_interrupts:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Looks(dask_worker.id, bool(os.environ.get(key_variable)))


def begin(name: str, process: str, load: Load, share: Share, dask_worker: Any) -> bool:
    """Begin a share, of this name; whether it was: never twice, and never by another process than was looked at."""
    if dask_worker.id != process or name in _shares:
        return False
    _shares[name] = _Running(load, share)
    return True


def news(name: str) -> Told | None:
    """Of a share; None if this process has none of the name, for it is not the one that began it."""
    return _shares[name].told() if name in _shares else None


def hang_up(name: str) -> None:
    """Place no more, and end the calls of a share in order."""
    if name in _shares:
        _shares[name].hang_up()

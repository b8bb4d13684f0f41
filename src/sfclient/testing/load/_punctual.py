"""How late the chunks of our own calls leave: the machine's doing, and not the agent's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import trio

from sfclient._connection import Connect, Connection, Traffic
from sfclient._limits import TimeLimits
from sfclient._secrets import Secrets


class Punctuality:
    """By how much chunks left late, at most, in the span under way; of all calls of a process."""

    def __init__(self) -> None:
        self.span = 0
        """Which it is. A machine that fell behind in an earlier one is not charged again: a clock that steadies the
        chunks, as ws-media's, may keep what it lost."""
        self._latest = 0.0

    def note(self, late: float) -> None:
        self._latest = max(self._latest, late)

    def take(self) -> float:
        """The most in this span, which is over."""
        self.span += 1
        latest, self._latest = self._latest, 0.0
        return latest


class TimedConnect:
    """Opens connections as `connect` does, and notes how late sound is given to them. See `Connect`."""

    def __init__(self, connect: Connect, punctuality: Punctuality, chunk_seconds: float) -> None:
        self._connect = connect
        self._punctuality = punctuality
        self._chunk_seconds = chunk_seconds

    @asynccontextmanager
    async def __call__(
        self, url: str, /, *, limits: TimeLimits, secrets: Secrets | None
    ) -> AsyncIterator[Connection]:
        async with self._connect(url, limits=limits, secrets=secrets) as inner:
            yield _TimedConnection(inner, self._punctuality, self._chunk_seconds)


class _TimedConnection:
    """A connection that notes when sound is given to it. See `Connection`.

    Each message is as long as the shortest, or joins several; the next is due when it has been spoken. While the
    network does not take one, none is due: that is not the machine's doing.
    """

    def __init__(self, inner: Connection, punctuality: Punctuality, chunk_seconds: float) -> None:
        self._inner = inner
        self._punctuality = punctuality
        self._chunk_seconds = chunk_seconds
        self._shortest = inf  # bytes of a message
        self._span = -1
        self._due = inf
        self._soonest = (
            inf  # when the next is due where it does not matter how late the last one was
        )

    @property
    def secrets(self) -> Secrets:
        return self._inner.secrets

    async def receive(self) -> str | bytes:
        return await self._inner.receive()

    async def send(self, message: str | bytes, within: float = inf) -> None:
        if isinstance(message, str) or not message:
            await self._inner.send(message, within)
            return
        now = trio.current_time()
        if self._span != self._punctuality.span:
            self._span, self._due = self._punctuality.span, self._soonest
        self._punctuality.note(now - self._due)
        self._shortest = min(self._shortest, len(message))
        chunks = round(len(message) / self._shortest)
        await self._inner.send(message, within)
        taken = trio.current_time() - now
        self._soonest = now + max(self._chunk_seconds, taken)
        self._due = min(now, self._due) + max(chunks * self._chunk_seconds, taken)

    async def keep_alive(self) -> None:
        await self._inner.keep_alive()

    def ask(self) -> bool:
        return self._inner.ask()

    def traffic(self) -> Traffic:
        return self._inner.traffic()

    async def close(self) -> None:
        await self._inner.close()

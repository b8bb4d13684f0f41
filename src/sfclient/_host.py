"""Whose call it is: the program behind a door, of which trio's thread may ask something."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")


class Host(Protocol):
    """A program that is not trio's, and holds a call."""

    kind: Literal["asyncio", "blocking"]

    async def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await ``function()`` in a task of the program's loop, in the context of who entered; for asyncio alone.

        When this is cancelled, that task is too, and is waited for. Raises what it raises, and `UsageError` where the
        loop is closed.
        """


current_host: ContextVar[Host | None] = ContextVar("sfclient._host", default=None)
"""Of the call to which a task of trio's belongs; None where the program is trio's itself."""

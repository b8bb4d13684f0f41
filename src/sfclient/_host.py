"""What a call asks of the program that holds it, where that does not run trio: to be asked from trio's thread."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Generic, TypeVar, overload

import trio

from sfclient._crossing import raise_once
from sfclient._errors import UsageError

T = TypeVar("T")

_host: ContextVar["Host | None"] = ContextVar("sfclient._host", default=None)


class Answer(Generic[T]):
    """What the host says; it is given once, in any thread, and may come too late."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self.came = trio.Event()
        self._values: list[T] = []
        self._errors: list[BaseException] = []

    def give(self, value: T) -> None:
        self._values.append(value)
        self._tell()

    def fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self._tell()

    def _tell(self) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.came.set)

    def take(self) -> T:
        return raise_once(self._errors) if self._errors else self._values.pop()


class Host(ABC):
    """The program, as a call sees it; see `current_host`. Its methods are for trio's thread."""

    @overload
    async def ask(self, function: Callable[..., Awaitable[T]], *args: object) -> T: ...

    @overload
    async def ask(self, function: Callable[..., T], *args: object) -> T: ...

    async def ask(self, function: Callable[..., Any], *args: object) -> Any:
        """Have the program call a function, or await an async one, where its own code runs: what comes of it.

        When this is cancelled, an async function is cancelled too, and what cannot be is left alone.
        """
        answer: Answer[Any] = Answer()
        cancel = self.begin(partial(function, *args), answer)
        try:
            await answer.came.wait()
        except trio.Cancelled:
            cancel()
            raise
        finally:
            del cancel
        return answer.take()

    @abstractmethod
    def begin(self, work: Callable[[], Any], answer: Answer[Any]) -> Callable[[], object]:
        """Have it done soon. Gives what cancels it."""

    @abstractmethod
    def is_gone(self) -> bool:
        """Whether it can be told nothing any more."""


def serve(host: Host) -> None:
    """What this task of trio's does, and those it starts, is for this host."""
    _host.set(host)


def program_context() -> Context:
    """A copy of this context, for what is the program's own: it may hold other calls, in a trio of its own."""
    context = copy_context()
    context.run(_host.set, None)
    return context


def current_host() -> Host | None:
    """Whose call this is; None in a program that runs trio itself."""
    return _host.get()


def check_runs_trio(name: str) -> None:
    """Raises `UsageError` for who takes trio's door without running trio."""
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        raise UsageError(
            f"sfclient.{name} is for trio, which does not run here: under asyncio take sfclient.aio.{name},"
            f" in a program without a loop sfclient.blocking.{name}"
        ) from None

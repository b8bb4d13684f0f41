"""Context managers that keep nothing of an error that passes through them.

trio raises a cancellation on top of the calls that handled the error of another task, so that its traceback refers to
that error. Where both meet, a frame that keeps the one in the traceback of the other makes a cycle, and all that the
tracebacks hold, such as the queues of a call, has to wait for a garbage collection.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Manager(AbstractAsyncContextManager[T]):
    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._generator = generator

    async def __aenter__(self) -> T:
        return await anext(self._generator)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            if error is None:
                await anext(self._generator)
            else:
                await self._generator.athrow(error)
        except StopAsyncIteration:
            return error is not None
        except BaseException as raised:
            # No generator can raise these two: Python has put a RuntimeError around them (PEP 479, PEP 525).
            is_wrapped = isinstance(error, StopIteration | StopAsyncIteration)
            if error is not None and (
                raised is error or (is_wrapped and raised.__cause__ is error)
            ):
                error.__traceback__ = traceback
                return False
            raise
        finally:
            del error, traceback, self
        raise AssertionError("a context manager yields once")


def frugal_asynccontextmanager(
    function: Callable[P, AsyncGenerator[T, None]],
) -> Callable[P, AbstractAsyncContextManager[T]]:
    """As `contextlib.asynccontextmanager`."""

    @wraps(function)
    def open_context(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return _Manager(function(*args, **kwargs))

    return open_context

"""A nursery that raises one error, not a group."""

from types import TracebackType

import trio


class open_unwrapped_nursery:  # noqa: N801 -- as `trio.open_nursery`
    """As `trio.open_nursery`, but the first error leaves as itself: callers catch what the
    docstrings promise.

    A further error at the same time is lost, but `KeyboardInterrupt` and its like come before all others. See
    ``_contexts`` for what is forgotten on the way out.
    """

    async def __aenter__(self) -> trio.Nursery:
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        return self._nursery

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is not None:
            # Here and not by trio, whose frames know the error: the cancellations are raised on top of these.
            self._nursery.cancel_scope.cancel()
        try:
            return bool(await self._manager.__aexit__(kind, error, traceback))
        except BaseExceptionGroup as group:
            first = _first(group)
        # Out here, so that it does not refer to the group, which refers to it.
        context = first.__context__
        try:
            raise first
        finally:
            first.__context__ = context
            if error is not first and isinstance(error, trio.Cancelled):
                error.__traceback__ = None
            del first, context, error, traceback


def without_cancelled(error: BaseException) -> BaseException | None:
    """The error, or what of a group is none of trio's `Cancelled`."""
    if isinstance(error, BaseExceptionGroup):
        cancelled, rest = error.split(trio.Cancelled)
        return rest if cancelled else error
    return None if isinstance(error, trio.Cancelled) else error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first that is no `trio.Cancelled`, or a Cancelled if there is nothing else; the others are forgotten."""
    leaves = _leaves(group)
    errors = [leaf for leaf in leaves if not isinstance(leaf, trio.Cancelled)] or leaves
    first = next((error for error in errors if not isinstance(error, Exception)), errors[0])
    for leaf in leaves:
        if leaf is not first:
            leaf.__traceback__ = None
    return first


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]

"""A worker's share of a load: it places calls, looks at itself, and tells what was measured, span by span."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import trio

from sfclient._dialects import dialect_named
from sfclient._errors import SfclientError
from sfclient._nursery import open_unwrapped_nursery
from sfclient._session import Session, request_session
from sfclient._websocket import open_websocket
from sfclient.testing.load._load import Load, Share
from sfclient.testing.load._punctual import Punctuality, TimedConnect
from sfclient.testing.load._spans import SPAN_SECONDS, Book, News, Span
from sfclient.testing.script import Outcome, hold_conversation

LOOK_SECONDS = 0.02  # between two looks at how late the loop is: a chunk
# Calls of a share that are tried though none is ever held: so many may meet a service that is only busy.
MOST_REFUSED = 10


@dataclass(frozen=True, slots=True)
class Ended:
    """The share is done: nothing is held, and nothing will be."""

    fault: str | None
    """What kept it from going on, since it would keep every call: wrong use, such as a key that is refused."""


class Placing:
    """One share of a load, in a run of trio.

    `tell` is called with what is measured, from this run's thread, and must not block; `is_wanted` is asked each span
    whether anybody still wants to know: if not, the calls are hung up.
    """

    def __init__(
        self,
        load: Load,
        share: Share,
        tell: Callable[[News], object],
        is_wanted: Callable[[], bool],
    ) -> None:
        self._load = load
        self._share = share
        self._tell = tell
        self._is_wanted = is_wanted
        self._book = Book()
        self._punctuality = Punctuality()
        self._held: dict[int, float] = {}  # since when, by number
        self._placed = self._told = 0
        self._refused: int | None = 0
        """Calls that were not held; None once one was."""
        self._not_before = 0.0  # the service asks to wait until then
        self._calls = trio.CancelScope()
        self._fault: str | None = None

    async def run(self) -> Ended:
        """Until the last call is over."""
        self._began = trio.current_time()
        self._watch = _Watch(self._began)
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(self._watch.keep)
            nursery.start_soon(self._tell_spans)
            with self._calls:
                async with trio.open_nursery() as calls:
                    await self._place(calls)
            nursery.cancel_scope.cancel()
        self._tell_span()
        return Ended(self._fault)

    @property
    def _now(self) -> float:
        """Seconds since this share began, as are all times that are noted."""
        return trio.current_time() - self._began

    def hang_up(self) -> None:
        """Place no more, and end those that are held, in order; from this run's thread."""
        self._calls.cancel()

    async def _place(self, calls: trio.Nursery) -> None:
        """Those that are to be placed, each when it is due and there is room for it."""
        share = self._share
        room = trio.Semaphore(share.at_once)
        due = self._began + share.first
        with trio.move_on_at(self._began + self._load.seconds):
            while share.in_all is None or self._placed < share.in_all:
                await room.acquire()
                # It may come to be later meanwhile.
                while trio.current_time() < (start := max(due, self._not_before)):  # noqa: ASYNC110
                    await trio.sleep_until(start)
                self._placed += 1
                self._held[self._placed] = self._now
                calls.start_soon(self._hold, self._placed, room)
                due = trio.current_time() + share.every

    async def _hold(self, number: int, room: trio.Semaphore) -> None:
        """One call."""
        began, outcomes = self._held[number], list[Outcome]()
        try:
            await hold_conversation(
                self._load.script,
                self._session,
                on_outcome=outcomes.append,  # also of one that is hung up
                **_options(self._load.order),
            )
        except trio.Cancelled:
            if not outcomes:  # the conversation had not begun
                self._note_whole("cancelled", began)
            raise
        except (
            Exception
        ) as error:  # of the next call too: the key is refused, or it is a fault of ours
            outcomes.clear()
            self._give_up(error, began)
        finally:
            for outcome in outcomes:
                self._note_outcome(outcome, began)
            del self._held[number]
            room.release()

    def _give_up(self, error: Exception, began: float) -> None:
        is_ours = not isinstance(error, SfclientError)
        told = f"{type(error).__name__}, a fault of sfclient" if is_ours else str(error)
        self._fault = self._fault or told
        self._note_whole("error", began)
        self._note_whole(_named(error), began)
        self.hang_up()

    def _heed(self, outcome: Outcome) -> None:
        """A service that refuses calls is not called on and on."""
        error = outcome.error
        if error is not None and error.retry_after is not None:
            self._not_before = max(self._not_before, trio.current_time() + error.retry_after)
        if error is None or outcome.figures.connect_seconds is not None:
            self._refused = None
        elif self._refused is not None:
            self._refused += 1
            if self._refused == MOST_REFUSED:
                told = f"none of its first {MOST_REFUSED} calls was held: {error}"
                self._fault = self._fault or told
                self.hang_up()

    async def _session(self) -> Session:
        """A session of its own for each call, whose chunks are timed. Raises what `request_session` does."""
        key = os.environ.get(self._load.key_variable, "")
        order = self._load.order
        session = await request_session(self._load.assistant_id, api_key=key, **order)
        kind = dialect_named(session.dialect)
        connect = partial(open_websocket, allow_insecure=order.get("allow_insecure", False))
        return replace(
            session, connect=TimedConnect(connect, self._punctuality, kind.chunk_seconds)
        )

    def _note_outcome(self, outcome: Outcome, began: float) -> None:
        figures = outcome.figures
        self._heed(outcome)
        self._note_whole(outcome.verdict, began)
        if outcome.error is not None:
            self._note_whole(_named(outcome.error), began)
        for failure in outcome.failures:
            # What failed in the end may have begun at any time.
            self._note_whole(f"failure: {failure.kind}", began)
        if (seconds := figures.connect_seconds) is not None:
            self._book.note("connect", began, began + seconds, seconds)
        if (seconds := figures.ready_seconds) is not None:
            self._book.note("ready", began, began + seconds, seconds)
        sound = began + (outcome.statistics.times.ready or 0.0)
        for seconds, at in zip(figures.response_seconds, figures.response_at, strict=True):
            self._book.note("response", sound + at - seconds, sound + at, seconds)
        for seconds, at in zip(figures.gap_seconds, figures.gap_at, strict=True):
            self._book.note("gap", sound + at, sound + at + seconds, seconds)
        for seconds, at in zip(figures.late_seconds, figures.late_at, strict=True):
            self._book.note("late", sound + at, sound + at + seconds, seconds)

    def _note_whole(self, name: str, began: float) -> None:
        self._book.note(name, began, self._now)

    async def _tell_spans(self) -> None:
        while True:
            await trio.sleep(SPAN_SECONDS)
            self._tell_span()
            if not self._is_wanted():
                self.hang_up()

    def _tell_span(self) -> None:
        placed, self._told = self._placed - self._told, self._placed
        span = self._watch.span(self._punctuality.take(), placed, len(self._held))
        self._tell(self._book.close(span, self._held.values()))


class _Watch:
    """How a process keeps up."""

    def __init__(self, began: float) -> None:
        self._began = self._last = began
        self._cpu = time.process_time()
        self._lag = 0.0

    async def keep(self) -> None:
        """Look at how late the loop is, until cancelled."""
        while True:
            due = trio.current_time() + LOOK_SECONDS
            await trio.sleep_until(due)
            self._lag = max(self._lag, trio.current_time() - due)

    def span(self, late: float, placed: int, held: int) -> Span:
        """That since the last one."""
        now, cpu = trio.current_time(), time.process_time()
        share = (cpu - self._cpu) / max(now - self._last, LOOK_SECONDS)
        since = self._began
        span = Span(self._last - since, now - since, share, self._lag, late, placed, held)
        self._last, self._cpu, self._lag = now, cpu, 0.0
        return span


def _named(error: Exception) -> str:
    status = getattr(error, "status", None)
    told = f"error: {getattr(error, 'party', 'caller')}, {type(error).__name__}"
    return told if status is None else f"{told} {status}"


def _options(order: Any) -> dict[str, Any]:
    """Of `open_call`, which is to speak what was ordered."""
    names = ("dialect", "codec", "framing", "allow_insecure")
    return {name: order[name] for name in names if order.get(name) is not None}

"""What may block is done in a thread, so that nobody waits for it who must not.

Time here is real: a virtual clock must not cut an honest disk short.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

import trio

CLOSE_SECONDS = 2.0  # for what is closed to be complete; a stalled disk or reader never is
HURRY_BYTES = 1 << 20  # that wait are not kept waiting for more

in_place: ContextVar[bool] = ContextVar("sfclient._spool", default=False)
"""Whether it is done at once instead, without a thread: where time stands still meanwhile, nobody is kept waiting."""

Result = TypeVar("Result")


class Spool:
    """Hands bytes to a thread of its own, for `write`, which may block; at the end that calls `finish`.

    What came within `every` seconds goes in one piece. At most `most_bytes` wait, what is being written included.
    `put` is for one thread, and never blocks; `close` does. Made `in_place` there is no thread: what has become much is
    written by `put`, and the rest by `close`.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        finish: Callable[[], None] = lambda: None,
        *,
        every: float = 0.0,
        most_bytes: int,
    ) -> None:
        self._write = write
        self._finish = finish
        self._every = every
        self._most_bytes = most_bytes
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._hurry = threading.Event()
        # Each is counted by one thread alone.
        self._put_bytes = 0
        self._written_bytes = 0
        self.error: BaseException | None = None
        """What writing raised: nothing is taken any more. TimeoutError when too much waits; that is written still."""
        self._thread: threading.Thread | None = None
        if not in_place.get():
            self._thread = threading.Thread(target=self._run, name="sfclient spool", daemon=True)
            self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        """Those that were put and are not written yet."""
        return self._put_bytes - self._written_bytes

    def put(self, data: bytes) -> bool:
        """Hand it over; whether it was taken."""
        waiting = self.waiting_bytes + len(data)
        if waiting > self._most_bytes and self.error is None:
            self.error = TimeoutError(f"it takes so long that {self._most_bytes} bytes wait")
        if self.error is not None:
            return False
        self._put_bytes += len(data)
        self._queue.put(data)
        if self._thread is None:
            if waiting > min(HURRY_BYTES, self._most_bytes // 2):
                self._hurry.set()
                with self._noting():
                    self._write_what_waits()
        elif waiting > HURRY_BYTES:
            self._hurry.set()
        return self.error is None

    def close(self) -> None:
        """Wait until all that was put is written, or cannot be, and `finish` is done."""
        self._queue.put(None)
        self._hurry.set()
        if self._thread is None:
            self._run()
        else:
            self._thread.join()

    def _run(self) -> None:
        with self._noting():
            try:
                while self._write_what_waits():
                    pass
            finally:
                self._finish()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """What is raised inside."""
        try:
            yield
        except BaseException as error:
            if self._thread is None and not isinstance(error, Exception):
                raise  # Ctrl-C
            error.__context__ = None  # with all that it holds
            self.error = self.error or error.with_traceback(None)

    def _write_what_waits(self) -> bool:
        """And wait for it; whether there is more to come."""
        taken = [self._queue.get()]
        if taken[0] is not None:
            self._hurry.wait(self._every)
        self._hurry.clear()
        with suppress(Empty):
            while True:
                taken.append(self._queue.get_nowait())
        data = b"".join(part for part in taken if part is not None)
        if data:
            self._write(data)
            self._written_bytes += len(data)
        return None not in taken


async def in_thread(
    work: Callable[[], Result], undo: Callable[[Result], object] = lambda _: None
) -> Result:
    """Do what may block. When cancelled it is abandoned at once; if it comes to an end after all, `undo` is called with
    what came of it, in a thread too, and nobody is told if that fails."""
    if in_place.get():
        await trio.lowlevel.checkpoint()
        return work()
    abandoned = threading.Event()
    results: list[Result] = []  # who takes one from here is the only one who has it

    def keep() -> None:
        results.append(work())
        if abandoned.is_set():
            with suppress(IndexError):  # the other was faster
                _try(undo, results.pop())

    try:
        # One that is abandoned keeps its token, so each has a limiter of its own.
        await trio.to_thread.run_sync(
            keep,
            thread_name="sfclient opening",
            abandon_on_cancel=True,
            limiter=trio.CapacityLimiter(1),
        )
    except trio.Cancelled:
        abandoned.set()
        with suppress(IndexError):  # it has not ended at this moment, or undoes it itself
            undo_it = partial(_try, undo, results.pop())
            threading.Thread(target=undo_it, name="sfclient undoing", daemon=True).start()
        raise
    return results.pop()


def _try(undo: Callable[[Result], object], result: Result) -> None:
    with suppress(Exception):
        undo(result)


async def in_time(work: Callable[[], Result], seconds: float = CLOSE_SECONDS) -> Result:
    """Do what may block and must be done, cancelled or not; it is left alone, with TimeoutError, if it takes longer."""
    if in_place.get():
        return work()
    results: list[Result] = []
    with trio.CancelScope(shield=True):
        alone = trio.CapacityLimiter(1)
        results.append(await trio.to_thread.run_sync(within, work, seconds, limiter=alone))
    return results[0]


def within(work: Callable[[], Result], seconds: float) -> Result:
    """Do what may block for ever; it is left alone, with TimeoutError, if it takes longer. It blocks as long."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def keep() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=keep, name="sfclient in time", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors.pop()  # which would hold itself otherwise
    if not results:
        raise TimeoutError(f"it took more than {seconds:g} s")
    return results[0]

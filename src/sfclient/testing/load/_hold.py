"""From a load to its report, in trio: Dask has a thread of its own for that long."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker

import trio

from sfclient._errors import AuthenticationError, UsageError
from sfclient._host import check_runs_trio
from sfclient._nursery import open_unwrapped_nursery
from sfclient._spool import in_thread, in_time
from sfclient.testing.load._coordinator import Coordinator
from sfclient.testing.load._load import Load
from sfclient.testing.load._report import LoadReport, Progress

PROGRESS_SECONDS = 1.0
ABORT_SECONDS = 5.0  # for our own workers to be ended


async def hold_load(
    load: Load,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    stop: trio.Event | None = None,
    on_progress: Callable[[Progress], object] = lambda _: None,
) -> LoadReport:
    """Place the calls of a load from several processes, and say what became of them.

    A worker that is lost costs its own calls alone: it is named in the report, and they are never placed again. A
    program that is run as a file needs ``if __name__ == "__main__":`` around this, since its workers import it.

    Parameters
    ----------
    workers
        Processes on this machine: one for each core if None.
    scheduler
        The address of a Dask scheduler whose workers place the calls instead, such as ``"tcp://10.0.0.5:8786"``. Each
        must have this version of this package, and the key in its environment.
    stop
        When it is set, no more calls are placed, those that are held are hung up, and the report is made of what there
        is. Cancelled, it ends at once.
    on_progress
        Is told each second how far it is, once the workers are there.

    Raises
    ------
    UsageError
        A number that cannot be; there is no key; workers that cannot place calls, each by name. No call was placed.
    NetworkError
        No scheduler answers.
    """
    check_runs_trio("hold_load")
    if scheduler is not None and workers is not None:
        raise UsageError("give a scheduler or a number of workers, not both: it has its own")
    workers = _cores() if workers is None else workers
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 1000:
        raise UsageError(f"workers={workers!r} cannot be: give a whole number from 1 to 1000")
    if scheduler is None and not os.environ.get(load.key_variable):
        raise AuthenticationError(f"no API key: set {load.key_variable}")
    coordinator = Coordinator(load, min(workers, load.calls), scheduler)
    async with open_unwrapped_nursery() as nursery:
        nursery.start_soon(_tell, coordinator, on_progress)
        if stop is not None:
            nursery.start_soon(_stop, coordinator, stop)
        try:
            report = await in_thread(partial(_run, coordinator))
        except trio.Cancelled:
            coordinator.abort()
            with suppress(TimeoutError):
                await in_time(coordinator.over.wait, ABORT_SECONDS)
            raise
        nursery.cancel_scope.cancel()
    return report


def _cores() -> int:
    """That this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _run(coordinator: Coordinator) -> LoadReport:
    try:
        with _without_interrupts():
            return asyncio.run(coordinator.run())
    finally:
        coordinator.over.set()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started here know nothing of Ctrl-C, from their first moment on: what is held is hung up in
    order. Where there are no masks, see ``_worker.look``."""
    if sys.platform == "win32":
        yield
        return
    # It would be started by the first process, and leave the thread without the mask.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


async def _tell(coordinator: Coordinator, on_progress: Callable[[Progress], object]) -> None:
    while True:
        await trio.sleep(PROGRESS_SECONDS)
        if coordinator.has_begun:
            on_progress(coordinator.progress())


async def _stop(coordinator: Coordinator, stop: trio.Event) -> None:
    await stop.wait()
    coordinator.stop()

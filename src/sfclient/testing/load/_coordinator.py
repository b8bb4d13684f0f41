"""Has each worker hold its share, asks for news each second, and adds them up. It runs in asyncio, as Dask does."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable

from sfclient.testing.load._cluster import Cluster, open_cluster
from sfclient.testing.load._following import Following
from sfclient.testing.load._load import Load
from sfclient.testing.load._report import LoadReport, Progress
from sfclient.testing.load._tally import Tally

NEWS_SECONDS = 1.0  # from one look at the cluster to the next
INTERRUPTED = "it was interrupted"


class Coordinator:
    """Of one load. `run` is for asyncio; the rest is for any thread."""

    def __init__(self, load: Load, workers: int, scheduler: str | None) -> None:
        self._load = load
        self._workers = workers
        self._scheduler = scheduler
        self._name = uuid.uuid4().hex
        self._followed: list[Following] = []
        self._began = time.monotonic()
        self._stopped: str | None = None
        self._is_aborted = False
        self.over = threading.Event()
        """Set when nothing of it is left."""
        self._is_stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[LoadReport] | None = None

    async def run(self) -> LoadReport:
        """From the first worker to the report. Raises `UsageError` and `NetworkError`, before any call is placed."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        # Whoever stopped it before there was a loop has only said so.
        if self._is_aborted:
            raise asyncio.CancelledError
        if self._stopped is not None:
            self._is_stopping.set()
        async with open_cluster(self._workers, self._scheduler, self._load.key_variable) as cluster:
            shares = self._load.shares(len(cluster.workers))
            self._began = time.monotonic()
            if self._is_stopping.is_set():
                return self.report()
            self._followed = [
                Following(cluster, worker, share, self._name)
                for worker, share in zip(cluster.workers, shares, strict=False)
            ]
            async with asyncio.TaskGroup() as tasks:
                stopper = tasks.create_task(self._stop_all())
                watcher = tasks.create_task(self._watch(cluster))
                async with asyncio.TaskGroup() as followers:
                    for each in self._followed:
                        followers.create_task(self._follow(each))
                stopper.cancel()
                watcher.cancel()
            return self.report()

    def stop(self, why: str = INTERRUPTED) -> None:
        """Have no more calls placed, and those that are held hung up in order."""
        self._stopped = self._stopped or why
        self._soon(self._is_stopping.set)

    def abort(self) -> None:
        """Leave it as it is; our own workers end, and those of a scheduler hang up when nobody asks."""
        self._is_aborted = True
        if self._task is not None:
            self._soon(self._task.cancel)

    def _soon(self, function: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    @property
    def has_begun(self) -> bool:
        """Whether there are workers."""
        return bool(self._followed)

    def progress(self) -> Progress:
        """How far it is."""
        workers = [each.report() for each in self._followed]
        passed, failed, errors = (
            sum(each.count(verdict) for each in self._followed)
            for verdict in ("passed", "failed", "error")
        )
        return Progress(
            time.monotonic() - self._began,
            placed=sum(worker.placed for worker in workers),
            held=sum(worker.held for worker in workers),
            passed=passed,
            failed=failed,
            errors=errors,
            lost=sum(worker.lost_calls for worker in workers),
            late_workers=sum(bool(each.spans) and each.spans[-1].is_spoiled for each in workers),
        )

    def report(self) -> LoadReport:
        """Of all that has been told so far."""
        clean, spoiled = Tally(), Tally()
        for each in self._followed:
            clean.merge(each.clean)
            spoiled.merge(each.spoiled)
        seconds = time.monotonic() - self._began
        workers = tuple(each.report() for each in self._followed)
        return LoadReport(self._load, seconds, workers, clean, spoiled, self._stopped)

    async def _follow(self, followed: Following) -> None:
        await followed.run(self._load)
        if followed.fault is not None:
            self.stop(f"{followed.worker.name}: {followed.fault}")

    async def _stop_all(self) -> None:
        await self._is_stopping.wait()
        await asyncio.gather(*(each.stop() for each in self._followed))

    async def _watch(self, cluster: Cluster) -> None:
        """A scheduler knows of a lost worker long before a question to it is given up."""
        while True:
            await asyncio.sleep(NEWS_SECONDS)
            try:
                addresses = await cluster.addresses()
            except Exception as error:  # of Dask: whatever it is
                for each in self._followed:
                    each.lose(f"the scheduler does not answer ({type(error).__name__})")
                return
            for each in self._followed:
                if each.worker.address not in addresses:
                    each.lose("its process is gone")

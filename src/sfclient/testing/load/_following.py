"""One worker of a load, from here: what it has told, and whether it is lost. A share is asked for once, never again."""

import asyncio
from contextlib import suppress
from typing import Any

from sfclient.testing.load._cluster import Cluster, Worker
from sfclient.testing.load._load import Load, Share
from sfclient.testing.load._report import WorkerReport
from sfclient.testing.load._spans import Span
from sfclient.testing.load._tally import VERDICTS, Tally
from sfclient.testing.load._worker import Told, begin, hang_up, news

NEWS_SECONDS = 1.0  # from one question to the next: a span
PATIENCE_SECONDS = (
    10.0  # for an answer: of a worker that is so busy no figure would be worth having
)
HANG_UP_SECONDS = 30.0  # for the calls of a share to end in order; each takes some seconds at most


class Following:
    """Of one load's worker."""

    def __init__(self, cluster: Cluster, worker: Worker, share: Share, name: str) -> None:
        self.worker = worker
        self.clean, self.spoiled = Tally(), Tally()
        self.fault: str | None = None
        """Why it did not go on: it would be so with every call."""
        self._cluster = cluster
        self._share = share
        self._name = name
        self._spans: list[Span] = []
        self._lost: str | None = None
        self._is_over = False
        self._is_lost = asyncio.Event()
        self._has_begun = asyncio.Event()

    def count(self, name: str) -> int:
        """How often it told of this."""
        return self.clean.counts[name] + self.spoiled.counts[name]

    def report(self) -> WorkerReport:
        placed = sum(span.placed for span in self._spans)
        ended = sum(map(self.count, VERDICTS))
        return WorkerReport(
            self.worker.name, self._share.at_once, placed, ended, self._lost, tuple(self._spans)
        )

    def lose(self, why: str) -> None:
        """It is gone, with the calls that it held."""
        if not self._is_over and self._lost is None:
            self._lost = why
            self._is_lost.set()

    async def run(self, load: Load) -> None:
        """Until its share is done, or it is lost."""
        following = asyncio.ensure_future(self._follow(load))
        losing = asyncio.ensure_future(self._is_lost.wait())
        try:
            await asyncio.wait((following, losing), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            for each in (following, losing):
                each.cancel()
            await asyncio.gather(following, losing, return_exceptions=True)

    async def stop(self) -> None:
        """Have it hang up; one that does not in time is lost."""
        if self._is_over or self._lost is not None:
            return
        # One that is hung up before it is begun would be held to its end.
        await self._has_begun.wait()
        with suppress(Exception):  # it is lost, which is found out by the next question
            await self._ask(hang_up, self._name)
        await asyncio.sleep(HANG_UP_SECONDS)
        self.lose(f"it did not hang up within {HANG_UP_SECONDS:g} s")

    async def _follow(self, load: Load) -> None:
        try:
            if not await self._ask(begin, self._name, self.worker.process, load, self._share):
                self.lose("another process took its place before the load began")
            self._has_begun.set()
            while self._lost is None and not self._is_over:
                await asyncio.sleep(NEWS_SECONDS)
                self._take(await self._ask(news, self._name))
        except TimeoutError:
            self.lose(f"it did not answer within {PATIENCE_SECONDS:g} s")
        except (
            Exception
        ) as error:  # of Dask, or of the far side: whatever it is, it does not answer
            self.lose(f"it does not answer ({type(error).__name__})")

    async def _ask(self, function: Any, *args: Any) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._cluster.ask(self.worker, function, *args)

    def _take(self, told: Told | None) -> None:
        if told is None:
            self.lose("another process took its place")
            return
        for each in told.news:
            self._spans.append(each.span)
            self.clean.merge(each.clean)
            self.spoiled.merge(each.spoiled)
        if told.ended is not None:
            self._is_over, self.fault = True, told.ended.fault
            report = self.report()
            if report.placed > report.ended:  # it failed, and what it held is not known
                self._lost = self.fault

"""All workers of a load together: who is lost when the cluster says so, and what the load comes to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from sfclient.testing.load import _coordinator as coordinator
from sfclient.testing.load._cluster import Worker
from sfclient.testing.load._coordinator import Coordinator
from sfclient.testing.load._following import Following
from sfclient.testing.load._worker import Told

from .made import load_of
from .test_following import WORKER, Far, news_of


class Cluster(Far):
    """One whose scheduler has these workers, or fails."""

    def __init__(self, addresses: set[str] | Exception) -> None:
        super().__init__(True)
        self.workers: list[Worker] = []
        self._addresses = addresses

    async def addresses(self) -> set[str]:
        if isinstance(self._addresses, Exception):
            raise self._addresses
        return self._addresses


def watched(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Coordinator:
    monkeypatch.setattr(coordinator, "NEWS_SECONDS", 0.0)
    load = load_of()

    async def watch() -> Coordinator:
        it = Coordinator(load, 1, None)
        it._followed = [Following(cluster, WORKER, load.shares(1)[0], "a")]
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await it._watch(cluster)
                await asyncio.sleep(1)
        return it

    return asyncio.run(watch())


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        (set(), "its process is gone"),
        (OSError("gone"), "the scheduler does not answer (OSError)"),
        ({WORKER.address}, None),
    ],
)
def test_who_is_not_there_any_more_is_lost(
    addresses: Any, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = watched(Cluster(addresses), monkeypatch)
    assert [worker.lost for worker in it.report().workers] == [why]


def test_progress_and_report_add_up_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    it = watched(Cluster({WORKER.address}), monkeypatch)
    it._followed *= 2
    it._followed[0]._take(Told([news_of(0, 5, 2)], None))
    progress = it.progress()
    assert (progress.placed, progress.passed, progress.held) == (10, 4, 0)
    assert it.report().all.counts["passed"] == 4


def opened(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """That every coordinator gets."""
    cluster = Cluster(set())
    cluster.workers = [WORKER]

    @asynccontextmanager
    async def open_it(*_: object) -> AsyncIterator[Cluster]:
        yield cluster

    monkeypatch.setattr(coordinator, "open_cluster", open_it)
    return cluster


def test_what_is_stopped_before_it_began_places_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = opened(monkeypatch)
    it = Coordinator(load_of(), 1, None)
    it.stop()
    assert asyncio.run(it.run()).stopped == coordinator.INTERRUPTED
    assert not cluster.asked


def test_what_is_aborted_before_it_began_places_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = opened(monkeypatch)
    it = Coordinator(load_of(), 1, None)
    it.abort()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(it.run())
    assert not cluster.asked

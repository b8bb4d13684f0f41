"""A share is begun once in the life of one process, whatever is asked of it, and of whom."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import trio

from sfclient.testing.load import _worker as worker
from sfclient.testing.script import Outcome

from .made import hold_by, lasting, load_of

HERE = SimpleNamespace(id="Worker-1")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Those that were placed; each lasts until it is hung up."""
    calls: list[float] = []

    async def hold() -> Outcome:
        calls.append(trio.current_time())
        return await lasting(1e6)

    hold_by(monkeypatch, hold)
    monkeypatch.setattr(worker, "_shares", {})
    monkeypatch.setattr("sfclient.testing.load._placing.SPAN_SECONDS", 0.02)
    yield calls
    for name in list(worker._shares):
        worker.hang_up(name)
    for thread in threading.enumerate():
        if thread.name == "sfclient load":
            thread.join(5)
            assert not thread.is_alive()


def begin(name: str, process: str = HERE.id) -> bool:
    load = load_of(calls=1, seconds=100, rate=100)
    return worker.begin(name, process, load, load.shares(1)[0], dask_worker=HERE)


def ended(name: str) -> worker.Told:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        told = worker.news(name)
        assert told is not None
        if told.ended is not None:
            return told
        time.sleep(0.005)
    raise TimeoutError


def test_a_share_is_never_begun_twice(calls: list[float]) -> None:
    assert begin("a")
    assert not begin("a")
    worker.hang_up("a")
    told = ended("a")
    assert told.ended is not None
    assert not begin("a")
    assert sum(news.span.placed for news in told.news) <= 1
    assert len(calls) <= 1


def test_a_process_that_was_not_looked_at_begins_nothing(calls: list[float]) -> None:
    assert not begin("a", process="Worker-0, which had this address before")
    assert worker.news("a") is None
    worker.hang_up("a")  # which it does not know
    assert not calls


def test_news_that_nobody_fetches_any_more_end_a_share(
    calls: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "UNASKED_SECONDS", 0.0)
    assert begin("a")
    time.sleep(0.05)
    told = ended("a")
    assert (
        sum(news.clean.counts["cancelled"] + news.spoiled.counts["cancelled"] for news in told.news)
        == 1
    )


def test_a_worker_that_fails_says_so_and_nothing_of_what_it_held(
    calls: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_self: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("sfclient.testing.load._placing.Placing.run", fails)
    assert begin("a")
    told = ended("a")
    assert told.ended is not None
    assert told.ended.fault == "this worker failed: ZeroDivisionError"


def test_a_look_tells_of_the_key_and_not_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_KEY", "key-4f9a8c27b1")
    looks = worker.look("LOAD_KEY", False, dask_worker=HERE)
    assert looks == worker.Looks(HERE.id, True)
    monkeypatch.delenv("LOAD_KEY")
    assert not worker.look("LOAD_KEY", False, dask_worker=HERE).has_key

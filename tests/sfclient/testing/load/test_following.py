"""A worker that is lost costs its own calls, is named, and is never asked to begin again."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sfclient.testing.load import _following as following
from sfclient.testing.load._cluster import Worker
from sfclient.testing.load._placing import Ended
from sfclient.testing.load._spans import News
from sfclient.testing.load._tally import Tally
from sfclient.testing.load._worker import Told, begin, hang_up, news

from .made import load_of, span

WORKER = Worker("0 (tcp://10.0.0.7:4711)", "tcp://10.0.0.7:4711", "Worker-1")


def news_of(second: int, placed: int, passed: int) -> News:
    tally = Tally()
    tally.counts["passed"] = passed
    return News(replace(span(second), placed=placed), tally, Tally())


class Far:
    """What asks a worker, and what that answers: its `answers` in turn, then nothing more."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Callable[..., Any]] = []

    async def ask(self, _worker: Worker, function: Callable[..., Any], *_args: Any) -> Any:
        self.asked.append(function)
        if function is hang_up:
            return None
        if not self.answers:
            await asyncio.sleep(1000)
        if isinstance(answer := self.answers.pop(0), Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "NEWS_SECONDS", 0.0)
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0.02)


def followed(far: Any, during: Callable[[following.Following], Any] = lambda _: None) -> Any:
    load = load_of()

    async def follow() -> following.Following:
        it = following.Following(far, WORKER, load.shares(1)[0], "a")
        asyncio.get_running_loop().call_later(0.005, during, it)
        await it.run(load)
        return it

    return asyncio.run(follow())


def test_what_a_worker_told_adds_up() -> None:
    far = Far(True, Told([news_of(0, 3, 1)], None), Told([news_of(1, 1, 3)], Ended(None)))
    report = followed(far).report()
    assert far.asked == [begin, news, news]
    assert (report.lost, report.placed, report.ended, report.lost_calls) == (None, 4, 4, 0)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([OSError("gone")], "it does not answer (OSError)"),
        ([], "it did not answer within 0.02 s"),
        ([None], "another process took its place"),
    ],
)
def test_a_lost_worker_keeps_what_it_told(answers: list[Any], why: str) -> None:
    far = Far(True, Told([news_of(0, 5, 2)], None), *answers)
    report = followed(far).report()
    assert report.lost == why
    assert (report.placed, report.ended, report.lost_calls) == (5, 2, 3)
    assert far.asked.count(begin) == 1


def test_a_worker_that_the_scheduler_misses_is_lost_before_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 1000.0)
    report = followed(Far(True), lambda it: it.lose("its process is gone")).report()
    assert report.lost == "its process is gone"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (False, "another process took its place before the load began"),
        (OSError("unreachable"), "it does not answer (OSError)"),
        (ModuleNotFoundError("sfclient"), "it does not answer (ModuleNotFoundError)"),
    ],
)
def test_a_share_that_was_not_begun_is_not_begun_again(answer: Any, why: str) -> None:
    far = Far(answer)
    assert followed(far).report().lost == why
    assert far.asked == [begin]


def test_a_fault_of_the_load_is_no_loss() -> None:
    it = followed(Far(True, Told([], Ended("key refused"))))
    assert (it.fault, it.report().lost) == ("key refused", None)


def test_one_that_does_not_hang_up_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HANG_UP_SECONDS", 0.005)
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 1000.0)
    tasks = []
    far = Far(True)
    report = followed(far, lambda it: tasks.append(asyncio.ensure_future(it.stop()))).report()
    assert hang_up in far.asked
    assert report.lost == "it did not hang up within 0.005 s"


def test_what_a_worker_held_when_it_failed_is_lost() -> None:
    ended = Ended("this worker failed: ZeroDivisionError")
    report = followed(Far(True, Told([news_of(0, 5, 2)], ended))).report()
    assert (report.lost, report.lost_calls) == (ended.fault, 3)


def test_a_share_is_not_hung_up_before_it_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Far):
        async def ask(self, worker: Worker, function: Callable[..., Any], *args: Any) -> Any:
            if function is begin:
                await asyncio.sleep(0.02)
            return await super().ask(worker, function, *args)

    monkeypatch.setattr(following, "PATIENCE_SECONDS", 1000.0)
    monkeypatch.setattr(following, "HANG_UP_SECONDS", 0.005)
    tasks = []
    far = Slow(True)
    followed(far, lambda it: tasks.append(asyncio.ensure_future(it.stop())))
    assert far.asked.index(begin) < far.asked.index(hang_up)

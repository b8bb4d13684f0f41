"""A worker places what its share says, when it says so, and looks at itself meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise

import pytest
import trio
from trio.testing import MockClock

from sfclient import AuthenticationError, NetworkError, ServiceError
from sfclient.testing.load import Load
from sfclient.testing.load._placing import Ended, Placing
from sfclient.testing.load._spans import News
from sfclient.testing.load._tally import Tally
from sfclient.testing.script import Outcome

from .made import hold_by, lasting, load_of, outcome_of


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class Share:
    """That of the only worker, and what it told."""

    def __init__(self, load: Load, is_wanted: Callable[[], bool] = lambda: True) -> None:
        self.news: list[News] = []
        (share,) = load.shares(1)
        self.placing = Placing(load, share, self.news.append, is_wanted)

    async def run(self) -> Ended:
        return await self.placing.run()

    @property
    def counts(self) -> dict[str, int]:
        whole = Tally()
        for news in self.news:
            whole.merge(news.clean)
            whole.merge(news.spoiled)
        return dict(whole.counts)

    @property
    def placed(self) -> int:
        return sum(news.span.placed for news in self.news)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When calls began that last for three seconds."""
    starts: list[float] = []

    async def hold() -> Outcome:
        starts.append(trio.current_time())
        return await lasting(3.0)

    hold_by(monkeypatch, hold)
    return starts


async def test_calls_are_placed_at_the_rate_up_to_the_number_held(
    starts: list[float], clock: MockClock
) -> None:
    share = Share(load_of(calls=4, seconds=10, rate=2))
    began = trio.current_time()
    assert await share.run() == Ended(None)
    held = [sum(start <= moment < start + 3 for start in starts) for moment in starts]
    assert max(held) == 4
    assert starts[0] == pytest.approx(began, abs=0.01)
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.49
    # One that has ended is replaced, until ten seconds are over; what is held then ends in order.
    assert starts[-1] < began + 10
    assert len(starts) == share.placed == share.counts["passed"] == 14


async def test_no_more_than_so_many_are_placed_in_all(
    starts: list[float], clock: MockClock
) -> None:
    share = Share(load_of(calls=4, seconds=1000, rate=10, in_all=5))
    await share.run()
    assert len(starts) == share.placed == 5
    assert trio.current_time() < 100  # it does not wait for what will not be


async def test_what_was_missed_is_not_placed_in_a_heap(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    starts: list[float] = []

    async def hold() -> Outcome:
        starts.append(trio.current_time())
        return await lasting(10.0 if len(starts) <= 3 else 1.0)

    hold_by(monkeypatch, hold)
    await Share(load_of(calls=3, seconds=14, rate=2)).run()
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.49


async def test_hanging_up_ends_what_is_held_and_tells_it(
    starts: list[float], clock: MockClock
) -> None:
    share = Share(load_of(calls=4, seconds=1000, rate=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(share.run)
        await trio.sleep(1)
        share.placing.hang_up()
    assert trio.current_time() < 10
    assert share.counts == {"cancelled": 4}
    assert share.news[-1].span.held == 0


async def test_a_share_that_nobody_asks_for_hangs_up(starts: list[float], clock: MockClock) -> None:
    share = Share(load_of(calls=2, seconds=1000, rate=10), is_wanted=lambda: False)
    with trio.fail_after(10):
        await share.run()
    assert share.counts == {"cancelled": 2}


@pytest.mark.parametrize(
    ("error", "told", "counted"),
    [
        (AuthenticationError("key refused"), "key refused", "error: caller, AuthenticationError"),
        (
            ZeroDivisionError("secret"),
            "ZeroDivisionError, a fault of sfclient",
            "error: caller, ZeroDivisionError",
        ),
    ],
)
async def test_what_would_be_so_with_every_call_is_not_tried_with_every_call(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock, error: Exception, told: str, counted: str
) -> None:
    async def hold() -> Outcome:
        raise error

    hold_by(monkeypatch, hold)
    share = Share(load_of(calls=50, seconds=1000, rate=100))
    assert await share.run() == Ended(told)
    assert share.counts == {"error": 1, counted: 1}
    assert share.placed == 1


async def test_each_figure_lies_where_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    figures = {
        "connect_seconds": 0.1,
        "ready_seconds": 0.4,
        "response_seconds": (0.8,),
        "response_at": (3.0,),
        "gap_seconds": (0.3,),
        "gap_at": (1.0,),
        "late_seconds": (0.2,),
        "late_at": (5.0,),
    }

    async def hold() -> Outcome:
        await trio.sleep(6.5)
        return outcome_of(ready=0.1, **figures)

    hold_by(monkeypatch, hold)
    share = Share(load_of(calls=1, seconds=1))
    noted: dict[str, tuple[float, ...]] = {}
    monkeypatch.setattr(
        share.placing._book, "note", lambda name, *times: noted.update({name: times})
    )
    await share.run()
    assert noted["connect"] == pytest.approx((0.0, 0.1, 0.1))
    assert noted["ready"] == pytest.approx((0.0, 0.4, 0.4))
    assert noted["response"] == pytest.approx((2.3, 3.1, 0.8))
    assert noted["gap"] == pytest.approx((1.1, 1.4, 0.3))
    assert noted["late"] == pytest.approx((5.1, 5.3, 0.2))
    assert noted["passed"] == pytest.approx((0.0, 6.5), abs=0.01)


async def test_a_loop_that_was_blocked_marks_its_span_and_what_lay_in_it(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    async def hold() -> Outcome:
        await trio.sleep(2.5)
        clock.jump(0.4)  # somebody computes, or waits for a disk
        await trio.sleep(2.5)
        return outcome_of(response_seconds=(0.2, 0.5, 0.2), response_at=(1.0, 2.8, 4.5), ready=0.0)

    hold_by(monkeypatch, hold)
    share = Share(load_of(calls=1, seconds=1))
    await share.run()
    slow = [news.span for news in share.news if news.span.is_spoiled]
    assert [round(span.began) for span in slow] == [2]
    assert slow[0].lag_seconds == pytest.approx(0.4, abs=0.03)
    times = [
        sum(len(getattr(news, part).times.get("response", ())) for news in share.news)
        for part in ("clean", "spoiled")
    ]
    assert times == [2, 1]


async def test_a_call_that_was_hung_up_before_its_conversation_began_is_counted(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    async def held(*_: object, **__: object) -> None:
        await trio.sleep(1000)  # as it reads its sounds: no outcome is told

    monkeypatch.setattr("sfclient.testing.load._placing.hold_conversation", held)
    share = Share(load_of(calls=2, seconds=1000, rate=10), is_wanted=lambda: False)
    await share.run()
    assert (share.placed, share.counts) == (2, {"cancelled": 2})


async def test_a_service_that_asks_to_wait_is_not_called_before(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    starts: list[float] = []

    async def hold() -> Outcome:
        starts.append(trio.current_time())
        if len(starts) > 1:
            return await lasting(1.0)
        await trio.sleep(0.05)
        error = ServiceError("too many", status=429, retry_after=7.0)
        return replace(outcome_of("error"), error=error)

    hold_by(monkeypatch, hold)
    share = Share(load_of(calls=50, seconds=10, rate=10))
    assert await share.run() == Ended(None)
    assert starts[1] - starts[0] == pytest.approx(7.05, abs=0.01)
    assert share.counts["error: agent, ServiceError 429"] == 1


@pytest.mark.parametrize("is_first_held", [False, True])
async def test_where_no_call_is_ever_held_no_more_are_placed(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock, is_first_held: bool
) -> None:
    numbers = count()

    async def hold() -> Outcome:
        await trio.sleep(0.01)
        if is_first_held and next(numbers) == 0:
            return outcome_of()
        return replace(outcome_of("error"), error=NetworkError("cannot reach it"))

    hold_by(monkeypatch, hold)
    share = Share(load_of(calls=50, seconds=10, rate=10))
    ended = await share.run()
    if is_first_held:
        assert ended == Ended(None)
        assert share.placed >= 100
    else:
        assert ended == Ended("none of its first 10 calls was held: cannot reach it")
        assert share.placed == share.counts["error"] == 10

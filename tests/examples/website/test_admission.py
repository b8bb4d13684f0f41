"""Who may ask how often, on a clock driven by hand."""

import math
import random

import pytest

from website import Rate
from website.admission import Admission, Limiter, visitor_at


def test_so_many_may_come_at_once_and_then_one_after_the_other() -> None:
    limiter = Limiter(Rate(3, 60))
    granted = []
    for second in range(121):
        while not limiter.pause("a", second):
            limiter.note("a", second)
            granted.append(second)
    assert granted == [0, 0, 0, 20, 40, 60, 80, 100, 120]


def test_so_many_at_once_are_so_many_whatever_the_clock_says() -> None:
    random_ = random.Random(7)
    for _ in range(100):
        now = random_.uniform(0, 1e6)
        limiter = Limiter(Rate(7, 60))
        for _ in range(7):
            assert limiter.pause("a", now) == 0
            limiter.note("a", now)
        assert limiter.pause("a", now) > 0


def test_the_pause_is_exactly_as_long_as_it_must_be() -> None:
    limiter = Limiter(Rate(2, 10))
    limiter.note("a", 100.0)
    limiter.note("a", 101.0)
    pause = limiter.pause("a", 102.0)
    assert pause == 3.0
    assert limiter.pause("a", 102.0 + pause - 0.001) > 0
    assert limiter.pause("a", 102.0 + pause) == 0


def test_who_has_waited_long_has_no_more_than_who_is_new() -> None:
    limiter = Limiter(Rate(2, 10))
    limiter.note("a", 0.0)
    granted = 0
    while not limiter.pause("a", 1000.0):
        limiter.note("a", 1000.0)
        granted += 1
    assert granted == 2


def test_one_visitor_who_asks_too_often_is_refused_alone() -> None:
    admission = Admission(Rate(2, 60), Rate(5, 60))
    assert [admission.ask("a", 0.0)[0] for _ in range(100)] == ["", "", *["visitor"] * 98]
    assert [admission.ask("b", 0.0)[0] for _ in range(3)] == ["", "", "visitor"]
    assert [admission.ask(name, 0.0)[0] for name in "cde"] == ["", "all", "all"]
    assert admission.ask("e", 0.0) == ("all", 12.0)


def test_what_is_kept_of_a_million_visitors_is_bounded() -> None:
    admission = Admission(Rate(5, 60), Rate(60, 60))
    chance = random.Random(1)
    most = 0
    for moment in range(30_000):
        admission.ask(f"visitor {chance.randrange(10**6)}", moment / 30)
        most = max(most, len(admission.visitors))
    # Who asked once is kept for 12 s, in which 60 come at once and 12 more.
    assert 60 <= most <= 72


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::1", "::2", True),
        ("", "", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_which_addresses_are_one_visitor(one: str, other: str, are_one: bool) -> None:
    assert (visitor_at(one) == visitor_at(other)) is are_one


@pytest.mark.parametrize("rate", [(0, 60.0), (1, 0.0), (1, -1.0), (1, math.inf), (1, math.nan)])
def test_what_is_no_rate_is_refused(rate: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Rate(*rate)

"""What is asked of a load can be meant, and the shares of its workers are the whole of it."""

import pickle
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient import UsageError

from .made import load_of


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    calls=st.integers(1, 50),
    in_all=st.none() | st.integers(1, 80),
    rate=st.floats(0.1, 100),
    workers=st.integers(1, 9),
)
def test_shares_are_together_the_load_and_never_more(
    calls: int, in_all: int | None, rate: float, workers: int
) -> None:
    shares = load_of(calls, in_all=in_all, rate=rate).shares(workers)
    assert sum(share.at_once for share in shares) == min(calls, in_all or calls)
    assert sum(1 / share.every for share in shares) == pytest.approx(rate)
    if in_all is not None:
        assert sum(share.in_all or 0 for share in shares) == in_all
    starts = sorted(share.first + each * share.every for share in shares for each in range(3))
    apart = [later - earlier for earlier, later in pairwise(starts)]
    assert apart == pytest.approx([1 / rate] * len(apart))


def test_no_worker_is_given_nothing_to_do() -> None:
    assert len(load_of(calls=2).shares(8)) == 2
    assert all(share.at_once for share in load_of(calls=9, in_all=3).shares(8))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"calls": 0}, "calls=0 cannot be: give a whole number from 1"),
        ({"calls": 2.5}, "calls=2.5"),
        ({"calls": True}, "calls=True"),
        ({"in_all": 0}, "in_all=0"),
        ({"rate": -1.0}, "rate=-1.0 cannot be: give more than 0"),
        ({"rate": float("nan")}, "rate=nan"),
        ({"rate": "10/s"}, "rate='10/s'"),
        ({"seconds": float("inf")}, "seconds=inf"),
        ({"seconds": 0}, "seconds=0"),
        (
            {"order": {"api_key": "k"}},
            "the key is not sent to workers: have it in SYNTHFLOW_API_KEY",
        ),
        ({"order": {"region": "us"}}, "give a base URL or a region"),
        ({"order": {"codec": "opus"}}, "opus"),
        ({"order": {"lead_name": "x"}}, "lead_name is not for the widget dialect"),
    ],
)
def test_what_cannot_be_is_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        load_of(**wrong)


def test_a_load_goes_to_its_workers_whole() -> None:
    load = load_of(order={"dialect": "widget", "region": None})
    came = pickle.loads(pickle.dumps(load))
    assert (came.order, came.calls) == (load.order, load.calls)
    assert "region" not in came.order

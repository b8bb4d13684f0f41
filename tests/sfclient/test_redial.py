"""When a call is dialled again, and after which pause: the law, without a call."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient import (
    AgentNotFoundError,
    AudioFileError,
    AuthenticationError,
    DeviceError,
    InsecureURLError,
    NetworkError,
    Redial,
    RemoteError,
    ServiceError,
    SfclientError,
    UsageError,
)
from sfclient._errors import EVERYWHERE, refused
from sfclient._redial import Redialer

LOST = NetworkError("the connection was lost in mid-call")


def pauses(redial: Redial, count: int, *, draw: float = 0.0, held: float = 0.0) -> list[Any]:
    """Of so many failures in a row, each when it was dialled."""
    redialer, now, told = Redialer(redial, lambda: draw), 0.0, []
    for _ in range(count):
        told.append(redialer.pause(LOST, held, now))
        now += (told[-1] or 0.0) + held
    return told


def test_pauses_grow_to_the_longest_and_end_when_there_were_enough() -> None:
    redial = Redial(first_pause=1, growth=2, longest_pause=5, most_in_a_row=5)
    assert pauses(redial, 7) == [1, 2, 4, 5, 5, None, None]
    assert pauses(redial, 3, draw=1.0) == [1.5, 3, 6]


def test_a_call_that_held_is_redialled_as_the_first_time() -> None:
    redial = Redial(most_in_a_row=1, most_an_hour=math.inf, steady_seconds=30)
    assert pauses(redial, 5, held=30) == [1] * 5
    assert pauses(redial, 2, held=29.9) == [1, None]
    assert pauses(Redial(most_in_a_row=1, steady_seconds=0), 2) == [1, None]  # no sound flowed


def test_a_thousand_in_a_row_have_the_longest_pause() -> None:
    told = pauses(Redial(most_in_a_row=math.inf, most_an_hour=math.inf), 2000)
    assert told[-1] == 60


def test_a_pause_that_the_service_asks_for_is_kept_to() -> None:
    redialer = Redialer(Redial(), lambda: 0.0)
    assert redialer.pause(ServiceError("busy", retry_after=120), 0, 0) == 120
    assert redialer.pause(ServiceError("busy", retry_after=0), 0, 121) == 2
    assert redialer.pause(ServiceError("busy", retry_after=3601), 0, 124) is None


@pytest.mark.parametrize(
    "error",
    [
        UsageError("wrong"),
        AuthenticationError("key"),
        AgentNotFoundError("agent"),
        InsecureURLError("ws"),
        AudioFileError("disk"),
        DeviceError("microphone"),
        NetworkError("no answer to a POST", may_have_begun=True),
        ServiceError("no sid", may_have_begun=True),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}",
)
def test_what_no_further_try_would_mend_or_may_begin_a_second_call_is_not_redialled(
    error: SfclientError,
) -> None:
    assert Redialer(Redial()).pause(error, 100, 0) is None


@pytest.mark.parametrize("may_have_begun", [None, False])
@pytest.mark.parametrize("kind", [NetworkError, ServiceError])
def test_what_network_and_service_ended_is_redialled(
    kind: type[RemoteError], may_have_begun: Any
) -> None:
    assert Redialer(Redial()).pause(kind("it", may_have_begun=may_have_begun), 0, 0) is not None


# Made by a gateway, of what may have been done behind it; or said of something else than 4xx.
DOUBTFUL = (500, 502, 504)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 408, 429, 503, *DOUBTFUL])
def test_a_refusal_says_whether_the_call_may_have_begun(status: int) -> None:
    assert refused(status, EVERYWHERE).may_have_begun is (None if status in DOUBTFUL else False)
    assert refused(status, EVERYWHERE, call_id="c").may_have_begun is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_pause": 0},
        {"first_pause": math.nan},
        {"first_pause": "1"},
        {"first_pause": 61},
        {"growth": 0.9},
        {"longest_pause": math.inf},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"most_in_a_row": 0},
        {"most_in_a_row": 1.5},
        {"most_an_hour": 0},
        {"most_an_hour": 1.5},
        {"most_an_hour": math.nan},
        {"most_an_hour": None},
        {"steady_seconds": -1},
    ],
    ids=str,
)
def test_a_number_that_cannot_be_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    name = "longest_pause" if wrong == {"first_pause": 61} else next(iter(wrong))
    with pytest.raises(UsageError, match=name):
        Redial(**wrong)


failures = st.lists(
    st.tuples(
        st.floats(0, 4000),  # for which sound flowed
        st.one_of(st.none(), st.floats(0, 5000)),  # Retry-After
        st.floats(0, 1),  # the draw
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(failures, st.integers(1, 8), st.integers(1, 8), st.floats(0, 1))
def test_never_oftener_than_the_limits_and_never_before_it_was_asked_for(
    failures: list[tuple[float, float | None, float]], in_a_row: int, an_hour: int, jitter: float
) -> None:
    draws = iter([draw for _, _, draw in failures])
    redial = Redial(most_in_a_row=in_a_row, most_an_hour=an_hour, jitter=jitter)
    redialer = Redialer(redial, lambda: next(draws))
    now, dialled, row = 0.0, [], 0
    for held, retry_after, _ in failures:
        now += held
        row = 0 if held >= redial.steady_seconds else row
        pause = redialer.pause(ServiceError("busy", retry_after=retry_after), held, now)
        if pause is None:
            assert row == in_a_row or (retry_after or 0) > 3600
            continue
        assert pause >= max(redial.first_pause, retry_after or 0)
        now, row = now + pause, row + 1
        assert row <= in_a_row
        dialled.append(now)
        assert sum(at > now - 3600 + 1e-6 for at in dialled) <= an_hour

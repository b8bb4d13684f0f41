"""When bytes are due: nothing is lost, nothing overtakes, and chance hangs on the seed alone."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient.testing import Link, Trace
from sfclient.testing._timetable import Timetable

BEGAN = 100.0
PACED = [(BEGAN + 0.02 * number, 640) for number in range(500)]

seconds = st.floats(0, 2)
traces = st.lists(st.floats(0, 0.3), min_size=1, max_size=30).map(
    lambda late: Trace(tuple(accumulate((0.02 * k + late[k] for k in range(len(late))), max)))
)
links = st.builds(
    Link,
    delay=seconds,
    jitter=seconds,
    trace=st.none() | traces,
    rate=st.just(math.inf) | st.floats(100, 1e6),
    coalesce=st.just(0.0) | seconds,
    coalesce_from=st.integers(1, 3000),
    split=st.none() | st.integers(1, 900) | st.tuples(st.integers(1, 9), st.integers(9, 900)),
    seed=st.integers(),
)
sendings = st.lists(st.tuples(seconds, st.integers(1, 5000)), min_size=1, max_size=40).map(
    lambda pauses: [
        (BEGAN + sum(pause for pause, _ in pauses[: k + 1]), length)
        for k, (_, length) in enumerate(pauses)
    ]
)


def dues(link: Link, sent: Sequence[tuple[float, int]], number: int = 0) -> list[float]:
    timetable = Timetable(link, (number, "down"), BEGAN)
    return [timetable.due(now, length) for now, length in sent]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(links, sendings)
def test_nothing_arrives_before_it_was_sent_or_overtakes_or_gets_through_too_fast(
    link: Link, sent: list[tuple[float, int]]
) -> None:
    due = dues(link, sent)
    for (now, length), at in zip(sent, due, strict=True):
        assert at >= now + max(0.0, link.delay - link.jitter) + length / link.rate - 1e-9
    for (before, after), (_, length) in zip(pairwise(due), sent[1:], strict=True):
        assert after >= before + length / link.rate - 1e-9


@settings(max_examples=50, derandomize=True, deadline=None)
@given(links, sendings)
def test_a_link_does_the_same_with_the_same_seed(link: Link, sent: list[tuple[float, int]]) -> None:
    assert dues(link, sent) == dues(link, sent)


def test_each_seed_connection_and_direction_has_its_own_chance() -> None:
    link = Link(delay=0.1, jitter=0.1)
    up = Timetable(link, (0, "up"), BEGAN)
    others = [
        dues(link, PACED),
        dues(replace(link, seed=1), PACED),
        dues(link, PACED, number=1),
        [up.due(*sent) for sent in PACED],
    ]
    assert len(set(map(tuple, others))) == 4


@settings(max_examples=50, derandomize=True, deadline=None)
@given(links, st.integers(0, 5000))
def test_pieces_are_the_whole(link: Link, length: int) -> None:
    pieces = list(Timetable(link, (0, "down"), BEGAN).pieces(length))
    assert sum(pieces) == length
    assert all(piece > 0 for piece in pieces)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(links, sendings)
def test_the_last_piece_is_due_when_the_whole_is(link: Link, sent: list[tuple[float, int]]) -> None:
    link = replace(link, jitter=0.0, split=100, coalesce_from=1)  # these are of each piece
    whole, cut = (Timetable(link, (0, "down"), BEGAN) for _ in range(2))
    for now, length in sent:
        last = [cut.due(now, piece) for piece in cut.pieces(length)][-1]
        assert last == pytest.approx(whole.due(now, length))


@settings(max_examples=50, derandomize=True, deadline=None)
@given(traces, st.floats(0, 0.02))
def test_a_trace_is_followed_within_a_message(trace: Trace, phase: float) -> None:
    sent = [(BEGAN + phase + 0.02 * number, 640) for number in range(len(trace.arrivals))]
    for at, arrival in zip(dues(Link(trace=trace), sent), trace.arrivals, strict=True):
        assert -1e-9 <= at - BEGAN - arrival <= 0.02 + 1e-9


@settings(max_examples=50, derandomize=True, deadline=None)
@given(traces, st.lists(st.floats(0, 0.6), max_size=40))
def test_a_message_more_in_a_trace_changes_nothing_for_others(
    trace: Trace, more: list[float]
) -> None:
    # Where a trace begins again, it may have to wait for its own end.
    within = 0.02 * (len(trace.arrivals) - 1)
    sent = [(BEGAN + 0.02 * number, 640) for number in range(len(trace.arrivals))]
    others = [(BEGAN + at, 6) for at in more if at < within]
    alone = dict(zip(sent, dues(Link(trace=trace), sent), strict=True))
    together = sorted(sent + others)
    for message, due in zip(together, dues(Link(trace=trace), together), strict=True):
        if message in alone:
            assert due == pytest.approx(alone[message], abs=1e-9)


def test_a_trace_that_is_over_begins_again() -> None:
    trace = Trace((0.0, 0.07, 0.07))
    sent = [(BEGAN + 0.02 * number, 640) for number in range(300)]
    late = [at - now for at, (now, _) in zip(dues(Link(trace=trace), sent), sent, strict=True)]
    # The first of each round, but of the first, waits for the last of the round before, which is 10 ms later.
    assert late == pytest.approx([0.0, 0.05, 0.03, *[0.01, 0.05, 0.03] * 99])


def test_a_trace_comes_on_top_of_the_delay_and_before_the_rate() -> None:
    link = Link(delay=1.0, rate=6400, trace=Trace((0.5, 0.5)))
    assert dues(link, [(BEGAN, 640), (BEGAN + 0.02, 640)]) == pytest.approx(
        [BEGAN + 1.6, BEGAN + 1.7]
    )


def test_what_was_gathered_comes_as_fast_as_the_rate_lets_it() -> None:
    due = dues(Link(coalesce=1.0, rate=64_000), PACED[:51])
    assert due == pytest.approx([BEGAN + 1.01 + 0.01 * number for number in range(51)])
    assert dues(Link(coalesce=1.0), PACED[:51]) == [BEGAN + 1] * 51


def test_little_is_not_gathered_by_itself() -> None:
    sent = [(BEGAN, 99), (BEGAN + 1, 100), (BEGAN + 1.5, 1), (BEGAN + 2.5, 99), (BEGAN + 3, 100)]
    due = dues(Link(coalesce=1, coalesce_from=100), sent)
    assert due == [BEGAN, BEGAN + 2, BEGAN + 2, BEGAN + 2.5, BEGAN + 4]


def test_what_is_sent_after_a_change_does_not_overtake() -> None:
    timetable = Timetable(Link(delay=3), (0, "up"), BEGAN)
    late = timetable.due(BEGAN, 1)
    timetable.change(Link())
    assert [timetable.due(BEGAN + 1, 1), timetable.due(BEGAN + 4, 1)] == [late, BEGAN + 4]

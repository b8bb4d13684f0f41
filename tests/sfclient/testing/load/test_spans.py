"""What was measured while a machine was too slow is told apart, and only that."""

import pytest

from sfclient.testing.load._spans import MOST_CPU, MOST_LAG_SECONDS, MOST_LATE_SECONDS, Book

from .made import GOOD, span


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"cpu": MOST_CPU + 0.05}, "95% of a core was used"),
        ({"lag_seconds": MOST_LAG_SECONDS + 0.01}, "it ran 60 ms late"),
        ({"late_seconds": MOST_LATE_SECONDS + 0.01}, "chunks left 60 ms late"),
    ],
)
def test_a_span_says_why_it_spoils(fault: dict[str, float], told: str) -> None:
    assert span(0, **fault).troubles() == [told]
    assert not GOOD.troubles()


BAD = {"lag_seconds": 1.0}


@pytest.mark.parametrize(
    ("began", "ended", "is_spoiled"),
    [
        (0.2, 0.9, False),
        (0.2, 1.1, True),  # its end was measured late
        (1.2, 1.8, True),
        (1.9, 2.3, True),  # its beginning was
        (0.5, 2.5, True),  # all around it
        (2.1, 2.9, False),
    ],
)
def test_a_time_is_spoiled_by_any_span_that_it_lay_in(
    began: float, ended: float, is_spoiled: bool
) -> None:
    book = Book()
    news = []
    for second, fault in enumerate([{}, BAD, {}]):
        if int(ended) == second:
            book.note("response", began, ended, ended - began)
        news.append(book.close(span(second, **fault), held_since=[began]))
    assert [len(each.spoiled.times.get("response", ())) for each in news].count(1) == is_spoiled
    assert [len(each.clean.times.get("response", ())) for each in news].count(1) == (not is_spoiled)


def test_what_ends_after_a_span_waits_for_its_own() -> None:
    book = Book()
    book.note("passed", 0.1, 1.5)
    assert not book.close(span(0)).clean.counts
    assert book.close(span(1, **BAD)).spoiled.counts["passed"] == 1


def test_spans_that_no_call_lay_in_are_forgotten() -> None:
    book = Book()
    for second in range(100):
        book.close(span(second, **BAD), held_since=[second - 3.0])
    assert len(book._spoiled) <= 5

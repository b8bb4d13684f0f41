"""A report tells what ended how, over all workers, and whether the machines were fit to measure it."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sfclient.testing.load import LoadReport, Span, Tally, WorkerReport, lines_of, page_of

from .made import load_of, span

NAME = "1 (tcp://10.0.0.7:4711)"


def tally_of(responses: list[float], **counts: int) -> Tally:
    tally = Tally()
    for seconds in responses:
        tally.note("response", seconds)
    tally.counts.update({name.replace("_", ": ", 1): count for name, count in counts.items()})
    return tally


def report_of(
    clean: Tally,
    spoiled: Tally | None = None,
    spans: tuple[Span, ...] = (),
    lost: str | None = None,
    placed: int = 10,
    ended: int = 10,
    stopped: str | None = None,
) -> LoadReport:
    worker = WorkerReport(NAME, 4, placed, ended, lost, spans or (span(0, held=4),))
    return LoadReport(load_of(), 12.0, (worker,), clean, spoiled or Tally(), stopped)


def told_by(report: LoadReport) -> str:
    return "\n".join(lines_of(report))


def test_what_passed_passed() -> None:
    report = report_of(tally_of([0.5] * 20, passed=10))
    assert report.passed
    told = told_by(report)
    assert "10 calls placed in 12 s, 4 at once at most, 10 passed" in told
    assert "too slow" not in told
    assert "without slow seconds" not in told


@pytest.mark.parametrize(
    "report",
    [
        report_of(tally_of([], passed=9, failed=1)),
        report_of(tally_of([], passed=9, error=1)),
        report_of(tally_of([], passed=9, cancelled=1)),
        report_of(tally_of([], passed=9), tally_of([], failed=1)),
        report_of(tally_of([], passed=9), lost="its process is gone", ended=9),
        report_of(tally_of([])),
    ],
    ids=["failed", "error", "cancelled", "failed in a slow second", "lost", "nothing"],
)
def test_what_did_not_all_pass_has_not_passed(report: LoadReport) -> None:
    assert not report.passed
    assert not report.record()["passed"]


def test_failures_and_errors_are_counted_by_kind() -> None:
    told = told_by(report_of(tally_of([], passed=6, failed=3, failure_slow=2, failure_gap=1)))
    assert "  2 failure: slow\n" in told
    assert "1 failure: gap" in told


def test_a_lost_worker_is_named_with_its_calls() -> None:
    told = told_by(report_of(tally_of([], passed=7), lost="its process is gone", ended=7))
    assert "3 lost" in told
    assert f"Lost: worker {NAME}, with 3 calls: its process is gone" in told


def test_slow_seconds_of_the_machine_are_told_and_figures_are_there_without_them() -> None:
    slow = tuple(
        span(second, lag_seconds=0.3 if second in (3, 4, 5, 9) else 0.0) for second in range(12)
    )
    report = report_of(tally_of([0.5] * 90, passed=8), tally_of([3.0] * 10, passed=2), slow)
    told = told_by(report)
    assert "This machine was too slow in 4 of 12 s" in told
    assert "in second 3-5, 9" in told
    assert "it ran 300 ms late" in told
    assert "use more workers" in told
    rows = [line.split() for line in lines_of(report) if line.startswith(("response", "  without"))]
    assert rows[0][-1] == "3.000"
    assert rows[1][-1] == "0.500"
    assert report.all.times["response"].percentiles()[99.0] == pytest.approx(3.0, rel=1e-3)


def test_a_span_in_which_all_stood_still_counts_as_long_as_it_lasted() -> None:
    stood = replace(span(1, lag_seconds=5.0), ended=6.5)
    told = told_by(report_of(tally_of([], passed=3), spans=(span(0), stood, span(7))))
    assert "too slow in 6 of 8 s" in told
    assert "in second 1-5" in told


def test_a_ramp_that_did_not_get_there_is_told() -> None:
    told = told_by(report_of(tally_of([], passed=3), spans=(span(0, held=3),)))
    assert "Fewer at once than the 4 asked for: raise the rate" in told
    assert "Fewer" not in told_by(report_of(tally_of([], passed=3)))


def test_an_early_end_says_why() -> None:
    report = report_of(tally_of([], passed=1), stopped="it was interrupted")
    assert "It was ended early: it was interrupted" in told_by(report)


def test_the_record_is_json_and_holds_every_span() -> None:
    report = report_of(tally_of([0.5, 0.7], passed=10), spans=(span(0), span(1, cpu=1.0)))
    record = json.loads(json.dumps(report.record(), allow_nan=False))
    assert record["all"]["times"]["response"]["count"] == 2
    assert record["all"]["counts"] == {"passed": 10}
    assert [len(each["troubles"]) for each in record["workers"][0]["spans"]] == [0, 1]
    assert record["asked"] == {"calls": 4, "seconds": 10.0, "rate": 1.0, "in_all": None}


def test_the_page_is_whole_and_escapes_what_others_have_named() -> None:
    report = report_of(tally_of([0.5], passed=1), spans=(span(0), span(1, lag_seconds=1.0, held=4)))
    evil = "<script>alert(1)</script>"
    report = replace(report, workers=(replace(report.workers[0], name=evil),))
    page = page_of(report)
    assert evil not in page
    assert "&lt;script&gt;" in page
    opened: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, _: object) -> None:
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Parser().feed(page)
    assert not opened
    assert "http" not in page.partition("<body>")[2]

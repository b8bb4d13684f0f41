"""A load's report as one page, in the look of a call's: it loads nothing, runs nothing, and holds no keys."""

from collections.abc import Iterator
from importlib.resources import files

from sfclient.report._markup import Markup, tag
from sfclient.testing.load._lines import lines_of
from sfclient.testing.load._report import TIMES, LoadReport, WorkerReport
from sfclient.testing.load._tally import PERCENTILES, Distribution, Tally, named

POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # whatever a text on it says
CHART_WIDTH, CHART_HEIGHT = 1000.0, 80.0  # of a worker's picture, in its own units
NONE = "\N{EN DASH}"


def page_of(report: LoadReport) -> str:
    """The whole HTML."""
    title = f"Load: {report.load.script.name}"
    style = (files("sfclient") / "_assets" / "report.css").read_text(encoding="utf-8")
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    load = report.load
    asked = (
        f"at most {load.calls} calls at once, {load.rate:g} placed a second, for {load.seconds:g} s"
    )
    body = (
        tag(
            "header",
            tag("h1", title),
            tag("p", f"With {load.assistant_id}: {asked}", class_="soft"),
        ),
        tag("section", *(tag("p", line) for line in lines_of(report, with_times=False) if line)),
        tag("h2", "Times, in seconds"),
        _times(report.all),
        *_without_spoiled(report),
        tag("h2", "Workers"),
        *(part for worker in report.workers for part in _worker(worker)),
        tag(
            "footer", "Made by sfclient. This page loads nothing, runs nothing, and holds no keys."
        ),
    )
    page = tag("html", tag("head", *head), tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n"


def _without_spoiled(report: LoadReport) -> Iterator[Markup]:
    if report.spoiled_spans:
        yield tag("h3", "Without the seconds in which a machine was too slow")
        yield _times(report.clean)


def _times(tally: Tally) -> Markup:
    heads = ("Time", "Count", *map(named, PERCENTILES))
    rows = []
    for name, words in TIMES.items():
        times = tally.times.get(name, Distribution())
        found = times.percentiles()
        cells = [f"{found[percent]:.3f}" if found else NONE for percent in PERCENTILES]
        rows.append(tag("tr", *(tag("td", cell) for cell in (words, f"{len(times)}", *cells))))
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")


def _worker(worker: WorkerReport) -> Iterator[Markup]:
    """What it held, second by second; those in which it was too slow are marked."""
    slow = sum(span.is_spoiled for span in worker.spans)
    told = f"{worker.placed} calls placed, too slow in {slow} of {len(worker.spans)} s"
    yield tag("h3", f"Worker {worker.name}")
    yield tag("p", told + (f"; lost: {worker.lost}" if worker.lost else ""), class_="soft")
    width = CHART_WIDTH / max(1, len(worker.spans))
    bars = []
    for index, span in enumerate(worker.spans):
        if span.is_spoiled:
            bars.append(_bar(index * width, width, CHART_HEIGHT, "var(--late)", 0.25))
        held = CHART_HEIGHT * min(1.0, span.held / worker.at_once)
        bars.append(_bar(index * width, width, held, "var(--agent)", 1.0))
    box = f"0 0 {CHART_WIDTH:g} {CHART_HEIGHT:g}"
    yield tag("figure", tag("svg", *bars, viewBox=box), aria_label="Calls held, second by second")


def _bar(x: float, width: float, height: float, color: str, opacity: float) -> Markup:
    style = f"fill: {color}; opacity: {opacity:g}"
    return tag("rect", x=x, y=CHART_HEIGHT - height, width=0.9 * width, height=height, style=style)

"""A load's report as lines for a person."""

from collections.abc import Iterator

from sfclient.testing.load._report import TIMES, LoadReport, named_spans
from sfclient.testing.load._tally import PERCENTILES, VERDICTS, Distribution, named

MOST_TROUBLES = 3  # of a worker, told in words; all are in the record


def lines_of(report: LoadReport, *, with_times: bool = True) -> list[str]:
    """What was placed and how it ended, the percentiles, and whether they can be believed."""
    times = _times(report) if with_times else ()
    return [*_outcome(report), *times, *_machines(report)]


def _outcome(report: LoadReport) -> Iterator[str]:
    counts = report.all.counts
    most = sum(max((span.held for span in worker.spans), default=0) for worker in report.workers)
    told = [f"{report.placed} calls placed in {report.seconds:.0f} s, {most} at once at most"]
    told += [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    if report.lost_calls:
        told.append(f"{report.lost_calls} lost")
    yield ", ".join(told)
    is_well = report.stopped is None and not counts["error"]
    if is_well and most < report.load.most_at_once:
        yield f"Fewer at once than the {report.load.calls} asked for: raise the rate, or place for longer"
    if report.stopped is not None:
        yield f"It was ended early: {report.stopped}"
    for worker in report.workers:
        if worker.lost is not None:
            yield f"Lost: worker {worker.name}, with {worker.lost_calls} calls: {worker.lost}"
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        if ": " in name:
            yield f"  {count:6} {name}"


def _times(report: LoadReport) -> Iterator[str]:
    has_spoiled = bool(report.spoiled_spans)
    if not report.all.times:
        return
    yield ""
    heads = "".join(f"{named(percent):>9}" for percent in PERCENTILES)
    yield f"{'seconds':24}{'count':>8}{heads}"
    for name in TIMES:
        if name in report.all.times:
            yield _row(name, report.all.times[name])
            if has_spoiled:
                clean = report.clean.times.get(name, Distribution())
                yield _row("  without slow seconds", clean)


def _row(name: str, times: Distribution) -> str:
    found = times.percentiles()
    cells = "".join(f"{found[percent]:9.3f}" for percent in PERCENTILES) if found else ""
    return f"{name:24}{len(times):8}{cells}"


def _machines(report: LoadReport) -> Iterator[str]:
    for worker in report.workers:
        spoiled = [span for span in worker.spans if span.is_spoiled]
        if not spoiled:
            continue
        worst = sorted(spoiled, key=lambda span: -max(span.lag_seconds, span.late_seconds))
        told = "; ".join(
            f"at {span.began:.0f} s {', '.join(span.troubles())}" for span in worst[:MOST_TROUBLES]
        )
        slow, whole = (
            sum(span.ended - span.began for span in spans) for spans in (spoiled, worker.spans)
        )
        yield ""
        yield (
            f"This machine was too slow in {slow:.0f} of {whole:.0f} s (worker {worker.name}, in second "
            f"{named_spans(spoiled)}): {told}. What was measured then tells of the machine, not of the agent: use more "
            "workers, or fewer calls."
        )

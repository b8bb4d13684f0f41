"""What became of a load: counts, percentiles over all workers, and in which seconds a machine was too slow. No I/O."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from sfclient.testing.load._load import Load
from sfclient.testing.load._spans import Span
from sfclient.testing.load._tally import VERDICTS, Tally

FORMAT = 1  # of the record; a later one has what this has, and more
# What is measured of calls, in words.
TIMES = {
    "connect": "connect time: from dialling until sound flowed",
    "ready": "time to ready: from dialling until the agent heard the caller",
    "response": "response time: from the end of the caller's speech to the agent's answer",
    "gap": "gaps: the agent's pauses in the midst of its speech",
    "late": "late: how much later than it was due speech came, where it did",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is, by what its workers have told."""

    seconds: float
    """Since it began."""
    placed: int
    held: int
    passed: int
    failed: int
    errors: int
    lost: int
    """Calls of workers that are gone."""
    late_workers: int
    """That did not keep up in their latest second."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Of one worker."""

    name: str
    at_once: int
    """Calls that it was to hold at once, at most."""
    placed: int
    ended: int
    lost: str | None
    """Why it is lost, with the calls that it held; None if it told to the end."""
    spans: tuple[Span, ...]

    @property
    def lost_calls(self) -> int:
        """Placed, and nobody knows what became of them; what it placed in its last second is not among them."""
        return self.placed - self.ended if self.lost is not None else 0

    @property
    def held(self) -> int:
        return self.spans[-1].held if self.spans and self.lost is None else 0


@dataclass(frozen=True)
class LoadReport:
    """Of a load, over or not."""

    load: Load
    seconds: float
    workers: tuple[WorkerReport, ...]
    clean: Tally
    """What was measured while the machines kept up."""
    spoiled: Tally
    """What was measured, if only in part, in spans in which one did not: see `Span.troubles`."""
    stopped: str | None
    """Why it ended before it was to; None if it did not."""

    @cached_property
    def all(self) -> Tally:
        """Both."""
        both = Tally()
        both.merge(self.clean)
        both.merge(self.spoiled)
        return both

    @property
    def placed(self) -> int:
        return sum(worker.placed for worker in self.workers)

    @property
    def lost_calls(self) -> int:
        return sum(worker.lost_calls for worker in self.workers)

    @property
    def spoiled_spans(self) -> list[tuple[WorkerReport, Span]]:
        return [
            (worker, span) for worker in self.workers for span in worker.spans if span.is_spoiled
        ]

    @property
    def passed(self) -> bool:
        """Whether calls were held, all passed, and no worker is lost."""
        counts = self.all.counts
        is_good = not any(counts[verdict] for verdict in VERDICTS if verdict != "passed")
        return is_good and counts["passed"] > 0 and not any(each.lost for each in self.workers)

    def record(self) -> dict[str, Any]:
        """As plain values for JSON, without secrets; times are in seconds."""
        load = self.load
        return {
            "format": FORMAT,
            "version": version("sfaudio"),
            "script": load.script.name,
            "assistant_id": load.assistant_id,
            "asked": {
                "calls": load.calls,
                "seconds": load.seconds,
                "rate": load.rate,
                "in_all": load.in_all,
            },
            "seconds": self.seconds,
            "stopped": self.stopped,
            "passed": self.passed,
            "placed": self.placed,
            "lost": self.lost_calls,
            "all": self.all.record(),
            "clean": self.clean.record(),
            "workers": [_record(worker) for worker in self.workers],
        }


def _record(worker: WorkerReport) -> dict[str, Any]:
    spans = [{**asdict(span), "troubles": span.troubles()} for span in worker.spans]
    return {**asdict(worker), "lost_calls": worker.lost_calls, "spans": spans}


def named_spans(spans: Iterable[Span]) -> str:
    """``3-5, 9 s``: in which seconds they were."""
    runs: list[tuple[int, int]] = []
    seconds = {
        second
        for span in spans
        for second in range(round(span.began), max(round(span.began) + 1, round(span.ended)))
    }
    for second in sorted(seconds):
        if runs and second == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], second
        else:
            runs.append((second, second))
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)

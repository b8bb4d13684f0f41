"""What became of each conversation of a suite, for a person and for a file."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sfclient._errors import SfclientError, printable
from sfclient.testing.script import Figures, Outcome, Script

NOT_OVER = "it was interrupted before it was over"
NOT_BEGUN = "it was interrupted before it began"
DIFFERS = "not the same again"


@dataclass(frozen=True, slots=True)
class Result:
    """Of one conversation, held or not."""

    script: Script
    name: str
    """With the number of the time, if it is held several times."""
    outcome: Outcome | None = None
    error: Exception | None = None
    """What kept it from an outcome."""
    differs: str = ""
    """From the first time, where it should not: what of it, and how."""
    elapsed: float = 0.0
    """Seconds that this machine took."""
    folder: Path | None = None
    """Where recording, record and report are."""
    was_interrupted: bool = False
    """By Ctrl-C."""

    @property
    def path(self) -> str:
        """Of the script."""
        return str(self.script.path or "")

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"``, ``"error"``, or ``"cancelled"``: of one that was not held to its end."""
        if self.error is not None:
            return "error"
        if self.outcome is None:
            return "cancelled"
        return "failed" if self.differs else self.outcome.verdict

    @property
    def fault(self) -> Exception | None:
        """What network, service, this machine or a program did wrong; None if it is only the agent."""
        return self.error if self.outcome is None else self.error or self.outcome.error

    @property
    def problems(self) -> list[tuple[str, str]]:
        """A kind, and a sentence, for each."""
        problems: list[tuple[str, str]] = []
        if self.outcome is not None:
            problems += [(failure.kind, str(failure)) for failure in self.outcome.failures]
        if self.fault is not None:
            problems.append((type(self.fault).__name__, _told(self.fault)))
        if self.differs:
            problems.append((DIFFERS, f"{self.path}: {DIFFERS}: {self.differs}"))
        if self.verdict == "cancelled":
            problems.append(("cancelled", NOT_OVER if self.outcome else NOT_BEGUN))
        return problems

    @property
    def exit_status(self) -> int:
        """Of a command that held only this."""
        if self.fault is not None:
            return self.fault.exit_status if isinstance(self.fault, SfclientError) else 4
        return 0 if self.verdict == "passed" else 1

    def __str__(self) -> str:
        told = [f"{self.verdict:9} {printable(self.name)}"]
        if self.outcome is not None:
            told[0] += f" ({_line_of(self.outcome.figures)})"
        for _, text in self.problems:
            told += [f"  {printable(line, None)}" for line in text.splitlines()]
        return "\n".join(told)


def figures_of(result: Result) -> Mapping[str, str]:
    """By name, as texts: all that is known."""
    told = {"verdict": result.verdict}
    if result.outcome is not None:
        figures = result.outcome.figures
        values = {
            "seconds": figures.seconds,
            "ready_seconds": figures.ready_seconds,
            "response_p50": figures.response_p50,
            "response_p95": figures.response_p95,
            "longest_response": max(figures.response_seconds, default=None),
            "longest_gap": max(figures.gap_seconds, default=None),
            "longest_late": max(figures.late_seconds, default=None),
            "interruptions_by_agent": figures.interruptions_by_agent,
            "agent_share": figures.agent_share,
            "caller_share": figures.caller_share,
        }
        told |= {name: f"{value:.4g}" for name, value in values.items() if value is not None}
        told |= {"heard_hash": result.outcome.heard_hash, "said_hash": result.outcome.said_hash}
    if result.folder is not None:
        told["folder"] = str(result.folder)
    return told


def _line_of(figures: Figures) -> str:
    told = [f"{figures.seconds:.1f} s"]
    if figures.ready_seconds is not None:
        told.append(f"ready after {figures.ready_seconds:.2f} s")
    responses = figures.response_seconds
    if responses:
        answers = "1 answer" if len(responses) == 1 else f"{len(responses)} answers"
        told.append(f"{answers} after {figures.response_p50:.2f} s, at most {max(responses):.2f} s")
    told.append(f"agent {figures.agent_share:.0%}, caller {figures.caller_share:.0%}")
    return "; ".join(told)


def _told(error: Exception) -> str:
    """Ours say what is wrong; of others it is said where they are from."""
    if isinstance(error, SfclientError):
        return str(error)
    told = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{told} ({frames[-1].filename}:{frames[-1].lineno})" if frames else told

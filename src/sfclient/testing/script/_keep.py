"""What is kept of a conversation in a folder: recording, record, report."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfclient._errors import UsageError
from sfclient._stats import write_stats
from sfclient._whole_file import check_place
from sfclient.testing.script._outcome import Outcome

RECORDING, RECORD, REPORT = "both.wav", "call.json", "report.html"


class Keeper:
    """Of one conversation. What it does may block, and raises `UsageError`."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder, if it is not there."""
        self._folder = folder
        self.recording = folder / RECORDING
        self.events: list[dict[str, Any]] = []
        """As of `record_of_event`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None
        check_place(folder / RECORD)

    def keep(self, outcome: Outcome) -> None:
        """The record with what became of the script, and the report with the failures marked on it."""
        from sfclient.report import write_report  # for who keeps something

        assert outcome.record is not None
        write_stats(self._folder / RECORD, outcome.record)
        recording = self.recording if outcome.statistics.recording is not None else None
        write_report(self._folder / REPORT, outcome.record, recording)


def record_of_outcome(outcome: Outcome) -> dict[str, Any]:
    """As plain values for JSON."""
    return {
        "name": outcome.script.name,
        "path": None if outcome.script.path is None else str(outcome.script.path),
        "verdict": outcome.verdict,
        "failures": [
            {
                "kind": each.kind,
                "text": str(each),
                "expected": each.expected,
                "instead": each.instead,
                "at": each.at,
                "step": each.step,
                "line": each.place.line if each.place else None,
            }
            for each in outcome.failures
        ],
        "error": None if outcome.error is None else str(outcome.error),
        "figures": asdict(outcome.figures),
        "heard_hash": outcome.heard_hash,
        "said_hash": outcome.said_hash,
    }

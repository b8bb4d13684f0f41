"""What a call leaves behind in figures: the file that ``--stats`` writes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfclient._call import Call
from sfclient._errors import SfclientError, UsageError
from sfclient._events import Ended
from sfclient._sound import CaptureStatistics, PlayoutStatistics


def report(call: Call | None, error: SfclientError | None = None) -> dict[str, Any]:
    """The figures of a call that is over, or of one that `error` kept from beginning. Holds no
    secrets."""
    if call is not None:
        return asdict(call.statistics())
    assert error is not None
    status = getattr(error, "status", None)
    return {
        "ended": asdict(Ended(error.party, status, str(error), "drained")),
        "capture": asdict(CaptureStatistics()),
        "playout": asdict(PlayoutStatistics()),
        "dialect": {},
        "call_id": error.call_id,
        "dropped_events": 0,
        "devices": [],
    }


def write_report(path: Path, figures: dict[str, Any]) -> None:
    """Write the figures as JSON. Raises `UsageError` if the file cannot be written."""
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None

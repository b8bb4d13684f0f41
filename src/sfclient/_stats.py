"""What a call leaves behind in figures: the file that ``--stats`` writes."""

import json
from dataclasses import asdict
from pathlib import Path

from sfclient._call import CallStatistics
from sfclient._errors import SfclientError, UsageError
from sfclient._events import Ended


def without_a_call(error: SfclientError | None, call_id: str | None) -> CallStatistics:
    """Of a call that `error` kept from beginning; None if it was hung up before."""
    if error is None:
        ended = Ended("caller", None, "hung up before the call began", "drained")
        return CallStatistics(ended, call_id=call_id)
    ended = Ended(error.party, error.status, str(error), "drained")
    return CallStatistics(ended, call_id=error.call_id or call_id)


def write_stats(path: Path, statistics: CallStatistics | None) -> None:
    """Write them as JSON, an empty object for None; they hold no secrets. Raises `UsageError` if the file cannot be
    written."""
    figures = {} if statistics is None else asdict(statistics)
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None

"""What a call leaves behind in figures: the file that ``--stats`` writes."""

import json
from dataclasses import asdict
from pathlib import Path

from sfclient._call import CallStatistics
from sfclient._errors import SfclientError
from sfclient._events import Ended
from sfclient._whole_file import write_whole


def without_a_call(error: BaseException | None, call_id: str | None) -> CallStatistics:
    """Of a call that `error` kept from beginning; None if it was hung up before."""
    if error is None:
        ended = Ended("caller", None, "hung up before the call began", "drained")
    elif isinstance(error, SfclientError):
        ended = Ended(error.party, error.status, str(error), "drained")
        call_id = error.call_id or call_id
    else:
        ended = Ended("caller", None, f"the program failed: {type(error).__name__}", "drained")
    return CallStatistics(ended, call_id=call_id)


def write_stats(path: Path, statistics: CallStatistics | None) -> None:
    """Write them as JSON, an empty object for None; they hold no secrets. It may block.

    The file is private to the user (0600), and takes the place of an older one as a whole or not at all. Raises
    `UsageError` if it cannot be written.
    """
    figures = {} if statistics is None else asdict(statistics)
    write_whole(path, json.dumps(figures, indent=2) + "\n")

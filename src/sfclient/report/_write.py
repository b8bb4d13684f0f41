"""From the files of a call to the file of its report."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sfclient._events import Event
from sfclient._interface import Call
from sfclient._stats import record_of_call, record_of_event
from sfclient._whole_file import write_whole
from sfclient.report._page import make_page
from sfclient.report._record import checked, read_json
from sfclient.report._sound import attempt_recorded, read_sound


def make_record(call: Call, events: Iterable[Event]) -> dict[str, Any]:
    """The record of a call that this program holds or held, with the events that it has read.

    It is what ``--stats`` writes: plain values for JSON, and no secrets. Queue and delay are in it if the call was
    opened with ``timeline=True``. Of a call that was redialled it is that of the last attempt, and has those before it
    as ``earlier``.
    """
    return record_of_call(call, map(record_of_event, events))


def read_record(path: str | Path) -> dict[str, Any]:
    """The record of a call, from the JSON file that ``--stats`` wrote. It may block. Raises `UsageError`."""
    record = read_json(Path(path))
    checked(record, str(path))
    assert isinstance(record, dict)
    return record


def write_report(
    path: str | Path, record: dict[str, Any], recording: str | Path | None = None
) -> None:
    """Write the page of a call, as a whole or not at all. It may block.

    `record` is what ``--stats`` wrote, and nothing in it is believed; `recording` the WAV file of the same call, if
    there is one: of a call that was redialled, that of any attempt, which is then what the page is of. The page is
    private to the user (0600), and takes the place of an older file of the name. Raises `UsageError` for a record that
    is none, a recording of another call, or a page that cannot be written, and of these `AudioFileError` for a
    recording that cannot be read.
    """
    fields = checked(record, "the record")
    sound = None
    if recording is not None:
        fields = attempt_recorded(Path(recording), fields)
        sound = read_sound(Path(recording), fields)
    write_whole(Path(path), make_page(fields, sound))

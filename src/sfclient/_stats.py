"""What a call leaves behind in figures: the record that ``--stats`` writes, and that a report is made of."""

import json
import math
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trio

from sfaudio._kernels import kernel_level
from sfclient._errors import SfclientError
from sfclient._events import Ended, Event, MessageReceived, Redialing
from sfclient._interface import Call
from sfclient._statistics import CallStatistics
from sfclient._timeline import Timeline
from sfclient._whole_file import write_whole

FORMAT = 1  # of the record; a later one has what this has, and more
DECIMALS = 4  # of the many seconds of a timeline: a tenth of a millisecond


def without_a_call(
    error: BaseException | None,
    call_id: str | None,
    dialect: str = "",
    agent_id: str | None = None,
) -> CallStatistics:
    """Of a call that `error` kept from beginning; None if it was hung up before."""
    if error is None:
        ended = Ended("caller", None, "hung up before the call began", "drained")
    elif isinstance(error, SfclientError):
        ended = Ended(error.party, error.status, str(error), "drained")
        call_id = error.call_id or call_id
    else:
        ended = Ended("caller", None, f"the program failed: {type(error).__name__}", "drained")
    return CallStatistics(ended, dialect=dialect, agent_id=agent_id, call_id=call_id)


def record_of_event(event: Event) -> dict[str, Any]:
    """An event as plain values: when, what, its line for a person, and its fields; short, and without secrets."""
    told = {"at": event.at, "kind": type(event).__name__, "text": str(event)}
    if isinstance(event, MessageReceived):  # all of it may be long; its line is not
        return told
    return told | {
        field.name: _plain(getattr(event, field.name))
        for field in fields(event)
        if field.name != "at"
    }


def record_of_call(call: Call, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """As `record_of`, of a call's last attempt; those before it, each with its own events, are its ``earlier``."""
    by_attempt: dict[int, list[dict[str, Any]]] = {}
    told: list[dict[str, Any]] = []
    for event in events:
        told.append(event)
        if event["kind"] == Redialing.__name__:
            by_attempt[event["attempt"] - 1], told = told, []
    earlier = [
        record_of(past.statistics, by_attempt.get(past.statistics.attempt, ()), past.timeline)
        for past in call.earlier
    ]
    told = by_attempt.get(call.attempt, []) + told  # it may have ended in a pause
    record = record_of(call.statistics(), told, call.timeline)
    return record | {"earlier": earlier} if earlier else record


def record_of(
    statistics: CallStatistics,
    events: Iterable[dict[str, Any]] = (),
    timeline: Timeline | None = None,
) -> dict[str, Any]:
    """All that is known of an attempt at a call as plain values for JSON; `events` are those of `record_of_event`.

    Durations and times are in seconds, the latter since `open_call` was entered. What is not known is None.
    """
    return {
        "format": FORMAT,
        "versions": _versions(),
        **_plain(statistics),
        "events": list(events),
        "timeline": None if timeline is None else _record_of_timeline(timeline),
    }


def _record_of_timeline(timeline: Timeline) -> dict[str, Any]:
    return {
        "step_seconds": timeline.step_seconds,
        "begins_at": timeline.begins_at,
        "queued_seconds": [round(seconds, DECIMALS) for seconds in timeline.queued_seconds],
        "delay_seconds": [
            None if seconds is None else round(seconds, DECIMALS)
            for seconds in timeline.delay_seconds
        ],
    }


def _versions() -> dict[str, str | None]:
    sounddevice = sys.modules.get("sounddevice")  # imported where a device was opened
    return {
        "sfaudio": version("sfaudio"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "portaudio": sounddevice.get_portaudio_version()[1] if sounddevice else None,
        "vector_level": kernel_level(),
        "trio": trio.__version__,
    }


def _plain(value: Any) -> Any:
    """Without what JSON has no word for: a number that is none is None."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def write_stats(path: Path, record: Mapping[str, Any]) -> None:
    """Write it as JSON; see `record_of`. It holds no secrets. It may block.

    The file is private to the user (0600), and takes the place of an older one as a whole or not at all. Raises
    `UsageError` if it cannot be written.
    """
    write_whole(path, text_of(record))


def text_of(record: Mapping[str, Any]) -> str:
    """The record as JSON."""
    return json.dumps(record, indent=2, allow_nan=False) + "\n"

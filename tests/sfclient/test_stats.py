"""The record of a call: what ``--stats`` writes."""

import json
import logging
import math
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from sfclient import (
    Connected,
    MessageReceived,
    NetworkError,
    SpeechLate,
    UsageError,
)
from sfclient._stats import record_of, record_of_event, without_a_call, write_stats
from sfclient.simulator import SimulatedCall

from .conftest import exactly, noise


async def answer(call: SimulatedCall) -> None:
    await call.client_ready()
    await trio.sleep(0.5)
    await call.send("{}")
    await call.send_audio(noise(1, 16_000))
    await call.close(1000, "bye")


@exactly
async def test_record_of_a_call(hold, fast_clock, tmp_path: Path) -> None:
    async with hold(answer, timeline=True, record=tmp_path / "call.wav") as held:
        events = [record_of_event(event) async for event in held.call]
    write_stats(
        tmp_path / "call.json", record_of(held.call.statistics(), events, held.call.timeline)
    )
    told = json.loads((tmp_path / "call.json").read_text())
    assert told["format"] == 1
    assert told["dialect"] == hold.dialect
    assert told["agent_id"] == (None if hold.dialect == "widget" else "agent")
    assert told["ended"] == {"by": "agent", "code": 1000, "reason": "bye", "audio": "drained"}
    versions = told["versions"]
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["vector_level"] in ("c", "sse2", "avx2", "avx512", "neon")
    assert set(versions) == {"sfaudio", "python", "platform", "portaudio", "vector_level", "trio"}
    times = told["times"]
    began = datetime.fromisoformat(times.pop("began"))
    assert began.tzinfo is not None
    assert abs(datetime.now(UTC) - began) < timedelta(minutes=5)
    # In ws-media the agent is there first, then the devices start.
    assert max(times["ready"], times["connected"]) < times["first_agent_audio"]
    assert times["first_agent_sound"] < times["ended"]
    assert times["first_agent_audio"] == pytest.approx(times["connected"] + 0.5, abs=0.2)
    assert times["first_agent_sound"] == pytest.approx(times["first_agent_audio"], abs=0.2)
    assert [event["kind"] for event in told["events"]] == [
        "Connecting",
        "Connected",
        "MessageReceived",
        "SpeechBegan",
        "SpeechEnded",
        "Disconnected",
    ]
    assert told["events"][0]["text"] == "Connecting to server"
    assert told["events"][-1]["ended"] == told["ended"]
    assert told["network"]["received_bytes"] > 32_000
    timeline = told["timeline"]
    assert timeline["step_seconds"] == 0.1
    assert len(timeline["queued_seconds"]) == len(timeline["delay_seconds"]) > 10
    assert max(timeline["queued_seconds"]) > 0.5


def test_event_has_its_fields() -> None:
    assert record_of_event(SpeechLate(0.3, at=1.5)) == {
        "at": 1.5,
        "kind": "SpeechLate",
        "text": "The agent's speech came 300 ms late",
        "seconds": 0.3,
    }
    assert record_of_event(Connected("abc", at=1))["call_id"] == "abc"


def test_text_of_the_agent_is_kept_short() -> None:
    told = record_of_event(MessageReceived("x" * 60_000, {"x": "y" * 60_000}))
    assert len(json.dumps(told)) < 1000


def test_number_that_json_lacks_is_none() -> None:
    told = record_of_event(SpeechLate(math.inf, at=1.0))
    assert told["seconds"] is None
    json.dumps(told, allow_nan=False)


def test_record_of_a_call_that_never_began_says_why() -> None:
    error = NetworkError("no way", call_id="c7")
    told = record_of(without_a_call(error, None, "widget", "a1"))
    assert (told["dialect"], told["agent_id"], told["call_id"]) == ("widget", "a1", "c7")
    assert told["ended"]["reason"] == "no way"
    assert told["times"]["ready"] is None
    assert told["timeline"] is None
    assert told["events"] == []
    json.dumps(told, allow_nan=False)


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(str(tmp_path))):
        write_stats(tmp_path, {})


class TestLog:
    @exactly
    async def test_events_are_logged_as_they_happen_and_no_secret_is(
        self, hold, fast_clock, caplog
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with hold(answer) as held:
            await held.call.wait_ended()  # read or not
            (simulated,) = held.simulator.calls
        told = [record for record in caplog.records if record.name == "sfclient._event_queue"]
        lines = [record.getMessage() for record in told]
        assert {record.levelname for record in told} == {"INFO"}
        (number,) = {line.split(",")[0] for line in lines}
        assert re.fullmatch(r"Call \d+", number)
        assert re.fullmatch(r"Call \d+, 0\.000 s: Connecting to server", lines[0])
        assert any(line.endswith("A message of 2 characters came") for line in lines)
        assert lines[-1].endswith("Disconnected from server (by agent, 1000: bye)")
        everything = "\n".join(record.getMessage() for record in caplog.records)
        assert held.simulator.key not in everything
        assert "token" not in everything
        assert simulated is not None

    def test_nothing_is_set_up_or_said_at_import(self) -> None:
        program = (
            "import logging, sfclient;"
            "print(logging.getLogger().handlers, logging.getLogger('sfclient').level)"
        )
        told = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert told.stdout.strip() == "[] 0"
        assert told.stderr == ""

"""What cannot be written: a disk that is full, output that nobody takes."""

import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sfclient.simulator import SpeakAgent, open_simulator

from ..conftest import noise
from .conftest import KEY, POSIX, SILENT, Told, check_secrets, figures, read_wav, sfclient

NOWHERE = ("call", "a", "--base-url", "http://127.0.0.1:1")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)


def with_files_of(most_bytes: int) -> Callable[[], None]:
    """What a process runs before anything else, so that its disk is full early."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return limit


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on Windows")
class TestFullDisk:
    async def test_recording_stops_and_the_call_goes_on(self, tmp_path: Path) -> None:
        both, stats = tmp_path / "both.wav", tmp_path / "s.json"
        async with open_simulator(SpeakAgent(noise(5, 16_000)), key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 1.2),
                *("--record", both, "--stats", stats),
                preexec_fn=with_files_of(50_000),
            )
            ended = await sim.calls[0].wait_ended()
        assert done.status == 2
        done.check_error("both.wav", "File too large")
        lines = done.stdout.splitlines()
        assert "The recording stopped; the call goes on: cannot write" in lines[-2]
        assert "Disconnected from server (by caller, 1000" in lines[-1]
        assert ended.at - sim.calls[0].started > 1.1
        recording = figures(stats)["recording"]
        assert len(read_wav(both, 48_000, 2)) == recording["written_frames"] == (50_000 - 80) // 4
        assert recording["lost_frames"] > 20_000

    async def test_output_ends_the_call_in_order(self, tmp_path: Path) -> None:
        heard = tmp_path / "heard.wav"
        async with open_simulator(SpeakAgent(noise(5, 16_000)), key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--output", heard),
                preexec_fn=with_files_of(10_000),
            )
            ended = await sim.calls[0].wait_ended()
        assert done.status == 2
        done.check_error("heard.wav", "File too large")
        assert (ended.by, ended.code) == ("client", 1000)
        assert len(read_wav(heard, 16_000)) == (10_000 - 80) // 2

    async def test_figures_that_cannot_be_written_are_told_beside_the_outcome(
        self, tmp_path: Path
    ) -> None:
        stats = tmp_path / "s.json"
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.1),
                *("--stats", stats),
                preexec_fn=with_files_of(100),
            )
        assert done.status == 1
        done.check_error("s.json", "File too large")
        assert "Disconnected from server (by caller" in done.stdout
        assert os.listdir(tmp_path) == []


class TestStandardOutput:
    async def test_is_for_the_figures_alone_if_they_are_wanted_there(self) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.2),
                *("--stats", "-"),
            )
        assert done.status == 0
        record = json.loads(done.stdout)
        assert record["ended"]["by"] == "caller"
        assert record["events"][-1]["kind"] == "Disconnected"
        assert record["timeline"]["queued_seconds"]
        assert done.stderr.splitlines()[:2] == ["Connecting to server", "Connected to call"]

    def test_that_is_gone_is_told_beside_the_outcome(self, told: Told, monkeypatch: Any) -> None:
        with open("/dev/full", "w") as full:
            monkeypatch.setattr("sys.stdout", full)
            status, error = told(*NOWHERE, *SILENT, "--stats", "-")
            monkeypatch.undo()
            with suppress(OSError):
                full.close()
        assert status == 1
        assert "sfclient: cannot write to standard output: No space left on device" in error


class TestLog:
    async def test_goes_on_where_it_was_with_the_times_and_without_secrets(
        self, tmp_path: Path
    ) -> None:
        log = tmp_path / "kiosk.log"
        log.write_text("earlier\n")
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.2),
                *("--log", log),
            )
        assert (done.status, done.stderr) == (0, "")
        earlier, *lines = log.read_text().splitlines()
        assert earlier == "earlier"
        check_secrets(log.read_text())
        assert [line for line in lines if "Connected to call" in line]
        assert all(re.match(r"20[0-9-]{8}T[0-9:.]{12}Z [A-Z]+ sfclient", line) for line in lines)

    @POSIX
    @pytest.mark.slow
    async def test_that_cannot_be_written_harms_nothing_else(self, tmp_path: Path) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.2),
                *("--log", tmp_path / "kiosk.log"),
                preexec_fn=with_files_of(10),
            )
        assert done.status == 0
        done.check_error("kiosk.log", "File too large")

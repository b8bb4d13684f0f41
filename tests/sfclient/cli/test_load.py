"""`sfclient load`: wrong use is told before any process starts; a load is told, written, and ended by Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from sfclient.cli import main
from sfclient.simulator import ReplyAgent, open_simulator

from ..conftest import noise
from .conftest import ENVIRONMENT, KEY, MODULE, POSIX

BASE_URL = ("--base-url", "http://127.0.0.1:1")


@pytest.fixture(autouse=True)
def what_a_load_needs() -> None:
    import distributed  # noqa: F401
    import hdrh  # noqa: F401


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "greeted.toml"
    path.write_text("[[step]]\nhear = 3.0\n[[step]]\nhold = 1.0\n[limits]\nready = 5\n")
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["load", *map(str, arguments)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--calls", "0", "--for", "60"], "--calls 0 cannot be: give a whole number from 1"),
        (["--calls", "2", "--for", "nan"], "--for nan cannot be: give more than 0"),
        (["--calls", "2", "--for", "60", "--rate", "0/s"], "--rate 0.0 cannot be"),
        (["--calls", "2", "--for", "60", "--rate", "10/min"], "'10/min' is no rate"),
        (["--calls", "2", "--for", "60", "--in-all", "-1"], "--in-all -1 cannot be"),
        (["--calls", "2", "--for", "60", "--workers", "0"], "--workers 0 cannot be"),
        (["--calls", "2", "--for", "60", "--region", "eu"], "region"),
        (["--calls", "2"], "--for"),
    ],
)
def test_what_cannot_be_is_told_in_the_words_of_the_command(
    script: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
    assert told in refused(capsys, script, "--assistant", "agent", *BASE_URL, *arguments)


def test_a_load_without_its_extra_names_it(
    script: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sfclient.testing.load", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "sfclient.testing.load")
    error = refused(capsys, script, "--assistant", "a", "--calls", "2", "--for", "1")
    assert "a load needs distributed and hdrh: pip install 'sfaudio[load]'" in error


def test_a_script_is_looked_at_before_any_process_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "bad.toml"
    script.write_text("[[step]]\nheard = 3.0\n")
    error = refused(capsys, script, "--assistant", "a", "--calls", "2", "--for", "1", *BASE_URL)
    assert f"{script}:1: a step has one of" in error


def test_a_report_is_not_written_over_unasked(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "load.json").write_text("{}")
    arguments = ["--assistant", "a", "--calls", "2", "--for", "1", "--json", tmp_path / "load.json"]
    assert "load.json is there already" in refused(capsys, script, *BASE_URL, *arguments)


@pytest.mark.slow
async def test_a_load_is_told_and_written(script: Path, tmp_path: Path) -> None:
    agent = ReplyAgent([noise(0.5, 16_000)], greeting=noise(0.5, 16_000))
    async with open_simulator(agent, key=KEY) as simulator:
        options = ["--base-url", simulator.base_url, "--calls", "4", "--rate", "10/s", "--for", "3"]
        files = ["--json", tmp_path / "load.json", "--report", tmp_path / "load.html"]
        done = await trio.run_process(
            [*MODULE[:1], "-m", "sfclient", "load", script, "--assistant", "a", *options, *files],
            env=ENVIRONMENT | {"SYNTHFLOW_API_KEY": KEY},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        told = done.stdout.decode()
        assert done.returncode == 0, told + done.stderr.decode()
        assert len(simulator.calls) > 4
        assert f"{len(simulator.calls)} calls placed" in told
        assert b"held" in done.stderr
    record = json.loads((tmp_path / "load.json").read_text())
    assert record["all"]["times"]["connect"]["count"] == record["placed"]
    everything = told + (tmp_path / "load.json").read_text() + (tmp_path / "load.html").read_text()
    assert KEY not in everything + done.stderr.decode()


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_ctrl_c_hangs_up_and_tells_what_there_is(tmp_path: Path, times: int) -> None:
    script = tmp_path / "long.toml"
    script.write_text("[[step]]\nhear = 3.0\n[[step]]\nhold = 60.0\n[limits]\nseconds = 100\n")
    async with open_simulator(ReplyAgent([], greeting=noise(0.5, 16_000)), key=KEY) as simulator:
        options = [
            "--base-url",
            simulator.base_url,
            "--calls",
            "4",
            "--rate",
            "20/s",
            "--for",
            "90",
        ]
        command = [*MODULE[:1], "-m", "sfclient", "load", script, "--assistant", "a", *options]
        process = await trio.to_thread.run_sync(
            partial(
                subprocess.Popen,
                list(map(str, command)),
                env=ENVIRONMENT | {"SYNTHFLOW_API_KEY": KEY},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )
        with trio.fail_after(60):
            for _ in range(4):
                await simulator.wait_call()
            for _ in range(times):  # to all of its processes, as a terminal does
                os.killpg(process.pid, signal.SIGINT)
                await trio.sleep(0.5)
            out, error = await trio.to_thread.run_sync(process.communicate)
            for call in simulator.calls:
                await call.wait_ended()
        assert process.returncode == 130, error
        assert b"Once more (Ctrl-C) ends it at once" in error
        assert b"Traceback" not in error
        if times == 1:
            assert b"4 cancelled" in out
            assert {call.ended.code for call in simulator.calls if call.ended} == {1000}

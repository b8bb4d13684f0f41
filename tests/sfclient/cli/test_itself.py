"""The other commands, and how the command behaves as a program."""

import os
import re
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from sfclient.simulator import open_simulator

from .conftest import (
    KEY,
    MODULE,
    POSIX,
    SCRIPT,
    SILENT,
    first_on_the_path,
    read_wav,
    running,
    sfclient,
)


class TestItself:
    @pytest.mark.parametrize(
        "command",
        [MODULE, pytest.param([SCRIPT], marks=pytest.mark.skipif(not SCRIPT, reason="no script"))],
        ids=["module", "script"],
    )
    async def test_version(self, command: list[str]) -> None:
        done = await sfclient("--version", command=command, key=None)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout == f"sfclient {version('sfaudio')}\n"

    async def test_help(self) -> None:
        done = await sfclient("--help")
        assert (done.status, done.stderr) == (0, "")
        for command in ("call", "demo", "devices", "simulator"):
            assert re.search(rf"^ +{command}\b", done.stdout, re.M)

    async def test_help_on_the_call(self) -> None:
        done = await sfclient("call", "--help")
        assert (done.status, done.stderr) == (0, "")
        assert "SYNTHFLOW_API_KEY" in done.stdout
        assert "--key" not in done.stdout

    @POSIX
    async def test_standard_output_goes_away(self) -> None:
        async with open_simulator(key=KEY) as sim:
            end, writing = os.pipe()
            os.close(end)
            try:
                done = await sfclient(
                    *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.2),
                    stdout=writing,
                )
            finally:
                os.close(writing)
        assert done.status in (0, 1, 141)

    @POSIX
    async def test_simulator_and_call(self, tmp_path: Path) -> None:
        saved = tmp_path / "saved"
        async with running("simulator", "--key", KEY, "--save", saved, key=None) as simulator:
            await simulator.says("\n")
            base_url = simulator.stdout.splitlines()[0]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", base_url)
            done = await sfclient("call", "a", "--base-url", base_url, *SILENT, "--duration", 0.5)
            simulator.signal(signal.SIGTERM)
        assert done.status == 0, done.stderr
        assert simulator.status == 0
        assert len(read_wav(saved / "call-001" / "caller.wav", 48_000)) > 10_000

    async def test_demo(self, tmp_path: Path) -> None:
        done = await sfclient("demo", key=None, cwd=tmp_path)
        assert done.status == 0, done.stderr
        assert done.stderr == ""
        assert "Connected to call" in done.stdout
        assert "Disconnected from server (by caller" in done.stdout
        last = done.stdout.splitlines()[-1]
        assert "sfclient" in last
        assert "call" in last
        assert sorted(os.listdir(tmp_path)) == ["call.html", "call.wav"]
        assert "Call with demo" in (tmp_path / "call.html").read_text(encoding="utf-8")

        left, right = read_wav(tmp_path / "call.wav", 48_000, 2).T.astype(float)
        assert np.abs(left).max() > 3000
        assert np.abs(right).max() > 3000
        length = 2 * len(left)
        spectrum = np.fft.rfft(right, length) * np.conj(np.fft.rfft(left, length))
        correlation = np.fft.irfft(spectrum) / np.linalg.norm(left) / np.linalg.norm(right)
        delay = correlation[: len(left)].argmax() / 48_000
        assert correlation.max() > 0.9
        assert 3.75 < delay < 4.25  # what is said, and 0.6 s until the answer

    async def test_demo_without_the_simulator(self, tmp_path: Path) -> None:
        (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['websockets'] = None")
        for command in ("demo", "simulator"):
            done = await sfclient(command, env=first_on_the_path(tmp_path), cwd=tmp_path)
            assert done.status == 2
            assert "sfaudio[simulator]" in done.stderr

    @pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() == 0, reason="root writes everywhere"
    )
    async def test_demo_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        os.chmod(tmp_path, 0o500)
        done = await sfclient("demo", cwd=tmp_path)
        assert done.status == 2
        assert "call.wav" in done.stderr

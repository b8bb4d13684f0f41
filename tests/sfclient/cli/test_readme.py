"""The README's lines of the command that need nothing but each other, as processes."""

import shlex
import signal
from pathlib import Path

import pytest

from ...readme import COMMANDS
from ..conftest import noise, write_wav
from .conftest import POSIX, running, sfclient


@POSIX
@pytest.mark.slow
async def test_a_call_without_an_account(tmp_path: Path) -> None:
    """The port is put into the second, as its reader does."""
    write_wav(tmp_path / "question.wav", noise(0.5, 48_000), 48_000)
    serve, call = (
        shlex.split(line.partition("sfclient ")[2], comments=True)
        for line in COMMANDS
        if "sfclient simulator" in line or "--base-url" in line
    )
    async with running(*serve, key=None) as simulator:
        await simulator.says("\n")
        base_url = simulator.stdout.splitlines()[0]
        words = [base_url if word.startswith("http://") else word for word in call]
        done = await sfclient(*words, key="test", cwd=tmp_path)
        simulator.signal(signal.SIGTERM)
    assert done.status == 0, done.stderr
    assert "The agent answered" in done.stdout or "The agent interrupted" in done.stdout
    assert (tmp_path / "echo.wav").stat().st_size > 16_000

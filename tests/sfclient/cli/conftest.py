"""The command as a process, as a person runs it: what it prints, what it leaves, and its exit status."""

import codecs
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from sfclient import CaptureStatistics, PlayoutStatistics
from sfclient.cli import main

from ..books import capture_errors, playout_errors

KEY = "key-4f9a8c27b1"
TOKEN = "tok-73ab"  # in all that the simulator of a test makes up to keep secret
MODULE = [sys.executable, "-W", "error", "-m", "sfclient"]
SCRIPT = shutil.which("sfclient", path=sysconfig.get_path("scripts"))
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("SYNTHFLOW_API_KEY", "PYTHONUNBUFFERED") and not name.lower().endswith("_proxy")
}
WS_MEDIA = ("--dialect", "ws-media", "--from", "+49301234", "--to", "+49305678")
SILENT = ("--input", "none", "--output", "none")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


@pytest.fixture(autouse=True)
def known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens of widget sessions, the sids and the URLs of ws-media calls."""
    numbers = itertools.count()
    monkeypatch.setattr(secrets, "token_urlsafe", lambda nbytes: f"{TOKEN}-{next(numbers)}")


def check_secrets(told: str) -> None:
    assert KEY not in told
    assert TOKEN not in told
    assert "token=" not in told


class Command:
    """The command while it runs, and what came of it."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.status = -1
        self.stdout = self.stderr = ""
        self.seconds = 0.0

    async def read(self) -> None:
        async def keep(stream: trio.abc.ReceiveStream | None, name: str) -> None:
            decoder = codecs.getincrementaldecoder("utf-8")()
            if stream is not None:
                async for part in stream:
                    setattr(self, name, getattr(self, name) + decoder.decode(part))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, self._process.stdout, "stdout")
            nursery.start_soon(keep, self._process.stderr, "stderr")

    async def says(self, text: str) -> None:
        """Wait until it has said this."""
        with trio.fail_after(60):
            while text not in self.stdout:
                assert self._process.poll() is None, self.stderr
                await trio.sleep(0.01)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def check_error(self, *told: str, call_id: str | None = None) -> None:
        """It has failed with one line that says all this, fit for a terminal, and names a call that may have begun."""
        (line,) = self.stderr.splitlines()
        assert call_id is None or call_id in line
        assert line.startswith("sfclient: ")
        assert line.isprintable()
        for part in told:
            assert part in line


@pytest.fixture(autouse=True)
def signals_are_not_ignored() -> Iterator[None]:
    """However the tests were started: under nohup or in the background, what they start would ignore some."""
    names = [name for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.getsignal(signal.Signals[name]) for name in names}
    for name in names:
        if before[name] == signal.SIG_IGN:
            signal.signal(signal.Signals[name], signal.SIG_DFL)
    yield
    for name in names:
        signal.signal(signal.Signals[name], before[name])


@asynccontextmanager
async def running(
    *args: object,
    key: str | None = KEY,
    within: float = 60,
    killed: bool = False,
    **options: Any,
) -> AsyncIterator[Command]:
    """The command; on leaving, it has ended by itself, and told no secret and no traceback.

    `within` is no measure of its speed: it tells a command that ends late from one that hangs.
    """
    environment = ENVIRONMENT | options.pop("env", {})
    if key is not None:
        environment["SYNTHFLOW_API_KEY"] = key
    start = partial(
        trio.run_process,
        [*options.pop("command", MODULE), *map(str, args)],
        env=environment,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(start)
        command = Command(process)
        nursery.start_soon(command.read)
        began = trio.current_time()
        try:
            yield command
            with trio.move_on_after(within):
                command.status = await process.wait()
        finally:
            if command.is_running():
                process.kill()
        command.seconds = trio.current_time() - began
    assert command.status >= 0 or killed, (
        f"it did not end, or was killed: {command.status} {command.stderr}"
    )
    for told in (command.stdout, command.stderr):
        check_secrets(told)
    assert "Traceback" not in command.stderr
    assert "Exception ignored" not in command.stderr
    assert "Warning" not in command.stderr


async def sfclient(*args: object, **options: Any) -> Command:
    async with running(*args, **options) as command:
        pass
    return command


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 -- other processes set no events
            await trio.sleep(0.01)


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    """Its ends to read from and to write to."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def read_wav(path: Path, samplerate: int, channels: int = 1) -> NDArray[np.int16]:
    """A complete file: its header tells all that is in it."""
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        assert file.getframerate() == samplerate
        assert file.getnchannels() == channels
        data = file.readframes(file.getnframes())
    content = path.read_bytes()
    assert content[content.index(b"data") + 8 :] == data
    frames = np.frombuffer(data, "<i2")
    return frames if channels == 1 else frames.reshape(-1, channels)


def without_turns(told: str) -> list[str]:
    """The lines that were told, but for who answered or interrupted whom, which is a matter of milliseconds here."""
    return [line for line in told.splitlines() if not re.match("The (agent|caller) [ai]n", line)]


def figures(path: Path) -> dict[str, dict[str, Any]]:
    """The stats file, with all that must be in it and must hold."""
    text = path.read_text()
    check_secrets(text)
    stats: dict[str, dict[str, Any]] = json.loads(text)
    assert stats["ended"].keys() >= {"by", "code", "reason"}
    assert not capture_errors(CaptureStatistics(**stats["capture"]))
    assert not playout_errors(PlayoutStatistics(**stats["playout"]))
    return stats


def first_on_the_path(folder: Path) -> dict[str, str]:
    behind = ENVIRONMENT.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{behind}" if behind else str(folder)}


class Told:
    """What the command said, run in this process: quickly."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str]:
        status = main([*map(str, args)])
        told = self._capsys.readouterr()
        assert "Traceback" not in told.err
        assert KEY not in told.err + told.out
        return status, told.err


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)

"""docs/load-test.md: its commands are run, in real time, against the simulator, and on a Dask cluster."""

import os
import re
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from .conftest import ENVIRONMENT, POSIX

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "load-test.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.S)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
PORTS = sorted(set(re.findall(r"\b8\d{3}\b", PAGE)))
SECONDS = 90


def commands(beginning: str) -> list[str]:
    return [line for line in COMMANDS if line.startswith(beginning)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example's sounds, and the script of the page."""
    for path in (ROOT / "examples" / "conversations").glob("*.wav"):
        shutil.copy(path, tmp_path)
    [script] = [text for kind, text in BLOCKS if kind == "toml"]
    (tmp_path / "asks_twice.toml").write_text(script)
    return tmp_path


class Shell:
    """Runs commands of the page in a folder, at ports that are free."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, str] = {}
        for port in PORTS:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._ports[port] = str(free.getsockname()[1])
        self.environment = dict(ENVIRONMENT)
        for line in commands("export "):
            name, value = line.removeprefix("export ").split("=")
            self.environment[name] = value

    def words(self, command: str) -> list[str]:
        for port, free in self._ports.items():
            command = command.replace(port, free)
        program, *arguments = shlex.split(command)
        module = {"sfclient": "sfclient", "dask": "dask"}[program]
        return [sys.executable, "-m", module, *arguments]

    async def run(self, command: str) -> str:
        done = await trio.run_process(
            self.words(command),
            cwd=self._folder,
            env=self.environment,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout.decode()

    @asynccontextmanager
    async def running(self, command: str, port: str) -> AsyncIterator[None]:
        """It serves there, or reaches who does, when the block is entered."""
        async with trio.open_nursery() as nursery:
            process = await nursery.start(self._serve, command)
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", int(self._ports[port]))).aclose()
                    break
                except OSError:
                    await trio.sleep(0.05)
            yield
            os.killpg(process.pid, signal.SIGTERM)

    async def _serve(self, command: str, *, task_status: trio.TaskStatus[trio.Process]) -> None:
        await trio.run_process(
            self.words(command),
            cwd=self._folder,
            env=self.environment,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            start_new_session=True,
            task_status=task_status,
        )


def test_each_command_is_of_a_kind_that_is_run_here() -> None:
    assert {line.split()[0] for line in COMMANDS} == {"sfclient", "export", "dask"}
    assert len(commands("sfclient load")) == 2
    assert PORTS == ["8099", "8786"]


@POSIX
@pytest.mark.slow
async def test_its_load_on_this_machine_passes(folder: Path) -> None:
    shell = Shell(folder)
    [simulator], [load, _] = commands("sfclient simulator"), commands("sfclient load")
    with trio.fail_after(SECONDS):
        async with shell.running(simulator, "8099"):
            told = await shell.run(load)
    assert re.search(r"calls placed in \d+ s, 8 at once at most, \d+ passed", told)


@POSIX
@pytest.mark.slow
async def test_its_load_on_a_cluster_passes(folder: Path) -> None:
    shell = Shell(folder)
    [simulator], [_, load] = commands("sfclient simulator"), commands("sfclient load")
    [scheduler], [workers] = commands("dask scheduler"), commands("dask worker")
    with trio.fail_after(SECONDS):
        async with (
            shell.running(simulator, "8099"),
            shell.running(scheduler, "8786"),
            shell.running(workers, "8786"),
        ):
            await trio.sleep(8)  # for both workers, which take some seconds to be there
            told = await shell.run(load)
    assert "calls placed" in told
    assert " passed" in told

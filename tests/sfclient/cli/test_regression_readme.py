"""docs/regression-test.md: its commands are run, and its files are those that are run."""

import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest
import trio

from sfclient.cli import main
from sfclient.simulator import ReplyAgent, open_simulator

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "conversations"
PAGE = (ROOT / "docs" / "regression-test.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.S)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
TESTS = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("sfclient test")]
PYTESTS = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("pytest ")]


def block(kind: str) -> str:
    [text] = [text for each, text in BLOCKS if each == kind]
    return text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples, where we are."""
    for path in EXAMPLES.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHFLOW_API_KEY", "a-key")
    return tmp_path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The base URL of an agent that does well."""
    urls: Queue[str] = Queue()
    done = threading.Event()

    async def serve() -> None:
        answers = [folder / "when.wav", folder / "booked.wav"]
        # Faster than it must be: this machine may be busy.
        agent = ReplyAgent(answers, delay=0.4, hangs_up_after=2)
        async with open_simulator(agent, key="a-key") as simulator:
            urls.put(simulator.base_url)
            await trio.to_thread.run_sync(done.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        yield urls.get(timeout=10)
    finally:
        done.set()
        thread.join()


def test_the_script_on_it_is_the_example() -> None:
    assert block("toml") == (EXAMPLES / "books_a_table.toml").read_text(encoding="utf-8")


def test_each_command_is_of_a_kind_that_is_run_here() -> None:
    kinds = {line.split()[0] for line in COMMANDS}
    assert kinds == {"sfclient", "export", "cp", "pytest"}
    in_ci = re.findall(r"- (sfclient .*)", block("yaml"))
    assert in_ci
    assert set(in_ci) <= set(COMMANDS)


@pytest.mark.parametrize(
    "args", [args for args in TESTS if "--assistant" not in args], ids=" ".join
)
def test_its_commands_without_an_agent_pass(
    folder: Path, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    status = main(args)
    assert status == 0, capsys.readouterr()


def test_its_example_of_a_regression_is_told_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "books_a_table.toml"
    path.write_text(path.read_text() + "delay = 0.9\n")
    assert main(["test", path.name]) == 1
    told = capsys.readouterr().out
    assert NUMBER.sub("N", told).startswith(NUMBER.sub("N", block("")))


@pytest.mark.slow
def test_its_command_with_an_agent_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With real seconds: at the simulator over sockets, for there is no account."""
    [args] = [args for args in TESTS if "--assistant" in args]
    with served(folder) as base_url:
        assert main([*args, "--base-url", base_url]) == 0, capsys.readouterr()
    assert (folder / "results.xml").exists()
    assert list((folder / "kept").rglob("report.html"))


@pytest.mark.parametrize(
    "is_service",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["simulated", "service"],
)
def test_its_commands_of_pytest_pass(
    folder: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, is_service: bool
) -> None:
    """With real seconds where a service is."""
    shutil.copytree(folder, pytester.path, dirs_exist_ok=True)
    shutil.copy("books_a_table.toml", pytester.path / "test_booking.toml")
    (pytester.path / "test_agent.py").write_text(block("python"))
    monkeypatch.chdir(pytester.path)
    [args] = [args for args in PYTESTS if ("--sfclient-assistant" in args) == is_service]
    if is_service:
        with served(folder) as base_url:
            result = pytester.runpytest_inprocess(*args, "--sfclient-base-url", base_url)
    else:
        result = pytester.runpytest_inprocess(*args)
    assert result.ret == 0

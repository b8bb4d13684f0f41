"""The README does what it says: each of its programs runs as it stands, and each line of the command is understood.

What stands for something of the reader's is put in place here, and nothing else: the service is the simulator, and
names that a piece of a program takes from the rest of it are given to it.
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from sfclient._dialects._widget import WidgetOrder
from sfclient._dialects._ws_media_http import WsMediaOrder
from sfclient.simulator import Simulator

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.S)
KEY = "simulator-key"
# Programs, each by a line of it. Those that need a sound device run in tests/portaudio.
PROGRAMS = {
    "call": 'await request_session("ASSISTANT_ID"',
    "ws-media": 'dialect="ws-media",\n',
    "backend": "async def ask_backend",
    "stream": "playout = JitterBuffer(48_000 * 60",
    "engine": "engine = PlayoutEngine",
    "many calls": "async def ask_all",
    "agent": "async def agent(call)",
}


def program(name: str) -> str:
    (text,) = (text for text in PYTHON if PROGRAMS[name] in text)
    return text


async def run(text: str, **names: Any) -> dict[str, Any]:
    """A piece of a program, in which ``await`` may stand anywhere; the names that are there afterwards."""
    code = compile(text, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    made = eval(code, names)
    if inspect.isawaitable(made):
        await made
    return names


def test_every_program_of_the_readme_is_run() -> None:
    for text in PYTHON:
        assert [name for name, line in PROGRAMS.items() if line in text] != [], text


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the service be a simulator."""

    def lead(simulator: Simulator) -> None:
        for order in (WidgetOrder, WsMediaOrder):
            urls = dict.fromkeys(order.base_urls, simulator.base_url)
            monkeypatch.setattr(order, "base_urls", urls)

    monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
    return lead


async def test_the_first_program(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "question.wav", noise(0.3, 16_000), 16_000)
    async with open_simulator(EchoAgent()) as simulator:
        service(simulator)
        # It runs a trio of its own.
        await trio.to_thread.run_sync(exec, program("call"), {})
    told = capfd.readouterr().out
    assert "All of the input was said" not in told or "Disconnected" in told
    assert (tmp_path / "answer.wav").stat().st_size > 1000


async def test_a_session_for_ws_media(service: Any) -> None:
    async with open_simulator() as simulator:
        service(simulator)
        made = await run(program("ws-media"), key=KEY, request_session=request_session)
    assert made["session"].dialect == "ws-media"

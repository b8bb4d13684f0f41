"""The README does what it says: each of its programs runs as it stands, and the command knows each of its lines.

What stands for something of the reader's is put in its place, and that is all: the service is a simulator, time runs
twenty times as fast, and a piece of a program is given the names that it takes from the rest of it.
"""

import ast
import dataclasses
import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from sfclient import Audio, MemoryInput, MemoryOutput, Session, open_call, request_session
from sfclient._dialects._widget import WidgetOrder
from sfclient._dialects._ws_media_http import WsMediaOrder
from sfclient.cli._arguments import make_parser
from sfclient.simulator import EchoAgent, SimulatedCall, Simulator, SpeakAgent, open_simulator
from sfclient.testing import NETWORKS, Link, Network, open_proxy

from ..readme import BLOCKS, COMMANDS, NAMES, PROGRAMS, README, ROOT, program
from .conftest import UnhurriedClock, noise, session_of, without_silence, write_wav

QUESTION = noise(0.3, 48_000)


async def run(name: str, **names: Any) -> dict[str, Any]:
    """Run a piece of a program, in which ``await`` may stand anywhere; the names that there are then."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    waits = eval(compile(program(name), f"README, {name}", "exec", flags), names)
    if inspect.isawaitable(waits):
        await waits
    return names


@pytest.fixture
def lead(monkeypatch: pytest.MonkeyPatch) -> Callable[[Simulator], None]:
    """Has a simulator be the service from then on."""

    def lead(simulator: Simulator) -> None:
        monkeypatch.setenv("SYNTHFLOW_API_KEY", simulator.key)
        for order in (WidgetOrder, WsMediaOrder):
            urls = dict.fromkeys(order.base_urls, simulator.base_url)
            monkeypatch.setattr(order, "base_urls", urls)

    return lead


def test_every_program_has_a_test() -> None:
    assert len(PROGRAMS) == len({program(name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", ["first", "asyncio", "blocking"])
async def test_a_first_program_ends_by_itself_and_leaves_the_answer(
    name: str,
    lead: Callable[[Simulator], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fast_clock: UnhurriedClock,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trio, "run", partial(trio.run, clock=UnhurriedClock(rate=20)))
    write_wav(tmp_path / "question.wav", QUESTION, 48_000)
    async with open_simulator(EchoAgent()) as simulator:
        lead(simulator)
        await trio.to_thread.run_sync(exec, program(name), {"__name__": "__main__"})
    told = capsys.readouterr().out
    assert "All of the input was said" in told
    assert "Disconnected from server (by caller" in told
    assert ("CallStatistics(" in told) == (name == "first")
    assert (tmp_path / "answer.wav").stat().st_size > 16_000


async def test_a_phone_is_bridged(fast_clock: UnhurriedClock) -> None:
    """It hears its own words, by an agent that gives them back."""
    words = noise(0.3, 8000)
    heard = bytearray()

    class Phone:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for at in range(0, len(words), 320):
                yield words[at : at + 320]

        async def send(self, pcm: bytes) -> None:
            heard.extend(pcm)

    async with open_simulator(EchoAgent()) as simulator:
        made = await run("bridge")
        await made["bridge"](simulator.new_session_url(), Phone())
    (simulated,) = simulator.calls
    assert len(without_silence(bytes(simulated.received_audio))) > 0.9 * 6 * len(words)
    assert len(without_silence(bytes(heard))) > 0.9 * len(words)


async def test_the_tap_gives_what_the_agent_says(fast_clock: UnhurriedClock) -> None:
    moved: list[bytes] = []

    def move_lips(pcm: bytes, samplerate: int, at: float) -> None:
        assert samplerate == 16_000
        assert at > 0
        moved.append(pcm)

    words = noise(0.3, 16_000)
    async with open_simulator(SpeakAgent(words, then="close")) as simulator:
        session = simulator.new_session_url()
        audio = Audio(MemoryInput(), MemoryOutput())
        await run("tap", session=session, audio=audio, open_call=open_call, move_lips=move_lips)
    assert words in b"".join(moved)


async def test_a_program_leaves_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast_clock: UnhurriedClock
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_simulator(SpeakAgent(noise(0.3, 16_000), then="close")) as simulator:
        session = simulator.new_session_url()
        await run("report", session=session, audio=Audio("none", "none"), open_call=open_call)
    assert "The agent spoke" in (tmp_path / "call.html").read_text(encoding="utf-8")


async def test_a_session_of_ws_media(lead: Callable[[Simulator], None]) -> None:
    async with open_simulator() as simulator:
        lead(simulator)
        made = await run("ws-media", key=simulator.key, request_session=request_session)
    assert made["session"].dialect == "ws-media"


async def test_a_backend_starts_the_call(
    monkeypatch: pytest.MonkeyPatch, fast_clock: UnhurriedClock
) -> None:
    httpx = pytest.importorskip("httpx")
    async with open_simulator(EchoAgent()) as simulator:
        kept: Session = await session_of(simulator)  # by the backend

        async def answer(request: Any) -> Any:
            assert request.url == "https://backend.example/start"
            started = await kept.start_call(json.loads(request.content)["server_name"])
            return httpx.Response(200, json=dataclasses.asdict(started))

        backend = partial(httpx.AsyncClient, transport=httpx.MockTransport(answer))
        monkeypatch.setattr(httpx, "AsyncClient", backend)
        made = await run("backend", url_from_backend=kept.url)
        async with open_call(made["session"], Audio("none", "none")) as call:
            while not call.connected:
                await anext(call)
            assert call.call_id


async def test_a_website_is_mounted(lead: Callable[[Simulator], None]) -> None:
    httpx = pytest.importorskip("httpx")
    async with open_simulator() as simulator:
        lead(simulator)
        made = await run("website")
        transport = httpx.ASGITransport(made["app"])
        async with httpx.AsyncClient(transport=transport, base_url="https://site.example") as http:
            asking = {"json": {}, "headers": {"Origin": "https://site.example"}}
            told = (await http.post("/talk/session", **asking)).json()
    assert told["url"].startswith("ws://127.0.0.1")
    assert told["dialect"] == "widget"


async def test_a_kiosk_redials(
    monkeypatch: pytest.MonkeyPatch, fast_clock: UnhurriedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    httpx = pytest.importorskip("httpx")

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.close(1000 if len(simulator.calls) == 2 else 1011, "")

    asked = 0
    async with open_simulator(agent) as simulator:

        async def answer(request: Any) -> Any:
            nonlocal asked
            assert request.url == "https://backend.example/session"
            asked += 1
            if asked == 1:
                return httpx.Response(502, text="of a gateway")
            return httpx.Response(200, json={"url": simulator.new_session_url()})

        backend = partial(httpx.AsyncClient, transport=httpx.MockTransport(answer))
        monkeypatch.setattr(httpx, "AsyncClient", backend)
        made = await run("redial")
        await made["stand"](Audio("none", "none"))
        assert len(simulator.calls) == 2
    assert capsys.readouterr().out.count("Back in") == 2


async def test_the_canceller_finds_the_echo() -> None:
    played = np.frombuffer(noise(1.5, 16_000), np.int16) // 8
    captured = np.concatenate((np.zeros(1600, np.int16), played[:-1600] // 3))
    names = await run(
        "canceller", blocks=zip(captured.reshape(-1, 1600), played.reshape(-1, 1600), strict=True)
    )
    told = names["canceller"].statistics()
    assert told.delay_seconds == pytest.approx(0.1, abs=0.005)
    assert not np.array_equal(names["heard"], names["captured"])


async def test_many_calls_are_answered(fast_clock: UnhurriedClock) -> None:
    words = noise(0.3, 16_000)
    async with open_simulator(SpeakAgent(words, then="close")) as simulator:
        made = await run("many calls")
        sessions = [simulator.new_session_url() for _ in range(3)]
        await made["ask_all"](sessions, QUESTION)
        played, statistics = await made["ask"](simulator.new_session_url(), QUESTION)
    assert words in played
    assert statistics.capture.sent_frames > 0
    assert len(simulator.calls) == 4


async def test_the_test_passes(fast_clock: UnhurriedClock) -> None:
    await (await run("test"))["test_the_agent_is_heard"]()


def test_the_talk_on_the_virtual_clock_is_the_same_twice() -> None:
    exec(compile(program("virtual"), "README, virtual", "exec"), {})


@pytest.mark.slow
def test_pytest_runs_the_test_with_the_line_for_it(tmp_path: Path) -> None:
    (settings,) = (text for language, text in BLOCKS if language == "toml")
    (tmp_path / "pyproject.toml").write_text(settings)
    (tmp_path / "test_agent.py").write_text(program("test"))
    pytest_there = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(pytest_there, cwd=tmp_path, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout


async def test_a_bad_network_lies_between() -> None:
    """The expression in the text."""
    (text,) = re.findall(r"`(open_proxy\(.*?\))`", README, re.S)
    async with open_simulator() as simulator:
        names = {"simulator": simulator, "open_proxy": open_proxy, "Network": Network, "Link": Link}
        async with eval(text.replace("\n", " "), names) as proxy:
            assert proxy.authority


def test_the_networks_are_those_that_have_names() -> None:
    for name, what in NETWORKS.items():
        assert f"\n| `{name}` | {what} |\n" in README


def test_the_command_knows_each_of_its_lines() -> None:
    lines = [line for line in COMMANDS if "sfclient " in line]
    assert len(lines) > 10
    for line in lines:
        _, _, words = line.partition("sfclient ")
        make_parser().parse_args(shlex.split(words, comments=True))


def test_every_picture_is_there() -> None:
    for name in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / name).stat().st_size > 10_000

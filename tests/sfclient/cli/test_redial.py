"""``sfclient call --redial``: what is printed, what is left, and how it ends."""

import json
import signal
from pathlib import Path

import pytest
import trio

from sfclient.cli._arguments import make_parser
from sfclient.cli._call import run_call
from sfclient.simulator import SimulatedCall, open_simulator
from sfclient.testing import open_proxy

from ..conftest import UnhurriedClock
from .conftest import KEY, POSIX, SILENT, WS_MEDIA, figures, read_wav, running, sfclient

TOKEN = "GET /websocket/token/a"


async def test_each_attempt_is_told_and_leaves_its_files(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fast_clock: UnhurriedClock,
) -> None:
    """The agent's side breaks off, and then hangs up in order. In this process, where time is fast."""

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(0.3 * len(sim.calls))
        await call.close(1000 if len(sim.calls) == 2 else 1011, "of a test")

    names = ("--record", tmp_path / "both.wav", "--stats", tmp_path / "s.json")
    report = ("--report", tmp_path / "r.html", "--log", tmp_path / "log")
    async with open_simulator(agent, key=KEY) as sim:
        monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
        call = ("call", "a", "--base-url", sim.base_url, *SILENT, "--redial", *names, *report)
        assert await run_call(make_parser().parse_args([str(word) for word in call])) == 0
    lines = capsys.readouterr().out.splitlines()
    (redial,) = (line for line in lines if line.startswith("The call is redialled in 1."))
    assert "attempt 2" in redial
    assert "of a test" in redial
    assert lines.index(redial) < lines.index("Connected to call", lines.index(redial))
    assert lines[-1].startswith("Disconnected from server (by agent, 1000")
    assert redial in (tmp_path / "log").read_text(encoding="utf-8")
    told = figures(tmp_path / "s.json")
    (first,) = told["earlier"]
    assert (first["ended"]["code"], told["ended"]["code"]) == (1011, 1000)
    assert (first["attempt"], told["attempt"]) == (1, 2)
    for part, name in ((first, "both.wav"), (told, "both-2.wav")):
        assert len(read_wav(tmp_path / name, 48_000, 2)) == part["recording"]["written_frames"] > 0
    pages = [(tmp_path / name).read_text(encoding="utf-8") for name in ("r.html", "r-2.html")]
    heads = [page.split("</header>")[0] for page in pages]
    assert ["attempt 2" in head for head in heads] == [False, True]
    assert ["(1011)" in head for head in heads] == [True, False]


@POSIX
@pytest.mark.slow
async def test_a_signal_in_a_pause_hangs_up(tmp_path: Path) -> None:
    answers = {TOKEN: (503, {"error": "closed for the day"})}
    stats = tmp_path / "s.json"
    async with open_simulator(key=KEY, answers=answers) as sim:
        call = ("call", "a", "--base-url", sim.base_url, *SILENT, "--redial", "--stats", stats)
        async with running(*call) as command:
            await command.says("closed for the day")
            command.signal(signal.SIGINT)
        assert 1 <= sim.requests[TOKEN] <= 2
    assert command.status == 0
    assert "Disconnected from server (by caller, 1000: hung up)" in command.stdout
    assert figures(stats)["ended"]["code"] in (503, None, 1000)


@pytest.mark.slow
async def test_who_redials_in_vain_is_told_the_last_error() -> None:
    answers = {TOKEN: (503, {})}
    async with open_simulator(key=KEY, answers=answers) as sim:
        command = await sfclient(
            *("call", "a", "--base-url", sim.base_url, *SILENT),
            *("--redial", "--redial-in-a-row", "1"),
        )
        assert sim.requests[TOKEN] == 2
    assert command.status == 1
    command.check_error("HTTP 503")


@pytest.mark.slow
async def test_a_lost_network_is_redialled_in_ws_media(tmp_path: Path) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(0.3)
        if len(sim.calls) == 2:
            await call.close(1000, "")
        proxy.reset()

    async with open_simulator(agent, key=KEY) as sim, open_proxy(sim.base_url) as proxy:
        base_url = proxy.through(sim.base_url)
        command = await sfclient(
            *("call", "a", *WS_MEDIA, "--base-url", base_url, *SILENT, "--redial"),
            *("--stats", tmp_path / "s.json"),
        )
        ids = [call.call_id for call in sim.calls]
    assert command.status == 0, command.stderr
    told = json.loads((tmp_path / "s.json").read_text())
    assert [told["earlier"][0]["call_id"], told["call_id"]] == ids

"""``sfclient simulator`` as a process, under a parser of the test's own."""

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from websockets.trio.client import connect

from sfclient.simulator import Agent, ReplyAgent, _command

PROGRAM = """
import argparse, sys, trio
from sfclient.simulator import Agent, ReplyAgent, _command
parser = argparse.ArgumentParser()
_command.add_arguments(parser)
sys.exit(trio.run(_command.run, parser.parse_args()))
"""
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "SYNTHFLOW_API_KEY"}
NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


class Running:
    def __init__(self, process: trio.Process, base_url: str) -> None:
        self.process = process
        self.base_url = base_url
        self.status = -1
        self.stdout = self.stderr = ""

    async def stop(self, number: signal.Signals) -> None:
        """Send the signal, wait, and keep what the command said."""
        self.process.send_signal(number)
        with trio.fail_after(5):
            self.status = await self.process.wait()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdout = b"".join([part async for part in self.process.stdout]).decode()
        self.stderr = b"".join([part async for part in self.process.stderr]).decode()


@asynccontextmanager
async def running(*args: str, **environment: str) -> AsyncIterator[Running]:
    """The command, from its first line on."""
    start = partial(
        trio.run_process,
        [sys.executable, "-W", "error", "-c", PROGRAM, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
        env=ENVIRONMENT | environment,
    )
    async with trio.open_nursery() as nursery:
        process = await nursery.start(start)
        async with process.stdout, process.stderr:
            line = b""
            with trio.fail_after(10):
                while not line.endswith(b"\n"):
                    part = await process.stdout.receive_some(1)
                    assert part, "the command ended before its first line"
                    line += part
            yield Running(process, line.decode().rstrip("\n"))
        nursery.cancel_scope.cancel()


async def session_url(base_url: str, key: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"{base_url}/websocket/token/any", headers={"Authorization": f"Bearer {key}"}
        )
    return str(answer.raise_for_status().json()["sessionURL"])


def run(*args: str) -> subprocess.CompletedProcess[str]:
    """The command, when it is to end by itself."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *args],
        capture_output=True,
        text=True,
        timeout=10,
        env=ENVIRONMENT,
        check=False,
    )


@NOT_ON_WINDOWS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serves_until_a_signal_and_saves_the_call_in_progress(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "call-001").mkdir()  # of an earlier run
    async with running("--save", str(tmp_path)) as command:
        assert command.base_url.startswith("http://127.0.0.1:")
        async with connect(await session_url(command.base_url, "simulator-key"), proxy=None) as ws:
            await ws.recv()
            await ws.send('{"type": "status_client_ready"}')
            await ws.send(bytes(96_000))
            assert len(await ws.recv()) == 32_000
            await command.stop(number)
            await ws.wait_closed()
            assert ws.close_code == 1001
    assert command.status == 0
    assert command.stdout == ""
    assert "SYNTHFLOW_API_KEY=simulator-key sfclient call any --base-url http" in command.stderr
    assert "call 1: started" in command.stderr
    assert "ended by the simulator with code 1001" in command.stderr
    assert "heard 1.0 s, said 1.0 s" in command.stderr
    assert "Traceback" not in command.stderr
    assert (tmp_path / "call-002" / "caller.wav").stat().st_size == 44 + 96_000


@NOT_ON_WINDOWS
async def test_stops_at_once_when_told_right_after_its_first_line() -> None:
    async with running() as command:
        await command.stop(signal.SIGTERM)
        assert command.status == 0


@NOT_ON_WINDOWS
async def test_a_key_from_the_environment_is_used_and_not_said() -> None:
    async with running(SYNTHFLOW_API_KEY="from-the-environment") as command:
        await session_url(command.base_url, "from-the-environment")
        await command.stop(signal.SIGINT)
    assert "SYNTHFLOW_API_KEY" in command.stderr
    assert "from-the-environment" not in command.stderr


@NOT_ON_WINDOWS
async def test_a_given_key_wins_and_is_not_said() -> None:
    async with running("--key", "given", SYNTHFLOW_API_KEY="other") as command:
        await session_url(command.base_url, "given")
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            await session_url(command.base_url, "other")
        await command.stop(signal.SIGINT)
    assert "given" not in command.stderr
    assert "--key" in command.stderr


@NOT_ON_WINDOWS
async def test_speaks_a_wav(tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    wav.write_bytes(
        b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\4\0\0\0abcd"
    )
    async with running("--agent", str(wav), "--pace", "burst") as command:
        async with connect(await session_url(command.base_url, "simulator-key"), proxy=None) as ws:
            await ws.recv()
            await ws.send('{"type": "status_client_ready"}')
            assert await ws.recv() == b"abcd"
        await command.stop(signal.SIGINT)
    assert "ended by the client with code 1000" in command.stderr


@NOT_ON_WINDOWS
async def test_ws_media_is_spoken_with_quirks_and_reported_at_its_rate() -> None:
    order = {"modelId": "any", "fromPhoneNumber": "+1", "toPhoneNumber": "+2"}
    order |= {"wsMediaCodec": "pcmu", "wsMediaFraming": "payload"}
    quirks = ("--quirk", "server_name", "--quirk", "no_call_info")
    async with running(*quirks) as command:
        async with connect(command.base_url.replace("http", "ws") + "/ws-media", proxy=None) as ws:
            order["wsMediaServerName"] = json.loads(await ws.recv())["server_name"]
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(
                    f"{command.base_url}/calls/outbound-test-ws-media",
                    headers={"Authorization": "Bearer simulator-key"},
                    json=order,
                )
            await ws.send(json.dumps({"type": "bind", "sid": answer.json()["sid"]}))
            await ws.send(bytes(8000))
            assert len(await ws.recv()) == 8000
        await command.stop(signal.SIGINT)
    assert f"ws-media is spoken too: see {command.base_url}" in command.stderr
    assert "call 1: started (ws-media)" in command.stderr
    assert "heard 1.0 s, said 1.0 s" in command.stderr


async def test_a_full_disk_behind_what_it_says_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    async def watch(*_: object) -> None:
        served.append(True)

    served: list[bool] = []
    monkeypatch.setattr(_command, "_watch", watch)
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    parser = argparse.ArgumentParser()
    _command.add_arguments(parser)
    assert await _command.run(parser.parse_args([])) == 0
    assert served


def test_a_port_in_use_is_one_line_and_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("--port", str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "in use" in result.stderr


def test_a_host_of_another_machine_is_one_line_and_status_1() -> None:
    result = run("--host", "192.0.2.1")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "192.0.2.1" in result.stderr


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--agent", "missing.wav"], "missing.wav"),
        (["--agent", __file__], "test_command.py"),
        (["--pace", "burst"], "--pace"),
        (["--save", __file__ + "/folder"], "folder"),
        (["--port", "65536"], "65536"),
        (["--port", "http"], "use 0 to 65535"),
        (["--delay", "-1"], "-1"),
        (["--delay", "nan"], "nan"),
        (["--delay", "soon"], "use seconds"),
        (["--agent", __file__, "--delay", "1"], "--delay"),
        (["--quirk", "serverName"], "server_name"),
        (["--host", "0.0.0.0"], "give a key of your own (key=..., --key)"),
    ],
)
def test_wrong_use_is_status_2(args: list[str], named: str) -> None:
    result = run(*args)
    assert result.returncode == 2
    assert named in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--agent", "reply"], "--answer"),
        (["--agent", "reply", "--answer", "missing.wav"], "missing.wav"),
        (["--agent", "reply", "--answer", "a.wav", "--pace", "burst"], "--pace"),
        (["--answer", "a.wav"], "--agent reply"),
        (["--greeting", "a.wav"], "--agent reply"),
    ],
)
def test_what_an_agent_that_replies_lacks_is_named(args: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        agent_of(args)


def test_an_agent_that_replies_says_what_it_was_given(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav")
    made = agent_of(["--agent", "reply", "--answer", wav, "--answer", wav, "--greeting", wav])
    assert vars(made) == vars(ReplyAgent([wav, wav], greeting=wav))
    late = agent_of(["--agent", "reply", "--answer", wav, "--delay", "2"])
    assert vars(late) == vars(ReplyAgent([wav], delay=2))


def agent_of(args: list[str]) -> Agent:
    parser = argparse.ArgumentParser()
    _command.add_arguments(parser)
    return _command._make_agent(parser.parse_args(args))


def write_wav(path: Path) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"abcd")
    return str(path)

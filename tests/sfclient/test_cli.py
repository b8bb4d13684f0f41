"""The command as a process, as a person runs it: what it prints, what it leaves, and its exit status."""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from sfclient.cli import main
from sfclient.simulator import EchoAgent, SimulatedCall, SpeakAgent, open_simulator

KEY = "key-4f9a8c27b1"
MODULE = [sys.executable, "-W", "error", "-m", "sfclient"]
SCRIPT = shutil.which("sfclient", path=sysconfig.get_path("scripts"))
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "SYNTHFLOW_API_KEY" and not name.lower().endswith("_proxy")
}
SILENT = ("--input", "none", "--output", "none")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


class Command:
    """The command while it runs, and what came of it."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.status = -1
        self.stdout = self.stderr = ""
        self.seconds = 0.0

    async def read(self) -> None:
        async def keep(stream: trio.abc.ReceiveStream | None, name: str) -> None:
            if stream is not None:
                async for part in stream:
                    setattr(self, name, getattr(self, name) + part.decode())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, self._process.stdout, "stdout")
            nursery.start_soon(keep, self._process.stderr, "stderr")

    async def says(self, text: str) -> None:
        """Wait until it has said this."""
        with trio.fail_after(10):
            while text not in self.stdout:
                assert self._process.poll() is None, self.stderr
                await trio.sleep(0.01)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def is_running(self) -> bool:
        return self._process.poll() is None


@asynccontextmanager
async def running(
    *args: object, key: str | None = KEY, within: float = 10, **options: Any
) -> AsyncIterator[Command]:
    """The command; on leaving, it has ended by itself in time, and told no secret and no traceback."""
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
    assert command.status >= 0, f"it did not end, or was killed: {command.status} {command.stderr}"
    for told in (command.stdout, command.stderr):
        assert KEY not in told
        assert "token=" not in told
    assert "Traceback" not in command.stderr
    assert "Exception ignored" not in command.stderr
    assert "Warning" not in command.stderr


async def sfclient(*args: object, **options: Any) -> Command:
    async with running(*args, **options) as command:
        pass
    return command


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    """Its ends to read from and to write to."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


async def listen(call: SimulatedCall) -> None:
    await call.client_ready()
    await trio.sleep_forever()


def noise(seconds: float, samplerate: int) -> bytes:
    """No sample zero, so that nothing can go missing unseen."""
    samples = np.random.default_rng(1).integers(1, 8000, round(seconds * samplerate), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


def write_wav(path: Path, pcm: bytes, samplerate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(samplerate)
        file.writeframes(pcm)
    return path


def read_wav(path: Path, samplerate: int, channels: int = 1) -> NDArray[np.int16]:
    """A complete file: its header tells all that is in it."""
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        assert file.getframerate() == samplerate
        assert file.getnchannels() == channels
        data = file.readframes(file.getnframes())
    assert path.stat().st_size == 44 + len(data)
    frames = np.frombuffer(data, "<i2")
    return frames if channels == 1 else frames.reshape(-1, channels)


def figures(path: Path) -> dict[str, dict[str, Any]]:
    """The stats file, with all that must be in it and must hold."""
    text = path.read_text()
    assert KEY not in text
    assert "token=" not in text
    stats: dict[str, dict[str, Any]] = json.loads(text)
    assert stats["ended"].keys() >= {"by", "code", "reason"}
    capture, playout = stats["capture"], stats["playout"]
    assert capture.keys() >= {"captured_frames", "sent_frames", "dropped_frames"}
    assert playout.keys() >= {
        "received_frames",
        "played_frames",
        "padded_frames",
        "dropped_frames",
        "queued_frames",
        "underruns",
    }
    assert capture["captured_frames"] == (
        capture["sent_frames"] + capture["queued_frames"] + capture["dropped_frames"]
    )
    assert playout["received_frames"] == (
        playout["played_frames"] + playout["queued_frames"] + playout["dropped_frames"]
    )
    return stats


@asynccontextmanager
async def serving(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """A peer that does this with every connection; host and port."""

    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await handler(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def closed_port() -> str:
    async with serving(trio.aclose_forcefully) as authority:
        return authority


class TestCall:
    async def test_everything_at_once(self, tmp_path: Path) -> None:
        spoken = noise(1, 48_000)
        hello = write_wav(tmp_path / "hello.wav", spoken, 48_000)
        heard, both, stats = tmp_path / "heard.wav", tmp_path / "both.wav", tmp_path / "s.json"
        async with open_simulator(EchoAgent(0.1), key=KEY, assistant_id="agent-7") as sim:
            done = await sfclient(
                *("call", "agent-7", "--base-url", sim.base_url, "--duration", 2),
                *("--input", hello, "--output", heard, "--record", both, "--stats", stats),
            )
            (call,) = sim.calls
            received = call.received_audio
            sent = call.sent_audio
        assert done.status == 0, done.stderr
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        assert lines[:2] == ["Connecting to server", "Connected to call"]
        assert lines[2].startswith("Disconnected from server (by caller")
        assert len(lines) == 3
        assert 2 <= done.seconds < 8

        assert received.startswith(spoken)
        assert not any(received[len(spoken) :])
        tell = figures(stats)
        assert tell["ended"]["by"] == "caller"
        assert tell["ended"]["code"] == 1000
        assert tell["capture"]["sent_frames"] == len(received) // 2
        assert abs(tell["capture"]["captured_frames"] / 48_000 - 2) < 0.5
        assert 0 < tell["playout"]["received_frames"] <= len(sent) // 2

        played = read_wav(heard, 16_000)
        assert len(played) == tell["playout"]["played_frames"] + tell["playout"]["padded_frames"]
        assert np.count_nonzero(played) > 15_000
        left, right = read_wav(both, 48_000, 2).T
        assert spoken in left.tobytes()
        assert np.count_nonzero(right) > 40_000

    async def test_agent_that_closes_in_mid_sentence_is_played_to_its_last_sample(
        self, tmp_path: Path
    ) -> None:
        spoken = noise(1.5, 16_000)
        heard, stats = tmp_path / "heard.wav", tmp_path / "s.json"
        async with open_simulator(SpeakAgent(spoken, "burst", then="close"), key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--input", "none"),
                *("--output", heard, "--stats", stats),
            )
        assert done.status == 0, done.stderr
        assert "Disconnected from server (by agent, 1000" in done.stdout
        played = read_wav(heard, 16_000)
        assert played[played != 0].tobytes() == spoken
        tell = figures(stats)
        assert (tell["ended"]["by"], tell["ended"]["code"]) == ("agent", 1000)
        assert tell["playout"]["played_frames"] == len(spoken) // 2
        assert tell["playout"]["dropped_frames"] == 0

    @pytest.mark.parametrize("way", ["argument", "standard input"])
    async def test_session_url_needs_no_key(self, way: str) -> None:
        async with open_simulator(EchoAgent(), key=KEY) as sim:
            url = sim.new_session_url()
            given = (url, b"") if way == "argument" else ("-", f"  {url}\r\n".encode())
            done = await sfclient(
                *("call", "--session-url", given[0], *SILENT, "--duration", 0.2),
                key=None,
                stdin=given[1],
            )
        assert done.status == 0, done.stderr
        assert "Connected to call" in done.stdout

    async def test_session_url_is_read_from_a_pipe_that_stays_open(self) -> None:
        async with open_simulator(EchoAgent(), key=KEY) as sim:
            with open_pipe() as (end, other_end):
                os.write(other_end, sim.new_session_url().encode() + b"\n")
                done = await sfclient(
                    *("call", "--session-url", "-", *SILENT, "--duration", 0.2), stdin=end
                )
        assert done.status == 0, done.stderr

    async def test_messages_of_the_agent_are_shown_and_cannot_steer_the_terminal(self) -> None:
        async def talk(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send('{"type": "news", "say": "\x1b[2J\x07"}')
            await call.close(1000, "bye\x1b[2J\nDisconnected")

        async with open_simulator(talk, key=KEY) as sim:
            done = await sfclient("call", "a", "--base-url", sim.base_url, *SILENT)
        assert done.status == 0, done.stderr
        assert "news" in done.stdout
        assert all(line.isprintable() for line in done.stdout.splitlines())
        assert len(done.stdout.splitlines()) == 4

    async def test_allow_insecure(self) -> None:
        """0.0.0.0 is not loopback by its name, but leads here."""
        async with open_simulator(EchoAgent(), key=KEY, host="0.0.0.0") as sim:
            url = sim.base_url.replace("127.0.0.1", "0.0.0.0")
            call = ("call", "a", "--base-url", url, *SILENT, "--duration", 0.2)
            assert (await sfclient(*call)).status == 2
            done = await sfclient(*call, "--allow-insecure")
        assert done.status == 0, done.stderr
        assert len(sim.calls) == 1


@POSIX
class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_hangs_up_and_completes_the_files(
        self, number: signal.Signals, tmp_path: Path
    ) -> None:
        heard, both, stats = tmp_path / "heard.wav", tmp_path / "both.wav", tmp_path / "s.json"
        async with open_simulator(SpeakAgent(noise(60, 16_000), "burst"), key=KEY) as sim:
            async with running(
                *("call", "a", "--base-url", sim.base_url, "--input", "none"),
                *("--output", heard, "--record", both, "--stats", stats),
            ) as command:
                await command.says("Connected to call")
                await trio.sleep(0.7)
                command.signal(number)
                start = trio.current_time()
            assert trio.current_time() - start < 5
            ended = await sim.calls[0].wait_ended()
        assert command.status == 0
        assert (ended.by, ended.code) == ("client", 1000)
        assert "Disconnected from server (by caller" in command.stdout
        assert len(read_wav(heard, 16_000)) > 6_000
        left, right = read_wav(both, 48_000, 2).T
        assert len(left) > 20_000
        assert np.count_nonzero(right) > 10_000
        assert figures(stats)["playout"]["dropped_frames"] > 0

    async def test_far_side_that_no_longer_answers(self, tmp_path: Path) -> None:
        async def freeze(stream: trio.SocketStream) -> None:
            (key,) = re.findall(
                rb"(?i)sec-websocket-key: *(\S+)", await stream.receive_some(65_536)
            )
            digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            await stream.send_all(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                + base64.b64encode(digest)
                + b"\r\n\r\n\x81\x1e"
                + b'{"type": "status_agent_ready"}'
            )
            await trio.sleep_forever()

        async with serving(freeze) as authority:
            async with running(
                "call", "--session-url", f"ws://{authority}/", *SILENT, within=5
            ) as command:
                await command.says("Connected to call")
                await trio.sleep(0.3)
                command.signal(signal.SIGINT)
        assert command.status == 0

    @pytest.mark.parametrize(
        ("number", "stage"), [(signal.SIGINT, "token"), (signal.SIGTERM, "upgrade")]
    )
    async def test_while_connecting(self, number: signal.Signals, stage: str) -> None:
        arrived = trio.Event()

        async def keep_waiting(stream: trio.SocketStream) -> None:
            arrived.set()
            await trio.sleep_forever()

        async with serving(keep_waiting) as authority:
            where: tuple[str, ...] = ("--session-url", f"ws://{authority}/")
            if stage == "token":
                where = ("a", "--base-url", f"http://{authority}")
            async with running("call", *where, *SILENT, within=5) as command:
                with trio.fail_after(5):
                    await arrived.wait()
                command.signal(number)
        assert command.status in (0, 130)

    async def test_signal_while_reading_the_url(self) -> None:
        with open_pipe() as (end, _):
            async with running(
                "call", "--session-url", "-", *SILENT, stdin=end, within=5
            ) as command:
                await trio.sleep(2)  # it says nothing yet
                command.signal(signal.SIGINT)
        assert command.status in (0, 130)


class TestWrongUse:
    async def test_arguments(self) -> None:
        for args, told in (
            ([], "COMMAND"),
            (["call", *SILENT], "either an ASSISTANT_ID or a --session-url"),
            (["call", "--session-url", "ws://192.0.2.1/?token=t", *SILENT], "in the clear"),
            (["call", "a", "--base-url", "http://192.0.2.1", *SILENT], "in the clear"),
        ):
            done = await sfclient(*args)
            assert done.status == 2
            assert told in done.stderr
            assert len(done.stdout.splitlines()) <= 1

    @pytest.mark.parametrize("key", [None, "nötig", "wrong-key-77"])
    async def test_key(self, key: str | None, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                "call", "a", "--base-url", sim.base_url, *SILENT, "--stats", stats, key=key
            )
        assert done.status == 2
        assert "key" in done.stderr
        assert key is None or not key.strip() or key not in done.stderr
        assert figures(stats)["ended"]["by"] == "caller"
        assert not sim.calls

    async def test_unknown_agent(self) -> None:
        async with open_simulator(key=KEY, assistant_id="agent-7") as sim:
            done = await sfclient("call", "agent-8", "--base-url", sim.base_url, *SILENT)
        assert done.status == 2
        assert "agent-8" in done.stderr

    async def test_session_used_up(self) -> None:
        async with open_simulator(key=KEY) as sim:
            url = sim.new_session_url()
            call = ("call", "--session-url", url, *SILENT, "--duration", 0.1)
            assert (await sfclient(*call)).status == 0
            done = await sfclient(*call)
        assert done.status == 1
        assert "request a new one" in done.stderr

    @pytest.mark.parametrize("option", ["--input", "--output", "--record", "--stats"])
    async def test_file_in_no_folder(self, option: str, tmp_path: Path) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.1),
                *(option, tmp_path / "gone" / "x.wav"),
            )
        assert done.status == 2
        assert "No such file" in done.stderr
        assert str(tmp_path / "gone" / "x.wav") in done.stderr

    @pytest.mark.parametrize("kind", ["missing", "garbage", "folder"])
    async def test_input_that_cannot_be_read(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "in.wav"
        if kind == "folder":
            path.mkdir()
        elif kind == "garbage":
            path.write_bytes(b"ID3" * 100)
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--input", path, "--output", "none"),
            )
        assert done.status == 2
        assert "in.wav" in done.stderr
        assert not sim.calls

    @pytest.mark.parametrize("samplerate", [1, 47_999, 2**31 - 1])
    async def test_input_at_an_odd_rate(self, samplerate: int, tmp_path: Path) -> None:
        path = write_wav(tmp_path / "in.wav", bytes(200), samplerate)
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--duration", 0.1),
                *("--input", path, "--output", "none"),
            )
        assert done.status in (0, 2)
        assert done.status == 0 or str(samplerate) in done.stderr

    async def test_input_at_a_usual_rate(self, tmp_path: Path) -> None:
        path = write_wav(tmp_path / "in.wav", noise(0.3, 44_100), 44_100)
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--duration", 0.5),
                *("--input", path, "--output", "none"),
            )
        assert done.status == 0, done.stderr
        assert any(sim.calls[0].received_audio)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    @pytest.mark.parametrize("option", ["--output", "--record", "--stats"])
    async def test_full_disk(self, option: str, tmp_path: Path) -> None:
        (tmp_path / "out.wav").symlink_to("/dev/full")
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.3),
                *(option, tmp_path / "out.wav"),
            )
        assert done.status == 2
        assert "No space left" in done.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="closes a descriptor")
    async def test_no_standard_input(self) -> None:
        shell = ["sh", "-c", 'exec "$@" <&-', "sh", *MODULE]
        done = await sfclient("call", "--session-url", "-", *SILENT, command=shell)
        assert done.status == 2

    @pytest.mark.parametrize("given", [b"", b"\xff\xfe\n"])
    async def test_no_url_on_standard_input(self, given: bytes) -> None:
        done = await sfclient("call", "--session-url", "-", *SILENT, stdin=given)
        assert done.status == 2


@pytest.mark.parametrize(
    "args",
    [
        ["frobnicate"],
        ["call"],
        ["call", "a", "b"],
        ["call", "a", "--session-url", "ws://127.0.0.1:1/"],
        ["call", "a", "--key", "x"],
        ["call", "a", "--api-key", "x"],
        ["call", "a", "--duration", "0"],
        ["call", "a", "--duration", "-1"],
        ["call", "a", "--duration", "nan"],
        ["call", "a", "--duration", "inf"],
        ["call", "a", "--duration", "soon"],
        ["call", "", *SILENT],
        ["call", "--session-url", "", *SILENT],
        ["call", "--session-url", "https://127.0.0.1/", *SILENT],
        ["call", "--session-url", "wss://a..example/", *SILENT],
        ["call", "--session-url", "ws://10.0.0.1/?token=tok", *SILENT],
        ["call", "a", "--base-url", "nonsense", *SILENT],
        ["call", "a", "--base-url", "http://example.com", *SILENT],
        ["demo", "--fast"],
        ["devices", "all"],
        ["simulator", "--port", "70000"],
    ],
    ids=" ".join,
)
def test_wrong_arguments(
    args: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quickly, without a process."""
    monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
    with pytest.raises(SystemExit) as info:  # argparse does it by itself
        sys.exit(main(args))
    status = info.value.code
    assert status == 2 or (status == 1 and "wss://a..example/" in args)
    told = capsys.readouterr()
    assert told.err.strip()
    assert "token=" not in told.err


class TestFarSide:
    async def test_unreachable(self, tmp_path: Path) -> None:
        authority = await closed_port()
        stats = tmp_path / "s.json"
        for where in (
            ("a", "--base-url", f"http://{authority}"),
            ("--session-url", f"wss://{authority}/?token=t"),
        ):
            done = await sfclient("call", *where, *SILENT, "--stats", stats)
            assert done.status == 1
            assert "cannot connect to 127.0.0.1" in done.stderr
            assert figures(stats)["ended"]["by"] == "network"
            stats.unlink()

    @pytest.mark.parametrize("scheme", ["http", "ws"])
    async def test_something_else_answers(self, scheme: str) -> None:
        async def greet(stream: trio.SocketStream) -> None:
            await stream.send_all(b"SSH-2.0-OpenSSH_9.2\r\n")
            await stream.receive_some()

        async with serving(greet) as authority:
            where: tuple[str, ...] = ("--session-url", f"{scheme}://{authority}/?token=t")
            if scheme.startswith("http"):
                where = ("a", "--base-url", f"{scheme}://{authority}")
            done = await sfclient("call", *where, *SILENT)
        assert done.status == 1
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ("end", "by", "code"),
        [
            ("reset", "network", None),
            ("abort", "network", None),
            ("close", "agent", 1011),
            ("refuse", "agent", 1008),
        ],
    )
    async def test_failure_in_mid_call(
        self, end: str, by: str, code: int | None, tmp_path: Path
    ) -> None:
        async def fail(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send(noise(1, 16_000))
            await trio.sleep(0.3)
            match end:
                case "reset":
                    await call.reset()
                case "abort":
                    await call.abort()
                case "close":
                    await call.close(1011, "the agent broke")
                case "refuse":
                    await call.close(1008, "no credit")

        heard, both, stats = tmp_path / "heard.wav", tmp_path / "both.wav", tmp_path / "s.json"
        async with open_simulator(fail, key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--input", "none"),
                *("--output", heard, "--record", both, "--stats", stats),
            )
        assert done.status == 1
        assert len(done.stderr.splitlines()) == 1
        tell = figures(stats)
        assert (tell["ended"]["by"], tell["ended"]["code"]) == (by, code)
        assert tell["ended"]["reason"] in done.stderr
        read_wav(heard, 16_000)
        read_wav(both, 48_000, 2)

    @pytest.mark.slow
    async def test_answer_that_never_comes(self) -> None:
        async def keep_waiting(stream: trio.SocketStream) -> None:
            await trio.sleep_forever()

        async with serving(keep_waiting) as authority:
            done = await sfclient(
                "call", "a", "--base-url", f"http://{authority}", *SILENT, within=10
            )
        assert done.status == 1
        assert "did not answer within 8 s" in done.stderr


FAKE_SOUNDDEVICE = """
class PortAudioError(Exception):
    pass

InputStream = OutputStream = check_input_settings = check_output_settings = None

DEVICES = [
    {"index": 0, "name": "Desk microphone", "hostapi": 0, "max_input_channels": 1,
     "max_output_channels": 0, "default_samplerate": 44100.0},
    {"index": 1, "name": "Loud speaker", "hostapi": 0, "max_input_channels": 0,
     "max_output_channels": 2, "default_samplerate": 48000.0},
]

def query_hostapis():
    return [{"name": "Fake"}]

def query_devices(device=None, kind=None):
    if kind is None:
        return DEVICES
    raise ValueError(f"No {kind} device matching {device!r}")
"""
NO_PORTAUDIO = """
import ctypes.util
find = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if "portaudio" in name else find(name)
"""


def first_on_the_path(folder: Path) -> dict[str, str]:
    behind = ENVIRONMENT.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{behind}" if behind else str(folder)}


class TestDevices:
    @pytest.fixture
    def fake(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "sounddevice.py").write_text(FAKE_SOUNDDEVICE)
        return first_on_the_path(tmp_path)

    @pytest.fixture
    def no_portaudio(self, tmp_path: Path) -> dict[str, str]:
        if sys.platform != "linux":
            pytest.skip("the wheel of sounddevice brings PortAudio along")
        (tmp_path / "sitecustomize.py").write_text(NO_PORTAUDIO)
        return first_on_the_path(tmp_path)

    async def test_devices_are_listed(self, fake: dict[str, str]) -> None:
        done = await sfclient("devices", env=fake, key=None)
        assert done.status == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert re.search(r"\b0\b.*Desk microphone.*Fake.*\b1 in\b.*44100 Hz", first)
        assert re.search(r"\b1\b.*Loud speaker.*Fake.*\b2 out\b.*48000 Hz", second)

    @pytest.mark.parametrize(
        ("option", "name", "candidate", "other"),
        [
            ("--input", "tuba", "0 Desk microphone", "Loud speaker"),
            ("--output", "17", "1 Loud speaker", "Desk microphone"),
        ],
    )
    async def test_unknown_device_lists_the_candidates(
        self, option: str, name: str, candidate: str, other: str, fake: dict[str, str]
    ) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                "call", "a", "--base-url", sim.base_url, *SILENT, option, name, env=fake
            )
        assert done.status == 3
        assert name in done.stderr
        assert candidate in done.stderr
        assert other not in done.stderr
        assert not sim.calls

    async def test_no_portaudio_names_the_package(self, no_portaudio: dict[str, str]) -> None:
        async with open_simulator(key=KEY) as sim:
            for args in (
                ("devices",),
                ("call", "a", "--base-url", sim.base_url),
                ("call", "--session-url", sim.new_session_url(), "--input", "none"),
            ):
                done = await sfclient(*args, env=no_portaudio)
                assert done.status == 3
                assert "libportaudio2" in done.stderr
                assert len(done.stderr.splitlines()) == 1

    async def test_files_need_no_portaudio(self, no_portaudio: dict[str, str]) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.2),
                env=no_portaudio,
            )
        assert done.status == 0, done.stderr


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
        done = await sfclient("demo", key=None, cwd=tmp_path, within=20)
        assert done.status == 0, done.stderr
        assert done.stderr == ""
        assert "Connected to call" in done.stdout
        assert "Disconnected from server (by caller" in done.stdout
        last = done.stdout.splitlines()[-1]
        assert "sfclient" in last
        assert "call" in last
        assert done.seconds < 20
        assert os.listdir(tmp_path) == ["call.wav"]

        left, right = read_wav(tmp_path / "call.wav", 48_000, 2).T.astype(float)
        assert np.abs(left).max() > 3000
        assert np.abs(right).max() > 3000
        length = 2 * len(left)
        spectrum = np.fft.rfft(right, length) * np.conj(np.fft.rfft(left, length))
        correlation = np.fft.irfft(spectrum) / np.linalg.norm(left) / np.linalg.norm(right)
        delay = correlation[: len(left)].argmax() / 48_000
        assert correlation.max() > 0.9
        assert 0.4 < delay < 1.2

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

"""A signal hangs up, whatever the command is at."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import trio

from sfclient.simulator import SpeakAgent, open_simulator

from ..conftest import noise
from ..raw_servers import accepted, frame, read_head, serving
from .conftest import (
    KEY,
    MODULE,
    POSIX,
    SILENT,
    figures,
    first_on_the_path,
    open_pipe,
    read_wav,
    running,
    until,
)

READY = b'{"type": "status_agent_ready"}'


def is_empty(end: int) -> bool:
    """Whether all that was written to a pipe has been read."""
    import fcntl  # not on every system
    import termios

    return not any(fcntl.ioctl(end, termios.FIONREAD, bytes(4)))


@POSIX
class TestSignals:
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])  # not all on Windows
    async def test_hangs_up_and_completes_the_files(self, name: str, tmp_path: Path) -> None:
        heard, both, stats = tmp_path / "heard.wav", tmp_path / "both.wav", tmp_path / "s.json"
        async with open_simulator(SpeakAgent(noise(60, 16_000), "burst"), key=KEY) as sim:
            async with running(
                *("call", "a", "--base-url", sim.base_url, "--input", "none"),
                *("--output", heard, "--record", both, "--stats", stats),
                within=30,
            ) as command:
                await command.says("Connected to call")
                await until(lambda: len(sim.calls[0].received_audio) >= 48_000)  # half a second
                command.signal(signal.Signals[name])  # the agent's words would last for a minute
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
        async def freeze(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + frame(1, READY))
            await trio.sleep_forever()

        async with serving(freeze) as peer:
            async with running(
                "call", "--session-url", f"ws://{peer.authority}/", *SILENT
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

        async def keep_waiting(stream: trio.abc.Stream) -> None:
            arrived.set()
            await trio.sleep_forever()

        async with serving(keep_waiting) as peer:
            where: tuple[str, ...] = ("--session-url", f"ws://{peer.authority}/")
            if stage == "token":
                where = ("a", "--base-url", f"http://{peer.authority}")
            async with running("call", *where, *SILENT) as command:
                with trio.fail_after(60):
                    await arrived.wait()
                command.signal(number)
        assert command.status in (0, 130)

    async def test_hang_up_of_the_terminal_is_ignored_under_nohup(self) -> None:
        nohup = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *MODULE]
        async with open_simulator(key=KEY) as sim:
            async with running(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.5),
                command=nohup,
            ) as command:
                await command.says("Connected to call")
                command.signal(signal.SIGHUP)
            ended = await sim.calls[0].wait_ended()
        assert command.status == 0
        assert ended.at - sim.calls[0].started > 0.4

    @pytest.mark.slow
    async def test_second_one_while_the_far_side_keeps_us_waiting(self, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"

        async def freeze(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + frame(1, READY))
            await trio.sleep_forever()

        async with serving(freeze) as peer:
            async with running(
                *("call", "--session-url", f"ws://{peer.authority}/", *SILENT, "--stats", stats)
            ) as command:
                await command.says("Connected to call")
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
                    command.signal(number)
                    await trio.sleep(0.1)
        assert command.status == 0
        assert command.seconds < 10
        assert figures(stats)["ended"]["by"] == "caller"

    async def test_killed_it_leaves_recordings_that_lack_little(self, tmp_path: Path) -> None:
        heard, both = tmp_path / "heard.wav", tmp_path / "both.wav"
        async with open_simulator(SpeakAgent(noise(60, 16_000)), key=KEY) as sim:
            async with running(
                *("call", "a", "--base-url", sim.base_url, "--input", "none"),
                *("--output", heard, "--record", both),
                killed=True,
            ) as command:
                await command.says("Connected to call")
                await until(lambda: len(sim.calls[0].received_audio) >= 96_000)  # a second
                command.signal(signal.SIGKILL)
        assert command.status == -signal.SIGKILL
        assert len(read_wav(heard, 16_000)) > 8_000
        assert len(read_wav(both, 48_000, 2)) > 24_000

    async def test_while_starting_it_is_quiet(self, tmp_path: Path) -> None:
        """The imports take half a second: one of them presses Ctrl-C."""
        (tmp_path / "h11.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
        command = [sys.executable, "-c", "import sfclient_command as c; c.main()"]
        async with running(
            "call", "a", *SILENT, command=command, killed=True, env=first_on_the_path(tmp_path)
        ) as started:
            pass
        assert (started.status, started.stdout, started.stderr) == (-signal.SIGINT, "", "")

    async def test_signal_while_reading_the_url(self) -> None:
        with open_pipe() as (end, other_end):
            os.write(other_end, b"ws:")  # more of the line is not to come
            async with running("call", "--session-url", "-", *SILENT, stdin=end) as command:
                await until(lambda: is_empty(end))
                await trio.sleep(0.2)  # until it waits again
                command.signal(signal.SIGINT)
        assert command.status in (0, 130)

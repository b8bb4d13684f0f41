"""Exit status 1: the network or the agent is at fault."""

from pathlib import Path

import pytest
import trio

from sfclient.simulator import SimulatedCall, open_simulator

from ..conftest import noise
from ..raw_servers import closed_port, serving, sleep_forever
from .conftest import KEY, SILENT, figures, read_wav, sfclient


class TestFarSide:
    async def test_unreachable(self, tmp_path: Path) -> None:
        peer = await closed_port()
        stats = tmp_path / "s.json"
        for where in (
            ("a", "--base-url", peer.base_url),
            ("--session-url", f"wss://{peer.authority}/?token=t"),
        ):
            done = await sfclient("call", *where, *SILENT, "--stats", stats)
            assert done.status == 1
            assert "cannot reach 127.0.0.1" in done.stderr
            assert figures(stats)["ended"]["by"] == "network"
            stats.unlink()

    @pytest.mark.parametrize("scheme", ["http", "ws"])
    async def test_something_else_answers(self, scheme: str) -> None:
        async def greet(stream: trio.abc.Stream) -> None:
            await stream.send_all(b"SSH-2.0-OpenSSH_9.2\r\n")
            await stream.receive_some()

        async with serving(greet) as peer:
            where: tuple[str, ...] = ("--session-url", f"{scheme}://{peer.authority}/?token=t")
            if scheme.startswith("http"):
                where = ("a", "--base-url", f"{scheme}://{peer.authority}")
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
        async with serving(sleep_forever) as peer:
            done = await sfclient("call", "a", "--base-url", peer.base_url, *SILENT)
        assert done.status == 1
        assert "did not answer within 8 s" in done.stderr

"""A call from one command: the sound of both sides, files, figures, and what is printed."""

import os
from pathlib import Path

import numpy as np
import pytest

from sfclient.simulator import EchoAgent, SimulatedCall, SpeakAgent, open_simulator

from ..conftest import noise, write_wav
from .conftest import KEY, SILENT, figures, open_pipe, read_wav, sfclient, without_turns


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
        assert without_turns(done.stdout) == [
            "Connecting to server",
            "Connected to call",
            "All of the input was said",
            "Disconnected from server (by caller, 1000: its 2 s were over)",
        ]
        assert 2 <= done.seconds < 20

        assert received.startswith(spoken)
        assert not any(received[len(spoken) :])
        tell = figures(stats)
        assert tell["ended"]["by"] == "caller"
        assert tell["ended"]["code"] == 1000
        assert tell["capture"]["sent_frames"] == len(received) // 2
        assert 1.5 < tell["capture"]["captured_frames"] / 48_000 < 10
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

    @pytest.mark.parametrize("policy", [None, "adaptive", "browser"])
    async def test_policy_of_playout_is_followed_and_told(
        self, tmp_path: Path, policy: str | None
    ) -> None:
        spoken = noise(0.5, 16_000)
        heard, stats = tmp_path / "heard.wav", tmp_path / "s.json"
        chosen = () if policy is None else ("--playout", policy)
        async with open_simulator(SpeakAgent(spoken, "burst", then="close"), key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, "--input", "none", *chosen),
                *("--output", heard, "--stats", stats),
            )
        assert done.status == 0, done.stderr
        playout = figures(stats)["playout"]
        assert playout["policy"] == (policy or "lossless")
        assert playout["played_frames"] == len(spoken) // 2
        assert spoken in read_wav(heard, 16_000).tobytes()
        told = [line for line in done.stdout.splitlines() if "queued for" in line]
        if policy == "adaptive":
            assert "gaps in it: 0, of 150 ms or more: 0" in told[0]
            assert done.stdout.endswith(told[0] + "\n")
        else:
            assert not told

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
        assert len(done.stdout.splitlines()) == 5
        assert "\nThe agent sent no sound in all of the call\nDisconnected" in done.stdout

    async def test_terminal_that_lacks_letters(self) -> None:
        async def talk(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send('{"type": "news", "say": "Grüße"}')

        async with open_simulator(talk, key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT),
                env={"PYTHONIOENCODING": "ascii"},
            )
        assert done.status == 0, done.stderr
        assert "news" in done.stdout
        assert "Disconnected from server (by agent, 1000)" in done.stdout

    async def test_allow_insecure(self) -> None:
        """0.0.0.0 is not loopback by its name, but leads here."""
        async with open_simulator(EchoAgent(), key=KEY, host="0.0.0.0") as sim:
            url = sim.base_url.replace("127.0.0.1", "0.0.0.0")
            call = ("call", "a", "--base-url", url, *SILENT, "--duration", 0.2)
            assert (await sfclient(*call)).status == 2
            done = await sfclient(*call, "--allow-insecure")
        assert done.status == 0, done.stderr
        assert len(sim.calls) == 1

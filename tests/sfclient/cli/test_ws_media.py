"""A call in the ws-media dialect: bit for bit both ways, under a call ID."""

import signal
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sfaudio import ulaw_to_int16
from sfclient.simulator import SimulatedCall, Simulator, SpeakAgent, open_simulator

from ..conftest import noise, without_silence, write_wav
from .conftest import (
    KEY,
    POSIX,
    SILENT,
    WS_MEDIA,
    Command,
    figures,
    read_wav,
    running,
    sfclient,
    until,
    without_turns,
)

START = "POST /calls/outbound-test-ws-media"


def of_g711(seconds: float, seed: int) -> bytes:
    """Speech at 8 kHz of the values that mu-law knows, none of them zero."""
    codes = [code for code in range(256) if code not in (0x7F, 0xFF)]
    chosen = np.random.default_rng(seed).choice(codes, round(8000 * seconds))
    return ulaw_to_int16(chosen.astype(np.uint8)).tobytes()


def starts_alike(first: NDArray[np.int16], second: NDArray[np.int16]) -> bool:
    length = min(len(first), len(second))
    return np.array_equal(first[:length], second[:length]) and bool(first[:length].any())


def converse(answer: bytes, until: bytes) -> Callable[[SimulatedCall], Awaitable[None]]:
    """An agent that answers at once, and hangs up when it has heard this."""

    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(answer)
        async for _ in call.audio():
            if without_silence(call.received_audio).endswith(until):
                break

    return agent


async def call_from(sim: Simulator, *args: object) -> Command:
    return await sfclient("call", "agent-7", *WS_MEDIA, "--base-url", sim.base_url, *args)


async def hold_unstalled(
    sim: Simulator, stats: Path, *args: object
) -> tuple[Command, dict[str, dict[str, Any]]]:
    """The command and its figures. Where the machine stands still for 0.2 s, speech is lost to the steady clock, and
    told: then once more."""
    for _ in range(5):
        done = await call_from(sim, *args, "--stats", stats, "--duration", 20)
        assert done.status == 0, done.stderr
        tell = figures(stats)
        if not tell["capture"]["overruns"]:
            break
    return done, tell


class TestCall:
    async def test_everything_at_once(self, tmp_path: Path) -> None:
        spoken, answer = noise(1, 16_000), noise(0.7, 16_000, seed=2)
        question = write_wav(tmp_path / "question.wav", spoken, 16_000)
        heard, both, stats = tmp_path / "heard.wav", tmp_path / "both.wav", tmp_path / "s.json"
        agent = converse(answer, until=spoken[-200:])
        async with open_simulator(agent, key=KEY, assistant_id="agent-7") as sim:
            done, tell = await hold_unstalled(
                sim,
                stats,
                *("--input", question, "--output", heard, "--record", both),
                *("--lead-name", "Ada", "--agent-version", "draft"),
            )
            call = sim.calls[-1]
        assert done.stderr == ""
        assert without_turns(done.stdout) == [
            "Connecting to server",
            f"Connected to call {call.call_id}",
            "All of the input was said",
            "Disconnected from server (by agent, 1000)",
        ]
        assert call.order is not None
        assert call.order.pop("wsMediaServerName")
        assert call.order == {
            "modelId": "agent-7",
            "fromPhoneNumber": "+49301234",
            "toPhoneNumber": "+49305678",
            "leadName": "Ada",
            "agentVersion": "draft",
            "wsMediaCodec": "l16",
            "wsMediaFraming": "payload",
        }
        assert {m.length for m in call.messages} == {640}

        assert without_silence(call.received_audio) == spoken
        played = read_wav(heard, 16_000)
        assert without_silence(played.tobytes()) == answer
        left, right = read_wav(both, 16_000, 2).T
        assert without_silence(left.tobytes()) == spoken
        assert starts_alike(right, played)

        assert tell["call_id"] == call.call_id
        assert (tell["ended"]["by"], tell["ended"]["code"]) == ("agent", 1000)
        assert tell["capture"]["sent_frames"] >= len(spoken) // 2
        assert tell["playout"]["played_frames"] == len(answer) // 2

    async def test_pcmu_in_rtp(self, tmp_path: Path) -> None:
        spoken, answer = of_g711(1, seed=1), of_g711(0.5, seed=2)
        question = write_wav(tmp_path / "question.wav", spoken, 8000)
        heard, both, stats = tmp_path / "heard.wav", tmp_path / "both.wav", tmp_path / "s.json"
        agent = converse(answer, until=spoken[-100:])
        async with open_simulator(agent, key=KEY) as sim:
            _, tell = await hold_unstalled(
                sim,
                stats,
                *("--input", question, "--output", heard, "--record", both),
                *("--codec", "pcmu", "--framing", "rtp"),
            )
            call = sim.calls[-1]
        assert call.order is not None
        assert (call.order["wsMediaCodec"], call.order["wsMediaFraming"]) == ("pcmu", "rtp")
        assert {m.length for m in call.messages} == {12 + 160}
        assert without_silence(call.received_audio) == spoken
        played = read_wav(heard, 8000)
        assert without_silence(played.tobytes()) == answer
        left, right = read_wav(both, 8000, 2).T
        assert without_silence(left.tobytes()) == spoken
        assert starts_alike(right, played)
        counts = tell["dialect_counts"]
        assert counts["rtp_packets"] == 25
        assert counts["rtp_lost"] == counts["rtp_invalid"] == 0

    @pytest.mark.parametrize("codec", ["l16", "pcma"])
    async def test_time_is_up(self, codec: str, tmp_path: Path) -> None:
        """Every frame that counts as sent has arrived."""
        stats = tmp_path / "s.json"
        async with open_simulator(SpeakAgent(noise(60, 16_000)), key=KEY) as sim:
            done = await call_from(
                sim, "--codec", codec, *SILENT, "--duration", 1, "--stats", stats
            )
            ended = await sim.calls[0].wait_ended()
            received = sim.calls[0].received_audio
        assert done.status == 0, done.stderr
        assert (ended.by, ended.code) == ("client", 1000)
        tell = figures(stats)
        assert tell["ended"]["by"] == "caller"
        assert (
            len(received) // 2 == tell["capture"]["sent_frames"] + tell["capture"]["padded_frames"]
        )
        assert len(received) // 2 >= (1600 if codec == "pcma" else 3200)

    @pytest.mark.parametrize("quirk", ["no_sid", "no_call_info", "chatty", "rtp_anyway"])
    async def test_what_a_service_may_do(self, quirk: str, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"

        async def agent(call: SimulatedCall) -> None:
            await call.send_audio(noise(0.5, 16_000))
            async for _ in call.audio():
                break

        async with open_simulator(agent, key=KEY, quirks=[quirk]) as sim:
            done = await call_from(sim, *SILENT, "--stats", stats)
            (call,) = sim.calls
        assert done.status == 0, done.stderr
        assert f"Connected to call {call.call_id}\n" in done.stdout
        assert ("hello" in done.stdout) == (quirk == "chatty")
        tell = figures(stats)
        assert tell["call_id"] == call.call_id
        assert tell["playout"]["played_frames"] == 8000

    async def test_call_id_cannot_steer_the_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uuid, "uuid4", lambda: "6b3c\x1b[2J\nDisconnected")
        agent = SpeakAgent(b"", then="close")
        async with open_simulator(agent, key=KEY) as sim:
            done = await call_from(sim, *SILENT)
        assert done.status == 0, done.stderr
        assert len(done.stdout.splitlines()) == 4
        assert "\nThe agent sent no sound in all of the call\nDisconnected" in done.stdout
        assert all(line.isprintable() for line in done.stdout.splitlines())

    @POSIX
    async def test_signal_before_the_call_has_begun(self, tmp_path: Path) -> None:
        async with open_simulator(key=KEY, quirks=["no_server_info"]) as sim:
            async with running(
                "call", "a", *WS_MEDIA, "--base-url", sim.base_url, *SILENT
            ) as command:
                await until(lambda: sim.requests["GET /ws-media"])
                command.signal(signal.SIGINT)
        assert command.status == 0
        assert not sim.requests[START]

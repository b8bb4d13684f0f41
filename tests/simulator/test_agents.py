"""EchoAgent and SpeakAgent over a real connection, and their timing on a clock of the test."""

import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection, connect

from sfclient.simulator import (
    EchoAgent,
    SimulatedCall,
    Simulator,
    SpeakAgent,
    UnreadableWavError,
    open_simulator,
)
from sfclient.simulator._audio import Decimator
from sfclient.simulator._codecs import chunks

READY = '{"type": "status_client_ready"}'


class StubCall:
    """As much of a widget call as the agents use, on whatever clock the test has."""

    caller_samplerate = 48_000
    agent_samplerate = 16_000
    agent_byterate = 32_000
    wire_messages = staticmethod(chunks)

    def __init__(self, pieces: list[tuple[float, bytes]] | None = None) -> None:
        self.pieces = pieces or []
        self.stalls: list[int] = []
        """The messages that the network takes 100 ms for, instead of 3."""
        self.sent: list[tuple[float, bytes]] = []

    async def client_ready(self) -> None:
        await trio.sleep(1.0)

    async def audio(self) -> AsyncIterator[bytes]:
        for at, pcm in self.pieces:
            await trio.sleep_until(at)
            yield pcm

    async def send(self, message: bytes) -> None:
        self.sent.append((trio.current_time(), message))
        await trio.sleep(0.1 if len(self.sent) in self.stalls else 0.003)

    async def send_audio(self, pcm: bytes) -> None:
        if pcm:
            await self.send(pcm)

    async def wait_ended(self) -> None:
        await trio.sleep(100.0)


async def act(agent: Any, call: Any) -> None:
    await agent(call)


async def test_realtime_pace_does_not_drift(autojump_clock: trio.abc.Clock) -> None:
    call = StubCall()
    begin = trio.current_time() + 1.0
    await act(SpeakAgent(bytes(range(256)) * 250, then="close"), call)
    assert b"".join(chunk for _, chunk in call.sent) == bytes(range(256)) * 250
    assert {len(chunk) for _, chunk in call.sent} == {640}
    for n, (at, _) in enumerate(call.sent):
        assert at == pytest.approx(begin + n * 0.020, abs=1e-9)
    assert trio.current_time() == pytest.approx(begin + 99 * 0.020 + 0.003)


async def test_realtime_pace_catches_up_after_a_stall(autojump_clock: trio.abc.Clock) -> None:
    call = StubCall()
    call.stalls = [10, 50]
    begin = trio.current_time() + 1.0
    await act(SpeakAgent(bytes(64_000), then="close"), call)
    late = [at - begin - n * 0.020 for n, (at, _) in enumerate(call.sent)]
    assert max(late) == pytest.approx(0.1 - 0.020)
    assert [late[9], late[30], late[99]] == pytest.approx([0, 0, 0], abs=1e-9)


async def test_pace_follows_the_length_of_the_messages(autojump_clock: trio.abc.Clock) -> None:
    call = StubCall()
    begin = trio.current_time() + 1.0
    await act(SpeakAgent(bytes(3202), chunk_bytes=1601, then="close"), call)
    assert [at - begin for at, _ in call.sent] == pytest.approx([0, 1601 / 32_000])


async def test_burst_comes_at_once_and_listening_lasts(autojump_clock: trio.abc.Clock) -> None:
    call = StubCall()
    begin = trio.current_time() + 1.0
    await act(SpeakAgent(bytes(6400), "burst", chunk_bytes=1000), call)
    assert [len(chunk) for _, chunk in call.sent] == [1000] * 6 + [400]
    assert call.sent[-1][0] == pytest.approx(begin + 6 * 0.003)
    assert trio.current_time() > begin + 100


async def test_echo_comes_after_its_delay_however_slow_the_network(
    autojump_clock: trio.abc.Clock,
) -> None:
    start = trio.current_time() + 1.0
    pieces = [(start + n * 0.020, bytes([n]) * 1920) for n in range(100)]
    call = StubCall(pieces)
    await act(EchoAgent(delay=0.75), call)
    decimator = Decimator()
    assert [pcm for _, pcm in call.sent] == [decimator.feed(pcm) for _, pcm in pieces]
    assert [at for at, _ in call.sent] == pytest.approx([at + 0.75 for at, _ in pieces])


async def speech(ws: ClientConnection) -> bytes:
    """All the audio until the server closes."""
    audio = b""
    with trio.fail_after(5):
        try:
            while True:
                message = await ws.recv()
                if isinstance(message, bytes):
                    audio += message
        except ConnectionClosed:
            return audio


def session(sim: Simulator) -> connect:
    return connect(sim.new_session_url(), proxy=None, max_size=None)


@pytest.mark.parametrize("agent", [EchoAgent(), SpeakAgent(b"abcd")])
async def test_agents_are_silent_until_the_client_is_ready(
    agent: EchoAgent | SpeakAgent,
) -> None:
    async with open_simulator(agent) as sim, session(sim) as ws:
        assert json.loads(await ws.recv()) == {"type": "status_agent_ready"}
        await ws.send(bytes(960))
        with trio.move_on_after(0.05) as silence:
            await ws.recv()
        assert silence.cancelled_caught
        await ws.send(READY)
        with trio.fail_after(5):
            assert isinstance(await ws.recv(), bytes)


async def test_echo_says_what_it_heard() -> None:
    pcm = np.random.default_rng(0).integers(-9999, 9999, 48_000).astype("<i2").tobytes()
    expected = Decimator().feed(pcm)
    async with open_simulator() as sim, session(sim) as ws:
        await ws.recv()
        await ws.send(READY)
        for start in range(0, len(pcm), 4097):
            await ws.send(pcm[start : start + 4097])
        echo = b""
        with trio.fail_after(5):
            while len(echo) < len(expected):
                message = await ws.recv()
                assert isinstance(message, bytes)
                echo += message
        assert echo == expected
        assert sim.calls[0].received_audio == pcm
        assert sim.calls[0].sent_audio == expected


async def test_echo_delays_in_real_time() -> None:
    async with open_simulator(EchoAgent(0.2)) as sim, session(sim) as ws:
        await ws.recv()
        await ws.send(READY)
        await (await sim.wait_call()).client_ready()
        await ws.send(bytes(1920))
        await ws.recv()
        message = sim.calls[0].messages[-1]
        assert 0.2 <= trio.current_time() - message.arrived < 0.3


async def test_two_minutes_in_one_burst_then_close() -> None:
    pcm = np.random.default_rng(0).integers(0, 256, 120 * 32_000, dtype=np.uint8).tobytes()
    async with open_simulator(SpeakAgent(pcm, "burst", 65_536, "close")) as sim:
        async with session(sim) as ws:
            await ws.send(READY)
            assert await speech(ws) == pcm
            assert ws.close_code == 1000


async def test_a_wav_is_spoken(tmp_path: Any) -> None:
    (tmp_path / "a.wav").write_bytes(
        b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\4\0\0\0abcd"
    )
    async with open_simulator(SpeakAgent(tmp_path / "a.wav", then="close")) as sim:
        async with session(sim) as ws:
            await ws.send(READY)
            assert await speech(ws) == b"abcd"


@pytest.mark.parametrize(
    "arguments",
    [
        {"source": b"odd"},
        {"source": b"", "pace": "slow"},
        {"source": b"", "then": "sing"},
        {"source": b"ab", "chunk_bytes": 0},
    ],
)
def test_impossible_speech_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\d|use '"):
        SpeakAgent(**arguments)


@pytest.mark.parametrize("chunk_bytes", [0, -1, [2, -1]])
def test_impossible_lengths_are_refused(chunk_bytes: int | list[int]) -> None:
    with pytest.raises(ValueError, match="chunk_bytes"):
        list(chunks(b"abcd", chunk_bytes))


def test_a_missing_wav_is_refused() -> None:
    with pytest.raises(UnreadableWavError, match=r"nowhere\.wav"):
        SpeakAgent("nowhere.wav")


@pytest.mark.parametrize("delay", [-0.1, float("nan"), float("inf")])
def test_impossible_delay_is_refused(delay: float) -> None:
    with pytest.raises(ValueError, match="delay"):
        EchoAgent(delay)


async def test_a_plain_function_is_an_agent() -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(b"hi")

    async with open_simulator(agent) as sim, session(sim) as ws:
        await ws.send(READY)
        assert await speech(ws) == b"hi"

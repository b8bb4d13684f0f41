"""The audio of ws-media calls, in every format, with scripted agents and those that come along."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from wave import open as open_wave

import httpx
import numpy as np
import pytest
import trio
from websockets.trio.client import ClientConnection, connect

from sfclient.simulator import (
    EchoAgent,
    SimulatedCall,
    Simulator,
    SpeakAgent,
    open_simulator,
)
from sfclient.simulator._codecs import WS_MEDIA_CODECS

from ._contract import BODY, KEY, ORDERS, VOICE, idle, until_closed


async def receive(ws: ClientConnection) -> bytes:
    with trio.fail_after(5):
        message = await ws.recv()
    assert isinstance(message, bytes)
    return message


@asynccontextmanager
async def calling(sim: Simulator, **fields: str) -> AsyncIterator[ClientConnection]:
    """A call of the older flow, which has no messages but those of the agent."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answer = await client.post(f"{sim.base_url}{ORDERS}", json=BODY | fields, headers=KEY)
    ws: ClientConnection
    with trio.fail_after(10):
        async with connect(answer.json()["wsMediaUrl"], proxy=None) as ws:
            yield ws


def rtp(payload_type: int, payload: bytes, number: int = 7) -> bytes:
    return struct.pack(">BBHII", 0x80, payload_type, number, 320 * number, 99) + payload


@pytest.mark.parametrize(("codec", "payload_type"), [("l16", 96), ("pcmu", 0), ("pcma", 8)])
@pytest.mark.parametrize("framing", ["payload", "rtp"])
async def test_audio_in_every_format(codec: str, payload_type: int, framing: str) -> None:
    samplerate = 16_000 if codec == "l16" else 8_000
    coded = WS_MEDIA_CODECS[codec].encode(VOICE)
    pcm = WS_MEDIA_CODECS[codec].decode(coded)
    finished = trio.Event()

    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(VOICE, 333)
        speech = b""
        async for part in call.audio():
            assert len(part) % 2 == 0
            speech += part
            if len(speech) == len(pcm):
                assert speech == pcm
                finished.set()

    async with open_simulator(agent) as sim:
        async with calling(sim, wsMediaCodec=codec, wsMediaFraming=framing) as ws:
            messages = [await receive(ws) for _ in range(-(-len(coded) // 333))]
            if framing == "rtp":
                assert {message[:2] for message in messages} == {bytes([0x80, payload_type])}
                messages = [message[12:] for message in messages]
            assert {len(message) for message in messages[:-1]} == {333}
            assert b"".join(messages) == coded
            for n, start in enumerate(range(0, len(coded), 321)):
                part = coded[start : start + 321]
                await ws.send(rtp(payload_type, part, n) if framing == "rtp" else part)
            with trio.fail_after(5):
                await finished.wait()
        call = sim.calls[0]
        assert (call.caller_samplerate, call.agent_samplerate) == (samplerate, samplerate)
        assert call.sent_audio == pcm
        assert call.received_audio == pcm


async def test_rtp_comes_in_packets_of_20_ms_unless_told_otherwise() -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(VOICE)
        await call.send(b"anything")

    async with open_simulator(agent) as sim, calling(sim, wsMediaFraming="rtp") as ws:
        messages = await until_closed(ws)
        assert [len(message) for message in messages] == [652] * 10 + [8]
        assert sim.calls[0].sent_audio == VOICE


@pytest.mark.parametrize(
    ("quirk", "ordered", "comes"),
    [("rtp_anyway", "payload", "rtp"), ("payload_anyway", "rtp", "payload")],
)
async def test_quirks_of_the_framing(quirk: str, ordered: str, comes: str) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(VOICE[:640], None)
        async for _ in call.audio():
            break

    async with (
        open_simulator(agent, quirks=[quirk]) as sim,
        calling(sim, wsMediaFraming=ordered) as ws,
    ):
        message = await receive(ws)
        assert len(message) == (652 if comes == "rtp" else 640)
        # The way up stays what was ordered.
        await ws.send(b"ab" if ordered == "payload" else rtp(96, b"ab"))
        await until_closed(ws)
        assert ws.close_code == 1000
        assert (sim.calls[0].sent_audio, sim.calls[0].received_audio) == (VOICE[:640], b"ba")


@pytest.mark.parametrize(
    ("message", "reason"),
    [(bytes(640), "no RTP"), (rtp(0, bytes(640)), "payload type 0 should be 96")],
)
async def test_what_is_no_rtp_of_the_call_ends_it_with_its_reason(
    message: bytes, reason: str
) -> None:
    async with open_simulator(idle) as sim, calling(sim, wsMediaFraming="rtp") as ws:
        await ws.send(rtp(96, b"abcd"))
        await ws.send(message)
        await ws.send(message)
        await until_closed(ws)
        assert ws.close_code == 1008
        assert reason in (ws.close_reason or "")
        ended = await sim.calls[0].wait_ended()
        assert (ended.by, ended.code) == ("simulator", 1008)
        assert sim.calls[0].received_audio == b"badc"


@pytest.mark.parametrize("codec", WS_MEDIA_CODECS)
async def test_echo_says_what_it_heard(codec: str) -> None:
    coded = WS_MEDIA_CODECS[codec].encode(VOICE)
    async with open_simulator(EchoAgent()) as sim, calling(sim, wsMediaCodec=codec) as ws:
        for start in range(0, len(coded), 641):
            await ws.send(coded[start : start + 641])
        echo = b""
        while len(echo) < len(coded):
            echo += await receive(ws)
        assert echo == coded


async def test_speech_is_bit_for_bit_as_l16() -> None:
    agent = SpeakAgent(VOICE, "burst", chunk_bytes=641, then="close")
    async with open_simulator(agent) as sim, calling(sim) as ws:
        messages = await until_closed(ws)
        assert {len(message) for message in messages[:-1]} == {641}
        assert sim.calls[0].sent_audio == VOICE


@pytest.mark.parametrize(("framing", "header_bytes"), [("payload", 0), ("rtp", 12)])
async def test_speech_is_resampled_for_g711_in_messages_as_long(
    framing: str, header_bytes: int
) -> None:
    t = np.arange(16_000) / 16_000
    tone = np.rint(9000 * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes()
    agent = SpeakAgent(tone, "burst", then="close")
    async with open_simulator(agent) as sim:
        async with calling(sim, wsMediaCodec="pcmu", wsMediaFraming=framing) as ws:
            messages = await until_closed(ws)
        assert [len(message) for message in messages] == [160 + header_bytes] * 50
        spoken = np.frombuffer(sim.calls[0].sent_audio, "<i2")
    expected = 9000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    assert np.abs(spoken - expected)[400:-400].max() < 300  # half a step of the code there


async def test_speech_keeps_its_pace_at_8_khz() -> None:
    agent = SpeakAgent(VOICE, chunk_bytes=1280, then="close")
    async with open_simulator(agent) as sim, calling(sim, wsMediaCodec="pcma") as ws:
        times = []
        for _ in range(5):
            assert len(await receive(ws)) == 320
            times.append(trio.current_time())
        assert 0.1 < times[4] - times[0] < 0.5  # 0.16 where nothing else is going on


async def test_half_a_sample_is_the_agents_bug() -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.send_audio(b"abc")

    async def hold() -> None:
        async with open_simulator(agent) as sim, calling(sim) as ws:
            await until_closed(ws)
            assert ws.close_code == 1011
            await trio.sleep_forever()

    with pytest.raises(ValueError, match="3 bytes"):
        await hold()


async def test_save_uses_the_rates_of_the_call(tmp_path: Path) -> None:
    async with open_simulator(SpeakAgent(VOICE, "burst", then="close")) as sim:
        async with calling(sim, wsMediaCodec="pcmu") as ws:
            await until_closed(ws)
        call = sim.calls[0]
        await call.wait_ended()
    call.save(tmp_path)
    with open_wave(str(tmp_path / "agent.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 1600)
        assert file.readframes(1600) == call.sent_audio
    with open_wave(str(tmp_path / "caller.wav")) as file:
        assert file.getframerate() == 8000

"""What a third dialect would take: one class, here speech as base64 in JSON, as telephony providers stream it."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import numpy as np
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from sfaudio import int16_to_ulaw, ulaw_to_int16
from sfclient import Audio, MemoryInput, MemoryOutput, Session, UsageError, open_call
from sfclient._dialects import (
    DIALECTS,
    Action,
    AgentReady,
    Dialect,
    Established,
    Play,
    Send,
    WaitAtMost,
)


class JsonDialect(Dialect):
    name = "json"
    codecs = ("pcmu",)
    capture_samplerate = 8000
    playout_samplerate = 8000

    def opened(self) -> Iterator[Action]:
        yield Send('{"event": "connect"}')
        yield WaitAtMost(5)

    def received(self, message: str | bytes) -> Iterator[Action]:
        fields = json.loads(message)
        match fields["event"]:
            case "connected":
                yield Established()
                yield AgentReady()
            case "media":
                yield Play(ulaw_to_int16(base64.b64decode(fields["payload"])).tobytes())
            case "ping":
                yield Send('{"event": "pong"}')

    def encode(self, chunk: bytes) -> str:
        payload = base64.b64encode(int16_to_ulaw(np.frombuffer(chunk, np.int16)))
        return json.dumps({"event": "media", "payload": payload.decode()})


@asynccontextmanager
async def open_echo() -> AsyncIterator[tuple[str, list[str]]]:
    """A server of this contract, and what came to it; it pings with each echo."""
    came: list[str] = []

    async def talk(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                assert isinstance(message, str)
                event = json.loads(message)["event"]
                came.append(event)
                if event == "connect":
                    await connection.send('{"event": "connected"}')
                elif event == "media":
                    await connection.send(message)
                    await connection.send('{"event": "ping"}')
        except ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, talk, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{server.listeners[0].socket.getsockname()[1]}/", came
        nursery.cancel_scope.cancel()


async def test_holds_a_call(monkeypatch, fast_clock):
    monkeypatch.setitem(DIALECTS, "json", JsonDialect)
    spoken = ulaw_to_int16(bytes(range(1, 127)) * 60)  # survives the codec, and has no zero
    speaker = MemoryOutput()
    async with open_echo() as (url, came):
        microphone = MemoryInput(spoken.tobytes(), samplerate=8000)
        async with open_call(url, Audio(microphone, speaker), dialect="json") as call:
            assert call.connected
            await trio.sleep(2)
    heard = np.frombuffer(speaker.played, np.int16)
    assert np.array_equal(heard[heard != 0][: len(spoken)], spoken)
    assert came[0] == "connect"
    assert came.count("pong") > 50
    assert speaker.samplerate == 8000


async def test_flood_of_speech_in_the_handshake_is_heard_when_the_call_begins(
    monkeypatch, fast_clock
):
    """Nothing plays yet, so there is no room for all of it until the handshake gives up waiting."""
    monkeypatch.setitem(DIALECTS, "json", JsonDialect)
    monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 0.5)
    speech = [bytes(range(1, 127)) * 100, bytes(range(129, 255)) * 20]
    first, second = (
        json.dumps({"event": "media", "payload": base64.b64encode(part).decode()})
        for part in speech
    )

    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        for message in (first, '{"event": "connected"}', second):
            await connection.send(message)
        await trio.sleep_forever()

    speaker = MemoryOutput()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, talk, 0, host="127.0.0.1"))
        url = f"ws://127.0.0.1:{server.listeners[0].socket.getsockname()[1]}/"
        with trio.fail_after(30):
            async with open_call(url, Audio("none", speaker), dialect="json") as call:
                await trio.sleep(4)
        nursery.cancel_scope.cancel()
    heard = np.frombuffer(speaker.played, np.int16)
    assert np.array_equal(heard[heard != 0], ulaw_to_int16(b"".join(speech)))
    assert call.statistics().playout.received_frames == 126 * 120


async def test_that_it_does_not_speak_otherwise_is_told(monkeypatch):
    monkeypatch.setitem(DIALECTS, "json", JsonDialect)
    with pytest.raises(UsageError, match="json is not spoken here with codec 'l16': choose pcmu"):
        async with open_call(Session("ws://127.0.0.1:1/", "json", codec="l16")):
            raise AssertionError

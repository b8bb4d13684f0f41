"""What pieces of programs take from the rest of them, and what must have come of each."""

import dataclasses
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sfclient import (
    Audio,
    MemoryInput,
    MemoryOutput,
    StartedCall,
    open_call,
    request_session,
)

Names = dict[str, Any]
KEY = os.environ["SYNTHFLOW_API_KEY"]
request = partial(request_session, "ASSISTANT_ID", api_key=KEY)


def noise(seconds: float, samplerate: int) -> bytes:
    """No sample of it is zero."""
    samples = np.random.default_rng(1).integers(1, 32768, round(seconds * samplerate), np.int16)
    samples[::2] *= -1
    return samples.tobytes()


@asynccontextmanager
async def phone() -> AsyncIterator[Names]:
    """It hears its own words, by an agent that gives them back."""
    words = noise(0.3, 8000)
    heard = bytearray()

    class Phone:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for at in range(0, len(words), 320):
                yield words[at : at + 320]

        async def send(self, pcm: bytes) -> None:
            heard.extend(pcm)

    names: Names = {}
    yield names
    await names["bridge"](await request(), Phone())
    assert np.count_nonzero(np.frombuffer(heard, np.int16)) > 0.4 * len(words)


@asynccontextmanager
async def lips() -> AsyncIterator[Names]:
    """Lips that move as the agent speaks."""
    moved: list[bytes] = []

    def move_lips(pcm: bytes, samplerate: int, at: float) -> None:
        assert samplerate == 16_000
        assert at > 0
        moved.append(pcm)

    audio = Audio(MemoryInput(), MemoryOutput())
    yield {
        "session": await request(),
        "audio": audio,
        "open_call": open_call,
        "move_lips": move_lips,
    }
    assert any(map(any, moved))


@asynccontextmanager
async def call() -> AsyncIterator[Names]:
    """A session, and sound from nowhere."""
    yield {"session": await request(), "audio": Audio("none", "none"), "open_call": open_call}


@asynccontextmanager
async def report() -> AsyncIterator[Names]:
    """The same, for a piece that leaves a report."""
    async with call() as names:
        yield names
    assert "The agent spoke" in Path("call.html").read_text(encoding="utf-8")  # noqa: ASYNC240


@asynccontextmanager
async def key() -> AsyncIterator[Names]:
    """The key, for a piece that asks for a `session` of ws-media."""
    names: Names = {"key": KEY, "request_session": request_session}
    yield names
    assert names["session"].dialect == "ws-media"


@asynccontextmanager
async def backend() -> AsyncIterator[Names]:
    """A backend that starts calls of ws-media at `/start`, with which the piece makes a `session`."""
    import httpx

    numbers = {"from_number": "+49301234", "to_number": "+49305678"}
    kept = await request(dialect="ws-media", **numbers)

    async def answer(asked: httpx.Request) -> httpx.Response:
        assert asked.url == "https://backend.example/start"
        assert kept.start_call
        started = await kept.start_call(json.loads(asked.content)["server_name"])
        assert isinstance(started, StartedCall)
        return httpx.Response(200, json=dataclasses.asdict(started))

    _serve(httpx, answer)
    names: Names = {"url_from_backend": kept.url}
    yield names
    async with open_call(names["session"], Audio("none", "none")) as call:
        while not call.connected:
            await anext(call)
        assert call.call_id


@asynccontextmanager
async def stand() -> AsyncIterator[Names]:
    """A backend that is out of order once, and a service that is, with agent `lost`: it is called again twice."""
    import httpx

    asked = 0

    async def answer(request_: httpx.Request) -> httpx.Response:
        nonlocal asked
        assert request_.url == "https://backend.example/session"
        asked += 1
        if asked == 1:
            return httpx.Response(502, text="of a gateway")
        return httpx.Response(200, json={"url": (await request()).url})

    _serve(httpx, answer)
    names: Names = {}
    yield names
    await names["stand"](Audio("none", "none"))
    assert asked == 3


def _serve(httpx: Any, answer: Any) -> None:
    httpx.AsyncClient = partial(httpx.AsyncClient, transport=httpx.MockTransport(answer))


@asynccontextmanager
async def website() -> AsyncIterator[Names]:
    """An `app` with the website, as a visitor asks it for a session; the folder is where it was copied to."""
    import sys

    import httpx

    sys.path.append(str(Path(__file__).parents[4] / "examples"))
    names: Names = {}
    yield names
    transport = httpx.ASGITransport(names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="https://site.example") as http:
        asking: Any = {"json": {}, "headers": {"Origin": "https://site.example"}}
        told = (await http.post("/talk/session", **asking)).json()
    assert told["url"].startswith("ws://127.0.0.1")
    assert told["dialect"] == "widget"


@asynccontextmanager
async def echo() -> AsyncIterator[Names]:
    """An echo after 0.1 s, as `blocks` of both sides, which a `canceller` must find."""
    played = np.frombuffer(noise(1.5, 16_000), np.int16) // 8
    captured = np.concatenate((np.zeros(1600, np.int16), played[:-1600] // 3))
    names: Names = {
        "blocks": zip(captured.reshape(-1, 1600), played.reshape(-1, 1600), strict=True)
    }
    yield names
    assert abs(names["canceller"].statistics().delay_seconds - 0.1) < 0.005
    assert not np.array_equal(names["heard"], names["captured"])


@asynccontextmanager
async def many() -> AsyncIterator[Names]:
    """Callers, for a piece that has `ask` and `ask_all`."""
    names: Names = {}
    yield names
    question = noise(0.3, 48_000)
    await names["ask_all"]([await request() for _ in range(3)], question)
    played, statistics = await names["ask"](await request(), question)
    assert any(played)
    assert statistics.capture.sent_frames > 0


@asynccontextmanager
async def stream() -> AsyncIterator[Names]:
    """Queues at a device, and a second of sound to be played; mark it `jack`."""
    from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
    from sfaudio.stream import Stream

    yield {
        "CaptureQueue": CaptureQueue,
        "JitterBuffer": JitterBuffer,
        "PlayoutEngine": PlayoutEngine,
        "Stream": Stream,
        "capture": CaptureQueue(48_000),
        "playout": JitterBuffer(48_000),
        "pcm": noise(0.02, 48_000),
    }

"""What the examples in docstrings take from the rest of a program, and what must have come of them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

import sfclient
import sfclient.blocking
from sfclient import Audio, MemoryInput, MemoryOutput
from sfclient.simulator import EchoAgent, ReplyAgent, open_simulator
from sfclient.testing import open_memory_agent
from sfclient.testing.load import Load, hold_load
from sfclient.testing.script import Hear, Say, Script

from .pieces import KEY, Names, noise, request

SILENT = Audio("none", "none")


@asynccontextmanager
async def call() -> AsyncIterator[Names]:
    names: Names = {
        "session": await request(),
        "open_call": partial(sfclient.open_call, audio=SILENT),
    }
    yield names
    assert names["call"].ended.by == "agent"


@asynccontextmanager
async def blocking() -> AsyncIterator[Names]:
    """A program without a loop, so in a thread, where there is none."""
    session = await request()
    yield {"session": session.url, "open_call": _Elsewhere}


class _Elsewhere:
    """The piece's ``with open_call(session) as call``: held by `sfclient.blocking` in another thread."""

    def __init__(self, session: str) -> None:
        self.session = session

    def __enter__(self) -> list[object]:
        told: list[object] = []

        def hold() -> None:
            with sfclient.blocking.open_call(self.session, SILENT) as call:
                told.extend(call)

        import threading

        thread = threading.Thread(target=hold)
        thread.start()
        thread.join()
        assert isinstance(told[-1], sfclient.Disconnected)
        return told

    def __exit__(self, *error: object) -> None:
        pass


@asynccontextmanager
async def simulator() -> AsyncIterator[Names]:
    names: Names = {}

    async def caller() -> None:
        while "sim" not in names:  # noqa: ASYNC110
            await trio.sleep(0.01)
        url = names["sim"].new_session_url()
        async with sfclient.open_call(url, Audio(MemoryInput(noise(0.1, 48_000)), "none")) as held:
            await held.wait_ended()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        yield names
    assert names["call"].ended


@asynccontextmanager
async def memory() -> AsyncIterator[Names]:
    names: Names = {
        "EchoAgent": EchoAgent,
        "open_memory_agent": open_memory_agent,
        "open_call": partial(sfclient.open_call, max_seconds=7),
        "Audio": Audio,
        "MemoryInput": MemoryInput,
        "MemoryOutput": MemoryOutput,
        "pcm": noise(0.3, 48_000),
    }
    yield names
    assert names["call"].ended.by == "caller"


@asynccontextmanager
async def load() -> AsyncIterator[Names]:
    """For a second, and not for a minute."""
    async with open_simulator(ReplyAgent(["when.wav"]), key=KEY) as there:
        script = Script("is answered", [Say(f"{os.getcwd()}/hello.wav"), Hear(9.0)])
        names: Names = {
            "script": script,
            "Load": lambda script, agent, **_: Load(
                script,
                agent,
                calls=2,
                seconds=1,
                in_all=2,
                order={"base_url": there.base_url},
            ),
            "hold_load": partial(hold_load, workers=1),
        }
        yield names
    assert names["report"].all.times["response"].percentiles()[95.0] > 0


@asynccontextmanager
async def network() -> AsyncIterator[Names]:
    async with open_simulator(EchoAgent(), key=KEY) as there:
        names: Names = {
            "simulator": there,
            "key": KEY,
            "audio": Audio(MemoryInput(noise(0.3, 48_000)), "none"),
            "open_call": partial(sfclient.open_call, max_seconds=7),
            "request_session": sfclient.request_session,
            "trio": trio,
        }
        yield names
    assert names["call"].ended.by == "caller"

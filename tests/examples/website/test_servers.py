"""The app as it is served: under trio by hypercorn, under asyncio by uvicorn, and as its README says."""

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hypercorn.config
import hypercorn.trio
import pytest
import trio
import uvicorn

import website
from sfclient import Audio
from sfclient.simulator import SpeakAgent

from ...sfclient.conftest import noise
from .conftest import visit


@asynccontextmanager
async def hypercorn_with_trio(app: website.app.ASGIApp) -> AsyncIterator[str]:
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(
            lambda task_status: hypercorn.trio.serve(
                app, config, shutdown_trigger=stop.wait, task_status=task_status
            )
        )
        yield url
        stop.set()


@asynccontextmanager
async def uvicorn_with_asyncio(app: website.app.ASGIApp) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await trio.to_thread.run_sync(thread.join)
        listening.close()


@pytest.mark.parametrize("serve", [hypercorn_with_trio, uvicorn_with_asyncio])
async def test_a_call_is_held_through_it(serve, dialect, caplog) -> None:
    agent = SpeakAgent(noise(0.1, 16_000), pace="burst", then="close")
    async with visit(dialect, serve={"agent": agent}) as visited, serve(visited.app) as url:
        import desktop

        await desktop.talk(url, Audio("none", "none"))
        assert len(visited.simulator.calls) == 1
        assert visited.simulator.key not in caplog.text

"""The app as it is served: under trio by hypercorn, under asyncio by uvicorn."""

import logging
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import hypercorn.config
import hypercorn.trio
import pytest
import trio
import uvicorn
from starlette.types import ASGIApp

import desktop
from sfclient import Audio
from sfclient.simulator import SpeakAgent

from ...sfclient.conftest import noise
from .conftest import visit

Serve = Callable[[ASGIApp], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def hypercorn_with_trio(app: ASGIApp) -> AsyncIterator[str]:
    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = logging.getLogger("hypercorn.access")
    stop = trio.Event()

    async def run(task_status: trio.TaskStatus[list[str]]) -> None:
        await hypercorn.trio.serve(app, config, shutdown_trigger=stop.wait, task_status=task_status)

    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(run)
        yield url
        stop.set()


@asynccontextmanager
async def uvicorn_with_asyncio(app: ASGIApp) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await trio.to_thread.run_sync(thread.join)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that are made from now on: of sessions, calls and handles."""
    made: list[str] = []
    make = secrets.token_urlsafe

    def remember(bytes_: int) -> str:
        made.append(make(bytes_))
        return made[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", remember)
    return made


every_server = pytest.mark.parametrize("serve", [hypercorn_with_trio, uvicorn_with_asyncio])


@every_server
async def test_a_visitor_holds_a_call_and_the_log_has_no_secret(
    serve: Serve, dialect: str, tokens: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    agent = SpeakAgent(noise(0.1, 16_000), pace="burst", then="close")
    async with visit(dialect, serve={"agent": agent}) as visited, serve(visited.app) as url:
        await desktop.talk(url, dialect, Audio("none", "none"))
        assert len(visited.simulator.calls) == 1
    # The simulator's own websockets tell all that is said on them.
    told = [record for record in caplog.records if not record.name.startswith("websockets")]
    text = "\n".join(map(logging.Formatter().format, told))
    assert "POST /session" in text
    assert tokens
    for secret in (visited.simulator.key, *tokens):
        assert secret not in text


@every_server
async def test_a_body_without_an_end_is_refused(serve: Serve) -> None:
    async with visit() as visited, serve(visited.app) as url:
        host = url.removeprefix("http://")
        head = f"POST /session HTTP/1.1\r\nHost: {host}\r\nOrigin: {url}\r\n"
        head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"%x\r\n%b\r\n" % (1000, bytes(1000))
        name, port = host.split(":")
        async with await trio.open_tcp_stream(name, int(port)) as stream:
            await stream.send_all(head.encode() + 5 * chunk)
            answered = await stream.receive_some()
        assert answered.split()[1] == b"413"
        assert not visited.simulator.requests

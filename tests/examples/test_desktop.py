"""The app without a key, in front of the website."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

import desktop
from sfclient import Audio, NetworkError, RemoteError, ServiceError, UsageError
from sfclient.simulator import SimulatedCall, SpeakAgent
from website import Rate

from ..sfclient.conftest import UnhurriedClock, noise
from .website.conftest import SITE, dialect, fast_clock, nothing_left_behind, visit

Serve = Callable[[httpx.AsyncBaseTransport], None]

__all__ = ["dialect", "fast_clock", "nothing_left_behind"]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Has something else than the network answer."""

    def serve(transport: httpx.AsyncBaseTransport) -> None:
        monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=transport))

    return serve


async def test_it_holds_a_call(
    serve: Serve, dialect: str, fast_clock: UnhurriedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = SpeakAgent(noise(0.3, 16_000), then="close")
    async with visit(dialect, serve={"agent": agent}) as visited:
        serve(httpx.ASGITransport(visited.app))
        await desktop.talk(SITE, dialect, Audio("none", "none"))
        assert len(visited.simulator.calls) == 1
    assert "Disconnected from server (by agent" in capsys.readouterr().out


async def test_it_has_no_key(serve: Serve, dialect: str) -> None:
    async with visit(dialect) as visited:
        serve(httpx.ASGITransport(visited.app))
        session = await desktop.Backend(f"{SITE}/").get_session()
        assert session.secrets is None
        assert (session.start_call is None) is (dialect == "widget")


async def test_a_website_that_refuses_is_told_with_its_pause(serve: Serve) -> None:
    async with visit(each_visitor=Rate(1, 60)) as visited:
        serve(httpx.ASGITransport(visited.app))
        backend = desktop.Backend(SITE)
        await backend.get_session()
        with pytest.raises(
            ServiceError, match=r"site\.example answered HTTP 429: You have"
        ) as told:
            await backend.get_session()
    assert told.value.status == 429
    assert told.value.retry_after == 60


async def test_a_website_that_is_not_there_is_a_network_error() -> None:
    with pytest.raises(NetworkError, match="no answer from 127"):
        await desktop.Backend("http://127.0.0.1:9/talk").get_session()


@pytest.mark.parametrize(
    ("status", "body"), [(200, "<html>"), (404, ""), (404, "[]"), (404, "{}"), (404, "null")]
)
async def test_what_is_no_such_website_is_told(status: int, body: str, serve: Serve) -> None:
    serve(httpx.MockTransport(lambda request: httpx.Response(status, text=body)))
    with pytest.raises(UsageError, match="is this the website's URL"):
        await desktop.Backend(SITE).get_session()


async def test_a_call_that_the_network_ends_is_redialled_with_another_session(
    serve: Serve, dialect: str, fast_clock: UnhurriedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.close(1000 if len(visited.simulator.calls) == 2 else 1002, "")

    async with visit(dialect, serve={"agent": agent}) as visited:
        serve(httpx.ASGITransport(visited.app))
        await desktop.talk(SITE, dialect, Audio("none", "none"))
        assert len(visited.simulator.calls) == 2
    assert "The call is redialled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "may_have_begun"),
    [(429, False), (410, False), (502, None), (None, None), (httpx.ConnectError, False)],
    ids=str,
)
async def test_a_start_that_may_have_been_done_is_told_from_one_that_was_not(
    answer: Any, may_have_begun: bool | None, serve: Serve
) -> None:
    def start(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/session"):
            told = {"url": "wss://x", "dialect": "ws-media", "codec": "l16", "framing": "payload"}
            return httpx.Response(200, json=told | {"handle": "h"})
        if isinstance(answer, int):
            return httpx.Response(answer, json={"message": "no", "retry_after": None})
        raise (answer or httpx.ReadTimeout)("of a test")

    serve(httpx.MockTransport(start))
    session = await desktop.Backend(SITE).get_session()
    assert session.start_call is not None
    with pytest.raises(RemoteError) as told:
        await session.start_call("name")
    assert told.value.may_have_begun is may_have_begun

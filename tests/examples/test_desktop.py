"""The app without a key, in front of the website."""

from collections.abc import Callable
from functools import partial

import httpx
import pytest

import desktop
from sfclient import Audio, NetworkError, RemoteError, ServiceError
from sfclient.simulator import SpeakAgent
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
        await desktop.talk(SITE, Audio("none", "none"))
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
    with pytest.raises(RemoteError, match="is this the website's URL"):
        await desktop.Backend(SITE).get_session()

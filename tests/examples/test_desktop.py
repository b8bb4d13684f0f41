"""The app without a key, in front of the website."""

from collections.abc import Callable
from functools import partial

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import desktop
from sfclient import Audio, NetworkError, ServiceError, SfclientError, UsageError
from sfclient.simulator import SimulatedCall, SpeakAgent
from website import Rate

from ..sfclient.conftest import START, UnhurriedClock, noise
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


async def test_a_call_that_goes_on_at_another_url_is_held(
    serve: Serve, fast_clock: UnhurriedClock
) -> None:
    agent = SpeakAgent(noise(0.1, 16_000), then="close")
    async with visit("ws-media", serve={"agent": agent, "quirks": ["no_sid"]}) as visited:
        serve(httpx.ASGITransport(visited.app))
        await desktop.talk(SITE, "ws-media", Audio("none", "none"))
        assert len(visited.simulator.calls) == 1


async def test_a_call_that_was_cut_is_redialled_with_a_new_session(
    serve: Serve, dialect: str, fast_clock: UnhurriedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        if len(visited.simulator.calls) == 1:
            await call.reset()
        else:
            await SpeakAgent(noise(0.3, 16_000), then="close")(call)

    async with visit(dialect, serve={"agent": agent}) as visited:
        serve(httpx.ASGITransport(visited.app))
        await desktop.talk(SITE, dialect, Audio("none", "none"))
        assert len(visited.simulator.calls) == 2
    told = capsys.readouterr().out
    assert told.count("Disconnected from server (by agent") == 1


@pytest.mark.parametrize("url", [f"{SITE}/talk", f"{SITE}/talk/"])
async def test_the_website_may_be_mounted(serve: Serve, url: str) -> None:
    async with visit() as visited:
        serve(httpx.ASGITransport(Starlette(routes=[Mount("/talk", visited.app)])))
        assert (await desktop.Backend(url).get_session()).url.startswith("ws://")


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
    assert (told.value.status, told.value.retry_after) == (429, 60)


@pytest.mark.parametrize(
    ("status", "kind", "may_have_begun"),
    [
        (401, UsageError, False),  # the key is refused: no other try would help
        (404, UsageError, False),
        (429, ServiceError, False),
        (503, ServiceError, False),
        (502, ServiceError, True),  # of a gateway, perhaps
        (500, ServiceError, True),
        (200, ServiceError, True),  # and nothing in it
    ],
)
async def test_a_call_that_may_have_begun_is_told_as_such(
    status: int, kind: type[SfclientError], may_have_begun: bool, serve: Serve
) -> None:
    async with visit("ws-media", serve={"answers": {START: (status, {})}}) as visited:
        serve(httpx.ASGITransport(visited.app))
        session = await desktop.Backend(SITE).get_session()
        assert session.start_call
        with pytest.raises(kind) as told:
            await session.start_call("nobody")
        assert type(told.value) is kind
        assert told.value.may_have_begun is may_have_begun
        with pytest.raises(ServiceError, match="410") as again:
            await session.start_call("nobody")
        assert again.value.may_have_begun is False


async def test_a_website_that_is_not_there_is_a_network_error() -> None:
    with pytest.raises(NetworkError, match=r"no way to 127\.0\.0\.1") as told:
        await desktop.Backend("http://127.0.0.1:9/talk").get_session()
    assert told.value.may_have_begun is False


@pytest.mark.parametrize(
    "url", ["site.example/talk", "localhost:8000", "ftp://a", "http://", "", "http://a:b"]
)
def test_what_is_no_url_of_a_website_is_not_tried_again_and_again(url: str) -> None:
    with pytest.raises(UsageError, match=r"https://example\.org/talk/, not"):
        desktop.Backend(url)


async def test_a_website_that_does_not_answer_leaves_it_open(serve: Serve) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late")

    serve(httpx.MockTransport(answer))
    with pytest.raises(NetworkError, match="no answer from site") as told:
        await desktop.Backend(SITE).get_session()
    assert told.value.may_have_begun is None


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", "null"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(status, UsageError) for status in (200, 404, 500)]
    + [(status, ServiceError) for status in (408, 410, 429, 502, 503, 504)],
)
async def test_what_is_no_such_website_is_told(
    status: int, kind: type[SfclientError], body: str, serve: Serve
) -> None:
    serve(httpx.MockTransport(lambda request: httpx.Response(status, text=body)))
    with pytest.raises(kind, match="is this the URL of the website") as told:
        await desktop.Backend(SITE).get_session()
    assert told.value.may_have_begun is None

"""A service under TLS, reached through the proxy that asks for no target: as a user puts a bad network in between."""

import os

import pytest
import trio

from sfclient import Audio, MemoryInput, MemoryOutput, NetworkError, open_call, request_session
from sfclient.testing import Link, Network, Reset, open_proxy

from ..sfclient.conftest import NUMBERS, UnhurriedClock
from ..sfclient.raw_servers import Resolver, client_context, close_frame, server_context
from .far_side import KEY, far_side, speak

HOST = "agents.example"


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> UnhurriedClock:
    return UnhurriedClock(rate=20)


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
@pytest.mark.parametrize("is_reset", [False, True], ids=["works", "reset"])
def test_certificate_is_the_service_s_own_and_its_websocket_is_hit(
    dialect: str,
    is_reset: bool,
    no_proxies: None,
    clock: UnhurriedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import trustme  # not for every Python there is a wheel of what it needs

    authority = trustme.CA()
    script = (speak(1), close_frame(1000))
    faults = (Reset(20_000),) if is_reset else ()
    network = Network(down=Link(delay=0.5, faults=faults))

    async def main() -> None:
        trio.socket.set_custom_hostname_resolver(Resolver())
        async with (
            far_side(dialect, "call", script, server_context(authority, HOST)) as (_, base_url),
            open_proxy(None, Network(), network, Network()) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.authority}")
            context = client_context(authority)
            session = await request_session(
                "agent",
                api_key=KEY,
                base_url=base_url.replace("127.0.0.1", HOST),
                dialect=dialect,
                ssl_context=context,
                **NUMBERS if dialect == "ws-media" else {},
            )
            audio = Audio(MemoryInput(), MemoryOutput())
            error = None
            try:
                async with open_call(session, audio, ssl_context=context) as call:
                    await call.wait_ended()
            except NetworkError as raised:
                error = raised
            assert (error is not None) == is_reset
            assert call.ended is not None
            assert call.ended.by == ("network" if is_reset else "agent")
            assert (call.statistics().playout.played_frames == 16_000) != is_reset
            assert proxy.statistics().connections == (2 if dialect == "widget" else 3)

    trio.run(main, clock=clock)

"""A kiosk: a call that goes on over attempts, the service, and the network between."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from sfclient import (
    Audio,
    Call,
    MemoryInput,
    NullOutput,
    Redial,
    Session,
    open_call,
    request_session,
)
from sfclient.simulator import Simulator, open_simulator
from sfclient.testing import Proxy, open_proxy

from ..conftest import NUMBERS, listen

TOKEN = "GET /websocket/token/agent"


AT_ONCE = Redial(first_pause=0.5, jitter=0.0)


class Kiosk:
    """A simulator, the network before it, and what fetches sessions through that."""

    def __init__(self, dialect: str, simulator: Simulator, proxy: Proxy) -> None:
        self.dialect = dialect
        self.simulator = simulator
        self.proxy = proxy
        self.fetched = 0

    async def fetch(self) -> Session:
        self.fetched += 1
        session = await request_session(
            "agent",
            api_key=self.simulator.key,
            base_url=self.proxy.through(self.simulator.base_url),
            dialect=self.dialect,
            **NUMBERS if self.dialect == "ws-media" else {},
        )
        return dataclasses.replace(session, url=self.proxy.through(session.url))

    def call(self, audio: Audio | None = None, *, redial: Redial = AT_ONCE, **options: Any) -> Any:
        audio = audio or Audio(MemoryInput(), NullOutput())
        return open_call(self.fetch, audio, dialect=self.dialect, redial=redial, **options)


@asynccontextmanager
async def open_kiosk(dialect: str, agent: Any = listen, **serve: Any) -> AsyncIterator[Kiosk]:
    async with (
        open_simulator(agent, **serve) as simulator,
        open_proxy(simulator.base_url) as proxy,
    ):
        yield Kiosk(dialect, simulator, proxy)


@pytest.fixture
def kiosk(dialect: str) -> Callable[..., Any]:
    return partial(open_kiosk, dialect)


widget_only = pytest.mark.parametrize("dialect", ["widget"])


ws_media_only = pytest.mark.parametrize("dialect", ["ws-media"])


async def until(call: Call, kind: type) -> Any:
    async for event in call:
        if isinstance(event, kind):
            return event
    raise AssertionError


def kinds(events: list[Any]) -> list[type]:
    return [type(event) for event in events]

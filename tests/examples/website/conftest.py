"""The website in front of a simulator, and visitors who ask it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from sfclient.simulator import Simulator, open_simulator
from website import website

from ...sfclient.conftest import NUMBERS, fast_clock, nothing_left_behind

__all__ = ["fast_clock", "nothing_left_behind"]  # which hold here too

SITE = "https://site.example"
VISITOR = "192.0.2.1"


class Visited:
    """A website, asked by visitors."""

    simulator: Simulator

    def __init__(self, app: Any) -> None:
        self.app = app

    async def post(
        self, path: str, told: Any = None, *, by: str = VISITOR, **request: Any
    ) -> httpx.Response:
        """As the page does it, on an unharmed day."""
        request.setdefault("json", {} if told is None else told)
        if "content" in request:
            del request["json"]
        headers = {"Origin": SITE, "Content-Type": "application/json", **request.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return await self.ask("POST", path, by=by, headers=headers, **request)

    async def ask(
        self, method: str, path: str, *, by: str = VISITOR, **request: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(by, 1234))
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as http:
            return await http.request(method, path, **request)


@asynccontextmanager
async def visit(
    dialect: str = "widget", *, serve: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[Visited]:
    """`serve` goes to `open_simulator`, `options` to `website`."""
    async with open_simulator(**serve or {}) as simulator:
        options = {"api_key": simulator.key, "base_url": simulator.base_url, **options}
        numbers = NUMBERS if dialect == "ws-media" else {}
        visited = Visited(website("agent", dialect=dialect, **numbers, **options))
        visited.simulator = simulator
        yield visited


@pytest.fixture(params=["widget", "ws-media"])
def dialect(request: pytest.FixtureRequest) -> str:
    dialect: str = request.param
    return dialect

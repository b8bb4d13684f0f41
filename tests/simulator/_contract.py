"""The client's side of the ws-media contract, as the tests need it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection, connect

from sfclient.simulator import SimulatedCall, Simulator

KEY = {"Authorization": "Bearer simulator-key"}
ORDERS = "/calls/outbound-test-ws-media"
BODY = {
    "modelId": "agent-7",
    "fromPhoneNumber": "+15550001",
    "toPhoneNumber": "+15550002",
    "wsMediaCodec": "l16",
    "wsMediaFraming": "payload",
}
VOICE = np.random.default_rng(1).integers(-9999, 9999, 3200).astype("<i2").tobytes()


async def ask(sim: Simulator, method: str, path: str, **options: Any) -> httpx.Response:
    """A request, with the key unless `headers` are given."""
    async with httpx.AsyncClient(base_url=sim.base_url, trust_env=False, timeout=5) as client:
        return await client.request(method, path, **{"headers": KEY, **options})


async def order(sim: Simulator, **fields: Any) -> dict[str, str]:
    answer = await ask(sim, "POST", ORDERS, json=BODY | fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, str] = answer.json()
    return body


@asynccontextmanager
async def websocket(sim: Simulator, url: str | None = None) -> AsyncIterator[ClientConnection]:
    """A connection to `url`, the base URL by default, before the first message."""
    if url is None:
        url = (await ask(sim, "GET", f"{ORDERS}/base-url")).json()["wsMediaBaseUrl"]
    ws: ClientConnection
    with trio.fail_after(10):
        async with connect(url, proxy=None) as ws:
            yield ws


async def bind(ws: ClientConnection, sid: object) -> None:
    await ws.send(json.dumps({"type": "bind", "sid": sid}))


async def idle(call: SimulatedCall) -> None:
    await trio.sleep_forever()


async def until_closed(ws: ClientConnection) -> list[str | bytes]:
    messages = []
    with trio.fail_after(5):
        try:
            while True:
                messages.append(await ws.recv())
        except ConnectionClosed:
            return messages

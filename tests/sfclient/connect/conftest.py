"""From a key to a session and from its URL to a websocket: no test leaves a secret in a log, a task or a socket."""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from sfclient import Session, SfclientError, request_session
from sfclient._websocket import open_websocket

from ..conftest import open_sockets
from ..raw_servers import Peer, Resolver

if TYPE_CHECKING:
    import trustme  # not for every Python there is a wheel of what it needs

KEY = "key-4f9a8c27b1"
TOKEN = "tok-73ab"
PATH = f"/websocket/start?token={TOKEN}&a=b%2Fc"
URL = f"wss://agents.example/websocket/start?token={TOKEN}"


def http(status: int, body: object = b"", *headers: str) -> bytes:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def request_from(peer: Peer, agent: str = "agent", **options: Any) -> Session:
    return await request_session(agent, **{"api_key": KEY, "base_url": peer.base_url, **options})


async def connect(url: str, **options: Any) -> None:
    async with open_websocket(url, **options):
        pytest.fail("it is not to open")


@contextmanager
def failing(kind: type[SfclientError], match: str | None = None) -> Iterator[list[SfclientError]]:
    """Fails in exactly this way, and says nothing of the key or the token."""
    with failing_in(kind, match=match) as caught:
        yield caught
    assert type(caught[0]) is kind


@contextmanager
def failing_in(
    *kinds: type[SfclientError], match: str | None = None
) -> Iterator[list[SfclientError]]:
    """Fails in one of these ways, and says nothing of the key or the token."""
    caught: list[SfclientError] = []
    with pytest.raises(kinds, match=match) as info:
        yield caught
    check_that_it_holds_no_secret(info.value)
    caught.append(info.value)


def check_that_it_holds_no_secret(error: BaseException) -> None:
    """Nor is there anything on its chain that could, and nothing in our frames that holds the key."""
    told = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert KEY not in told
    assert TOKEN not in told
    for frame, _line in traceback.walk_tb(error.__traceback__):
        if frame.f_globals["__name__"].startswith("sfclient."):
            assert KEY not in repr(frame.f_locals)
    for other in (error.__cause__, error.__context__):
        if other is not None:
            assert isinstance(other, SfclientError | BaseExceptionGroup)
            check_that_it_holds_no_secret(other)


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    told = [record.getMessage() for record in caplog.get_records("call")]
    assert not [line for line in told if KEY in line or TOKEN in line]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
async def no_task_or_socket_is_left() -> AsyncIterator[None]:
    """While trio still runs: what its end would tidy up counts as well."""
    before = len(open_sockets()), trio.lowlevel.current_statistics().tasks_living
    yield
    assert (len(open_sockets()), trio.lowlevel.current_statistics().tasks_living) == before


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    trio.socket.set_custom_hostname_resolver(resolver)
    yield resolver
    trio.socket.set_custom_hostname_resolver(None)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    import trustme

    return trustme.CA()

"""Whatever bytes answer a request or an upgrade, there is a result or an error of ours, soon."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfclient import SfclientError, request_result, request_session
from sfclient._websocket import WebSocketClosed, open_websocket

from .raw_servers import Peer, accepted, read_head, serving

KEY = "key-4f9a8c27b1"
NUMBERS = {"from_number": "1", "to_number": "2"}
SECONDS = 5.0  # of a machine that is busy; no answer here takes a tenth of a second

HEADS = [
    *(f"HTTP/1.1 {status} Told\r\n".encode() for status in (100, 101, 103, 200, 201, 204, 302)),
    *(f"HTTP/1.1 {status} Told\r\n".encode() for status in (400, 401, 404, 407, 410, 429, 503)),
    *(b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 99\r\n", b"HTTP/9.9 200\r\n", b"ICY 200 OK\r\n", b"HTTP/"),
]
LINES = [
    *(
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b": ",
        b" ",
        b"\t folded\r\n",
        b"X: \xff\xfe\r\n",
    ),
    *(b"Content-Length: 0\r\n", b"Content-Length: 70\r\n", b"Content-Length: 99999999999999\r\n"),
    *(b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"),
    *(
        b"Connection: Upgrade\r\n",
        b"Upgrade: websocket\r\n",
        b"Upgrade: h2c\r\n",
        b"Connection: close\r\n",
    ),
    *(
        b"Location: //[\r\n",
        b"Location: https://x/\r\n",
        b"Retry-After: 1\r\n",
        b"Retry-After: Wed\r\n",
    ),
    *(
        b"Date: Thu, 99 Foo 0000 99:99:99 -9999\r\n",
        b"Retry-After: Thu, 01 Jan 1 00:00:00 -2359\r\n",
    ),
    *(b"Sec-WebSocket-Accept: x\r\n", b"Sec-WebSocket-Extensions: permessage-deflate\r\n"),
]
BODIES = [
    *(
        b"{",
        b"}",
        b'"',
        b"[" * 5000,
        b"1" * 5000,
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffff\r\n",
        b"<html>",
    ),
    *(
        b'{"sessionURL": "wss://[::1"}',
        b'{"wsMediaBaseUrl": "wss://x:y/"}',
        b'{"sessionURL": "ws://\\ud800"}',
    ),
    *(
        b'{"error": "\\ud800"}',
        b'{"sid": "\\udfff"}',
        b'{"status": {}}',
        b'{"response": {"calls": [7]}}',
    ),
    *(
        b"\x88\x02\x03\xe8",
        b"\x81\x02\xff\xfe",
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xf1\x00",
    ),
]
BASE_URL = b'HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\n{"wsMediaBaseUrl": "wss://a.test"} '

pieces = st.sampled_from([*HEADS, *LINES, *BODIES]) | st.binary(max_size=12)
ordered = st.tuples(
    st.sampled_from(HEADS),
    st.lists(st.sampled_from(LINES[3:]), max_size=4).map(b"".join),
    st.just(b"\r\n"),
    st.lists(st.sampled_from(BODIES) | st.binary(max_size=12), max_size=4).map(b"".join),
).map(b"".join)
answers = st.lists(ordered | pieces, max_size=4).map(b"".join)


async def ask_for_a_session(peer: Peer) -> None:
    await request_session("a", api_key=KEY, base_url=peer.base_url)


async def ask_for_a_call(peer: Peer) -> None:
    session = await request_session(
        "a", api_key=KEY, base_url=peer.base_url, dialect="ws-media", **NUMBERS
    )
    assert session.start_call is not None
    await session.start_call("server")


async def ask_for_a_record(peer: Peer) -> None:
    await request_result("c", api_key=KEY, base_url=peer.base_url)


async def open_and_listen(peer: Peer) -> None:
    async with open_websocket(f"ws://{peer.authority}/x?token={KEY}") as websocket:
        with suppress(WebSocketClosed):
            while True:
                await websocket.receive()


CLIENTS = [ask_for_a_session, ask_for_a_call, ask_for_a_record, open_and_listen]


def try_answer(client: Callable[[Peer], Awaitable[None]], answer: bytes, is_accepted: bool) -> None:
    async def reply(stream: trio.abc.Stream) -> None:
        head = await read_head(stream)
        if client is ask_for_a_call and b"/base-url " in head:
            await stream.send_all(BASE_URL)
            return
        if is_accepted and b"Sec-WebSocket-Key" in head:
            await stream.send_all(accepted(head))
        await stream.send_all(answer)

    async def main() -> None:
        errors: list[SfclientError] = []
        with trio.fail_after(SECONDS):
            async with serving(reply) as peer:
                try:
                    await client(peer)
                except SfclientError as error:
                    errors.append(error)
        for error in errors:
            assert KEY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
            assert len(str(error)) < 1000

    trio.run(main)


def with_examples(count: int) -> Any:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@pytest.mark.parametrize("client", CLIENTS)
@with_examples(25)
@given(answer=answers, is_accepted=st.booleans())
def test_any_answer_is_told(client: Any, answer: bytes, is_accepted: bool) -> None:
    try_answer(client, answer, is_accepted)


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
@with_examples(2000)
@given(answer=answers, is_accepted=st.booleans())
def test_any_of_thousands_of_answers_is_told(client: Any, answer: bytes, is_accepted: bool) -> None:
    try_answer(client, answer, is_accepted)

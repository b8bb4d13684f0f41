"""The upgrade is read by ourselves: what comes before, in and behind its answer."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trio

from sfclient import AuthenticationError, NetworkError, ServiceError, UsageError
from sfclient._errors import exhausted
from sfclient._websocket import open_websocket

from ..conftest import UnhurriedClock
from ..raw_servers import accepted, frame, read_head, serving, sleep_forever
from .conftest import PATH, URL, connect, failing, http, request_from

BODY = b'{"error": "session expired"}'


class TestAccepted:
    @pytest.mark.parametrize(
        "before",
        [
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n" * 3,
            b"HTTP/1.1 102 Processing\r\nX: \xff\xfe\r\n\r\n",
        ],
    )
    async def test_informational_answers_come_first(self, before: bytes) -> None:
        async def hint(stream: trio.abc.Stream) -> None:
            head = await read_head(stream)
            await stream.send_all(before + accepted(head) + frame(2, b"ab"))
            await stream.receive_some()

        async with serving(hint) as peer:
            async with open_websocket(f"ws://{peer.authority}{PATH}") as websocket:
                assert await websocket.receive() == b"ab"

    @pytest.mark.parametrize("more", [b"X: \xff\xfe caf\xc3\xa9\r\n", b"X: y\r\n" * 1000])
    async def test_headers_that_nobody_needs(self, more: bytes) -> None:
        async def decorate(stream: trio.abc.Stream) -> None:
            head = accepted(await read_head(stream))
            await stream.send_all(head[:-2] + more + b"\r\n" + frame(2, b"ab"))
            await stream.receive_some()

        async with serving(decorate) as peer:
            async with open_websocket(f"ws://{peer.authority}{PATH}") as websocket:
                assert await websocket.receive() == b"ab"

    async def test_it_may_come_byte_by_byte(self) -> None:
        async def drip(stream: trio.abc.Stream) -> None:
            for byte in accepted(await read_head(stream)) + frame(2, b"ab"):
                await stream.send_all(bytes([byte]))
            await stream.receive_some()

        async with serving(drip) as peer:
            async with open_websocket(f"ws://{peer.authority}{PATH}") as websocket:
                assert await websocket.receive() == b"ab"

    async def test_much_may_come_with_it(self) -> None:
        messages = [bytes([n]) * 100 for n in range(200)]

        async def hurry(stream: trio.abc.Stream) -> None:
            head = accepted(await read_head(stream))
            await stream.send_all(head + b"".join(frame(2, message) for message in messages))
            await stream.receive_some()

        async with serving(hurry) as peer:
            async with open_websocket(f"ws://{peer.authority}{PATH}") as websocket:
                assert [await websocket.receive() for _ in messages] == messages

    @pytest.mark.parametrize(
        ("old", "new", "lack"),
        [
            (b"Upgrade: websocket\r\n", b"", "no Upgrade: websocket"),
            (b"Connection: Upgrade\r\n", b"Connection: close\r\n", "no Connection: upgrade"),
            (b"Accept: ", b"Accept: A", "a wrong Sec-WebSocket-Accept"),
            (b"Sec-", b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-", "Extensions that"),
            (b"Sec-", b"Sec-WebSocket-Protocol: soap\r\nSec-", "Protocol that was not asked for"),
        ],
    )
    async def test_it_must_be_what_was_asked_for(self, old: bytes, new: bytes, lack: str) -> None:
        async def deceive(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)).replace(old, new, 1))
            await stream.receive_some()

        async with serving(deceive) as peer:
            with failing(ServiceError, rf"is no websocket \(.*{lack}.*\): is the") as caught:
                await connect(f"ws://{peer.authority}{PATH}")
        assert caught[0].status == 101


class TestRefused:
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 403 No\r\nContent-Length: 28\r\n\r\n" + BODY,
            b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n" + BODY,
            b"HTTP/1.0 403 No\r\n\r\n" + BODY,
            b"HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\n" + BODY,
            b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n1C\r\n" + BODY,
            b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 403\r\nX: \xff\r\n\r\n" + BODY,
        ],
    )
    @pytest.mark.parametrize("then", ["close", "wait"])
    async def test_its_status_is_told_however_its_body_ends(
        self, answer: bytes, then: str, fast_clock: UnhurriedClock
    ) -> None:
        async def refuse(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await stream.send_all(answer)
            if then == "wait":
                await trio.sleep_forever()

        async with serving(refuse) as peer:
            start = trio.current_time()
            with failing(ServiceError, 'HTTP 403.: "session expired": .*request a new') as caught:
                await connect(f"ws://{peer.authority}{PATH}")
            assert trio.current_time() - start < 2
        assert caught[0].status == 403

    async def test_so_is_that_of_a_body_that_never_comes_or_never_ends(
        self, fast_clock: UnhurriedClock
    ) -> None:
        async def babble(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await stream.send_all(b"HTTP/1.1 401 No\r\n\r\n")
            if peer.connections == 1:
                await trio.sleep_forever()
            while True:
                await stream.send_all(b" " * 65_536)

        async with serving(babble) as peer:
            with failing(ServiceError, "HTTP 401"):
                await connect(f"ws://{peer.authority}{PATH}")
            with failing(AuthenticationError, "HTTP 401"):
                await request_from(peer)
            with failing(ServiceError, "HTTP 401"):
                await connect(f"ws://{peer.authority}{PATH}")

    @pytest.mark.parametrize("more", [b"Content-Length: 9\r\n\r\n", b"\r\ndata: hello\n\n"])
    async def test_an_answer_that_would_be_good_for_another_request(
        self, fast_clock: UnhurriedClock, more: bytes
    ) -> None:
        async def stream_events(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\n" + more)
            await trio.sleep_forever()

        async with serving(stream_events) as peer:
            with failing(ServiceError, "HTTP 200.*is the session URL right") as caught:
                await connect(f"ws://{peer.authority}{PATH}")
        assert caught[0].status == 200

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_told_as_such(self, status: int) -> None:
        answer = http(status, b"", "Location: https://login.example/x?secret=1")
        async with serving(answer) as peer:
            told = rf'a redirect, which is not followed \(HTTP {status}\) to "login.example": is'
            with failing(ServiceError, told):
                await connect(f"ws://{peer.authority}{PATH}")
            with failing(ServiceError, told):
                await request_from(peer)

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("Retry-After: 30", 30.0),
            (
                "Retry-After: Wed, 21 Oct 2026 07:28:30 GMT\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT",
                30,
            ),
            ("Retry-After: Wed, 21 Oct 1999 07:28:00 GMT", 0.0),
            ("Retry-After: soon", None),
            ("Retry-After: -1", None),
            ("Retry-After: Wed, 99 Oct 99999999999999999999 07:28:00 GMT", None),
            ("X: y", None),
        ],
    )
    async def test_how_long_to_wait(self, status: int, header: str, seconds: float | None) -> None:
        async with serving(http(status, b"", header)) as peer:
            with failing(ServiceError, f"HTTP {status}.*(wait|later)") as refusal:
                await connect(f"ws://{peer.authority}{PATH}")
            with failing(ServiceError, f"HTTP {status}.*(wait|later)") as answer:
                await request_from(peer)
        for error in (refusal[0], answer[0]):
            assert error.retry_after == seconds
            assert ("asks to wait 30 s" in str(error)) == (seconds == 30)
            assert "URL" not in str(error)

    async def test_how_long_to_wait_by_our_own_clock(self) -> None:
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
        async with serving(http(503, b"", f"Retry-After: {at}")) as peer:
            with failing(ServiceError) as caught:
                await connect(f"ws://{peer.authority}{PATH}")
        assert caught[0].retry_after is not None
        assert 90 < caught[0].retry_after <= 100

    async def test_a_proxy_on_the_way_that_asks_who_it_is(self) -> None:
        async with serving(http(407)) as peer:
            with failing(NetworkError, "proxy .*HTTP 407.*HTTPS_PROXY"):
                await connect(f"ws://{peer.authority}{PATH}")
            with failing(NetworkError, "proxy .*HTTP 407.*HTTPS_PROXY"):
                await request_from(peer)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class TestDescriptors:
    """Too few of them are neither the network's fault nor that of a variable."""

    async def test_for_a_socket(self) -> None:
        async with serving(sleep_forever) as peer:
            with no_descriptor_left(), failing(UsageError, "too few file desc.*ulimit -n"):
                await connect(f"ws://{peer.authority}{PATH}")
            with no_descriptor_left(), failing(UsageError, "too few file desc.*ulimit -n"):
                await request_from(peer)

    async def test_for_the_certificates(self) -> None:
        with no_descriptor_left(), failing(UsageError, "too few file desc.*ulimit -n"):
            await connect(URL)

    async def test_for_the_name(self) -> None:
        """A resolver without descriptors knows no name."""
        with no_descriptor_left(), failing(UsageError, "too few file desc.*ulimit -n"):
            await connect("ws://agents.invalid", allow_insecure=True)

    async def test_for_the_name_where_the_system_tells_of_something_else(self) -> None:
        busy = OSError(errno.EBUSY, "Device or resource busy")
        assert exhausted(busy) is None
        with no_descriptor_left():
            assert isinstance(exhausted(busy), UsageError)

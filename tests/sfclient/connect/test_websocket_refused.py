"""Whatever answers a websocket's upgrade, and is none."""

import pytest
import trio

from sfclient import NetworkError, ServiceError

from ..conftest import UnhurriedClock
from ..raw_servers import read_head, serving
from .conftest import PATH, TOKEN, connect, failing, failing_in


class TestNoWebsocket:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 426, 429, 500, 502, 503])
    async def test_refused(self, status: int) -> None:
        body = f"no, {TOKEN}".encode()
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        async with serving(head + body) as peer:
            with failing(ServiceError, rf'.HTTP {status}.: "no, \*\*\*": ') as caught:
                await connect(f"ws://127.0.0.1:{peer.port}{PATH}")
        assert caught[0].status == status
        assert ("request a new one" in str(caught[0])) == (status in (401, 403, 404, 410))
        assert ("again later" in str(caught[0])) == (status in (502, 503))
        assert ("URL" in str(caught[0])) == (status in (400, 426, 500))

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\ncut",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x00\xff" * 40,
            b"\r\n\r\n\r\n",
            b"HTTP/1.1 999\r\n\r\n",
            b"x" * 300_000,
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
        ],
        ids=lambda answer: repr(answer[:30]),
    )
    @pytest.mark.parametrize("then", ["close", "wait"])
    async def test_other_answer(self, answer: bytes, then: str, fast_clock: UnhurriedClock) -> None:
        async def reply(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await stream.send_all(answer)
            if then == "wait":
                await trio.sleep_forever()

        async with serving(reply) as peer:
            start = trio.current_time()
            with failing_in(ServiceError, NetworkError) as caught:
                await connect(f"ws://127.0.0.1:{peer.port}{PATH}")
            assert trio.current_time() - start < 10
        if then == "close":
            assert type(caught[0]) is ServiceError

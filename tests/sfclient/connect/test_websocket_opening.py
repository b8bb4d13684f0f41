"""A websocket is opened as the URL says, and closed again; or it is not even tried."""

import contextlib

import pytest
import trio

from sfclient import InsecureURLError, NetworkError, ServiceError, UsageError
from sfclient._websocket import ABNORMAL_CLOSURE, WebSocketClosed, open_websocket

from ..conftest import UnhurriedClock
from ..raw_servers import Resolver, accept, accepted, close_frame, frame, read_head, serving
from .conftest import PATH, TOKEN, connect, failing, failing_in


class TestOpening:
    async def test_request_is_as_the_url_says(self) -> None:
        heads: list[bytes] = []

        async def note(stream: trio.abc.Stream) -> None:
            heads.append(await read_head(stream))

        async with serving(note) as peer:
            with failing(ServiceError, "closed the connection"):
                await connect(f" ws://127.0.0.1:{peer.port}{PATH}\n")
        (head,) = heads
        lines = head.split(b"\r\n")
        assert lines[0] == f"GET {PATH} HTTP/1.1".encode()
        assert f"host: 127.0.0.1:{peer.port}".encode() in [line.lower() for line in lines]
        assert b"sec-websocket-protocol" not in head.lower()

    async def test_url_without_a_path(self) -> None:
        heads: list[bytes] = []

        async def note(stream: trio.abc.Stream) -> None:
            heads.append(await read_head(stream))

        async with serving(note) as peer:
            with failing(ServiceError, "closed the connection"):
                await connect(f"ws://127.0.0.1:{peer.port}")
        assert heads[0].startswith(b"GET / HTTP/1.1\r\n")

    async def test_opens_and_closes(self) -> None:
        async with serving(accept) as peer:
            async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}") as websocket:
                await websocket.send(b"\0\0")

    async def test_body_error_leaves_as_itself(self) -> None:
        async with serving(accept) as peer:
            with pytest.raises(LookupError, match="mine"):
                async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}"):
                    raise LookupError("mine")

    async def test_message_and_close_that_came_with_the_acceptance(self) -> None:
        async def hurry(stream: trio.abc.Stream) -> None:
            head = await read_head(stream)
            await stream.send_all(accepted(head) + frame(2, b"ab") + close_frame(1008, "no money"))
            await stream.aclose()

        async with serving(hurry) as peer:
            async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}") as websocket:
                assert await websocket.receive() == b"ab"
                with pytest.raises(WebSocketClosed) as info:
                    await websocket.receive()
        assert (info.value.code, info.value.reason) == (1008, "no money")

    async def test_end_of_stream_that_came_with_the_acceptance(self) -> None:
        async def cut(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))

        async with serving(cut) as peer:
            with contextlib.suppress(ServiceError):  # it may be seen at the upgrade, or after it
                async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}") as websocket:
                    with pytest.raises(WebSocketClosed) as info:
                        await websocket.receive()
                    assert info.value.code == ABNORMAL_CLOSURE

    async def test_garbage_after_the_acceptance(self) -> None:
        async def rave(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + b"\xff" * 50)
            await stream.receive_some()

        async with serving(rave) as peer:
            async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}") as websocket:
                with pytest.raises(WebSocketClosed) as info:
                    await websocket.receive()
        assert info.value.code in (1002, ABNORMAL_CLOSURE)

    async def test_peer_that_never_answers_our_close(self, fast_clock: UnhurriedClock) -> None:
        async def deaf(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))
            await trio.sleep_forever()

        async with serving(deaf) as peer:
            async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}"):
                start = trio.current_time()
            assert trio.current_time() - start < 4

    async def test_ping_after_our_close(self, fast_clock: UnhurriedClock) -> None:
        async def ping(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)))
            while not (await stream.receive_some()).startswith(b"\x88"):
                pass
            await stream.send_all(frame(9, b"there?") * 3 + close_frame(1000))

        async with serving(ping) as peer:
            async with open_websocket(f"ws://127.0.0.1:{peer.port}{PATH}"):
                await trio.sleep(1)


class TestWrongURL:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            TOKEN,
            f"//agents.example/{TOKEN}",
            f"wss:///start?token={TOKEN}",
            f"wss://?token={TOKEN}",
            f"https://agents.example/?token={TOKEN}",
            f"ftp://agents.example/?token={TOKEN}",
            f"wss://agents.example:port/?token={TOKEN}",
            f"wss://agents.example:99999/?token={TOKEN}",
            f"wss://[::1/?token={TOKEN}",
            f"wss://agents.example/?token={TOKEN} and more",
            f"wss://agents.example/?token=\r\nX: {TOKEN}",
            f"wss://agents.example/é?token={TOKEN}",
            f"wss://agents.example:{TOKEN}/",
            f"wss://user:{TOKEN}@agents.example/",
            f"wss://{TOKEN}@agents.example/",
            f"wss://agents.example/?token={TOKEN * 1000}",
        ],
        ids=lambda url: url[:50],
    )
    async def test_url_of_the_wrong_kind(self, url: str, resolver: Resolver) -> None:
        with failing(UsageError, "session URL"):
            await connect(url)
        assert not resolver.asked

    @pytest.mark.parametrize(
        "host", ["agents.example", "192.0.2.1", "10.0.0.1", "[fe80::1]", "localhost.example"]
    )
    async def test_plain_ws_beyond_this_machine(self, host: str, resolver: Resolver) -> None:
        with failing(InsecureURLError, "clear"):
            await connect(f"ws://{host}{PATH}")
        assert not resolver.asked

    async def test_plain_ws_allowed_by_name(self, resolver: Resolver) -> None:
        async with serving(accept) as peer:
            async with open_websocket(
                f"ws://agents.example:{peer.port}{PATH}", allow_insecure=True
            ):
                pass
        assert resolver.asked == [b"agents.example"]

    @pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example", ".example", "xn--a"])
    async def test_name_that_no_host_has(self, host: str, resolver: Resolver) -> None:
        with failing_in(UsageError, NetworkError):
            await connect(f"wss://{host}:1{PATH}")

"""What is in the way of a websocket in TCP and TLS: each told at once, by its name, with nothing left behind."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest
import trio

from sfclient import NetworkError, ServiceError
from sfclient._websocket import WebSocketClosed, open_websocket

from ..conftest import UnhurriedClock
from ..raw_servers import (
    Resolver,
    accept,
    accepted,
    client_context,
    frame,
    read_head,
    server_context,
    serving,
    sleep_forever,
)
from .conftest import PATH, connect, failing, failing_in

if TYPE_CHECKING:
    import trustme  # not for every Python there is a wheel of what it needs


class TestTheWayThere:
    async def test_port_is_closed(self) -> None:
        async with serving(b"") as peer:
            pass
        with failing(NetworkError, f"cannot reach 127.0.0.1:{peer.port}: .*refused"):
            await connect(f"ws://127.0.0.1:{peer.port}{PATH}")

    async def test_name_is_unknown(self, resolver: Resolver) -> None:
        with failing(NetworkError, "cannot reach nonexistent.invalid:443: .*not known"):
            await connect(f"wss://nonexistent.invalid{PATH}")

    async def test_name_is_never_resolved(
        self, resolver: Resolver, fast_clock: UnhurriedClock
    ) -> None:
        start = trio.current_time()
        with failing(NetworkError, "cannot reach dns.slow:443 within 8 s"):
            await connect(f"wss://dns.slow{PATH}")
        assert 8 <= trio.current_time() - start < 10

    @pytest.mark.parametrize("scheme", ["ws", "wss"])
    async def test_no_answer(
        self, scheme: str, authority: trustme.CA, fast_clock: UnhurriedClock
    ) -> None:
        context = client_context(authority)
        async with serving(sleep_forever) as peer:
            start = trio.current_time()
            with failing(NetworkError, "127.0.0.1 did not answer .*within 8 s"):
                await connect(f"{scheme}://127.0.0.1:{peer.port}{PATH}", ssl_context=context)
            assert 8 <= trio.current_time() - start < 10

    async def test_half_an_answer(self, fast_clock: UnhurriedClock) -> None:
        async def hesitate(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream))[:-2])
            await trio.sleep_forever()

        async with serving(hesitate) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await connect(f"ws://127.0.0.1:{peer.port}{PATH}")

    @pytest.mark.parametrize("seconds", [0, 0.05])
    async def test_cancelled(self, seconds: float) -> None:
        async with serving(sleep_forever) as peer:
            with trio.move_on_after(seconds) as scope:
                await connect(f"ws://127.0.0.1:{peer.port}{PATH}")
        assert scope.cancelled_caught

    @pytest.mark.parametrize("scheme", ["ws", "wss"])
    async def test_hang_up_at_once(self, scheme: str, fast_clock: UnhurriedClock) -> None:
        async def close(stream: trio.abc.Stream) -> None:
            await stream.aclose()

        async with serving(close) as peer:
            start = trio.current_time()
            kind = NetworkError if scheme == "wss" else ServiceError
            with failing(kind, r"127\.0\.0\.1.* \w"):
                await connect(f"{scheme}://127.0.0.1:{peer.port}{PATH}")
            assert trio.current_time() - start < 2

    async def test_reset(self) -> None:
        async def reset(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            assert isinstance(stream, trio.SocketStream)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()

        async with serving(reset) as peer:
            with failing_in(NetworkError, ServiceError, match=r"127\.0\.0\.1"):
                await connect(f"ws://127.0.0.1:{peer.port}{PATH}")


async def test_flood_of_empty_fragments_lets_other_tasks_run() -> None:
    """So that a call under it can be cancelled at once."""

    async def flood(stream: trio.abc.Stream) -> None:
        await stream.send_all(accepted(await read_head(stream)) + frame(2, final=False))
        await stream.send_all(frame(0, final=False) * 20_000)

    async with serving(flood) as peer:
        async with open_websocket(f"ws://{peer.authority}{PATH}") as websocket:
            most, before = 0, websocket._stream.received_bytes
            while websocket._stream.received_bytes < 30_000:
                await trio.lowlevel.checkpoint()
                most = max(most, websocket._stream.received_bytes - before)
                before = websocket._stream.received_bytes
    assert 0 < most <= 2 << 13


async def test_message_behind_a_pong_that_does_not_leave_is_given_up_in_time(
    fast_clock: UnhurriedClock,
) -> None:
    filled = trio.Event()

    async def ping(stream: trio.abc.Stream) -> None:
        await stream.send_all(accepted(await read_head(stream)))
        await filled.wait()
        await stream.send_all(frame(9, b"?"))
        await trio.sleep_forever()

    async with serving(ping, buffer=4096) as peer:
        async with open_websocket(f"ws://{peer.authority}{PATH}") as websocket:
            tcp = websocket._stream._stream.tcp
            while tcp.has_room():
                tcp.send_now(bytes(1 << 16))
                await trio.sleep(0.1)
            filled.set()
            heard = websocket._stream.received_bytes
            while websocket._stream.received_bytes == heard:  # noqa: ASYNC110
                await trio.sleep(0.1)
            start = trio.current_time()
            with trio.fail_after(60), pytest.raises(WebSocketClosed):
                await websocket.send("{}", within=8)
            assert 8 <= trio.current_time() - start < 9


class TestTLS:
    async def test_certificate_of_an_authority_given(self, authority: trustme.CA) -> None:
        async with serving(accept, server_context(authority, "127.0.0.1")) as peer:
            async with open_websocket(
                f"wss://127.0.0.1:{peer.port}{PATH}", ssl_context=client_context(authority)
            ) as websocket:
                await websocket.send("{}")

    async def test_certificate_of_nobody_known(self, authority: trustme.CA) -> None:
        async with serving(accept, server_context(authority, "127.0.0.1")) as peer:
            with failing(
                NetworkError, r"certificate of 127\.0\.0\.1.* is not to be trusted: .*issuer"
            ):
                await connect(f"wss://127.0.0.1:{peer.port}{PATH}")

    async def test_certificate_of_another_host(self, authority: trustme.CA) -> None:
        async with serving(accept, server_context(authority, "agents.example")) as peer:
            with failing(NetworkError, "certificate of 127.0.0.1.*127.0.0.1"):
                await connect(
                    f"wss://127.0.0.1:{peer.port}{PATH}", ssl_context=client_context(authority)
                )

    async def test_certificate_is_checked_against_the_name(
        self, authority: trustme.CA, resolver: Resolver
    ) -> None:
        async with serving(accept, server_context(authority, "agents.example")) as peer:
            async with open_websocket(
                f"wss://agents.example:{peer.port}{PATH}", ssl_context=client_context(authority)
            ):
                pass

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\0" * 99]
    )
    async def test_peer_that_speaks_tls_badly(self, answer: bytes) -> None:
        async def speak(stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            await stream.send_all(answer)

        async with serving(speak) as peer:
            with failing(NetworkError, f"no TLS with 127.0.0.1:{peer.port}: .*\\w"):
                await connect(f"wss://127.0.0.1:{peer.port}{PATH}")

    async def test_refused_under_tls(self, authority: trustme.CA) -> None:
        refusal = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
        async with serving(refusal, server_context(authority, "127.0.0.1")) as peer:
            with failing(ServiceError, "HTTP 403"):
                await connect(
                    f"wss://127.0.0.1:{peer.port}{PATH}", ssl_context=client_context(authority)
                )

    async def test_no_answer_under_tls(
        self, authority: trustme.CA, fast_clock: UnhurriedClock
    ) -> None:
        async def silent(stream: trio.abc.Stream) -> None:
            await read_head(stream)
            await trio.sleep_forever()

        async with serving(silent, server_context(authority, "127.0.0.1")) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await connect(
                    f"wss://127.0.0.1:{peer.port}{PATH}", ssl_context=client_context(authority)
                )

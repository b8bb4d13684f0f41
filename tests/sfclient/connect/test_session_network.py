"""What is in the way of the request for a session, in TCP and TLS."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from sfclient import NetworkError, request_session

from ..conftest import UnhurriedClock
from ..raw_servers import Resolver, client_context, server_context, serving
from .conftest import KEY, URL, failing, http, request_from

if TYPE_CHECKING:
    import trustme  # not for every Python there is a wheel of what it needs


class TestTheWayThere:
    async def test_answer_never_comes(self, fast_clock: UnhurriedClock) -> None:
        async def sleep(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        start = trio.current_time()
        async with serving(sleep) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await request_session("agent", api_key=KEY, base_url=peer.base_url)
        assert 8 <= trio.current_time() - start < 10

    async def test_answer_that_drips_does_not_take_for_ever(
        self, fast_clock: UnhurriedClock
    ) -> None:
        async def drip(stream: trio.abc.Stream) -> None:
            await stream.send_all(b"HTTP/1.1 200 OK\r\n")
            while True:
                await stream.send_all(b"X-Y: z\r\n")
                await trio.sleep(0.5)

        async with serving(drip) as peer:
            with failing(NetworkError, "did not answer within 8 s"):
                await request_from(peer)

    async def test_hang_up_at_once(self) -> None:
        async def close(stream: trio.abc.Stream) -> None:
            await stream.aclose()

        async with serving(close) as peer:
            with failing(NetworkError, "the request failed: 127.0.0.1 closed the connection"):
                await request_from(peer)

    async def test_port_is_closed(self) -> None:
        async with serving(b"") as peer:
            pass
        with failing(NetworkError, "cannot reach 127.0.0.1"):
            await request_from(peer)

    async def test_name_is_unknown(self, resolver: Resolver) -> None:
        with failing(NetworkError, "cannot reach nonexistent.invalid"):
            await request_session("a", api_key=KEY, base_url="https://nonexistent.invalid")
        assert resolver.asked == [b"nonexistent.invalid"]

    async def test_widget_host_that_is_gone_names_its_successor(self, resolver: Resolver) -> None:
        async def knows_no_name(*_: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        resolver.getaddrinfo = knows_no_name  # type: ignore[method-assign]
        with failing(NetworkError, "widget.synthflow.ai:443: .*2026-06-15: .*ws-media"):
            await request_session("a", api_key=KEY)
        with failing(NetworkError, "elsewhere.example:443: .*not known$"):
            await request_session("a", api_key=KEY, base_url="https://elsewhere.example")

    async def test_cancelled(self) -> None:
        async def sleep(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        async with serving(sleep) as peer:
            with trio.move_on_after(0.1) as scope:
                await request_from(peer)
        assert scope.cancelled_caught


class TestTLS:
    async def test_certificate_of_an_authority_given(self, authority: trustme.CA) -> None:
        context = server_context(authority, "127.0.0.1")
        async with serving(http(200, {"sessionURL": URL}), context) as peer:
            session = await request_from(
                peer,
                base_url=f"https://127.0.0.1:{peer.port}",
                ssl_context=client_context(authority),
            )
        assert session.url == URL

    async def test_certificate_of_nobody_known(self, authority: trustme.CA) -> None:
        context = server_context(authority, "127.0.0.1")
        async with serving(http(200, {"sessionURL": URL}), context) as peer:
            with failing(NetworkError, "certificate"):
                await request_from(peer, base_url=f"https://127.0.0.1:{peer.port}")
        assert not peer.requests

    async def test_certificate_of_another_host(self, authority: trustme.CA) -> None:
        context = server_context(authority, "widget.example")
        async with serving(http(200, {"sessionURL": URL}), context) as peer:
            with failing(NetworkError, "certificate"):
                await request_from(
                    peer,
                    base_url=f"https://127.0.0.1:{peer.port}",
                    ssl_context=client_context(authority),
                )
        assert not peer.requests

    async def test_peer_that_speaks_no_tls(self) -> None:
        async def speak(stream: trio.abc.Stream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with serving(speak) as peer:
            with failing(NetworkError, r"127\.0\.0\.1.*: .*\w") as caught:
                await request_from(peer, base_url=f"https://127.0.0.1:{peer.port}")
        assert not str(caught[0]).endswith("127.0.0.1: ")

    async def test_peer_that_never_answers_tls(self, fast_clock: UnhurriedClock) -> None:
        async def sleep(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        async with serving(sleep) as peer:
            with failing(NetworkError, "did not answer with TLS within 8 s"):
                await request_from(peer, base_url=f"https://127.0.0.1:{peer.port}")

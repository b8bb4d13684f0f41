"""The proxy of bytes: each of its faults does what it says, is counted, and leaves nothing behind."""

import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
import trio.lowlevel

from sfclient.testing import (
    Close,
    Corrupt,
    HalfClose,
    Link,
    Network,
    Proxy,
    Reset,
    Stall,
    open_proxy,
)

from ..conftest import UnhurriedClock
from ..raw_servers import closed_port, serving

WORDS = bytes(range(1, 101))


class Ends:
    """A client, and what the service does with its one connection."""

    def __init__(self, proxy: Proxy, client: trio.SocketStream, server: trio.abc.Stream) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server

    def balance(self) -> None:
        figures = self.proxy.statistics()
        for link in (figures.up, figures.down):
            there = link.sent_bytes + link.waiting_bytes + link.dropped_bytes
            assert link.received_bytes == there


@asynccontextmanager
async def between(*networks: Network) -> AsyncIterator[Ends]:
    """A client and a service on both sides of a network; whatever happened, the counters add up."""
    accepted, take = trio.open_memory_channel[trio.abc.Stream](1)

    async def serve(stream: trio.abc.Stream) -> None:
        await accepted.send(stream)
        await trio.sleep_forever()

    async with serving(serve) as peer, open_proxy(peer.base_url, *networks) as proxy:
        host, _, port = proxy.authority.partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as client:
            ends = Ends(proxy, client, await take.receive())
            while not proxy.statistics().open_connections:
                await trio.lowlevel.checkpoint()
            with trio.fail_after(60):
                yield ends
        ends.balance()


async def read(stream: trio.abc.ReceiveStream, length: int | None = None) -> bytes:
    """So many bytes, or all until the end."""
    data = b""
    while length is None or len(data) < length:
        part = await stream.receive_some()
        if not part:
            break
        data += part
    return data


def down(**link: object) -> Network:
    return Network(down=replace(Link(), **link))


async def test_what_does_nothing_lets_all_through_both_ways() -> None:
    async with between() as ends:
        await ends.client.send_all(WORDS)
        assert await read(ends.server, 100) == WORDS
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.server.send_all, WORDS * 5000)
            assert await read(ends.client, 500_000) == WORDS * 5000
        await ends.client.send_eof()
        assert await read(ends.server) == b""
    figures = ends.proxy.statistics()
    assert (figures.up.sent_bytes, figures.down.sent_bytes) == (100, 500_000)
    assert (figures.connections, figures.open_connections) == (1, 0)


@pytest.mark.parametrize(
    ("link", "shortest", "longest"),
    [
        (Link(delay=2.0), 2.0, 2.5),
        (Link(delay=2.0, jitter=1.0), 1.0, 3.5),
        (Link(rate=20), 4.8, 5.5),
        (Link(coalesce=3.0), 2.9, 3.5),
        (Link(faults=(Stall(50, 4.0),)), 3.9, 4.5),
    ],
    ids=["delay", "jitter", "rate", "coalesce", "stall"],
)
async def test_bytes_arrive_whole_when_they_are_due(
    link: Link, shortest: float, longest: float, fast_clock: UnhurriedClock
) -> None:
    async with between(Network(down=link)) as ends:
        began = trio.current_time()
        await ends.server.send_all(WORDS)
        assert await read(ends.client, 100) == WORDS
        assert shortest <= trio.current_time() - began <= longest


async def test_jitter_never_changes_the_order(fast_clock: UnhurriedClock) -> None:
    async with between(down(delay=0.5, jitter=0.5, split=1)) as ends:
        await ends.server.send_all(WORDS)
        assert await read(ends.client, 100) == WORDS


@pytest.mark.parametrize("split", [7, (1, 9)])
async def test_pieces_are_written_one_by_one(
    split: int | tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = []
    send_all = trio.SocketStream.send_all

    async def spy(self: trio.SocketStream, data: bytes) -> None:
        pieces.append(bytes(data))
        await send_all(self, data)

    async with between(down(split=split)) as ends:
        monkeypatch.setattr(trio.SocketStream, "send_all", spy)
        await ends.server.send_all(WORDS)
        assert await read(ends.client, 100) == WORDS
    assert pieces[0] == WORDS
    assert b"".join(pieces[1:]) == WORDS
    longest = max(len(piece) for piece in pieces[1:])
    assert len(pieces) > 11
    assert longest == 7 if split == 7 else 1 < longest <= 9


async def test_gathered_bytes_are_written_at_once(
    fast_clock: UnhurriedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with between(down(coalesce=1.0)) as ends:
        for word in WORDS[:10]:
            await ends.server.send_all(bytes([word]))
            await trio.sleep(0.02)
        assert await ends.client.receive_some() == WORDS[:10]


async def test_one_byte_is_corrupted() -> None:
    async with between(down(faults=(Corrupt(42, bits=0x80),))) as ends:
        await ends.server.send_all(WORDS)
        wrong = await read(ends.client, 100)
    assert [at for at in range(100) if wrong[at] != WORDS[at]] == [42]
    assert wrong[42] == WORDS[42] ^ 0x80


async def test_direction_that_is_closed_leaves_the_other_open() -> None:
    async with between(down(faults=(HalfClose(30),))) as ends:
        await ends.server.send_all(WORDS)
        assert await read(ends.client) == WORDS[:30]
        await ends.client.send_all(WORDS)
        assert await read(ends.server, 100) == WORDS
    assert ends.proxy.statistics().down.dropped_bytes == 70


async def test_closed_connection_has_ended_at_both_ends() -> None:
    async with between(down(faults=(Close(30),))) as ends:
        await ends.server.send_all(WORDS)
        assert await read(ends.client) == WORDS[:30]
        assert await read(ends.server) == b""


async def test_reset_reaches_both_ends() -> None:
    async with between(down(faults=(Reset(30),))) as ends:
        await ends.server.send_all(WORDS)
        with pytest.raises(trio.BrokenResourceError):
            await read(ends.client)
        with pytest.raises(trio.BrokenResourceError):
            await read(ends.server)


async def test_sender_is_made_to_wait_when_the_limit_is_reached() -> None:
    async with between(down(limit=4096, faults=(Stall(0),))) as ends:
        with trio.move_on_after(0.2) as patience:
            await ends.server.send_all(bytes(20_000_000))
        assert patience.cancelled_caught
        assert ends.proxy.statistics().down.waiting_bytes == 4096


async def test_stall_on_command_holds_everything_and_lets_it_go(fast_clock: UnhurriedClock) -> None:
    async with between() as ends:
        ends.proxy.stall()
        await ends.server.send_all(WORDS)
        await ends.client.send_all(WORDS)
        with trio.move_on_after(5) as patience:
            await ends.client.receive_some()
        assert patience.cancelled_caught
        ends.proxy.resume("down")
        assert await read(ends.client, 100) == WORDS
        with trio.move_on_after(1) as patience:
            await ends.server.receive_some()
        assert patience.cancelled_caught
        ends.proxy.stall(2.0, "up")  # in place of the one without end
        assert await read(ends.server, 100) == WORDS


@pytest.mark.parametrize(
    "command", [Proxy.close, lambda proxy: proxy.half_close("down")], ids=["close", "half close"]
)
async def test_end_on_command(command: Callable[[Proxy], None]) -> None:
    async with between() as ends:
        command(ends.proxy)
        assert await read(ends.client) == b""


async def test_reset_on_command(fast_clock: UnhurriedClock) -> None:
    async with between(down(delay=5)) as ends:
        await ends.server.send_all(WORDS)
        await trio.sleep(1)
        assert ends.proxy.statistics().down.waiting_bytes == 100
        ends.proxy.reset()
        with pytest.raises(trio.BrokenResourceError):
            await read(ends.client)
    assert ends.proxy.statistics().down.dropped_bytes == 100


async def test_reset_by_one_end_is_passed_on_to_the_other() -> None:
    async with between() as ends:
        ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ends.client.socket.close()
        with pytest.raises(trio.BrokenResourceError):
            await read(ends.server)


async def test_network_changes_on_the_way(fast_clock: UnhurriedClock) -> None:
    async with between(down(faults=(Corrupt(0), Reset(60)))) as ends:
        await ends.server.send_all(WORDS[:50])
        assert (await read(ends.client, 50))[1:] == WORDS[1:50]
        ends.proxy.change(down(delay=3.0))
        began = trio.current_time()
        await ends.server.send_all(WORDS[50:])
        assert await read(ends.client, 50) == WORDS[50:]
        assert trio.current_time() - began >= 3


async def test_fault_at_a_byte_that_is_just_passing_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with between() as ends:
        (connection,) = ends.proxy._open
        send = connection.down._sink.send_all

        async def change_and_send(data: bytes) -> None:
            monkeypatch.undo()
            ends.proxy.change(down(faults=(Corrupt(10), Corrupt(150))))
            await send(data)

        monkeypatch.setattr(connection.down._sink, "send_all", change_and_send)
        for expected in (WORDS, WORDS[:50] + bytes([WORDS[50] ^ 0xFF]) + WORDS[51:]):
            await ends.server.send_all(WORDS)
            assert await read(ends.client, 100) == expected


async def test_each_connection_has_its_network_and_the_last_is_for_all_that_follow() -> None:
    async def greet(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"hello")
        await stream.receive_some()

    networks = (down(faults=(Corrupt(n, bits=1),)) for n in range(2))
    async with serving(greet) as peer, open_proxy(peer.authority, *networks) as proxy:
        heard = []
        for _ in range(3):
            port = int(proxy.authority.partition(":")[2])
            async with await trio.open_tcp_stream("127.0.0.1", port) as client:
                heard.append(await read(client, 5))
    assert heard == [b"iello", b"hdllo", b"hdllo"]


async def test_same_seed_does_the_same() -> None:
    async def arrivals(seed: int) -> list[bytes]:
        async with between(down(split=(1, 30), seed=seed, rate=1e5)) as ends:
            await ends.server.send_all(WORDS)
            return [await ends.client.receive_some() for _ in range(3)]

    assert await arrivals(1) == await arrivals(1)
    assert await arrivals(1) != await arrivals(2)


async def test_service_that_is_not_there_is_a_reset() -> None:
    peer = await closed_port()
    async with open_proxy(peer.base_url) as proxy:
        port = int(proxy.authority.partition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            with pytest.raises(trio.BrokenResourceError):
                await read(client)


async def test_url_is_led_through() -> None:
    async with open_proxy("https://agents.example/v2") as proxy:
        url = proxy.through("ws://agents.example/websocket/start?token=1")
        assert url == f"ws://{proxy.authority}/websocket/start?token=1"


@pytest.mark.parametrize(("host", "named"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
async def test_who_listens_everywhere_is_reached_on_this_machine(host: str, named: str) -> None:
    async with serving(lambda stream: stream.send_all(b"hello")) as peer:
        async with open_proxy(peer.base_url, host=host) as proxy:
            assert proxy.authority.rpartition(":")[0] == named
            port = int(proxy.authority.rpartition(":")[2])
            async with await trio.open_tcp_stream(named.strip("[]"), port) as client:
                assert await read(client, 5) == b"hello"


async def test_way_is_asked_for_with_connect() -> None:
    async with serving(lambda stream: stream.send_all(b"hello")) as peer, open_proxy(None) as proxy:
        port = int(proxy.authority.partition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(f"CONNECT {peer.authority} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            told = await read(client)
    assert told == b"HTTP/1.1 200 Connection established\r\n\r\nhello"


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "a\0b"])
async def test_host_that_cannot_be_is_a_reset_and_others_are_served(host: str) -> None:
    async with open_proxy(None) as proxy:
        port = int(proxy.authority.partition(":")[2])
        for _ in range(2):
            async with await trio.open_tcp_stream("127.0.0.1", port) as client:
                await client.send_all(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
                with pytest.raises(trio.BrokenResourceError):
                    await read(client)


async def test_client_that_leaves_before_it_has_its_way_is_no_matter_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(lambda stream: stream.send_all(b"hello")) as peer, open_proxy(None) as proxy:
        port = int(proxy.authority.partition(":")[2])
        asked = f"CONNECT {peer.authority} HTTP/1.1\r\n\r\n".encode()
        hasty = await trio.open_tcp_stream("127.0.0.1", port)
        opened = trio.open_tcp_stream

        async def opened_late(*target: str | int) -> trio.SocketStream:
            monkeypatch.undo()
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await hasty.aclose()
            return await opened(*target)

        monkeypatch.setattr(trio, "open_tcp_stream", opened_late)
        await hasty.send_all(asked)
        while hasty.socket.fileno() != -1:
            await trio.lowlevel.checkpoint()
        async with await opened("127.0.0.1", port) as client:
            await client.send_all(asked)
            assert (await read(client)).endswith(b"hello")


async def test_other_requests_are_refused_where_connect_is_wanted() -> None:
    async with open_proxy(None) as proxy:
        port = int(proxy.authority.partition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n")
            assert (await read(client)).startswith(b"HTTP/1.1 405 ")


async def test_client_that_does_not_wait_for_its_way_hurts_no_other() -> None:
    async with serving(lambda stream: stream.send_all(b"hello")) as peer, open_proxy(None) as proxy:
        port = int(proxy.authority.partition(":")[2])
        client = await trio.open_tcp_stream("127.0.0.1", port)
        await client.send_all(f"CONNECT {peer.authority} HTTP/1.1\r\n\r\n".encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await client.aclose()
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(f"CONNECT {peer.authority} HTTP/1.1\r\n\r\n".encode())
            assert (await read(client)).endswith(b"hello")


async def test_way_to_a_name_that_no_host_can_have_is_a_reset() -> None:
    async with open_proxy(None) as proxy:
        port = int(proxy.authority.partition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(b"CONNECT %s.example:80 HTTP/1.1\r\n\r\n" % (b"a" * 64))
            with pytest.raises(trio.BrokenResourceError):
                await client.receive_some()


async def test_error_of_the_block_leaves_as_itself() -> None:
    with pytest.raises(KeyError):
        async with open_proxy("127.0.0.1:9"):
            raise KeyError


@pytest.mark.parametrize("target", ["", "127.0.0.1", "ftp://127.0.0.1", "http://"])
async def test_target_that_is_none_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        async with open_proxy(target):
            pass


@pytest.mark.parametrize(
    "link",
    [
        {"delay": -1},
        {"jitter": float("nan")},
        {"rate": 0},
        {"split": 0},
        {"split": (3, 2)},
        {"coalesce": -1},
        {"coalesce_from": 0},
        {"faults": (Reset(-1),)},
        {"limit": 0},
    ],
)
def test_link_that_cannot_be_is_refused(link: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(link))):
        down(**link)


def test_it_is_not_imported_by_the_client() -> None:
    code = "import sys, sfclient, sfclient.cli; sys.exit('sfclient.testing' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_brings_along_neither_a_test_runner_nor_a_cluster() -> None:
    unwanted = {"pytest", "distributed", "sfclient.simulator"}
    code = f"import sys, sfclient.testing; sys.exit(bool({unwanted} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The stream under all connections: as trio's own, but for what it costs."""

import errno
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from sfclient._tcp import TcpStream


@pytest.fixture
async def ends() -> AsyncIterator[tuple[TcpStream, trio.SocketStream]]:
    ours, theirs = (trio.SocketStream(sock) for sock in trio.socket.socketpair())
    stream = TcpStream(ours)
    yield stream, theirs
    stream.close()
    await theirs.aclose()


async def make_pair() -> tuple[TcpStream, TcpStream]:
    ours, theirs = trio.socket.socketpair()
    return TcpStream(trio.SocketStream(ours)), TcpStream(trio.SocketStream(theirs))


async def make_clogged_pair() -> tuple[TcpStream, TcpStream]:
    ours, theirs = await make_pair()
    while ours.send_now(bytes(1 << 16)):
        pass
    return ours, theirs


async def test_what_the_kernel_takes_is_sent_without_a_checkpoint(ends):
    ours, theirs = ends
    with trio.testing.assert_no_checkpoints():
        await ours.send_all(b"at once")
    assert await theirs.receive_some() == b"at once"


async def test_what_is_more_than_the_kernel_takes_waits_and_arrives_whole(ends, nursery):
    ours, theirs = ends
    message = bytes(range(256)) * 20_000
    nursery.start_soon(ours.send_all, message)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert not ours.has_room()
    arrived = b""
    while len(arrived) < len(message):
        arrived += await theirs.receive_some()
    assert arrived == message
    assert ours.has_room()


async def test_receiving_waits_for_something_and_the_end_is_empty(ends, nursery):
    ours, theirs = ends
    got: list[bytes] = []

    async def receive() -> None:
        while data := await ours.receive_some(5):
            got.append(data)

    nursery.start_soon(receive)
    await trio.testing.wait_all_tasks_blocked(0.01)
    await theirs.send_all(b"12345678")
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert got == [b"12345", b"678"]
    await theirs.send_eof()


@pytest.mark.parametrize("waits", ["to receive", "to send", "for room"])
async def test_closing_wakes_who_waits(nursery, waits):
    ours, theirs = await make_clogged_pair()
    outcomes: list[str] = []

    async def wait() -> None:
        try:
            if waits == "to receive":
                await ours.receive_some()
            elif waits == "to send":
                await ours.send_all(b"more")
            else:
                await ours.wait_send_all_might_not_block()
        except trio.ClosedResourceError:
            outcomes.append("closed")

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked(0.01)
    ours.close()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert outcomes == ["closed"]
    await wait()
    assert outcomes == ["closed", "closed"]
    assert ours.has_room()
    ours.close()
    theirs.close()


async def test_reset_by_the_far_side_is_a_broken_stream():
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    ours = TcpStream(await trio.open_tcp_stream(host, port))
    theirs, _ = listener.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    listener.close()
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"on")
    await ours.aclose()


async def test_reset_before_it_is_wrapped_is_a_broken_stream(monkeypatch):
    """macOS may not tell of what kind such a socket is."""
    listener = socket.create_server(("127.0.0.1", 0))
    connected = await trio.open_tcp_stream(*listener.getsockname())
    listener.close()

    class OfNoKind(socket.socket):
        def __init__(
            self, family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None
        ) -> None:
            if fileno is not None and -1 in (family, kind, proto):
                raise OSError(errno.EINVAL, "Invalid argument")
            super().__init__(family, kind, proto, fileno)

    with monkeypatch.context() as patch:
        patch.setattr("socket.socket", OfNoKind)
        ours = TcpStream(connected)
    with pytest.raises(trio.BrokenResourceError):
        await ours.receive_some()
    ours.close()


async def test_two_receivers_are_one_too_many(ends, nursery):
    ours, _ = ends
    nursery.start_soon(ours.receive_some)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        await ours.receive_some()
    nursery.cancel_scope.cancel()

"""A TCP stream for many small messages: where the kernel takes or has them, trio's loop is not gone through.

`trio.SocketStream` makes a checkpoint of each message sent, tries to receive before there is anything, and makes a
checkpoint of what it received: each is a pass of the loop, with a system call of its own.
"""

import errno
import select
import socket
import sys

import trio

RECEIVE_BYTES = 1 << 16

if sys.platform == "linux":
    import fcntl
    import termios

    def _unacknowledged(connected: socket.socket) -> int | None:
        told = fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4))  # SIOCOUTQ in tcp(7)
        return int.from_bytes(told, sys.byteorder)

elif sys.platform == "darwin":
    SO_NWRITE = 0x1024  # in sys/socket.h; Python does not name it

    def _unacknowledged(connected: socket.socket) -> int | None:
        return connected.getsockopt(socket.SOL_SOCKET, SO_NWRITE)

else:

    def _unacknowledged(connected: socket.socket) -> int | None:
        return None


class TcpStream(trio.abc.Stream):
    """Over a connected socket, which it owns. One task at a time may send, and one receive."""

    def __init__(self, connected: trio.SocketStream) -> None:
        theirs = connected.socket
        # Else the system is asked of what kind it is, which macOS may not tell of one that was reset meanwhile.
        kind = theirs.family, theirs.type, theirs.proto
        self._socket = socket.socket(*kind, theirs.detach())
        self._socket.setblocking(False)
        self.sent_bytes = 0
        """That the kernel took."""
        if hasattr(select, "poll"):  # not on Windows
            self._room = select.poll()
            self._room.register(self._socket, select.POLLOUT)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As in `trio.abc.ReceiveStream`."""
        while True:
            await trio.lowlevel.wait_readable(self._open())
            try:
                return self._socket.recv(max_bytes or RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _as_broken(error) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As in `trio.abc.SendStream`, but no checkpoint if the kernel has room: see `send_now`."""
        with memoryview(data) as view:
            sent = self.send_now(view)
            while sent < len(view):
                await trio.lowlevel.wait_writable(self._open())
                sent += self.send_now(view[sent:])

    def send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the kernel takes; how much it was. Raises as `send_all`."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _as_broken(error) from error
        self.sent_bytes += sent
        return sent

    def unacknowledged_bytes(self) -> int | None:
        """Of those sent, how many the far side's system has not acknowledged yet; None where ours does not tell."""
        try:
            return _unacknowledged(self._socket)
        except (OSError, ValueError):  # ValueError: it is closed
            return 0

    def has_room(self) -> bool:
        """Whether the kernel takes more, or the socket is closed, as will be seen."""
        if self._socket.fileno() < 0:
            return True
        if hasattr(self, "_room"):
            return bool(self._room.poll(0))
        return any(select.select([], [self._socket], [self._socket], 0))

    async def wait_send_all_might_not_block(self) -> None:
        """As in `trio.abc.SendStream`."""
        await trio.lowlevel.wait_writable(self._open())

    def close(self) -> None:
        """At once: whoever waits for it gets a `trio.ClosedResourceError`."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def _open(self) -> socket.socket:
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("this socket was already closed")
        return self._socket


def _as_broken(error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
    if error.errno in (errno.EBADF, errno.ENOTSOCK):
        return trio.ClosedResourceError("this socket was already closed")
    return trio.BrokenResourceError(f"socket connection broken: {error}")

"""A proxy of bytes between a client and a service, which does to them what a `Network` says."""

import ipaddress
import math
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import trio

from sfclient._nursery import open_unwrapped_nursery
from sfclient.testing._network import Direction, Network, ProxyStatistics
from sfclient.testing._pipe import Pipe, Tap

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
LONGEST_HEAD_BYTES = 1 << 16
REQUEST_SECONDS = 10.0  # for a client to say with CONNECT where it wants to go
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s; so a close sends RST

Address = tuple[str, int]


class _Connection:
    """Of a client with the service, in both directions."""

    def __init__(
        self,
        number: int,
        client: trio.SocketStream,
        server: trio.SocketStream,
        network: Network,
        taps: tuple[Tap, Tap],
    ) -> None:
        self._ends = client, server
        self._scope = trio.CancelScope()
        up, down = taps
        self.up = Pipe(client, server, network.up, up, (number, "up"), self.close, self.reset)
        self.down = Pipe(
            server, client, network.down, down, (number, "down"), self.close, self.reset
        )

    async def run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.up.run)
                    nursery.start_soon(self.down.run)
        finally:
            self.up.abandon()
            self.down.abandon()

    def change(self, network: Network) -> None:
        self.up.change(network.up)
        self.down.change(network.down)

    def close(self) -> None:
        self.up.shut()
        self.down.shut()

    def reset(self) -> None:
        for end in self._ends:
            _reset(end)
        self._scope.cancel()


class Proxy:
    """A proxy that runs; made by `open_proxy`. For the thread that runs trio.

    Its commands act on all connections, and are in effect when they return.
    """

    def __init__(self, target: Address | None, networks: list[Network], authority: str) -> None:
        self.authority = authority
        """HOST:PORT where it listens."""
        self._target = target
        self._networks = networks
        self._taps = Tap(), Tap()
        self._accepted = 0
        self._open: set[_Connection] = set()

    def through(self, url: str) -> str:
        """The same URL, but led through here; ``http://`` and ``ws://``, for TLS see `open_proxy`."""
        return urlsplit(url)._replace(netloc=self.authority).geturl()

    def change(self, *networks: Network) -> None:
        """Be another network from now on, as `open_proxy` takes it; open connections become the last of them.

        Bytes under way arrive when they were due, and faults at bytes that have passed are over.
        """
        self._networks = list(networks) or [Network()]
        for connection in self._open:
            connection.change(self._networks[-1])

    def stall(self, seconds: float = math.inf, direction: Direction | None = None) -> None:
        """Let nothing through for so long, in this direction or in both, on new connections too."""
        for tap in self._chosen(direction):
            tap.shut(seconds)

    def resume(self, direction: Direction | None = None) -> None:
        """Let everything through again."""
        self.stall(0.0, direction)

    def half_close(self, direction: Direction) -> None:
        """End one direction of all connections in order (FIN); the other goes on."""
        for connection in self._open:
            (connection.up if direction == "up" else connection.down).shut()

    def close(self) -> None:
        """End all connections in order (FIN), in both directions."""
        for connection in self._open:
            connection.close()

    def reset(self) -> None:
        """Reset all connections (RST), at both ends."""
        for connection in list(self._open):
            connection.reset()

    def statistics(self) -> ProxyStatistics:
        """A snapshot of the counters."""
        up, down = (tap.statistics() for tap in self._taps)
        return ProxyStatistics(self._accepted, len(self._open), up, down)

    def _chosen(self, direction: Direction | None) -> tuple[Tap, ...]:
        up, down = self._taps
        return {"up": (up,), "down": (down,), None: (up, down)}[direction]

    async def _serve(self, client: trio.SocketStream) -> None:
        """One connection; trio closes it afterwards."""
        number, self._accepted = self._accepted, self._accepted + 1
        network = self._networks[min(number, len(self._networks) - 1)]
        try:
            target = self._target or await _asked_for(client)
            if target is None:
                return
            server = await trio.open_tcp_stream(*target)
        except (OSError, UnicodeError):  # UnicodeError: a name that no host can have
            _reset(client)  # as a router tells that there is no way
            return
        except trio.BrokenResourceError:
            return
        async with server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, network.down.limit)
            if self._target is None:
                with suppress(trio.BrokenResourceError):  # it has gone, as its pipe will find
                    await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            connection = _Connection(number, client, server, network, self._taps)
            self._open.add(connection)
            try:
                await connection.run()
            finally:
                self._open.discard(connection)


@asynccontextmanager
async def open_proxy(
    target: str | None, *networks: Network, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Proxy]:
    """Listen on `port` of `host` (0: any free one), and lead every connection to `target`.

    On leaving, all connections are dropped, and no task or socket stays behind.

    A plain service (``http://``, ``ws://``), such as the simulator, is reached by `Proxy.through`. Under TLS
    (``https://``, ``wss://``) the certificate is of the service's name, which must not change: leave `target` out, and
    the proxy is one that clients ask with CONNECT (RFC 9110, 9.3.6) for the way to the host they want. Give it to a
    client as ``HTTPS_PROXY=http://HOST:PORT``; TLS goes through as bytes, and the proxy sees no secret.

    Parameters
    ----------
    target
        A URL, of which host and port count, or ``HOST:PORT``; None: where the client wants to go.
    networks
        What happens to each connection in turn, the last to all that follow: so a call's websocket can be hit, and not
        the request before it. Nothing happens if there is none.

    Raises
    ------
    ValueError
        A target without host or port.
    OSError
        It cannot listen there.
    """
    address = None if target is None else _address(target)
    listeners = await trio.open_tcp_listeners(port, host=host)
    if (
        port == 0
    ):  # a name with several addresses has another free port at each; one port is the promise
        for extra in listeners[1:]:
            await extra.aclose()
        del listeners[1:]
    chosen = list(networks) or [Network()]
    smallest = min(network.up.limit for network in chosen)
    for listener in listeners:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, smallest)
    async with open_unwrapped_nursery() as nursery:
        proxy = Proxy(address, chosen, _authority(listeners[0]))
        nursery.start_soon(trio.serve_listeners, proxy._serve, listeners)
        try:
            yield proxy
        finally:
            nursery.cancel_scope.cancel()


def _address(target: str) -> Address:
    parts = urlsplit(target if "//" in target else f"//{target}")
    port = parts.port or PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError(f"the target must be a URL or HOST:PORT, not {target!r}")
    return parts.hostname, port


def _authority(listener: trio.SocketListener) -> str:
    """By which it is reached from this machine, also if it listens at every address."""
    host, port = listener.socket.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


async def _asked_for(client: trio.SocketStream) -> Address | None:
    """Where a client wants to go, None if it has not asked for a way with CONNECT."""
    head = b""
    with trio.move_on_after(REQUEST_SECONDS):
        while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD_BYTES:
            part = await client.receive_some()
            if not part:
                return None
            head += part
    if asked := re.match(rb"CONNECT (\S+):(\d{1,5}) HTTP/1\.[01]\r\n", head):
        return asked[1].decode("latin-1").strip("[]"), int(asked[2])
    await client.send_all(
        b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    return None


def _reset(stream: trio.SocketStream) -> None:
    try:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except (OSError, trio.ClosedResourceError):
        return  # it has gone
    stream.socket.close()

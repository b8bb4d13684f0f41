"""The websocket: trio-websocket with its traps closed (seen with 0.12.2). The only importer of
trio_websocket.

- TCP connect, TLS handshake and upgrade are done in rooms of our own, so that a failure is told at
  once and by its own name.
- A ping that comes after a local close raises inside its reader (its issue 184): such errors end
  here.
- A message cut short would corrupt the stream: `WebSocket.send` is never cancelled unless the
  stream is given up.
- ``ping()`` does not wake when the connection dies, and ``aclose()`` has no limit of its own: both
  are bounded here.
- Its reader answers a ping itself, behind a message that is under way: one only begins when the
  kernel has room for it, or a far side that does not read would keep us from hearing it.
- A message may be of any number of fragments, empty ones too, and each is kept: `_WatchedStream`
  bounds what comes without a message among it.
"""

import logging
import math
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import LocalProtocolError

from sfclient._connection import (
    ABNORMAL_CLOSURE,
    ASK_SECONDS,
    Traffic,
    WebSocketClosed,
    raise_silence,
)
from sfclient._limits import TimeLimits
from sfclient._nursery import open_unwrapped_nursery
from sfclient._secrets import Secrets
from sfclient._upgrade import HOST, RESOURCE, Upgraded, open_upgraded
from sfclient._urls import check_trust, check_url

_logger = logging.getLogger(__name__)

HURRY_SECONDS = 0.03  # for our close to leave when the call is cancelled
STALL_SECONDS = 1.0  # for a message under way to leave before the stream is given up
ROOM_SECONDS = 0.02  # between looks whether a message has room
LARGEST_MESSAGE_BYTES = 1 << 21  # a minute of speech at 16 kHz, and some
# Who receives is prompt, so that pings and closes are not kept waiting, or makes the network wait.
QUEUED_MESSAGES = 4
RECEIVE_BYTES = 1 << 13  # of fragments of 2 bytes, other tasks wait for all of them
# Without a message among them. trio-websocket keeps each fragment, an empty one too.
FRUITLESS_BYTES = LARGEST_MESSAGE_BYTES + 2 * RECEIVE_BYTES

TOO_BIG = 1009  # a message is too big, or is without an end


class _WatchedStream(trio.abc.Stream):
    """A stream that counts what comes, and is given up where that is too much."""

    def __init__(self, stream: Upgraded) -> None:
        self._stream = stream
        self.tcp = stream.tcp
        self.has_room = stream.tcp.has_room
        self.received_bytes = 0
        self.received_at = self.resumed_at = trio.current_time()
        self.longest = math.inf
        """At which `received_bytes` the stream is given up: nothing that is kept may grow for ever."""
        self.was_longer = False
        self.whole_until: float | None = None
        """When what is sent is given up, until when it is not cancelled; None: it can be cancelled at any time."""
        self._under_way = trio.CancelScope()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.received_bytes += len(data)
        now = trio.current_time()
        if now - self.received_at > ASK_SECONDS:
            self.resumed_at = now
        self.received_at = now
        if self.received_bytes > self.longest:
            self.was_longer = True
            raise trio.BrokenResourceError("more than is good came, and no message")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises BrokenResourceError where what had to leave whole was given up."""
        sent = self._stream.send_now(data)
        if sent == len(data):
            return
        if self.whole_until is None:
            await self._stream.send_all(data[sent:])
            return
        with trio.CancelScope(shield=True, deadline=self.whole_until) as self._under_way:
            await self._stream.send_all(data[sent:])
        if self._under_way.cancelled_caught:
            raise trio.BrokenResourceError("gave up what was under way")

    def give_up(self) -> None:
        """What has to leave whole, if something does."""
        self._under_way.cancel()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class WebSocket:
    """An open websocket: see `sfclient._connection.Connection`."""

    def __init__(
        self,
        connection: WebSocketConnection,
        stream: _WatchedStream,
        limits: TimeLimits,
        secrets: Secrets,
        nursery: trio.Nursery,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._limits = limits
        self._nursery = nursery
        self._is_receiving = False
        self._is_closing = False
        self._is_asking = False  # by a ping that is not answered yet
        self._answers = False
        self.secrets = secrets
        """What is masked in the reason of a close; more can be added."""
        self._sender = trio.Lock()

    async def receive(self) -> str | bytes:
        """The next message. Raises `WebSocketClosed` once all that came before the close has been given.

        While nobody is in here, the network waits, as soon as a few messages do.
        """
        self._is_receiving = True
        self._stream.longest = self._stream.received_bytes + FRUITLESS_BYTES
        try:
            return await self._connection.get_message()
        except ConnectionClosed as error:
            closed = self._closed(error)
            _logger.debug("The far side closed the websocket: %d %s", closed.code, closed.reason)
        finally:
            self._is_receiving = False
            self._stream.longest += (QUEUED_MESSAGES + 1) * FRUITLESS_BYTES  # as the reader goes on
        # Here, where the library's error is not its context: that repeats what the far side said.
        try:
            raise closed
        finally:
            del closed  # which would refer to itself

    async def send(self, message: str | bytes, within: float = math.inf) -> None:
        """Send a message whole: once begun, only `close` can stop it, or that it takes longer than
        `within` seconds, and then the stream is given up."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            # Not `async with`, whose checkpoint costs a program under load a wait for each message.
            self._sender.acquire_nowait()
        except trio.WouldBlock:
            await self._sender.acquire()
        closed: WebSocketClosed | None = None
        self._stream.whole_until = until = trio.current_time() + within
        try:
            # Not by trio, which wants one task at a time to send or to wait for that.
            while not self._stream.has_room():
                if trio.current_time() >= until:  # and not begin: a pong may be under way, for ever
                    raise ConnectionClosed(None)
                await trio.sleep(ROOM_SECONDS)
            await self._connection.send_message(message)
        except ConnectionClosed as error:
            closed = self._closed(error)
        except LocalProtocolError:
            closed = WebSocketClosed(ABNORMAL_CLOSURE, "the websocket is closing")
        finally:
            self._stream.whole_until = None
            self._sender.release()
        if closed is not None:
            try:
                raise closed
            finally:
                del closed

    async def keep_alive(self) -> None:
        """Until the end. Raises `NetworkError` when the far side stays silent, though it is asked (see `ask`).

        Any byte is a sign of life. Time in which nobody received, or the program was kept from running, does not count.
        """
        await raise_silence(
            lambda: self._stream.received_bytes,
            lambda: self._is_receiving,
            lambda: bool(self._connection.closed),
            self._limits.silence,
        )

    def ask(self) -> bool:
        """Have the far side asked for a sign of life, by a ping, unless it is being asked; whether it gives any.

        To be asked at the beginning, or that would not be known, and when nothing has come for `ASK_SECONDS`.
        """
        if not self._is_asking:
            self._is_asking = True
            self._nursery.start_soon(self._ping)
        return self._answers

    async def _ping(self) -> None:
        """Until it is answered; some far sides answer none."""
        with suppress(ConnectionClosed, LocalProtocolError):
            await self._connection.ping()
            self._is_asking, self._answers = False, True

    def traffic(self) -> Traffic:
        """What has moved so far."""
        tcp, stream = self._stream.tcp, self._stream
        unacknowledged = tcp.unacknowledged_bytes()
        waits = not tcp.has_room() if unacknowledged is None else unacknowledged > 0
        return Traffic(
            stream.received_bytes,
            stream.received_at,
            stream.resumed_at,
            not self._is_closing,
            self._is_receiving,
            tcp.sent_bytes,
            tcp.sent_bytes - (unacknowledged or 0),
            waits,
        )

    async def close(self) -> None:
        """Close in order if the far side plays along, else give the stream up.

        Takes at most a few seconds; where it is cancelled, at most `HURRY_SECONDS` from then.
        """
        self._is_closing = True
        hurry = trio.CancelScope(shield=True)
        closed = trio.Event()

        async def close_in_order() -> None:
            with hurry:
                with trio.move_on_after(STALL_SECONDS) as stall:
                    async with self._sender:
                        pass
                if not stall.cancelled_caught:
                    with trio.move_on_after(self._limits.close):
                        await self._connection.aclose()
            closed.set()

        try:
            async with open_unwrapped_nursery() as nursery:
                nursery.start_soon(close_in_order)
                try:
                    await closed.wait()
                except trio.Cancelled:
                    hurry.deadline = trio.current_time() + HURRY_SECONDS
                    raise
        finally:
            self._stream.give_up()
            await trio.aclose_forcefully(self._stream)

    def _closed(self, closed: ConnectionClosed) -> WebSocketClosed:
        if self._stream.was_longer:
            return WebSocketClosed(TOO_BIG, "a message without an end")
        if closed.reason is None:
            return WebSocketClosed(ABNORMAL_CLOSURE, "")
        reason = self.secrets.printable(closed.reason.reason or "")
        return WebSocketClosed(int(closed.reason.code), reason)


@asynccontextmanager
async def open_websocket(
    url: str,
    *,
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
    limits: TimeLimits | None = None,
    secrets: Secrets | None = None,
) -> AsyncIterator[WebSocket]:
    """Connect, and close on leaving, whatever happens, within a few seconds.

    `secrets`, and those of the URL, are masked wherever the far side repeats them.

    Raises `NetworkError` if there is no way to the host, `ServiceError` if what is there refuses or
    is no websocket, `InsecureURLError` and `UsageError` for a URL of the wrong kind.
    """
    parts = check_url(url, ("wss", "ws"), allow_insecure=allow_insecure, what="session URL")
    check_trust(ssl_context, allow_insecure=allow_insecure)
    limits = limits or TimeLimits()
    secrets = secrets or Secrets()
    secrets.add_url(url)
    stream = _WatchedStream(await open_upgraded(parts, ssl_context, limits, secrets))
    websocket: WebSocket | None = None
    try:
        async with open_unwrapped_nursery() as nursery:
            try:
                connection = await wrap_client_stream(
                    nursery,
                    cast(Any, stream),  # it asks for a socket's, but uses no more than a Stream has
                    HOST,
                    RESOURCE,
                    message_queue_size=QUEUED_MESSAGES,
                    max_message_size=LARGEST_MESSAGE_BYTES,
                    receive_buffer_size=RECEIVE_BYTES,
                )
                _logger.debug("A websocket to %s is open", parts.hostname)
                websocket = WebSocket(connection, stream, limits, secrets, nursery)
                yield websocket
            finally:
                if websocket is not None:
                    await websocket.close()
                else:
                    await trio.aclose_forcefully(stream)
                nursery.cancel_scope.cancel()
    except LocalProtocolError:
        pass  # from trio-websocket's reader: a ping after our close, when nobody waits any more

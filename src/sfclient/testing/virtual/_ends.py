"""The two ends of a websocket in memory: the call's, and the simulated service's.

Messages, closes, pings: no sockets, no framing. Each end keeps what arrives until it is received, and answers a close
and a ping by itself, as websocket libraries do.
"""

from collections import deque
from math import inf
from typing import Literal

import trio

from sfclient._clock import Bell
from sfclient._connection import (
    ABNORMAL_CLOSURE,
    ASK_SECONDS,
    Traffic,
    WebSocketClosed,
    raise_silence,
)
from sfclient._limits import TimeLimits
from sfclient._secrets import Secrets
from sfclient.simulator._wire import WireClosed
from sfclient.testing.virtual._way import CUT, PING, PONG, Close, Cut, Frame, Ping, Way

# For a close to leave when the call is cancelled: as over a socket, and a moment, so that one that is under way for
# just so long always arrives.
HURRY_SECONDS = 0.031
CLOSE_SECONDS = (
    10.0  # for the client to answer a close of the service, as the websockets library waits
)
ABORT_SECONDS = 5.0  # for the client to go when it is cut off


class End:
    """What both have in common. `inward` leads here, `outward` to the other."""

    def __init__(self, inward: Way, outward: Way) -> None:
        self._inward = inward
        self._outward = outward
        self._messages: deque[tuple[str | bytes, int]] = deque()
        self._news = Bell()
        self._sent: Close | None = None
        self._received: Close | None = None
        self._closes: Literal["us", "them"] | None = None  # who was first
        self._is_gone = False
        self._gone = trio.Event()
        inward.lead_to(self)

    def arrived(self, frame: Frame, length: int) -> None:
        """See `Destination`."""
        if isinstance(frame, str | bytes):
            self._messages.append((frame, length))
            self._news.ring()
            return
        self._inward.read(length)
        if isinstance(frame, Close):
            self._received = frame
            self._close(frame, by="them")
            self._go()
        elif isinstance(frame, Cut):
            self._outward.send(CUT)
            self._go()
        elif isinstance(frame, Ping):
            self._outward.send(PONG)
        else:
            self._ponged()

    def _ponged(self) -> None:
        """A ping was answered."""

    def _close(self, close: Close, by: Literal["us", "them"]) -> None:
        """Send a close frame, if none was."""
        if self._closes is None and not self._is_gone:
            self._closes, self._sent = by, close
            self._outward.send(close)
            self._outward.wake()

    def _go(self) -> None:
        """Nothing more will come, or leave."""
        self._is_gone = True
        self._gone.set()
        self._news.ring()
        self._outward.wake()

    def _give_up(self) -> None:
        """Whatever is under way."""
        if not self._is_gone:
            self._outward.cut()
            self._go()

    async def _next(self) -> str | bytes | None:
        """The next message; None behind the last. One that is there is given at once."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._messages:
            if self._is_gone:
                return None
            await self._news.wait()
        message, length = self._messages.popleft()
        self._inward.read(length)
        return message

    async def _send(self, message: str | bytes, within: float = inf) -> bool:
        """Whether it was sent, as a whole."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._outward.has_room:
            with trio.move_on_after(within) as patience:
                while not self._outward.has_room and not self._is_closed:
                    await self._outward.wait_room()
            if patience.cancelled_caught:
                self._give_up()
        if self._is_closed:
            return False
        self._outward.send(message)
        return True

    @property
    def _is_closed(self) -> bool:
        """Whether nothing can be sent."""
        return self._is_gone or self._closes is not None


class CallEnd(End):
    """The call's: see `sfclient._connection.Connection`."""

    def __init__(
        self, inward: Way, outward: Way, limits: TimeLimits, secrets: Secrets | None, *, lives: bool
    ) -> None:
        """`lives`: nothing between the ends can keep anything from arriving at once."""
        super().__init__(inward, outward)
        self.secrets = secrets or Secrets()
        self._limits = limits
        self._lives = lives
        self._arrived_at = self._resumed_at = trio.current_time()
        self._is_receiving = False
        self._is_closing = False
        self._is_asking = False
        self._answers = False

    def arrived(self, frame: Frame, length: int) -> None:
        now = trio.current_time()
        if now - self._arrived_at > ASK_SECONDS:
            self._resumed_at = now
        self._arrived_at = now
        super().arrived(frame, length)

    async def receive(self) -> str | bytes:
        self._is_receiving = True
        try:
            message = await self._next()
        finally:
            self._is_receiving = False
        if message is None:
            raise self._closed()
        return message

    async def send(self, message: str | bytes, within: float = inf) -> None:
        if not await self._send(message, within):
            raise self._closed()

    async def keep_alive(self) -> None:
        if self._lives:
            await self._gone.wait()
        await raise_silence(
            lambda: self._inward.arrived_bytes,
            lambda: self._is_receiving,
            lambda: self._is_gone,
            self._limits.silence,
        )

    def ask(self) -> bool:
        if not self._is_asking and not self._is_closed:
            self._is_asking = True
            self._outward.send(PING)
        return self._answers

    def _ponged(self) -> None:
        self._is_asking, self._answers = False, True

    def traffic(self) -> Traffic:
        outward = self._outward
        return Traffic(
            self._inward.arrived_bytes,
            self._arrived_at,
            self._resumed_at,
            not self._is_closing,
            self._is_receiving,
            outward.sent_bytes,
            outward.arrived_bytes,
            outward.sent_bytes > outward.arrived_bytes,
        )

    async def close(self) -> None:
        self._is_closing = True
        self._close(Close(1000, ""), by="us")
        try:
            with trio.move_on_after(self._limits.close):
                await self._gone.wait()
        except trio.Cancelled:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + HURRY_SECONDS):
                await self._gone.wait()
            raise
        finally:
            self._give_up()

    def _closed(self) -> WebSocketClosed:
        if self._received is None:
            return WebSocketClosed(ABNORMAL_CLOSURE, "")
        return WebSocketClosed(self._received.code, self.secrets.printable(self._received.reason))


class ServiceEnd(End):
    """The simulated service's: see `sfclient.simulator._wire.Wire`."""

    _is_cut = False

    async def recv(self) -> str | bytes:
        message = await self._next()
        if message is None:
            raise self._closed()
        return message

    async def send(self, message: str | bytes) -> None:
        if not await self._send(message):
            raise self._closed()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        self._close(Close(code, reason), by="us")
        with trio.move_on_after(CLOSE_SECONDS):
            await self._gone.wait()
        self._give_up()

    async def abort(self) -> None:
        self._is_cut, self._closes = True, "us"
        self._outward.send(CUT)
        with trio.move_on_after(ABORT_SECONDS):
            await self._gone.wait()
        self._give_up()

    async def reset(self) -> None:
        self._is_cut = True
        self._give_up()
        await trio.lowlevel.checkpoint()

    def _closed(self) -> WireClosed:
        if self._received is not None and self._closes != "us":
            return WireClosed("client", *self._received)
        if self._sent is not None:
            return WireClosed("simulator", *self._sent)
        return WireClosed("simulator" if self._is_cut else "client", ABNORMAL_CLOSURE)

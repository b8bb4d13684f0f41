"""An agent of the simulator that calls reach in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import trio

from sfclient._connection import Connection
from sfclient._dialects import StartedCall, dialect_named
from sfclient._errors import NetworkError, ServiceError, UsageError
from sfclient._limits import TimeLimits
from sfclient._secrets import Secrets
from sfclient._session import Session
from sfclient.simulator import Agent, SimulatedCall
from sfclient.simulator._conversations import Conversations, open_conversations
from sfclient.simulator._orders import Orders
from sfclient.testing._network import Direction, Link, Network
from sfclient.testing._timetable import Timetable
from sfclient.testing.virtual._ends import CallEnd, ServiceEnd
from sfclient.testing.virtual._way import Way

URL = "memory:"
NUMBERS = {"fromPhoneNumber": "+10000000000", "toPhoneNumber": "+10000000001"}  # an order has some
SERVICE_SECONDS = 60.0  # for a client to bind a ws-media connection, as `open_simulator` has it


class MemoryAgent:
    """Where the calls go; `open_memory_agent` makes it."""

    def __init__(
        self,
        speaks: tuple[str, str, str],
        network: Network,
        orders: Orders,
        conversations: Conversations,
        nursery: trio.Nursery,
    ) -> None:
        self.calls: list[SimulatedCall] = conversations.calls
        """Oldest first, those that have ended too."""
        self._dialect, self._codec, self._framing = speaks
        self._network = network
        self._orders = orders
        self._conversations = conversations
        self._nursery = nursery
        self._numbers = count()

    def session(self) -> Session:
        """The right to hold one call."""
        if self._dialect == "widget":
            return Session(URL, connect=self._connect)
        return Session(
            URL, self._dialect, self._codec, self._framing, self._start_call, connect=self._connect
        )

    async def wait_call(self, index: int = 0) -> SimulatedCall:
        """Wait until ``calls[index]`` is there, and return it."""
        return await self._conversations.wait_call(index)

    async def _start_call(self, server_name: str) -> StartedCall:
        await trio.lowlevel.checkpoint()
        body = NUMBERS | {
            "modelId": "agent",
            "wsMediaServerName": server_name,
            "wsMediaCodec": self._codec,
            "wsMediaFraming": self._framing,
        }
        try:
            order = self._orders.place(body, trio.current_time())
        except ValueError as error:
            raise ServiceError(f"the simulator refused the call: {error}") from None
        return StartedCall(order.sid, call_id=order.call_id)

    @asynccontextmanager
    async def _connect(
        self, _url: str, /, *, limits: TimeLimits, secrets: Secrets | None
    ) -> AsyncIterator[Connection]:
        """See `sfclient._connection.Connect`."""
        if self._nursery.cancel_scope.cancel_called:
            raise NetworkError("the agent in memory is gone: hold its calls inside its block")
        await trio.lowlevel.checkpoint()
        number = next(self._numbers)
        up = self._way(self._network.up, number, "up")
        down = self._way(self._network.down, number, "down")
        lives = Link() == self._network.up == self._network.down
        client = CallEnd(down, up, limits, secrets, lives=lives)
        server = ServiceEnd(up, down)
        self._nursery.start_soon(self._serve, server)
        try:
            yield client
        finally:
            await client.close()

    def _way(self, link: Link, number: int, direction: Direction) -> Way:
        if link == Link():
            return Way(None, link.limit, masks=direction == "up")
        way = Way(
            Timetable(link, (number, direction), trio.current_time()),
            link.limit,
            masks=direction == "up",
        )
        self._nursery.start_soon(way.carry)
        return way

    async def _serve(self, server: ServiceEnd) -> None:
        if self._dialect == "widget":
            await self._conversations.hold_widget_call(server)
        else:
            await self._conversations.hold_ws_media_call(server)


@asynccontextmanager
async def open_agent(
    agent: Agent,
    dialect: str,
    codec: str | None,
    framing: str | None,
    network: Network | None,
    *,
    announce_ready: bool,
    keep: bool,
) -> AsyncIterator[MemoryAgent]:
    """See `open_memory_agent`."""
    kind = dialect_named(dialect)
    if dialect not in ("widget", "ws-media"):
        raise UsageError(f"the simulator does not speak {dialect}: choose widget or ws-media")
    speaks = kind(codec, framing)
    network = network or Network()
    if network.up.faults or network.down.faults:
        raise UsageError(
            "a network with faults is for bytes, and in memory there are none: use open_proxy"
        )
    orders = Orders(assistant_id=None, lifetime=SERVICE_SECONDS, quirks=())
    async with open_conversations(agent, orders, announce_ready=announce_ready, keep=keep) as (
        conversations,
        nursery,
    ):
        yield MemoryAgent(
            (dialect, speaks.codec, speaks.framing), network, orders, conversations, nursery
        )

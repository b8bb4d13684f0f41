"""From an open connection to a call with an agent, and to its end."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio

from sfclient.simulator._call import Agent, CallEndedError, SimulatedCall
from sfclient.simulator._codecs import WIDGET_AGENT, WIDGET_CALLER, CallCodecs
from sfclient.simulator._orders import Order, Orders
from sfclient.simulator._wire import GOING_AWAY, INTERNAL_ERROR, NORMAL_CLOSURE, Wire
from sfclient.simulator._ws_media import first_messages, wait_for_bind

_AGENT_READY = '{"type": "status_agent_ready"}'
# Seconds for a client to answer our close when the simulator goes or its agent has failed.
_GOODBYE_TIMEOUT = 1.0
_STOPPING = "the simulator stops"


class Conversations:
    """All calls with one agent, whichever way they come. An agent that fails has `scope` cancelled."""

    def __init__(
        self,
        agent: Agent,
        orders: Orders,
        scope: trio.CancelScope,
        *,
        announce_ready: bool,
        keep: bool,
    ) -> None:
        self.calls: list[SimulatedCall] = []
        """Oldest first, those that have ended too; one of ws-media comes when it is bound."""
        self._agent = agent
        self._orders = orders
        self._scope = scope
        self._announce_ready = announce_ready
        self._keep = keep
        # Connections that may become calls.
        self._unbound: set[Wire] = set()
        self._arrivals = trio.lowlevel.ParkingLot()
        self._agent_errors: list[Exception] = []

    async def wait_call(self, index: int) -> SimulatedCall:
        """Wait until ``calls[index]`` is there, and return it."""
        while len(self.calls) <= index:
            await self._arrivals.park()
        return self.calls[index]

    async def hold_widget_call(self, wire: Wire) -> None:
        call = SimulatedCall(wire, CallCodecs(WIDGET_CALLER, WIDGET_AGENT), keep=self._keep)
        await self._converse(call, [_AGENT_READY] if self._announce_ready else [])

    async def hold_ws_media_call(self, wire: Wire, order: Order | None = None) -> None:
        """`order` None: the client binds one, or there will be no call."""
        opening: Iterable[str | bytes] = ()
        if order is None:
            self._unbound.add(wire)
            order = await wait_for_bind(wire, self._orders)
            self._unbound.remove(wire)
            if order is None:
                return
            opening = first_messages(order, self._orders.quirks)
        order.call = SimulatedCall(
            wire, order.codecs, call_id=order.call_id, order=order.body, keep=self._keep
        )
        await self._converse(order.call, opening)

    async def _converse(self, call: SimulatedCall, opening: Iterable[str | bytes]) -> None:
        """Send `opening`, let the agent talk until it is done or the client gone, and close."""
        self.calls.append(call)
        self._arrivals.unpark_all()
        error: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:

                async def listen() -> None:
                    await call._receive()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(listen)
                error = await self._perform(call, opening)
                if error is None:
                    await call.close(NORMAL_CLOSURE)
                else:
                    await _hang_up(call, INTERNAL_ERROR, "the agent failed")
        finally:
            if error is not None:
                self._agent_errors.append(error)
                self._scope.cancel()

    async def _perform(
        self, call: SimulatedCall, opening: Iterable[str | bytes]
    ) -> Exception | None:
        """Run the agent and return what it raised, but for the news that the client is gone."""
        try:
            try:
                for message in opening:
                    await call.send(message)
                await self._agent(call)
            except* CallEndedError:
                pass
        except Exception as exc:
            return exc
        return None

    async def _hang_up_all(self) -> None:
        """Close the open calls, and what might have become one, all at the same time."""
        async with trio.open_nursery() as nursery:
            for call in self.calls:
                if call.ended is None:
                    nursery.start_soon(_hang_up, call, GOING_AWAY, _STOPPING)
            for wire in self._unbound:
                nursery.start_soon(_turn_away, wire)

    def _raise_agent_errors(self) -> None:
        if len(self._agent_errors) == 1:
            raise self._agent_errors[0]
        if self._agent_errors:
            raise ExceptionGroup("agents failed in several calls", self._agent_errors)


@asynccontextmanager
async def open_conversations(
    agent: Agent, orders: Orders, *, announce_ready: bool, keep: bool
) -> AsyncIterator[tuple[Conversations, trio.Nursery]]:
    """And a nursery for those who hold calls: on leaving, all are over, and what an agent has raised is raised."""
    body_error: Exception | None = None
    async with trio.open_nursery() as nursery:
        conversations = Conversations(
            agent, orders, nursery.cancel_scope, announce_ready=announce_ready, keep=keep
        )
        try:
            yield conversations, nursery
        except Exception as exc:  # kept from the nursery, which would wrap it in a group
            body_error = exc
        await conversations._hang_up_all()
        nursery.cancel_scope.cancel()
    try:
        if body_error is not None:
            raise body_error
    finally:
        conversations._raise_agent_errors()


async def _hang_up(call: SimulatedCall, code: int, reason: str) -> None:
    """Close in order, but do not wait long for a client that takes nothing."""
    with trio.move_on_after(_GOODBYE_TIMEOUT):
        await call.close(code, reason)
        await call.wait_ended()  # noted by another task, which is about to be cancelled


async def _turn_away(wire: Wire) -> None:
    with trio.move_on_after(_GOODBYE_TIMEOUT):
        await wire.aclose(GOING_AWAY, _STOPPING)

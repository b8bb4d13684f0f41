"""From a port to calls: `open_simulator` owns every task and socket of the simulator."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.trio.server import Server, ServerConnection

from sfclient.simulator._agents import EchoAgent
from sfclient.simulator._call import Agent, CallEndedError, SimulatedCall
from sfclient.simulator._desk import Desk
from sfclient.simulator._http import Exchange

_AGENT_READY = '{"type": "status_agent_ready"}'
_MAX_MESSAGE_BYTES = 16 * 2**20
# Seconds for a client to send its request and to take the answer: more than any network needs.
_REQUEST_TIMEOUT = 10.0
# Seconds for a client to answer our close when the simulator goes or its agent has failed.
_GOODBYE_TIMEOUT = 1.0
_NORMAL_CLOSURE, _GOING_AWAY, _INTERNAL_ERROR = 1000, 1001, 1011

_ECHO = EchoAgent()


class Simulator:
    """A running simulator; `open_simulator` makes it."""

    def __init__(
        self,
        *,
        agent: Agent,
        announce_ready: bool,
        key: str,
        authority: str,
        desk: Desk,
        scope: trio.CancelScope,
    ) -> None:
        self.base_url = f"http://{authority}"
        """Where the token endpoint is, without a slash at the end."""
        self.key = key
        """The API key that the token endpoint wants."""
        self.calls: list[SimulatedCall] = []
        """Oldest first, those that have ended too."""
        self._agent = agent
        self._announce_ready = announce_ready
        self._desk = desk
        self._scope = scope
        self._arrivals = trio.lowlevel.ParkingLot()
        self._agent_errors: list[Exception] = []

    def __repr__(self) -> str:
        return f"<Simulator {self.base_url}, {len(self.calls)} calls>"

    def new_session_url(self) -> str:
        """A session URL as the token endpoint answers it; it holds a token, so it is a secret."""
        return self._desk.new_session_url()

    async def wait_call(self, index: int = 0) -> SimulatedCall:
        """Wait until ``calls[index]`` is there, and return it."""
        while len(self.calls) <= index:
            await self._arrivals.park()
        return self.calls[index]

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One TCP connection; trio closes it afterwards."""
        exchange = Exchange(stream)
        is_admitted = False
        # A client that goes away before its answer is a normal end.
        with trio.move_on_after(_REQUEST_TIMEOUT), suppress(trio.BrokenResourceError):
            is_admitted = await self._answer(exchange)
        if is_admitted:
            await self._hold_call(exchange.hand_over(), stream)

    async def _answer(self, exchange: Exchange) -> bool:
        """Answer a request, or return True for a call that is to be taken."""
        request = await exchange.read()
        if request is None:
            return False
        answer = self._desk.receive(request)
        if answer is None:
            return True
        await exchange.answer(answer)
        return False

    async def _hold_call(self, stream: trio.abc.Stream, socket: trio.SocketStream) -> None:
        """A call from its handshake to its end, the way websockets.trio.serve() does it.

        `stream` is `socket` with the request pushed back. No compression is offered: it does
        nothing for PCM and blurs the timing.
        """
        async with trio.open_nursery() as nursery:
            websocket = ServerConnection(
                nursery,
                stream,
                ServerProtocol(max_size=_MAX_MESSAGE_BYTES),
                # Asked only whether it is closing; the listeners are not its own.
                Server([], trio.aclose_forcefully),
            )
            with trio.move_on_after(_REQUEST_TIMEOUT), suppress(ConnectionClosed):
                await websocket.handshake()
            if websocket.state is not State.OPEN:
                nursery.cancel_scope.cancel()
                return
            websocket.start_keepalive()
            await self._converse(SimulatedCall(websocket, socket))

    async def _converse(self, call: SimulatedCall) -> None:
        """Let the agent talk until it is done or the client gone, and close."""
        self.calls.append(call)
        self._arrivals.unpark_all()
        error: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:

                async def listen() -> None:
                    await call._receive()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(listen)
                error = await self._perform(call)
                if error is None:
                    await call.close(_NORMAL_CLOSURE)
                else:
                    await _hang_up(call, _INTERNAL_ERROR, "the agent failed")
        finally:
            if error is not None:
                self._agent_errors.append(error)
                self._scope.cancel()

    async def _perform(self, call: SimulatedCall) -> Exception | None:
        """Run the agent and return what it raised, but for the news that the client is gone."""
        try:
            try:
                if self._announce_ready:
                    await call.send(_AGENT_READY)
                await self._agent(call)
            except* CallEndedError:
                pass
        except Exception as exc:
            return exc
        return None

    async def _hang_up_all(self) -> None:
        """Close the open calls, all at the same time."""
        async with trio.open_nursery() as nursery:
            for call in self.calls:
                if call.ended is None:
                    nursery.start_soon(_hang_up, call, _GOING_AWAY, "the simulator stops")

    def _raise_agent_errors(self) -> None:
        match self._agent_errors:
            case []:
                return
            case [error]:
                raise error
            case errors:
                raise ExceptionGroup("agents failed in several calls", errors)


@asynccontextmanager
async def open_simulator(
    agent: Agent = _ECHO,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str = "simulator-key",
    assistant_id: str | None = None,
    announce_ready: bool = True,
    token_lifetime: float = 60.0,
) -> AsyncIterator[Simulator]:
    """Serve HTTP and websocket on one port of `host` (0: any free one) and let `agent` talk.

    `assistant_id` None takes every ID. `announce_ready` False leaves ``status_agent_ready`` to
    the agent; else it is the first message of every call. Session tokens are good for
    `token_lifetime` seconds on trio's clock.

    On leaving, open calls are closed with code 1001, and no task or socket stays behind. An
    exception of an agent ends the block at once and comes out of it as it was raised. Raises
    OSError when it cannot listen.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    if port == 0:
        # A name with several addresses got another free port at each; one port is the promise.
        for extra in listeners[1:]:
            extra.socket.close()
        del listeners[1:]
    authority = _authority(listeners[0])
    desk = Desk(
        key=key, assistant_id=assistant_id, authority=authority, token_lifetime=token_lifetime
    )
    body_error: Exception | None = None
    async with trio.open_nursery() as nursery:
        simulator = Simulator(
            agent=agent,
            announce_ready=announce_ready,
            key=key,
            authority=authority,
            desk=desk,
            scope=nursery.cancel_scope,
        )
        nursery.start_soon(trio.serve_listeners, simulator._serve, listeners)
        try:
            yield simulator
        except Exception as exc:  # kept from the nursery, which would wrap it in a group
            body_error = exc
        await simulator._hang_up_all()
        nursery.cancel_scope.cancel()
    try:
        if body_error is not None:
            raise body_error
    finally:
        simulator._raise_agent_errors()


async def _hang_up(call: SimulatedCall, code: int, reason: str) -> None:
    """Close in order, but do not wait long for a client that takes nothing."""
    with trio.move_on_after(_GOODBYE_TIMEOUT):
        await call.close(code, reason)
        await call.wait_ended()  # noted by another task, which is about to be cancelled


def _authority(listener: trio.SocketListener) -> str:
    """HOST:PORT to reach `listener` from this machine, fit for a URL."""
    host, port = listener.socket.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:  # it listens everywhere, but that is no place to connect to
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"

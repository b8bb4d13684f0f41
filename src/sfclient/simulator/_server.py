"""From a port to calls: `open_simulator` owns every task and socket of the simulator."""

import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType

import trio
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.trio.server import Server, ServerConnection

from sfclient.simulator._agents import EchoAgent
from sfclient.simulator._call import Agent, SimulatedCall
from sfclient.simulator._conversations import Conversations, open_conversations
from sfclient.simulator._http import Exchange
from sfclient.simulator._orders import Orders
from sfclient.simulator._routes import Admission, Answers, Routes
from sfclient.simulator._wire import SocketWire
from sfclient.simulator._ws_media import checked_quirks

_MAX_MESSAGE_BYTES = 16 * 2**20
# Seconds for a client to send its request and to take the answer: more than any network needs.
_REQUEST_TIMEOUT = 10.0
DEFAULT_KEY = "simulator-key"

_ECHO = EchoAgent()


class Simulator:
    """A running simulator; `open_simulator` makes it."""

    def __init__(self, *, key: str, routes: Routes, conversations: Conversations) -> None:
        self.base_url = f"http://{routes.authority}"
        """Where the endpoints are, without a slash at the end."""
        self.key = key
        """The API key that they want."""
        self.calls = conversations.calls
        """Oldest first, those that have ended too; one of ws-media comes when it is bound."""
        self.requests: Counter[str] = routes.requests
        """How often each "METHOD /path" was asked for, in vain too. Some paths hold tokens."""
        self._routes = routes
        self._conversations = conversations

    def __repr__(self) -> str:
        return f"<Simulator {self.base_url}, {len(self.calls)} calls>"

    def new_session_url(self) -> str:
        """A session URL as the token endpoint answers it; it holds a token, so it is a secret."""
        return self._routes.new_session_url(trio.current_time())

    async def wait_call(self, index: int = 0) -> SimulatedCall:
        """Wait until ``calls[index]`` is there, and return it."""
        return await self._conversations.wait_call(index)

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One TCP connection; trio closes it afterwards."""
        exchange = Exchange(stream)
        admission = None
        # A client that goes away before its answer is a normal end.
        with trio.move_on_after(_REQUEST_TIMEOUT), suppress(trio.BrokenResourceError):
            admission = await self._answer(exchange)
        if admission:
            await self._hold_call(exchange.hand_over(admission.path), stream, admission)

    async def _answer(self, exchange: Exchange) -> Admission | None:
        """Answer a request, unless it is for a call that is to be taken."""
        if (request := await exchange.read()) is None:
            return None
        answer = self._routes.answer(request)
        if isinstance(answer, Admission):
            return answer
        await exchange.answer(answer)
        return None

    async def _hold_call(
        self, stream: trio.abc.Stream, socket: trio.SocketStream, admission: Admission
    ) -> None:
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
            wire = SocketWire(websocket, socket)
            if admission.contract == "widget":
                await self._conversations.hold_widget_call(wire)
            else:
                await self._conversations.hold_ws_media_call(wire, admission.order)


@asynccontextmanager
async def open_simulator(
    agent: Agent = _ECHO,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str = DEFAULT_KEY,
    assistant_id: str | None = None,
    announce_ready: bool = True,
    keep: bool = True,
    token_lifetime: float = 60.0,
    quirks: Iterable[str] = (),
    answers: Answers = MappingProxyType({}),
) -> AsyncIterator[Simulator]:
    """Serve HTTP and websocket on one port of `host` (0: any free one) and let `agent` talk.

    `assistant_id` None takes every ID. `announce_ready` False leaves ``status_agent_ready`` to
    the agent; else it is the first message of every widget call. `keep` False: calls keep no sound
    and no messages, see `SimulatedCall`. Session tokens and ws-media URLs
    are good for `token_lifetime` seconds on trio's clock, and so long a ws-media connection waits
    for its bind.

    `quirks` are what ws-media clients have to put up with, by the names in `QUIRKS`. `answers` are
    given instead of what is right, to whoever asks: a status and a JSON object by "METHOD /path",
    as in ``{"GET /websocket/token/a": (503, {"error": "full"})}``.

    On leaving, open calls are closed with code 1001, and no task or socket stays behind. An
    exception of an agent ends the block at once and comes out of it as it was raised. Raises
    OSError when it cannot listen, ValueError for an unknown quirk or route, and for a `host` that
    others can reach while the key is the default, which everybody knows.
    """
    orders = Orders(
        assistant_id=assistant_id, lifetime=token_lifetime, quirks=checked_quirks(quirks)
    )
    routes = Routes(
        key=key,
        assistant_id=assistant_id,
        token_lifetime=token_lifetime,
        orders=orders,
        answers=answers,
    )
    listeners = await trio.open_tcp_listeners(port, host=host)
    if key == DEFAULT_KEY and not all(map(_is_on_loopback, listeners)):
        for listener in listeners:
            listener.socket.close()
        raise ValueError(
            f"{host} can be reached from elsewhere, and the default key is known to everybody: "
            "give a key of your own (key=..., --key)"
        )
    if port == 0:
        # A name with several addresses got another free port at each; one port is the promise.
        for extra in listeners[1:]:
            extra.socket.close()
        del listeners[1:]
    routes.authority = _authority(listeners[0])
    async with open_conversations(agent, orders, announce_ready=announce_ready, keep=keep) as (
        conversations,
        nursery,
    ):
        simulator = Simulator(key=key, routes=routes, conversations=conversations)
        nursery.start_soon(trio.serve_listeners, simulator._serve, listeners)
        yield simulator


def _is_on_loopback(listener: trio.SocketListener) -> bool:
    return ipaddress.ip_address(listener.socket.getsockname()[0]).is_loopback


def _authority(listener: trio.SocketListener) -> str:
    """HOST:PORT to reach `listener` from this machine, fit for a URL."""
    host, port = listener.socket.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:  # it listens everywhere, but that is no place to connect to
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"

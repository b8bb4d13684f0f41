"""The ws-media contract but for its audio: orders and sids without I/O, and a connection until it is bound.

`Orders` knows who may call; `wait_for_bind` says what a connection says before its call begins, and
`Order.opening` what it says first when it has.
"""

import json
import re
import secrets
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

from sfclient.simulator._call import ABNORMAL_CLOSURE, POLICY_VIOLATION, Ended, SimulatedCall
from sfclient.simulator._codecs import WS_MEDIA_CODECS, CallCodecs, Framing

# What a client has to put up with; see `open_simulator`.
QUIRKS = {
    "server_name": "server_info names the connection under the key server_name",
    "late_server_info": "server_info comes 2 s late",
    "no_server_info": "server_info never comes",
    "nameless_server_info": "server_info has no name",
    "chatty": "a text message of another type comes before server_info and before call_info",
    "early_audio": "20 ms of the agent's audio come before server_info (as l16, and in no call's "
    "sent_audio) and before call_info",
    "no_call_info": "call_info never comes",
    "rtp_anyway": "the agent's audio comes as RTP though payload was ordered",
    "payload_anyway": "the agent's audio comes without RTP though RTP was ordered",
    "no_sid": "orders are answered with an empty sid: the client must connect to wsMediaUrl",
}

_LATE_SECONDS = 2.0
_HELLO = json.dumps({"type": "hello"})
# PCM16 of a constant value for 20 ms, which is no silence in any codec.
_EARLY_SECONDS = 0.02
_EARLY_SAMPLE = b"\x00\x10"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_REQUIRED = ("modelId", "fromPhoneNumber", "toPhoneNumber")
_OPTIONAL = ("leadName", "agentVersion", "wsMediaCodec", "wsMediaFraming", "wsMediaServerName")


class BadOrderError(ValueError):
    """An order that cannot be taken; the text says what to change."""


class BadBindError(ValueError):
    """A message that binds to no call. The text fits into a close reason."""


class Order:
    """A call that was ordered; its attributes are what the answer to the order tells."""

    def __init__(self, body: dict[str, Any], expires: float, quirks: Collection[str]) -> None:
        """`expires`: when its wsMediaUrl does. Raises `BadOrderError`."""
        self.body = body
        self.call_id = str(uuid.uuid4())
        self.sid = ""
        """What binds the connection that the order names; empty if none can be bound."""
        self.url_token = secrets.token_urlsafe(32)
        """The end of its wsMediaUrl."""
        self.call: SimulatedCall | None = None
        """None until it has begun."""
        self.is_taken = False
        self.expires = expires
        self._quirks = quirks
        self._codec, self._framing = _codec(body), _framing(body)
        codec, agent_framing = WS_MEDIA_CODECS[self._codec], self._framing
        if "rtp_anyway" in quirks:
            agent_framing = "rtp"
        if "payload_anyway" in quirks:
            agent_framing = "payload"
        self.codecs = CallCodecs(codec, codec, self._framing, agent_framing)
        if "wsMediaServerName" in body and "no_sid" not in quirks:
            self.sid = secrets.token_urlsafe(16)

    def opening(self) -> Iterator[str | bytes]:
        """The first messages to a client that was bound."""
        if "chatty" in self._quirks:
            yield _HELLO
        if "early_audio" in self._quirks:
            yield from self.codecs.agent_messages(_early_pcm(self.codecs.agent.samplerate), None)
        if "no_call_info" not in self._quirks:
            yield json.dumps(
                {
                    "type": "call_info",
                    "callId": self.call_id,
                    "modelId": self.body["modelId"],
                    "wsMediaCodec": self._codec,
                    "wsMediaFraming": self._framing,
                }
            )

    def record(self, now: float) -> dict[str, object]:
        """What ``GET /calls/{call_id}`` tells about the call."""
        status, reason, duration, transcript = "queue", None, 0.0, ""
        if self.call:
            ended, transcript = self.call.ended, self.call.transcript
            status = "completed" if ended else "in-progress"
            reason = _end_call_reason(ended) if ended else None
            duration = (ended.at if ended else now) - self.call.started
        return {
            "call_id": self.call_id,
            "model_id": self.body["modelId"],
            "status": status,
            "end_call_reason": reason,
            "transcript": transcript,
            "duration": round(duration, 3),
        }


class Orders:
    """All orders, and the names of the connections that wait for one.

    `assistant_id` None takes any ``modelId``. A connection waits `lifetime` seconds for its
    bind, and a wsMediaUrl is good for as long.
    """

    def __init__(
        self, *, assistant_id: str | None, lifetime: float, quirks: Collection[str]
    ) -> None:
        self.lifetime = lifetime
        self.quirks = quirks
        self._assistant_id = assistant_id
        self._by_call_id: dict[str, Order] = {}
        # What has become of each connection that was named.
        self._connections: dict[str, str] = {}

    def place(self, body: dict[str, Any], now: float) -> Order:
        """Take an order. Raises `BadOrderError`."""
        _check_fields(body)
        model_id, version = body["modelId"], body.get("agentVersion", "draft")
        if self._assistant_id not in (None, model_id):
            raise BadOrderError(
                f"no agent {model_id!r} here: give {self._assistant_id!r} as modelId"
            )
        if version != "draft" and not _UUID.fullmatch(version):
            raise BadOrderError(
                "agentVersion is neither 'draft' nor a UUID: leave it out for the live one"
            )
        order = Order(body, now + self.lifetime, self.quirks)
        if "wsMediaServerName" in body:
            self._check_waiting(body["wsMediaServerName"])
        self._by_call_id[order.call_id] = order
        return order

    def find(self, call_id: str) -> Order | None:
        return self._by_call_id.get(call_id)

    def redeem(self, url_token: str, now: float) -> Order | None:
        """The order whose wsMediaUrl ends so, if it is fresh and has not begun: it begins now."""
        for order in self._by_call_id.values():
            if order.url_token == url_token and order.expires > now and not order.is_taken:
                order.is_taken = True
                return order
        return None

    @contextmanager
    def waiting(self) -> Iterator[str]:
        """The name of a new connection, which can be ordered for until the block is left."""
        name = f"sim-{secrets.token_hex(8)}"
        self._connections[name] = "waiting"
        try:
            yield name
        finally:
            if self._connections[name] == "waiting":
                self._connections[name] = "closed"

    def bind(self, name: str, message: str | bytes) -> Order:
        """The order that `message` of the connection `name` asks for. Raises `BadBindError`."""
        if isinstance(message, bytes):
            raise BadBindError("binary message before bind: send the sid first")
        sid = _sid(message)
        order = next((order for order in self._by_call_id.values() if order.sid == sid), None)
        if order is None:
            raise BadBindError("unknown sid: send the one that the order was answered with")
        if order.body["wsMediaServerName"] != name:
            raise BadBindError("this sid was ordered for another connection")
        if order.is_taken:
            raise BadBindError("the call of this sid has begun by its wsMediaUrl")
        order.is_taken = True
        self._connections[name] = "bound to a call already"
        return order

    def _check_waiting(self, name: str) -> None:
        state = self._connections.get(name, "unknown")
        if state != "waiting":
            raise BadOrderError(
                f"the connection that wsMediaServerName names is {state}: "
                "give the name from the server_info of an open connection that waits for its bind"
            )


async def wait_for_bind(websocket: ServerConnection, orders: Orders) -> Order | None:
    """What a connection without a call says, until it is bound; None if it is over without."""
    try:
        with orders.waiting() as name:
            with trio.move_on_after(orders.lifetime):
                await _introduce(websocket, name, orders.quirks)
                return orders.bind(name, await websocket.recv())
        await websocket.aclose(POLICY_VIOLATION, f"no bind within {orders.lifetime:g} s")
    except BadBindError as exc:
        await websocket.aclose(POLICY_VIOLATION, str(exc))
    except ConnectionClosed:
        pass
    return None


async def _introduce(websocket: ServerConnection, name: str, quirks: Collection[str]) -> None:
    """Say server_info, or what `quirks` make of it."""
    if "chatty" in quirks:
        await websocket.send(_HELLO)
    if "early_audio" in quirks:
        codec = WS_MEDIA_CODECS["l16"]
        await websocket.send(codec.encode(_early_pcm(codec.samplerate)))
    if "late_server_info" in quirks:
        await trio.sleep(_LATE_SECONDS)
    info = {"type": "server_info"}
    if "nameless_server_info" not in quirks:
        info["server_name" if "server_name" in quirks else "server-name"] = name
    if "no_server_info" not in quirks:
        await websocket.send(json.dumps(info))


def checked_quirks(names: Iterable[str]) -> frozenset[str]:
    """Raises ValueError for a name that is not in `QUIRKS`."""
    quirks = frozenset(names)
    if unknown := quirks - QUIRKS.keys():
        raise ValueError(f"unknown quirk {min(unknown)!r}: use {', '.join(QUIRKS)}")
    return quirks


def _early_pcm(samplerate: int) -> bytes:
    return _EARLY_SAMPLE * round(samplerate * _EARLY_SECONDS)


def _end_call_reason(ended: Ended) -> str:
    if ended.code == ABNORMAL_CLOSURE:
        return "error"
    return "caller_hangup" if ended.by == "client" else "agent_hangup"


def _check_fields(body: dict[str, Any]) -> None:
    """Raises `BadOrderError`: a field that a client misspells must not be taken for left out."""
    for field in body:
        if field not in _REQUIRED + _OPTIONAL:
            raise BadOrderError(
                f"unknown field {field!r}: use {', '.join(_REQUIRED)}, and maybe "
                f"{', '.join(_OPTIONAL)}"
            )
    for field in _REQUIRED:
        if not body.get(field):
            raise BadOrderError(f"{field} is missing: give a string")
    for field, value in body.items():
        if not isinstance(value, str):
            raise BadOrderError(f"{field} is no string: give one, or leave out what is optional")


def _codec(body: dict[str, Any]) -> str:
    codec: str = body.get("wsMediaCodec", "opus")
    if codec == "opus":
        raise BadOrderError(
            "the simulator does not speak opus, which is the default: give as wsMediaCodec "
            f"one of {', '.join(WS_MEDIA_CODECS)}"
        )
    if codec not in WS_MEDIA_CODECS:
        raise BadOrderError(
            f"unknown wsMediaCodec {codec!r}: give one of {', '.join(WS_MEDIA_CODECS)}"
        )
    return codec


def _framing(body: dict[str, Any]) -> Framing:
    match body.get("wsMediaFraming", "rtp"):
        case "rtp":
            return "rtp"
        case "payload":
            return "payload"
        case unknown:
            raise BadOrderError(f"unknown wsMediaFraming {unknown!r}: give rtp or payload")


def _sid(text: str) -> str:
    """The sid of a bind message. Raises `BadBindError`."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or message.get("type") != "bind":
        raise BadBindError('the first message must be {"type": "bind", "sid": ...}')
    sid = message.get("sid")
    if not isinstance(sid, str) or not sid:
        raise BadBindError(
            "bind without a sid: an order that was answered with none uses wsMediaUrl"
        )
    return sid

"""The orders of ws-media calls without I/O and clock: what can be ordered, and what a bind asks for."""

import random
import re
import secrets
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, get_args

from sfclient.simulator._call import Ended, SimulatedCall, json_object
from sfclient.simulator._codecs import WS_MEDIA_CODECS, CallCodecs, Framing
from sfclient.simulator._wire import ABNORMAL_CLOSURE

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
        # No secret; the same twice where the module `random` is.
        self.call_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        self.sid = ""
        """What binds the connection that the order names; empty if none can be bound."""
        self.url_token = secrets.token_urlsafe(32)
        """The end of its wsMediaUrl."""
        self.call: SimulatedCall | None = None
        """None until it has begun."""
        self.is_taken = False
        self.expires = expires
        self.codec_name, self.framing = _codec_name(body), _framing(body)
        agent_framing = self.framing
        if "rtp_anyway" in quirks:
            agent_framing = "rtp"
        if "payload_anyway" in quirks:
            agent_framing = "payload"
        codec = WS_MEDIA_CODECS[self.codec_name]
        self.codecs = CallCodecs(codec, codec, self.framing, agent_framing)
        if "wsMediaServerName" in body and "no_sid" not in quirks:
            self.sid = secrets.token_urlsafe(16)

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


def _codec_name(body: dict[str, Any]) -> str:
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
    framing: Framing = body.get("wsMediaFraming", "rtp")
    if framing not in get_args(Framing):
        raise BadOrderError(f"unknown wsMediaFraming {framing!r}: give rtp or payload")
    return framing


def _sid(text: str) -> str:
    """The sid of a bind message. Raises `BadBindError`."""
    message = json_object(text)
    if message is None or message.get("type") != "bind":
        raise BadBindError('the first message must be {"type": "bind", "sid": ...}')
    sid = message.get("sid")
    if not isinstance(sid, str) or not sid:
        raise BadBindError(
            "bind without a sid: an order that was answered with none uses wsMediaUrl"
        )
    return sid

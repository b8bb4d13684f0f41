"""HTTP without I/O and clock: which request gets which answer, who holds the key, who may call."""

import hmac
import math
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sfclient.simulator._call import Contract, json_object
from sfclient.simulator._http import MAX_BODY_BYTES, Answer, Request, path_segments
from sfclient.simulator._orders import BadOrderError, Order, Orders

# A name, an IPv4 or a bracketed IPv6 address, and maybe a port: nothing that bends a URL.
_SANE_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

_PAGE = """\
This is the sfclient simulator: a local voice agent that speaks two contracts.

widget

  GET {base_url}/websocket/token/ANY-ID
      Authorization: Bearer KEY
  answers {{"sessionURL": "ws://..."}}. Connect a websocket to that URL, once, within
  {lifetime:g} seconds; send PCM16 at 48 kHz, receive PCM16 at 16 kHz (mono, little-endian).

  SYNTHFLOW_API_KEY=KEY sfclient call ANY-ID --base-url {base_url}

ws-media

  GET {base_url}/calls/outbound-test-ws-media/base-url
      Authorization: Bearer KEY
  answers {{"wsMediaBaseUrl": "ws://..."}}. Connect a websocket to that URL and take the
  "server-name" of the first message. Then

  POST {base_url}/calls/outbound-test-ws-media
      Authorization: Bearer KEY
      {{"modelId": "ANY-ID", "fromPhoneNumber": "+1", "toPhoneNumber": "+2",
       "wsMediaCodec": "l16", "wsMediaFraming": "payload", "wsMediaServerName": "..."}}
  answers {{"callId": ..., "wsMediaUrl": ..., "sid": ...}}. Send {{"type": "bind", "sid": ...}}
  on the websocket, within {lifetime:g} seconds of its opening; then send and receive PCM16 at
  16 kHz (mono, big-endian), or pcmu or pcma at 8 kHz. Without wsMediaServerName the sid is
  empty: connect to wsMediaUrl instead, once, within {lifetime:g} seconds.

  GET {base_url}/calls/CALL-ID
      Authorization: Bearer KEY
  answers what has become of the call.
"""


@dataclass(frozen=True)
class Admission:
    """Let the client in: its request is that of a websocket."""

    contract: Contract
    path: str
    """For logs: without a token."""
    order: Order | None = None
    """The ws-media call to begin; None if the client has to bind one."""


_Handler = Callable[[Request], Answer | Admission]
# What to answer to "METHOD /path" instead of what is right: a status and a JSON object.
Answers = Mapping[str, tuple[int, Mapping[str, Any]]]


class Tokens:
    """Session tokens: each lets one call in, for `lifetime` seconds."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self._deadlines: dict[str, float] = {}

    def mint(self, now: float) -> str:
        self._deadlines = {t: at for t, at in self._deadlines.items() if at > now}
        token = secrets.token_urlsafe(32)
        self._deadlines[token] = now + self.lifetime
        return token

    def redeem(self, token: str, now: float) -> bool:
        """Whether `token` was minted here, is fresh and comes for the first time."""
        return self._deadlines.pop(token, -math.inf) > now


class Routes:
    """Answers every request; the routing table is `_route`.

    `assistant_id` None takes any ID in the token endpoint. Raises ValueError for a key of `answers`
    that is no route.
    """

    def __init__(
        self,
        *,
        key: str,
        assistant_id: str | None,
        token_lifetime: float,
        orders: Orders,
        answers: Answers,
    ) -> None:
        self.requests: Counter[str] = Counter()
        """How often each "METHOD /path" was asked for."""
        self.authority = ""
        """The simulator's own host and port, which it learns when it listens.

        For requests that do not say sanely how they addressed it.
        """
        self._key = key
        self._assistant_id = assistant_id
        self._tokens = Tokens(token_lifetime)
        self._orders = orders
        self._answers = answers
        for route in answers:
            method, _, path = route.partition(" ")
            if method not in (self._route(path) or ()):
                raise ValueError(f"answers has {route!r}: use 'METHOD /path' of something here")

    def answer(self, request: Request) -> Answer | Admission:
        """The answer to `request`, or that it is let in. Its token is used up then."""
        name = f"{request.method} {request.path}"
        self.requests[name] += 1
        if name in self._answers:
            return Answer.json(*self._answers[name])
        methods = self._route(request.path)
        if methods is None:
            return Answer.error(404, f"nothing is at {request.path}; GET / says what is here")
        allowed = ", ".join((*methods, "OPTIONS"))
        if request.method == "OPTIONS":
            return _preflight(allowed)
        if request.method not in methods:
            return Answer.error(
                405,
                f"{request.method} is not for {request.path}: use {allowed}",
                ("Allow", allowed),
            )
        return methods[request.method](request)

    def new_session_url(self, now: float, authority: str | None = None) -> str:
        """A session URL with a fresh token, under the simulator's own address by default."""
        return f"ws://{authority or self.authority}/websocket/start?token={self._tokens.mint(now)}"

    def _route(self, path: str) -> dict[str, _Handler] | None:
        """The methods of `path`, or None for an unknown path."""
        match path_segments(path):
            case [""]:
                return {"GET": self._page, "HEAD": self._page}
            case ["websocket", "token", _]:
                return {"GET": self._token, "HEAD": self._token}
            case ["websocket", "start"]:
                return {"GET": self._start}
            case ["calls", "outbound-test-ws-media", "base-url"]:
                return {"GET": self._base_url, "HEAD": self._base_url}
            case ["calls", "outbound-test-ws-media"]:
                return {"POST": self._order}
            case ["calls", _]:
                return {"GET": self._record, "HEAD": self._record}
            case ["ws-media"]:
                return {"GET": self._ws_media}
            case ["ws-media", _]:
                return {"GET": self._ws_media_call}
        return None

    def _page(self, request: Request) -> Answer:
        base_url = f"http://{self._addressed_as(request)}"
        text = _PAGE.format(base_url=base_url, lifetime=self._tokens.lifetime)
        return Answer(200, text.encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    def _token(self, request: Request) -> Answer:
        if refusal := self._refusal(request):
            return refusal
        assistant_id = path_segments(request.path)[-1]
        if not assistant_id:
            return Answer.error(404, "the assistant ID is empty: put it after /websocket/token/")
        if self._assistant_id not in (None, assistant_id):
            return Answer.error(
                404, f"no assistant {assistant_id!r} here, only {self._assistant_id!r}"
            )
        url = self.new_session_url(request.arrived, self._addressed_as(request))
        return Answer.json(200, {"sessionURL": url})

    def _start(self, request: Request) -> Answer | Admission:
        if not _is_upgrade(request):
            return _UPGRADE_REQUIRED
        token = parse_qs(request.query).get("token", [""])[0]
        if not self._tokens.redeem(token, request.arrived):
            return Answer.error(
                403, "the token is wrong, used or expired: ask /websocket/token/ for a session URL"
            )
        return Admission("widget", request.path)

    def _base_url(self, request: Request) -> Answer:
        if refusal := self._refusal(request):
            return refusal
        return Answer.json(200, {"wsMediaBaseUrl": self._ws_media_url(request)})

    def _order(self, request: Request) -> Answer:
        if refusal := self._refusal(request):
            return refusal
        if request.body is None:
            return Answer.error(413, f"the body is longer than {MAX_BODY_BYTES} bytes: shorten it")
        if (body := json_object(request.body)) is None:
            return Answer.error(400, "the body is no JSON object: send one")
        try:
            order = self._orders.place(body, request.arrived)
        except BadOrderError as exc:
            return Answer.error(400, str(exc))
        url = f"{self._ws_media_url(request)}/{order.url_token}"
        return Answer.json(200, {"callId": order.call_id, "wsMediaUrl": url, "sid": order.sid})

    def _record(self, request: Request) -> Answer:
        if refusal := self._refusal(request):
            return refusal
        order = self._orders.find(path_segments(request.path)[-1])
        if order is None:
            return Answer.error(404, "no call has this ID: take the callId of an order")
        return Answer.json(
            200, {"status": "ok", "response": {"calls": [order.record(request.arrived)]}}
        )

    def _ws_media(self, request: Request) -> Answer | Admission:
        return Admission("ws-media", "/ws-media") if _is_upgrade(request) else _UPGRADE_REQUIRED

    def _ws_media_call(self, request: Request) -> Answer | Admission:
        if not _is_upgrade(request):
            return _UPGRADE_REQUIRED
        order = self._orders.redeem(path_segments(request.path)[-1], request.arrived)
        if order is None:
            return Answer.error(
                403, "the wsMediaUrl is wrong, used or expired: order another call for a new one"
            )
        return Admission("ws-media", "/ws-media/TOKEN", order)

    def _refusal(self, request: Request) -> Answer | None:
        """The answer to a request without the key."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(
            key.strip().encode("latin-1"), self._key.encode()
        ):
            return None
        return Answer.error(
            401,
            "missing or wrong key: send the header 'Authorization: Bearer KEY' "
            "with the key that the simulator was started with",
            ("WWW-Authenticate", "Bearer"),
        )

    def _ws_media_url(self, request: Request) -> str:
        return f"ws://{self._addressed_as(request)}/ws-media"

    def _addressed_as(self, request: Request) -> str:
        """Host and port as the client knows them: it may be beyond a port forward."""
        host = request.headers.get("host", "")
        return host if _SANE_HOST.fullmatch(host) else self.authority


_UPGRADE_REQUIRED = Answer.error(426, "connect a websocket to this URL", ("Upgrade", "websocket"))


def _is_upgrade(request: Request) -> bool:
    return request.headers.get("upgrade", "").lower() == "websocket"


def _preflight(allowed: str) -> Answer:
    """What a browser asks before it sends the key from a page of another origin."""
    return Answer(
        204,
        headers=(
            ("Allow", allowed),
            ("Access-Control-Allow-Methods", allowed),
            ("Access-Control-Allow-Headers", "Authorization"),
            ("Access-Control-Max-Age", "600"),
        ),
    )

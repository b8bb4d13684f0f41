"""The HTTP side without I/O: which request gets which answer, who holds the key, who may call."""

import hmac
import math
import re
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs

import trio

from sfclient.simulator._http import Answer, Request, path_segments

# A name, an IPv4 or a bracketed IPv6 address, and maybe a port: nothing that bends a URL.
_SANE_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

_PAGE = """\
This is the sfclient simulator: a local voice agent that speaks the widget contract.

  GET {base_url}/websocket/token/ANY-ID
      Authorization: Bearer KEY
  answers {{"sessionURL": "ws://..."}}. Connect a websocket to that URL, once, within
  {lifetime:g} seconds; send PCM16 at 48 kHz, receive PCM16 at 16 kHz (mono, little-endian).

  SYNTHFLOW_API_KEY=KEY sfclient call ANY-ID --base-url {base_url}
"""

_Handler = Callable[[Request], Answer | None]


class Tokens:
    """Session tokens: each lets one call in, for `lifetime` seconds of trio's clock."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self._deadlines: dict[str, float] = {}

    def mint(self) -> str:
        now = trio.current_time()
        self._deadlines = {t: at for t, at in self._deadlines.items() if at > now}
        token = secrets.token_urlsafe(32)
        self._deadlines[token] = now + self.lifetime
        return token

    def redeem(self, token: str) -> bool:
        """Whether `token` was minted here, is fresh and comes for the first time."""
        return self._deadlines.pop(token, -math.inf) > trio.current_time()


class Desk:
    """Answers every request; the routing table is `_route`.

    `assistant_id` None takes any ID. `authority` is the host and port of the simulator itself,
    for requests that do not say sanely how they addressed it.
    """

    def __init__(
        self, *, key: str, assistant_id: str | None, authority: str, token_lifetime: float
    ) -> None:
        self._key = key
        self._assistant_id = assistant_id
        self._authority = authority
        self._tokens = Tokens(token_lifetime)

    def receive(self, request: Request) -> Answer | None:
        """The answer to `request`, or None: let it in as a call. Its token is used up then."""
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

    def new_session_url(self, authority: str | None = None) -> str:
        """A session URL with a fresh token, under the simulator's own address by default."""
        return f"ws://{authority or self._authority}/websocket/start?token={self._tokens.mint()}"

    def _route(self, path: str) -> dict[str, _Handler] | None:
        """The methods of `path`, or None for an unknown path."""
        match path_segments(path):
            case [""]:
                return {"GET": self._page, "HEAD": self._page}
            case ["websocket", "token", _]:
                return {"GET": self._token, "HEAD": self._token}
            case ["websocket", "start"]:
                return {"GET": self._start}
        return None

    def _page(self, request: Request) -> Answer:
        base_url = f"http://{self._addressed_as(request)}"
        text = _PAGE.format(base_url=base_url, lifetime=self._tokens.lifetime)
        return Answer(200, text.encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    def _token(self, request: Request) -> Answer:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            key.strip().encode("latin-1"), self._key.encode()
        ):
            return Answer.error(
                401,
                "missing or wrong key: send the header 'Authorization: Bearer KEY' "
                "with the key that the simulator was started with",
                ("WWW-Authenticate", "Bearer"),
            )
        assistant_id = path_segments(request.path)[-1]
        if not assistant_id:
            return Answer.error(404, "the assistant ID is empty: put it after /websocket/token/")
        if self._assistant_id not in (None, assistant_id):
            return Answer.error(
                404, f"no assistant {assistant_id!r} here, only {self._assistant_id!r}"
            )
        return Answer.json(200, {"sessionURL": self.new_session_url(self._addressed_as(request))})

    def _start(self, request: Request) -> Answer | None:
        if request.headers.get("upgrade", "").lower() != "websocket":
            return Answer.error(426, "connect a websocket to this URL", ("Upgrade", "websocket"))
        token = parse_qs(request.query).get("token", [""])[0]
        if not self._tokens.redeem(token):
            return Answer.error(
                403, "the token is wrong, used or expired: ask /websocket/token/ for a session URL"
            )
        return None

    def _addressed_as(self, request: Request) -> str:
        """Host and port as the client knows them: it may be beyond a port forward."""
        host = request.headers.get("host", "")
        return host if _SANE_HOST.fullmatch(host) else self._authority


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

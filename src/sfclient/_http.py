"""A request to the service, made once, with its errors told by their own names."""

import json
import logging
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult

import h11

from sfclient._connect import abandon, connect
from sfclient._dialects import HttpAnswer, HttpRequest, json_object
from sfclient._errors import (
    AuthenticationError,
    NetworkError,
    ServiceError,
    SfclientError,
    Unchained,
    UsageError,
)
from sfclient._http1 import USER_AGENT, Answer, Unanswered, exchange, told_by
from sfclient._limits import TimeLimits
from sfclient._secrets import Secrets
from sfclient._urls import check_trust, check_url

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is, and the key to it. It appears in no error, log or repr."""

    parts: SplitResult = field(repr=False)
    key: str = field(repr=False)
    ssl_context: ssl.SSLContext | None
    limits: TimeLimits
    secrets: Secrets
    """What it may repeat, and we do not: the key, and the URL of the session that it gives."""

    async def ask(self, request: HttpRequest, if_unknown: str = "") -> HttpAnswer:
        """Make a request once, whatever becomes of it; `if_unknown` is said if no host has this name.

        Raises `NetworkError`, `ServiceError` for what is no answer, `UsageError` for what the environment says.
        """
        with Unchained():
            answer = await self._exchange(request, if_unknown)
        asked = f"{request.method} {self.secrets.hidden(request.path)}"
        _logger.debug("%s of %s: HTTP %d", asked, self.parts.hostname, answer.status)
        said = told_by(answer, self.secrets)
        return HttpAnswer(answer.status, json_object(answer.body), said, answer.retry_after)

    async def _exchange(self, request: HttpRequest, if_unknown: str) -> Answer:
        host = self.parts.hostname
        body = b"" if request.json is None else json.dumps(request.json).encode()
        headers = [
            ("Host", self.parts.netloc),
            ("Authorization", f"Bearer {self.key}"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", USER_AGENT),
            ("Connection", "close"),
        ]
        if body:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        target = f"{self.parts.path.rstrip('/')}{request.path}"
        asked = h11.Request(method=request.method, target=target, headers=headers)
        try:
            stream = await connect(self.parts, self.ssl_context, self.limits, if_unknown)
        except SfclientError as error:
            error.may_have_begun = False
            raise
        try:
            return await exchange(stream, asked, body, seconds=request.seconds)
        except Unanswered as failure:
            doubt = ""
            if request.method != "GET":
                doubt = "; what was asked for may have been done, so it is not asked for again"
            if failure.how == "spoke":
                raise ServiceError(f"{host} {failure}: is the base URL right?{doubt}") from None
            raise NetworkError(f"the request failed: {host} {failure}{doubt}") from None
        finally:
            abandon(stream)


def service_at(
    base_url: str,
    api_key: str,
    ssl_context: ssl.SSLContext | None,
    limits: TimeLimits | None,
    *,
    allow_insecure: bool,
) -> Service:
    """Raises `UsageError` for a URL, `AuthenticationError` for a key that cannot be meant."""
    parts = check_url(base_url, ("https", "http"), allow_insecure=allow_insecure, what="base URL")
    check_trust(ssl_context, allow_insecure=allow_insecure)
    if parts.query or parts.fragment:
        raise UsageError("the base URL must end with a path: leave out what follows ? or #")
    key = api_key.strip()
    if not key:
        raise AuthenticationError("there is no API key: set SYNTHFLOW_API_KEY, or pass api_key")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationError("the API key holds characters that no key has: copy it again")
    return Service(parts, key, ssl_context, limits or TimeLimits(), Secrets(key))

"""An HTTP request to the service, made once: in time, of bounded length, with its errors told by their own names."""

import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult

import httpx
import trio

from sfclient._dialects import HttpAnswer, HttpRequest, json_object
from sfclient._errors import (
    AuthenticationError,
    NetworkError,
    ServiceError,
    UsageError,
    bad_environment,
    printable,
    unreachable,
)
from sfclient._urls import check_url

# Longer than any answer that the contracts know, short enough to be read at once.
LONGEST_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is, and the key to it. It appears in no error, log or repr."""

    parts: SplitResult = field(repr=False)
    key: str = field(repr=False)
    ssl_context: ssl.SSLContext | None = None

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        """Make a request once, whatever becomes of it. Raises `NetworkError`, and `ServiceError` if it never ends."""
        status, body = await self._exchange(request)
        fields = json_object(body)
        # One client has seen `error`; the key that it came for, and URLs with tokens, are not repeated.
        error = (fields or {}).get("error")
        detail = ""
        if isinstance(error, str) and error:
            error = re.sub(r"wss?://\S+", "wss://***", error.replace(self.key, "***"))
            detail = f': "{printable(error)}"'
        return HttpAnswer(status, fields, detail)

    async def _exchange(self, request: HttpRequest) -> tuple[int, bytes]:
        """httpx's own errors hold the request, so they are not chained."""
        host = self.parts.hostname
        doubt = ""
        if request.method != "GET":
            doubt = "; what was asked for may have been done, so it is not asked for again"
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Encoding": "identity"}
        body = b""
        try:
            async with httpx.AsyncClient(
                # httpx closes what it has opened when its own limit ends a TLS handshake, but not
                # when ours does.
                timeout=request.seconds,
                verify=self.ssl_context or True,
                # A proxy of the environment may tunnel TLS; it is not to see a key in the clear.
                trust_env=self.parts.scheme == "https",
            ) as client:
                with trio.fail_after(request.seconds + 0.5), trio.CancelScope() as reading:
                    async with client.stream(
                        request.method,
                        f"{self.parts.geturl().rstrip('/')}{request.path}",
                        headers=headers,
                        json=request.json,
                    ) as response:
                        async for part in response.aiter_raw():
                            body += part
                            if len(body) > LONGEST_ANSWER_BYTES:
                                reading.cancel()  # httpx's generators want to be unwound, not left
        except (trio.TooSlowError, httpx.TimeoutException):
            raise NetworkError(
                f"{host} did not answer within {request.seconds:g} s{doubt}"
            ) from None
        except httpx.ConnectError as error:
            raise unreachable(str(host), error) from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise NetworkError(
                f"the request to {host} failed: {error or type(error).__name__}{doubt}"
            ) from None
        except (ImportError, OSError, ValueError) as error:
            raise bad_environment(error) from None
        if reading.cancelled_caught:
            raise ServiceError(f"{host} does not stop answering: is the base URL right?")
        return response.status_code, body


def service_at(
    base_url: str, api_key: str, ssl_context: ssl.SSLContext | None, *, allow_insecure: bool
) -> Service:
    """Raises `UsageError` for a URL, `AuthenticationError` for a key that cannot be meant."""
    parts = check_url(base_url, ("https", "http"), allow_insecure=allow_insecure, what="base URL")
    if parts.query or parts.fragment:
        raise UsageError("the base URL must end with a path: leave out what follows ? or #")
    key = api_key.strip()
    if not key:
        raise AuthenticationError("there is no API key: set SYNTHFLOW_API_KEY, or pass api_key")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationError("the API key holds characters that no key has: copy it again")
    return Service(parts, key, ssl_context)

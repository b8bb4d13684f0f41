"""From an API key to a session: one HTTP request, made where the key is kept."""

import json
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote

import httpx
import trio

from sfclient._errors import (
    AgentNotFoundError,
    AuthenticationError,
    NetworkError,
    ServiceError,
    UsageError,
    printable,
    unreachable,
)
from sfclient._urls import check_url

WIDGET_URL = "https://widget.synthflow.ai"

REQUEST_SECONDS = 8.0

# Longer than any answer that the contract knows, short enough to be read at once.
LONGEST_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Session:
    """The right to hold one call. The URL holds a token, so it is a secret and is left out of the
    repr.

    A session is short-lived and good for one call: request it just before.
    """

    url: str = field(repr=False)
    dialect: str = "widget"


async def request_session(
    assistant_id: str,
    *,
    api_key: str,
    base_url: str = WIDGET_URL,
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
) -> Session:
    """Ask the service for a session with a widget agent.

    The key stays with whoever calls this: run it on a server of yours, and hand only the session's
    URL to kiosks and apps.

    Parameters
    ----------
    assistant_id
        The ID of an agent of type *widget*, as the dashboard shows it.
    api_key
        Sent as a bearer token; it appears in no error, log or repr.
    base_url
        Where the service is. ``http://`` only toward this machine.
    ssl_context
        For certificates that the default does not know. They are verified in any case.
    allow_insecure
        Allow ``http://`` beyond this machine.

    Raises
    ------
    AuthenticationError, AgentNotFoundError, InsecureURLError, UsageError
        The key, the ID or the URL is at fault.
    NetworkError
        The service cannot be reached, its certificate is bad, or it does not answer in time.
    ServiceError
        The service answered something else than a session.
    """
    parts = check_url(base_url, ("https", "http"), allow_insecure=allow_insecure, what="base URL")
    if parts.query or parts.fragment:
        raise UsageError("the base URL must end with a path: leave out what follows ? or #")
    if not assistant_id.strip():
        raise UsageError("the agent ID is empty: copy it from the dashboard")
    path = f"/websocket/token/{quote(assistant_id.strip(), safe='')}"
    headers = {"Authorization": f"Bearer {_checked(api_key)}", "Accept-Encoding": "identity"}
    status, body = await _get(parts, path, headers, ssl_context)
    detail = _detail(body, api_key.strip())
    if status in (401, 403):
        raise AuthenticationError(
            f"the service refused the API key (HTTP {status}){detail}: check the key"
        )
    if status == 404:
        raise AgentNotFoundError(
            f"the service knows no agent {assistant_id!r} (HTTP 404){detail}: "
            "copy the ID of an agent of type widget from the dashboard"
        )
    if status != 200:
        raise ServiceError(f"the service answered HTTP {status}{detail}", status=status)
    fields = _json_object(body)
    if fields is None:
        raise ServiceError(
            "the service's answer is no JSON object: is the base URL right?", status=status
        )
    session_url = fields.get("sessionURL")
    if not isinstance(session_url, str) or not session_url:
        raise ServiceError(f"the service's answer has no sessionURL{detail}", status=status)
    try:
        check_url(session_url, ("wss", "ws"), allow_insecure=True, what="service's sessionURL")
    except UsageError as error:
        raise ServiceError(str(error), status=status) from None
    return Session(session_url)


def _checked(api_key: str) -> str:
    key = api_key.strip()
    if not key:
        raise AuthenticationError("there is no API key: set SYNTHFLOW_API_KEY, or pass api_key")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationError("the API key holds characters that no key has: copy it again")
    return key


async def _get(
    url: SplitResult,
    path: str,
    headers: dict[str, str],
    ssl_context: ssl.SSLContext | None,
) -> tuple[int, bytes]:
    """One GET, in time and of bounded length. httpx's own errors hold the request, so they are not
    chained."""
    body = b""
    try:
        async with httpx.AsyncClient(
            # httpx closes what it has opened when its own limit ends a TLS handshake, but not when
            # ours does.
            timeout=REQUEST_SECONDS,
            verify=ssl_context or True,
            # A proxy of the environment may tunnel TLS; it is not to see a key in the clear.
            trust_env=url.scheme == "https",
        ) as client:
            with trio.fail_after(REQUEST_SECONDS + 0.5), trio.CancelScope() as reading:
                async with client.stream(
                    "GET", f"{url.geturl().rstrip('/')}{path}", headers=headers
                ) as response:
                    async for part in response.aiter_raw():
                        body += part
                        if len(body) > LONGEST_ANSWER_BYTES:
                            reading.cancel()  # httpx's generators want to be unwound, not left
    except (trio.TooSlowError, httpx.TimeoutException):
        raise NetworkError(f"{url.hostname} did not answer within {REQUEST_SECONDS:g} s") from None
    except httpx.ConnectError as error:
        raise unreachable(str(url.hostname), error) from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise NetworkError(
            f"the request to {url.hostname} failed: {error or type(error).__name__}"
        ) from None
    if reading.cancelled_caught:
        raise ServiceError(f"{url.hostname} does not stop answering: is the base URL right?")
    return response.status_code, body


def _json_object(body: bytes) -> dict[str, object] | None:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _detail(body: bytes, secret: str) -> str:
    """What the body says of an error, as one client has seen it: under ``error``; never the key it
    came for."""
    error = (_json_object(body) or {}).get("error")
    return (
        f': "{printable(error.replace(secret, "***"))}"' if isinstance(error, str) and error else ""
    )

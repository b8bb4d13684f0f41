"""Whether a service can be reached, without a key: its name, the way there, its certificate, its clock beside ours."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import h11

from sfclient._connect import abandon, connect
from sfclient._errors import NetworkError
from sfclient._http1 import USER_AGENT, Unanswered, exchange
from sfclient._limits import TimeLimits
from sfclient._urls import check_url

ANSWER_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Reached:
    """What answered."""

    host: str
    is_secure: bool
    """Whether over TLS, with a certificate to be trusted."""
    status: int
    """Of HTTP. Without a key it is no good one, and needs not be."""
    ahead_seconds: float
    """By which our clock is ahead of the host's, to a second or two; nan if that did not tell."""


async def probe(base_url: str, *, allow_insecure: bool = False) -> Reached:
    """Ask for nothing in particular. Raises `UsageError` for a URL that cannot be meant, and `NetworkError`."""
    parts = check_url(base_url, ("https", "http"), allow_insecure=allow_insecure, what="base URL")
    host = str(parts.hostname)
    headers = [("Host", parts.netloc), ("User-Agent", USER_AGENT), ("Connection", "close")]
    stream = await connect(parts, None, TimeLimits())
    try:
        asked = h11.Request(method="HEAD", target=parts.path or "/", headers=headers)
        answer = await exchange(stream, asked, seconds=ANSWER_SECONDS)
    except Unanswered as failure:
        raise NetworkError(f"{host} {failure}: is the base URL right?") from None
    finally:
        abandon(stream)
    ahead = math.nan
    if answer.date is not None:
        ahead = (datetime.now(UTC) - answer.date).total_seconds()
    return Reached(host, parts.scheme == "https", answer.status, ahead)

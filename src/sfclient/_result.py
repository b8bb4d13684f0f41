"""What the service keeps of a call: asked for afterwards, where the key is kept."""

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sfclient._dialects import HttpAnswer, HttpRequest, WsMediaDialect
from sfclient._errors import ServiceError, UsageError
from sfclient._http import service_at
from sfclient._session import base_url_of


@dataclass(frozen=True, slots=True)
class CallResult:
    """The record of a call. What the service has not told is the empty string."""

    call_id: str
    status: str
    end_reason: str
    transcript: str
    fields: dict[str, Any] = field(repr=False)
    """All that the service told of it."""


async def request_result(
    call_id: str,
    *,
    api_key: str,
    region: str | None = None,
    base_url: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
) -> CallResult:
    """Ask the service what became of a call; see `request_session` for the other parameters.

    The transcript may be some seconds in coming after the call.

    Raises
    ------
    AuthenticationError, InsecureURLError, UsageError
        The key, the URL or the call's ID is at fault.
    NetworkError, ServiceError
        The service cannot be reached, or answers something else.
    """
    if not call_id.strip():
        raise UsageError("the call ID is empty: it is in the events and the statistics of a call")
    if base_url is None:
        base_url = base_url_of(WsMediaDialect, region)
    service = service_at(base_url, api_key, ssl_context, allow_insecure=allow_insecure)
    answer = await service.ask(HttpRequest("GET", f"/calls/{quote(call_id.strip(), safe='')}"))
    if answer.status in (400, 404):
        raise UsageError(
            f"the service knows no call {call_id!r} (HTTP {answer.status}){answer.detail}: "
            "is the region right?"
        )
    record = _record(answer)

    def text(name: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else ""

    return CallResult(
        call_id.strip(), text("status"), text("end_call_reason"), text("transcript"), record
    )


def _record(answer: HttpAnswer) -> dict[str, Any]:
    """The call's own object: the answer itself, or the one that it wraps."""
    if answer.status != 200 or answer.fields is None:
        raise ServiceError(
            f"the service answered no record of a call (HTTP {answer.status}){answer.detail}: "
            "is the base URL right?",
            status=answer.status,
        )
    match answer.fields:
        case {"response": {"calls": [{} as record, *_]}}:
            return dict(record)
        case {"response": {"calls": []}}:
            raise ServiceError("the service has no record of the call yet: ask again later")
        case record:
            return record

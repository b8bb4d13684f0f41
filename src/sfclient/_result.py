"""What the service keeps of a call: asked for afterwards, where the key is kept."""

import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sfclient._dialects import HttpAnswer, HttpRequest, WsMediaDialect
from sfclient._errors import ServiceError, UsageError
from sfclient._http import service_at
from sfclient._session import base_url_of
from sfclient._urls import sendable


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
    call_id = sendable(call_id, "call ID").strip()
    if not call_id:
        raise UsageError("the call ID is empty: it is in the events and the statistics of a call")
    service = service_at(
        base_url_of(WsMediaDialect, region, base_url),
        api_key,
        ssl_context,
        allow_insecure=allow_insecure,
    )
    answer = await service.ask(HttpRequest("GET", f"/calls/{quote(call_id, safe='')}"))
    if answer.status in (400, 404):
        raise UsageError(
            f"the service knows no call {call_id!r} (HTTP {answer.status}){answer.detail}: "
            "is the region right?"
        )
    record = _record(answer)
    if record.get("call_id", call_id) != call_id:
        raise ServiceError("the service answered the record of another call: ask again")
    return CallResult(
        call_id,
        _text(record.get("status")),
        _text(record.get("end_call_reason")),
        _text(record.get("transcript")),
        record,
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)


def _record(answer: HttpAnswer) -> dict[str, Any]:
    """The call's own object: the answer itself, or the one that it wraps."""
    if answer.status != 200 or answer.fields is None:
        raise ServiceError(
            f"the service answered no record of a call (HTTP {answer.status}){answer.detail}: "
            "is the base URL right?",
            status=answer.status,
        )
    match answer.fields:
        case {"response": {"calls": []}}:
            raise ServiceError("the service has no record of the call yet: ask again later")
        case {"response": {"calls": [{"status": _} as record, *_]}}:
            return dict(record)
        case {"status": _, **rest} if "response" not in rest:
            return answer.fields
        case _:
            raise ServiceError("the service's answer has no status of a call: is the ID right?")

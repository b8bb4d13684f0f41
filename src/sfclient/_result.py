"""What the service keeps of a call: asked for afterwards, where the key is kept."""

import ssl
from dataclasses import dataclass, field
from typing import Any

from sfclient._dialects import WsMediaDialect, WsMediaRecord
from sfclient._errors import Unchained, UsageError
from sfclient._host import check_runs_trio
from sfclient._http import service_at
from sfclient._limits import TimeLimits
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
    limits: TimeLimits | None = None,
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
    check_runs_trio("request_result")
    call_id = sendable(call_id, "call ID").strip()
    if not call_id:
        raise UsageError("the call ID is empty: it is in the events and the statistics of a call")
    where = base_url_of(WsMediaDialect, region, base_url)
    with Unchained():
        try:
            service = service_at(where, api_key, ssl_context, limits, allow_insecure=allow_insecure)
        finally:
            del api_key  # which a traceback with the values of its frames would show
    record = WsMediaRecord(call_id)
    with Unchained():
        return CallResult(call_id, *record.read(await service.ask(record.request())))

"""The requests around a ws-media call: where to connect to, its start, and its record afterwards."""

import json
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from sfclient._dialects._interface import HttpAnswer, HttpRequest, Order, StartedCall
from sfclient._errors import REFUSALS, AgentNotFoundError, ServiceError, UsageError, printable

CALLS = "/calls/outbound-test-ws-media"
LONGEST_SID = 1000  # characters; looked for in every text from then on
START_SECONDS = 20.0  # a room is joined meanwhile

SESSION_REFUSALS = REFUSALS | {
    503: (
        ServiceError,
        "ws-media is not enabled for this account, or not to be had now",
        "try again later, or ask the vendor",
    ),
}
START_REFUSALS = SESSION_REFUSALS | {
    400: (UsageError, "the service refuses the call", "check the agent's ID, numbers and version"),
    404: (AgentNotFoundError, "the service knows no such agent", "copy its ID from the dashboard"),
    502: (ServiceError, "the call could not be joined to its room", "call again later"),
}


@dataclass(frozen=True)
class WsMediaOrder(Order):
    base_urls: ClassVar = {
        None: "https://api.synthflow.ai/v2",
        "us": "https://api.us.synthflow.ai/v2",
        "eu": "https://api.eu.synthflow.ai/v2",
    }

    from_number: str = ""
    to_number: str = ""
    lead_name: str | None = None
    agent_version: str | None = None

    def __post_init__(self) -> None:
        if not self.from_number.strip() or not self.to_number.strip():
            raise UsageError("ws-media needs two phone numbers: give from_number and to_number")
        if self.agent_version not in (None, "draft"):
            try:
                uuid.UUID(self.agent_version)
            except ValueError:
                raise UsageError(
                    f"agent_version must be draft or the UUID of a version, not {self.agent_version!r}: "
                    "leave it out for the live one"
                ) from None

    def session_request(self) -> HttpRequest:
        return HttpRequest("GET", f"{CALLS}/base-url")

    def session_url(self, answer: HttpAnswer) -> str:
        answer.check(SESSION_REFUSALS)
        return answer.required("wsMediaBaseUrl")

    def start_request(self, server_name: str) -> HttpRequest:
        fields = {
            "modelId": self.assistant_id,
            "fromPhoneNumber": self.from_number.strip(),
            "toPhoneNumber": self.to_number.strip(),
            "leadName": self.lead_name,
            "agentVersion": self.agent_version,
            "wsMediaCodec": self.dialect.codec,
            "wsMediaFraming": self.dialect.framing,
            "wsMediaServerName": server_name,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return HttpRequest("POST", CALLS, given, seconds=START_SECONDS)

    def started(self, answer: HttpAnswer) -> StartedCall:
        call_id = printable(answer.text("callId"))
        answer.check(START_REFUSALS, call_id)
        sid = answer.text("sid")
        if not sid.isprintable():  # a half of a surrogate pair is not either
            raise answer.unusable("the sid of the call holds characters that no text has", call_id)
        if len(sid) > LONGEST_SID:
            raise answer.unusable(f"the sid of the call has {len(sid)} characters", call_id)
        return StartedCall(sid, call_id, "" if sid else answer.required("wsMediaUrl", call_id))


@dataclass(frozen=True)
class WsMediaRecord:
    """What the service keeps of a call."""

    call_id: str

    def request(self) -> HttpRequest:
        return HttpRequest("GET", f"/calls/{quote(self.call_id, safe='')}")

    def read(self, answer: HttpAnswer) -> tuple[str, str, str, dict[str, Any]]:
        """Status, end reason, transcript, and all fields. Raises an `SfclientError` for an answer without them."""
        unknown = UsageError, f"the service knows no call {self.call_id!r}", "is the region right?"
        answer.check(REFUSALS | {400: unknown, 404: unknown})
        record = _record(answer)
        if record.get("call_id", self.call_id) != self.call_id:
            raise answer.unusable("the service answered the record of another call: ask again")
        names = ("status", "end_call_reason", "transcript")
        status, end_reason, transcript = (_text(record.get(name)) for name in names)
        return status, end_reason, transcript, record


def _record(answer: HttpAnswer) -> dict[str, Any]:
    """The call's own object: the answer itself, or the one that it wraps."""
    match answer.fields:
        case None:
            raise answer.unusable("the answer is no record of a call: is the base URL right?")
        case {"response": {"calls": []}}:
            raise answer.unusable("the service has no record of the call yet: ask again later")
        case {"response": {"calls": [{"status": _} as record, *_]}}:
            return dict(record)
        case {"status": _} if "response" not in answer.fields:
            return answer.fields
        case _:
            raise answer.unusable("the service's answer has no status of a call: is the ID right?")


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        # Half of a surrogate pair, which JSON can hold, could be neither printed nor saved.
        return (value or "").encode(errors="replace").decode()
    return json.dumps(value)

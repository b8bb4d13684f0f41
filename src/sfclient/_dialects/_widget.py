"""The contract of the vendor's web widget.

Binary messages are raw PCM16 little-endian mono: the caller at 48 kHz, the agent at 16 kHz, in
messages of any length. Text messages are JSON objects with a ``type``; two types are known.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from sfclient._dialects._interface import (
    Action,
    AgentReady,
    Dialect,
    Established,
    HttpAnswer,
    HttpRequest,
    Order,
    Play,
    Send,
    object_of_type,
    passed_on,
)
from sfclient._errors import REFUSALS, AgentNotFoundError, ServiceError

CLIENT_READY = json.dumps({"type": "status_client_ready"})
AGENT_READY = "status_agent_ready"


@dataclass(frozen=True)
class WidgetOrder(Order):
    base_urls: ClassVar = {None: "https://widget.synthflow.ai"}
    successor: ClassVar = "the widget endpoint was announced to end on 2026-06-15: use its successor, dialect ws-media"

    def session_request(self) -> HttpRequest:
        return HttpRequest("GET", f"/websocket/token/{quote(self.assistant_id, safe='')}")

    def session_url(self, answer: HttpAnswer) -> str:
        unknown = (
            AgentNotFoundError,
            f"the service knows no agent {self.assistant_id!r}",
            f"copy the ID of an agent of type widget from the dashboard; or {self.successor}",
        )
        gone = ServiceError, "the service has no such endpoint any more", self.successor
        answer.check(REFUSALS | {404: unknown, 410: gone})
        return answer.required("sessionURL")


class WidgetDialect(Dialect):
    name = "widget"
    order = WidgetOrder
    capture_samplerate = 48_000
    playout_samplerate = 16_000

    def opened(self) -> Iterable[Action]:
        return [Established()]

    def recording(self) -> Iterable[Action]:
        return [Send(CLIENT_READY)]

    def received(self, message: str | bytes) -> Iterable[Action]:
        if isinstance(message, bytes):
            speech = self._whole_frames(message)
            return [Play(speech)] if speech else []
        return [AgentReady() if object_of_type(message, AGENT_READY) else passed_on(message)]

    def encode(self, chunk: bytes) -> bytes:
        return chunk

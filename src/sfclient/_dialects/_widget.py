"""The contract of the vendor's web widget.

Binary messages are raw PCM16 little-endian mono: the caller at 48 kHz, the agent at 16 kHz, in
messages of any length. Text messages are JSON objects with a ``type``; two types are known.
"""

import json
from collections.abc import Iterator

from sfclient._dialects._interface import Action, AgentReady, Dialect, PassOn, Play, Send

CLIENT_READY = json.dumps({"type": "status_client_ready"})
AGENT_READY = "status_agent_ready"


class WidgetDialect(Dialect):
    name = "widget"
    capture_samplerate = 48_000
    playout_samplerate = 16_000

    def recording(self) -> Iterator[Action]:
        yield Send(CLIENT_READY)

    def received(self, message: str | bytes) -> Iterator[Action]:
        if isinstance(message, bytes):
            yield Play(message)
            return
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            yield PassOn(message, None)
        elif fields.get("type") == AGENT_READY:
            yield AgentReady()
        else:
            yield PassOn(message, fields)

    def encode(self, chunk: bytes) -> bytes:
        return chunk

"""What is said on the wire, without I/O. `DIALECTS` is the table of what can be spoken."""

from sfclient._dialects._interface import (
    LONGEST_TEXT,
    Action,
    AgentReady,
    Dialect,
    Established,
    HttpAnswer,
    HttpRequest,
    Order,
    PassOn,
    Play,
    Reconnect,
    Send,
    StartCall,
    StartedCall,
    WaitAtMost,
    json_object,
)
from sfclient._dialects._widget import WidgetDialect
from sfclient._dialects._ws_media import WsMediaDialect
from sfclient._dialects._ws_media_http import WsMediaRecord
from sfclient._errors import UsageError

DIALECTS: dict[str, type[Dialect]] = {
    dialect.name: dialect for dialect in (WidgetDialect, WsMediaDialect)
}


def dialect_named(name: str) -> type[Dialect]:
    """Raises `UsageError` for a name that is not in the table."""
    if name not in DIALECTS:
        raise UsageError(f"dialect must be one of {', '.join(DIALECTS)}, not {name!r}")
    return DIALECTS[name]


__all__ = [
    "DIALECTS",
    "LONGEST_TEXT",
    "Action",
    "AgentReady",
    "Dialect",
    "Established",
    "HttpAnswer",
    "HttpRequest",
    "Order",
    "PassOn",
    "Play",
    "Reconnect",
    "Send",
    "StartCall",
    "StartedCall",
    "WaitAtMost",
    "WidgetDialect",
    "WsMediaDialect",
    "WsMediaRecord",
    "dialect_named",
    "json_object",
]

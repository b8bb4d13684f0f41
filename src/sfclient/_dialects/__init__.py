"""What is said on the wire, without I/O. `DIALECTS` is the table of what can be spoken."""

from sfclient._dialects._interface import Action, AgentReady, Dialect, PassOn, Play, Send
from sfclient._dialects._widget import WidgetDialect

DIALECTS: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in (WidgetDialect,)}

__all__ = [
    "DIALECTS",
    "Action",
    "AgentReady",
    "Dialect",
    "PassOn",
    "Play",
    "Send",
    "WidgetDialect",
]

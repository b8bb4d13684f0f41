"""What happens in a call, as its iterator tells it, and how it ended."""

from dataclasses import dataclass
from typing import Any, Literal

from sfclient._errors import Party


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended."""

    by: Party
    """Who closed it, or what failed."""
    code: int | None
    """The close code of the websocket, or the HTTP status, if there was one."""
    reason: str
    audio: Literal["drained", "cut"]
    """Whether all that the agent said was played out, or some of it thrown away."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """The call is being set up."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The agent can hear the caller."""

    call_id: str | None = None
    """Under which the service keeps the record of the call, if it told."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """The agent sent a text message that the contract does not know."""

    text: str
    fields: dict[str, Any] | None
    """The message, if it is a JSON object."""
    cut_characters: int = 0
    """Of its end, which was too long to be passed on; then it is not looked into either."""


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A sound device stopped; the call goes on with silence."""


@dataclass(frozen=True, slots=True)
class DeviceReturned:
    """The sound device, or a new default one, has taken over."""


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """The recording cannot be written any more; the call goes on, and raises `AudioFileError` when it is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The call is over, and the agent's last words have been played. Always the last event."""

    ended: Ended


Event = (
    Connecting
    | Connected
    | MessageReceived
    | DeviceLost
    | DeviceReturned
    | RecordingFailed
    | Disconnected
)

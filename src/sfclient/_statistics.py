"""A call in figures: what `Call.statistics` tells."""

from dataclasses import dataclass, field

from sfclient._captured import CaptureStatistics
from sfclient._conversation import ConversationStatistics
from sfclient._devices import DeviceStatistics
from sfclient._echo import EchoStatistics
from sfclient._events import Ended
from sfclient._hearing import SoundStatistics
from sfclient._network import NetworkStatistics
from sfclient._playout import PlayoutStatistics
from sfclient._recording import RecordingStatistics
from sfclient._tap import TapStatistics


@dataclass(frozen=True, slots=True)
class CallTimes:
    """When what was first so, in seconds since `open_call` was entered; None if it never was."""

    began: str = ""
    """The date at which `open_call` was entered: UTC, as in ISO 8601."""
    dialled: float = 0.0
    """This attempt began; later only of a call that was redialled."""
    ready: float | None = None
    """Devices and websocket are open: sound flows."""
    connected: float | None = None
    """The agent can hear the caller."""
    first_agent_audio: float | None = None
    """The first message of the agent's speech came, be it silent."""
    first_agent_sound: float | None = None
    """The agent was first heard to speak."""
    ended: float | None = None
    """The agent's last words had been played, and all was closed."""


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """A snapshot of a call."""

    ended: Ended | None = None
    """None while it lasts."""
    times: CallTimes = field(default_factory=CallTimes)
    dialect: str = ""
    """What was spoken on the wire."""
    agent_id: str | None = None
    """With whom, if the session was requested here."""
    call_id: str | None = None
    """Under which the service keeps the record of the call, if it told."""
    attempt: int = 1
    """Which it is, of a call that was redialled."""
    capture: CaptureStatistics = field(default_factory=CaptureStatistics)
    echo: EchoStatistics | None = None
    """None where nothing is done about an echo, as without sound devices."""
    playout: PlayoutStatistics = field(default_factory=PlayoutStatistics)
    network: NetworkStatistics = field(default_factory=NetworkStatistics)
    conversation: ConversationStatistics = field(default_factory=ConversationStatistics)
    sound: SoundStatistics | None = None
    """None of a call that never began."""
    recording: RecordingStatistics | None = None
    """None if the call is not recorded."""
    tap: TapStatistics | None = None
    """None if nobody asked for it."""
    dialect_counts: dict[str, int] = field(default_factory=dict)
    """Counts of what only the dialect knows, such as lost RTP packets."""
    dropped_events: int = 0
    """Events that nobody read in time."""
    devices: tuple[DeviceStatistics, ...] = ()
    """Of each real sound device, or of the one for both directions."""

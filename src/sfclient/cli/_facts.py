"""What is known of a call at a moment: `Facts` learns it from events, a `Snapshot` is what a screen shows of it."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from statistics import median

from sfclient._echo import EchoStatistics
from sfclient._events import (
    AgentAwaited,
    Connected,
    Connecting,
    DeviceLost,
    DeviceReturned,
    Disconnected,
    EchoCancelled,
    EchoGated,
    Event,
    MicrophoneReturned,
    MicrophoneSilent,
    NetworkReturned,
    NetworkStalled,
    RecordingFailed,
    Redialing,
    Responded,
    Speaker,
    SpeechBegan,
    SpeechEnded,
)

# A sentence each would bury what a person wants to know.
ROUTINE = (Connecting, SpeechBegan, SpeechEnded)
# Has a place of its own on the screen, and would push what happened seldom out of the list.
SHOWN_IN_PLACE = (AgentAwaited, Responded)
TOO_LOUD_DBFS = -0.1  # what is louder was cut off, or nearly
LOUD_SECONDS = 2.0  # for which it is shown: a word that comes and goes cannot be read
MOST_NOTES = 1000  # lines that are kept, of a call that may last for days


class State(Enum):
    """What the call is at, in the words of the screen."""

    CONNECTING = "Connecting to the server"
    WAITING = "Waiting for the agent"
    STALLED = "Waiting for the network"
    LISTENS = "The agent listens to you"
    CALLER_SPEAKS = "You speak"
    AGENT_SPEAKS = "The agent speaks"
    MUTED = "You are muted: the agent hears silence"
    PAUSED = "Waiting to redial"
    ENDING = "Hanging up"
    OVER = "The call is over"


@dataclass(frozen=True, slots=True)
class Side:
    """The sound of one side; levels in dBFS, as `sfclient._hearing.SideLevel`, None where none is known."""

    peak: float | None = None
    rms: float | None = None
    speaks: bool = False
    is_too_loud: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A line, and when it was told, in seconds since the call began."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Response times, in seconds."""

    count: int
    last: float
    median: float
    longest: float

    def __str__(self) -> str:
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"The agent answered {times}, after {self.median:.2f} s (median), {self.longest:.2f} s at most"


@dataclass(frozen=True, slots=True)
class Late:
    """What the network kept back: so many times, and for how many seconds."""

    times: int = 0
    longest: float = 0.0
    stalls: int = 0
    stalled: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a screen shows. It needs no call and no clock."""

    title: str
    seconds: float
    state: State
    caller: Side = Side()
    agent: Side = Side()
    answers: Answers | None = None
    queued_seconds: float | None = None
    delay_seconds: float | None = None
    late: Late = Late()
    troubles: tuple[str, ...] = ()
    """What is wrong now."""
    notes: tuple[Note, ...] = ()
    """What happened, the newest last."""
    keys: tuple[tuple[str, str], ...] = ()
    """What can be pressed, and what it does."""
    echo: EchoStatistics | None = None


class Facts:
    """Is told of each event, and keeps what holds now. No I/O, no clock."""

    def __init__(self) -> None:
        self.is_connected = False
        self.is_paused = False
        """Before another attempt."""
        self.is_over = False
        self.speaks: dict[Speaker, bool] = {"caller": False, "agent": False}
        self._loud_until: dict[Speaker, float] = {"caller": 0.0, "agent": 0.0}
        self.notes: deque[Note] = deque(maxlen=MOST_NOTES)
        self._responses: list[float] = []
        self._troubles: dict[Hashable, Event] = {}

    def learn(self, event: Event) -> None:
        """It happened."""
        match event:
            case Connecting():
                self.is_paused = False
            case Connected():
                self.is_connected = True
            case Redialing():
                self.is_connected, self.is_paused = False, True
                self.speaks = dict.fromkeys(self.speaks, False)
                self._troubles.clear()
            case Disconnected():
                self.is_over = True
                self._troubles.clear()
            case SpeechBegan(speaker):
                self.speaks[speaker] = True
                self.is_connected |= speaker == "agent"  # some never say that they are ready
            case SpeechEnded(speaker):
                self.speaks[speaker] = False
            case Responded(seconds):
                self._responses.append(seconds)
        begun, ended = _trouble_of(event)
        if begun is not None:
            self._troubles[begun] = event
        self._troubles.pop(ended, None)
        if not isinstance(event, ROUTINE + SHOWN_IN_PLACE):
            self.note(str(event), event.at)

    def note(self, line: str, at: float) -> None:
        """Keep a line for the list."""
        self.notes.append(Note(at, line))

    def side(self, speaker: Speaker, peak: float, rms: float, now: float) -> Side:
        """It is so loud at this moment."""
        if peak >= TOO_LOUD_DBFS:
            self._loud_until[speaker] = now + LOUD_SECONDS
        return Side(peak, rms, self.speaks[speaker], now < self._loud_until[speaker])

    def state(self, muted: bool) -> State:
        """Of a call that has begun."""
        if self.is_over:
            return State.OVER
        if self.is_paused:
            return State.PAUSED
        if not self.is_connected:
            return State.WAITING
        if self._troubles.keys() & {"up", "down"}:
            return State.STALLED
        if self.speaks["agent"]:
            return State.AGENT_SPEAKS
        if muted:
            return State.MUTED
        return State.CALLER_SPEAKS if self.speaks["caller"] else State.LISTENS

    def troubles(self, now: float) -> tuple[str, ...]:
        """What is wrong at this moment, and for how long."""
        return tuple(_lasting(event, now) for event in self._troubles.values())

    def answers(self) -> Answers | None:
        """None before the first."""
        if not self._responses:
            return None
        times = self._responses
        return Answers(len(times), times[-1], median(times), max(times))


def _trouble_of(event: Event) -> tuple[Hashable, Hashable]:
    """Which trouble begins with it, and which ends."""
    match event:
        case MicrophoneSilent():
            return "microphone", None
        case MicrophoneReturned():
            return None, "microphone"
        case NetworkStalled(direction):
            return direction, None
        case NetworkReturned(direction):
            return None, direction
        case DeviceLost():
            return "device", None
        case DeviceReturned():
            return None, "device"
        case EchoGated():
            return "echo", None
        case EchoCancelled():
            return None, "echo"
        case AgentAwaited():
            return "agent", None
        case Connected() | SpeechBegan("agent"):
            return None, "agent"
        case Redialing():
            return "call", None
        case Connecting():
            return None, "call"
        case RecordingFailed():
            return "recording", None
    return None, None


def _lasting(event: Event, now: float) -> str:
    if isinstance(event, AgentAwaited | RecordingFailed):  # the one says it, the other is for good
        return str(event)
    return f"For {now - event.at:.0f} s: {event}"

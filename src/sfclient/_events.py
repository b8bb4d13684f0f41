"""What happens in a call, as its iterator tells it, and how it ended.

Each event has the time at which it happened, and its text is one line for a person. Two events are equal if the same
happened, whenever that was.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from sfclient._errors import Party

Speaker = Literal["caller", "agent"]
Direction = Literal["down", "up"]
"""Of the network: from the agent, or to it."""

SHOWN_CHARACTERS = 500  # of a text of the agent


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
class _Told:
    at: float = field(default=0.0, kw_only=True, compare=False)
    """Seconds since `open_call` was entered. Of speech: when it was said, or heard from the loudspeaker."""


@dataclass(frozen=True, slots=True)
class Connecting(_Told):
    """The call is being set up."""

    def __str__(self) -> str:
        return "Connecting to server"


@dataclass(frozen=True, slots=True)
class AgentAwaited(_Told):
    """The connection is open, and the agent has not said that it hears us, for longer than is usual."""

    seconds: float
    """For which it was waited."""

    def __str__(self) -> str:
        return f"Waiting for the agent, for {self.seconds:.0f} s so far"


@dataclass(frozen=True, slots=True)
class Connected(_Told):
    """The agent can hear the caller."""

    call_id: str | None = None
    """Under which the service keeps the record of the call, if it told."""

    def __str__(self) -> str:
        return "Connected to call" + (f" {self.call_id}" if self.call_id else "")


@dataclass(frozen=True, slots=True)
class MessageReceived(_Told):
    """The agent sent a text message that the contract does not know."""

    text: str
    fields: dict[str, Any] | None
    """The message, if it is a JSON object."""
    cut_characters: int = 0
    """Of its end, which was too long to be passed on; then it is not looked into either."""

    def __str__(self) -> str:
        return f"Message from the agent: {self.text[:SHOWN_CHARACTERS]!r}"


@dataclass(frozen=True, slots=True)
class MicrophoneSilent(_Told):
    """A real microphone has given nothing but exact zeros for a second, from `at` on: no room is so silent."""

    remedy: str
    """What to do about it on this system."""

    def __str__(self) -> str:
        return f"The microphone gives only zeros: {self.remedy}"


@dataclass(frozen=True, slots=True)
class MicrophoneReturned(_Told):
    """The microphone gives sound again."""

    seconds: float
    """For which it gave none."""

    def __str__(self) -> str:
        return f"The microphone gives sound again, after {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class SpeechBegan(_Told):
    """Somebody began to speak, at `at`."""

    speaker: Speaker
    is_voice: bool | None = None
    """Whether it was a human voice, as a detector says; None where there is none, and it is only loud."""

    def __str__(self) -> str:
        return f"The {self.speaker} speaks"


@dataclass(frozen=True, slots=True)
class SpeechEnded(_Told):
    """Somebody ceased to speak, at `at`; it is told when they have been silent for a while."""

    speaker: Speaker
    seconds: float
    """For which they spoke."""

    def __str__(self) -> str:
        return f"The {self.speaker} spoke for {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Responded(_Told):
    """The agent began to answer what the caller had said."""

    seconds: float
    """From the end of what the caller said until the answer was heard."""

    def __str__(self) -> str:
        return f"The agent answered after {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class Interrupted(_Told):
    """One began to speak while the other did."""

    by: Speaker

    def __str__(self) -> str:
        return f"The {self.by} interrupted"


@dataclass(frozen=True, slots=True)
class AgentInterrupted(_Told):
    """The caller spoke up over the agent, as is known at `at`: what was queued of the agent was thrown away.

    Only with `Audio(interrupt_after=...)`; `Interrupted` tells of it in any case, and of what is no voice too.
    """

    seconds: float
    """In which there was enough of a voice."""
    voice_seconds: float
    """Of these, with a voice beyond doubt."""
    probability: float
    """Of a voice in them, on average, as Silero's detector says: at least 0.7."""
    voicing: float
    """How voiced they were, on average: 0.8 at least, 1 is a pure tone."""
    dropped_seconds: float = 0.0
    """Of the agent's speech, which nobody will hear."""

    def __str__(self) -> str:
        return f"The caller has interrupted the agent, who had {self.dropped_seconds:.1f} s more to say"


@dataclass(frozen=True, slots=True)
class SpeechLate(_Told):
    """The agent's speech came late, in the midst of it; due at `at`, it is told when what was missing has come."""

    seconds: float
    """How much later it came."""

    def __str__(self) -> str:
        return f"The agent's speech came {1000 * self.seconds:.0f} ms late"


@dataclass(frozen=True, slots=True)
class NetworkStalled(_Told):
    """The network stands still, since `at`."""

    direction: Direction
    """``"down"``: not a byte comes, though the far side was asked for one; ``"up"``: what we send does not leave."""

    def __str__(self) -> str:
        what = "nothing comes" if self.direction == "down" else "nothing leaves"
        return f"The network stands still: {what}"


@dataclass(frozen=True, slots=True)
class NetworkReturned(_Told):
    """The network moves again."""

    direction: Direction
    seconds: float
    """For which it stood still."""

    def __str__(self) -> str:
        what = "from the agent" if self.direction == "down" else "to the agent"
        return f"The network moves again ({what}), after {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class InputEnded(_Told):
    """The file that the caller says has been said."""

    def __str__(self) -> str:
        return "All of the input was said"


@dataclass(frozen=True, slots=True)
class DeviceLost(_Told):
    """A sound device stopped; the call goes on with silence."""

    def __str__(self) -> str:
        return "The sound device stopped; the call goes on in silence"


@dataclass(frozen=True, slots=True)
class DeviceReturned(_Told):
    """The sound device, or a new default one, has taken over."""

    def __str__(self) -> str:
        return "The sound device is back"


@dataclass(frozen=True, slots=True)
class DeviceChanged(_Told):
    """Another device has taken over: one that was asked for, or the default one after a loss."""

    kind: Literal["input", "output"]
    name: str
    """As `sfclient devices` shows it."""

    def __str__(self) -> str:
        return f"The {self.kind} is {self.name} now"


@dataclass(frozen=True, slots=True)
class EchoGated(_Told):
    """Too much of the agent comes back from the loudspeaker to be cancelled: until it is, with ``echo="auto"``, the
    microphone is silent while the agent speaks, and the caller is heard a tenth of a second later."""

    def __str__(self) -> str:
        return "The agent's echo cannot be cancelled: you are not heard while the agent speaks"


@dataclass(frozen=True, slots=True)
class EchoCancelled(_Told):
    """The agent's echo is cancelled again: both may speak at once."""

    def __str__(self) -> str:
        return "The agent's echo is cancelled again"


@dataclass(frozen=True, slots=True)
class RecordingFailed(_Told):
    """The recording cannot be written any more; the call goes on, and raises `AudioFileError` when it is over."""

    reason: str

    def __str__(self) -> str:
        return f"The recording stopped; the call goes on: {self.reason}"


@dataclass(frozen=True, slots=True)
class Redialing(_Told):
    """An attempt of the call is over, and it goes on: after a pause, another session is asked for."""

    ended: Ended
    """The attempt: by whom, and why."""
    pause_seconds: float
    """From now until it is dialled again."""
    attempt: int
    """Which it is going to be, the first one counted too."""

    def __str__(self) -> str:
        why = f" ({self.ended.reason})" if self.ended.reason else ""
        return f"The call is redialled in {self.pause_seconds:.1f} s, attempt {self.attempt}{why}"


@dataclass(frozen=True, slots=True)
class Disconnected(_Told):
    """The call is over, and the agent's last words have been played. Always the last event."""

    ended: Ended

    def __str__(self) -> str:
        code = "" if self.ended.code is None else f", {self.ended.code}"
        reason = f": {self.ended.reason}" if self.ended.reason else ""
        return f"Disconnected from server (by {self.ended.by}{code}{reason})"


Event = (
    Connecting
    | AgentAwaited
    | Connected
    | MessageReceived
    | MicrophoneSilent
    | MicrophoneReturned
    | SpeechBegan
    | SpeechEnded
    | Responded
    | Interrupted
    | AgentInterrupted
    | SpeechLate
    | NetworkStalled
    | NetworkReturned
    | InputEnded
    | DeviceLost
    | DeviceReturned
    | DeviceChanged
    | EchoGated
    | EchoCancelled
    | RecordingFailed
    | Redialing
    | Disconnected
)

"""An unofficial client for Synthflow voice agents, under trio, with sound that never breaks.

- `request_session`, `Session`: from an API key to the right to hold one call (`_session`)
- `open_call`, `Call`, `StartedCall`: a call, as an async context manager (`_open`, `_call`); `TimeLimits`: how
  long it waits for what (`_limits`)
- `Event`: what happens in it, and when; `Ended`: how it ended (`_events`). Of the call `Connecting`, `AgentAwaited`,
  `Connected`, `MessageReceived`, `InputEnded`, `Disconnected`; of speech `SpeechBegan`, `SpeechEnded`, `Responded`,
  `Interrupted`, `AgentInterrupted`; of the network `SpeechLate`, `NetworkStalled`, `NetworkReturned`; of devices
  `MicrophoneSilent`, `MicrophoneReturned`, `DeviceLost`, `DeviceReturned`, `DeviceChanged`; of the agent's echo
  `EchoGated`, `EchoCancelled`; of the disk `RecordingFailed`
- `CallStatistics` (`_statistics`) of `CallTimes`, `CaptureStatistics` (`_captured`), `PlayoutStatistics` (`_playout`),
  `EchoStatistics` (`_echo`) with `ReferenceStatistics`, `NetworkStatistics` (`_network`), `RecordingStatistics`
  (`_recording`), `DeviceStatistics`: its counters; `Timeline`: what waited to be heard, moment by moment (`_timeline`)
- `ConversationStatistics`: turns, response times, shares (`_conversation`); `SoundStatistics`, `MicrophoneStatistics`:
  what was heard on both sides; `Levels` of `SideLevel`: how loud they are now (`_hearing`)
- `Tap` of `Sound`, `TapStatistics`: what both sides say, while they say it (`_tap`)
- `request_result`, `CallResult`: what became of a call (`_result`)
- `Audio`, with `Device`, `MemoryInput`, `StreamInput`, `WavInput` or a `Source`, and `MemoryOutput`, `StreamOutput`,
  `WavOutput`, `NullOutput` or a `Sink`: where sound comes from and goes to (`_devices`); `StreamInputStatistics`,
  `StreamOutputStatistics`: what became of a program's own
- `SfclientError`: what can go wrong, by whose fault it is: `UsageError` (`AuthenticationError`,
  `AgentNotFoundError`, `InsecureURLError`, `AudioFileError`), `RemoteError` (`NetworkError`,
  `ServiceError`), `DeviceError` (`_errors`)
- `logging`: loggers by module, silent until the program sets them up; events at INFO, requests and websockets at DEBUG
- `sfclient.simulator`: a local agent, for developing without an account
- `sfclient.report`: a page of a call that is over
- `sfclient.testing`: a network between client and service that fails as it is told
- `_dialects`: what is said on the wire; `_websocket`: the socket
"""

import logging

from sfclient._call import Call
from sfclient._captured import CaptureStatistics
from sfclient._conversation import ConversationStatistics
from sfclient._devices import (
    Audio,
    Device,
    DeviceStatistics,
    MemoryInput,
    MemoryOutput,
    NullOutput,
    ReferenceStatistics,
    Sink,
    Source,
    StreamInput,
    StreamInputStatistics,
    StreamOutput,
    StreamOutputStatistics,
    WavInput,
    WavOutput,
)
from sfclient._dialects import StartedCall
from sfclient._echo import EchoStatistics
from sfclient._errors import (
    AgentNotFoundError,
    AudioFileError,
    AuthenticationError,
    DeviceError,
    InsecureURLError,
    NetworkError,
    RemoteError,
    ServiceError,
    SfclientError,
    UsageError,
)
from sfclient._events import (
    AgentAwaited,
    AgentInterrupted,
    Connected,
    Connecting,
    DeviceChanged,
    DeviceLost,
    DeviceReturned,
    Disconnected,
    EchoCancelled,
    EchoGated,
    Ended,
    Event,
    InputEnded,
    Interrupted,
    MessageReceived,
    MicrophoneReturned,
    MicrophoneSilent,
    NetworkReturned,
    NetworkStalled,
    RecordingFailed,
    Responded,
    SpeechBegan,
    SpeechEnded,
    SpeechLate,
)
from sfclient._hearing import Levels, SideLevel, SoundStatistics
from sfclient._limits import TimeLimits
from sfclient._microphone import MicrophoneStatistics
from sfclient._network import NetworkStatistics
from sfclient._open import open_call
from sfclient._playout import PlayoutStatistics
from sfclient._recording import RecordingStatistics
from sfclient._result import CallResult, request_result
from sfclient._session import Session, request_session
from sfclient._statistics import CallStatistics, CallTimes
from sfclient._tap import Sound, Tap, TapStatistics
from sfclient._timeline import Timeline

__all__ = [
    "AgentAwaited",
    "AgentInterrupted",
    "AgentNotFoundError",
    "Audio",
    "AudioFileError",
    "AuthenticationError",
    "Call",
    "CallResult",
    "CallStatistics",
    "CallTimes",
    "CaptureStatistics",
    "Connected",
    "Connecting",
    "ConversationStatistics",
    "Device",
    "DeviceChanged",
    "DeviceError",
    "DeviceLost",
    "DeviceReturned",
    "DeviceStatistics",
    "Disconnected",
    "EchoCancelled",
    "EchoGated",
    "EchoStatistics",
    "Ended",
    "Event",
    "InputEnded",
    "InsecureURLError",
    "Interrupted",
    "Levels",
    "MemoryInput",
    "MemoryOutput",
    "MessageReceived",
    "MicrophoneReturned",
    "MicrophoneSilent",
    "MicrophoneStatistics",
    "NetworkError",
    "NetworkReturned",
    "NetworkStalled",
    "NetworkStatistics",
    "NullOutput",
    "PlayoutStatistics",
    "RecordingFailed",
    "RecordingStatistics",
    "ReferenceStatistics",
    "RemoteError",
    "Responded",
    "ServiceError",
    "Session",
    "SfclientError",
    "SideLevel",
    "Sink",
    "Sound",
    "SoundStatistics",
    "Source",
    "SpeechBegan",
    "SpeechEnded",
    "SpeechLate",
    "StartedCall",
    "StreamInput",
    "StreamInputStatistics",
    "StreamOutput",
    "StreamOutputStatistics",
    "Tap",
    "TapStatistics",
    "TimeLimits",
    "Timeline",
    "UsageError",
    "WavInput",
    "WavOutput",
    "open_call",
    "request_result",
    "request_session",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())

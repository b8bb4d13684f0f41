"""An unofficial client for Synthflow voice agents, under trio, with sound that never breaks.

- `request_session`: from an API key to a session (``_session``); `request_result`: what became of
  a call (``_result``)
- `open_call`: a call, as an async context manager, and what happens in it (``_call``, ``_events``)
- `Audio` and its ends: where sound comes from and goes to (``_devices``)
- `SfclientError` and below: what can go wrong, by whose fault it is (``_errors``)
- ``sfclient.simulator``: a local agent, for developing without an account
- ``_dialects``: what is said on the wire; ``_websocket``: the socket; ``_uplink``, ``_playout``: the
  two directions of the sound
"""

from sfclient._call import Call, CallStatistics, open_call
from sfclient._devices import (
    Audio,
    Device,
    DeviceStatistics,
    MemoryInput,
    MemoryOutput,
    NullOutput,
    Sink,
    Source,
    WavInput,
    WavOutput,
)
from sfclient._dialects import StartedCall
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
    Connected,
    Connecting,
    DeviceLost,
    DeviceReturned,
    Disconnected,
    Ended,
    Event,
    MessageReceived,
)
from sfclient._playout import PlayoutStatistics
from sfclient._recording import RecordingStatistics
from sfclient._result import CallResult, request_result
from sfclient._session import Session, request_session
from sfclient._uplink import CaptureStatistics

__all__ = [
    "AgentNotFoundError",
    "Audio",
    "AudioFileError",
    "AuthenticationError",
    "Call",
    "CallResult",
    "CallStatistics",
    "CaptureStatistics",
    "Connected",
    "Connecting",
    "Device",
    "DeviceError",
    "DeviceLost",
    "DeviceReturned",
    "DeviceStatistics",
    "Disconnected",
    "Ended",
    "Event",
    "InsecureURLError",
    "MemoryInput",
    "MemoryOutput",
    "MessageReceived",
    "NetworkError",
    "NullOutput",
    "PlayoutStatistics",
    "RecordingStatistics",
    "RemoteError",
    "ServiceError",
    "Session",
    "SfclientError",
    "Sink",
    "Source",
    "StartedCall",
    "UsageError",
    "WavInput",
    "WavOutput",
    "open_call",
    "request_result",
    "request_session",
]

"""The vendor's media websocket: the call is started by HTTP when the socket is already open.

`WsMediaDialect.TRANSITIONS` is its states and events as a table. Beside it hold two rules: a text that has no line in
it is passed on, and what our own side tells out of turn is a fault of ours, so a `KeyError`.

Sound: mono, 20 ms messages on a steady clock; big-endian PCM16 at 16 kHz (`l16`), or G.711 at 8 kHz (`pcmu`, `pcma`),
as it is (`payload`) or in RTP packets (`rtp`).
"""

import enum
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

import sfaudio
from sfclient._dialects import _rtp
from sfclient._dialects._interface import (
    Action,
    AgentReady,
    Dialect,
    Established,
    Play,
    Reconnect,
    Send,
    StartCall,
    StartedCall,
    WaitAtMost,
    object_of_type,
    passed_on,
)
from sfclient._dialects._ws_media_http import WsMediaOrder
from sfclient._errors import ServiceError

SERVER_INFO_SECONDS = 8.0
CALL_INFO_SECONDS = 2.0
UNREADABLE_MESSAGES = 50  # a second of what should be RTP and is not


@dataclass(frozen=True)
class Codec:
    """How samples become bytes of the wire."""

    samplerate: int
    bytes_a_frame: int
    payload_types: range
    """Of RTP: the one of RFC 3551, or all the dynamic ones, of which the first is sent."""
    encode: Callable[[bytes], NDArray[np.int16] | NDArray[np.uint8]]
    decode: Callable[[bytes], NDArray[np.int16]]


CODECS = {
    "l16": Codec(16_000, 2, range(96, 128), sfaudio.byteswap_int16, sfaudio.byteswap_int16),
    "pcmu": Codec(8_000, 1, range(1), sfaudio.int16_to_ulaw, sfaudio.ulaw_to_int16),
    "pcma": Codec(8_000, 1, range(8, 9), sfaudio.int16_to_alaw, sfaudio.alaw_to_int16),
}


class State(enum.Enum):
    SERVER = enum.auto()  # wait for server_info: its name goes into the request for a call
    STARTING = enum.auto()  # wait for the answer: a sid, or another URL (an older flow)
    RECONNECTING = enum.auto()  # connect to that URL, where the call is under way
    BINDING = enum.auto()  # bind the socket to the sid, wait for call_info or speech, not for ever
    TALKING = enum.auto()  # sound flows both ways


Event = Literal["opened", "server_info", "started", "redirected", "call_info", "audio", "timed out"]
TOLD: tuple[Event, ...] = ("server_info", "call_info")  # by texts of this type
Step = Action | Callable[..., Iterable[Action]]  # what is done, or how, from what is told
TALK = (Established(), AgentReady())


class WsMediaDialect(Dialect):
    name = "ws-media"
    order = WsMediaOrder
    starts_calls = True
    codecs = tuple(CODECS)
    framings = ("payload", "rtp")
    paced = True
    # Any ends the call, and its record tells why; but for a lost connection, and those that our own side may have sent.
    orderly_codes = frozenset(range(1000, 5000)) - {1002, 1006, 1007, 1009}

    def __init__(self, codec: str | None = None, framing: str | None = None) -> None:
        super().__init__(codec, framing)
        self._codec = CODECS[self.codec]
        self.capture_samplerate = self.playout_samplerate = self._codec.samplerate
        self.bytes_a_frame = self._codec.bytes_a_frame
        self._state = State.SERVER
        self._sid = ""
        self._early_messages = 0
        self._held = b""  # looks like RTP that was not asked for
        self._strips_rtp = self.framing == "rtp"
        self._rtp_in = _rtp.Receiver(self._codec.bytes_a_frame, self._codec.payload_types)
        self._rtp_out = _rtp.Sender(self._codec.payload_types[0]) if self._strips_rtp else None

    # The steps.

    def _miss_server(self) -> NoReturn:
        raise ServiceError(
            f"the service sent no server_info within {SERVER_INFO_SECONDS:g} s: is the session URL right?"
        )

    def _start(self, server_info: dict[str, object]) -> Iterable[Action]:
        name = server_info.get("server-name") or server_info.get("server_name")
        if not isinstance(name, str) or not name:
            raise ServiceError("the service's server_info has no server-name")
        if not name.isprintable():  # half of a surrogate pair is not either
            raise ServiceError("the service's server-name holds characters that no name has")
        return [StartCall(name)]

    def _reconnect(self, call: StartedCall) -> Iterable[Action]:
        return [Reconnect(call.url)]

    def _bind(self, call: StartedCall) -> Iterable[Action]:
        self._sid = call.sid
        return [Send(json.dumps({"type": "bind", "sid": call.sid}))]

    def _count_early(self, message: bytes) -> Iterable[Action]:
        self._early_messages += 1  # in which codec, nobody has said yet
        return []

    def _hear(self, message: bytes) -> Iterable[Action]:
        return self._play(self._payload(message))

    TRANSITIONS: ClassVar[dict[tuple[State, Event], tuple[State, Sequence[Step]]]] = {
        (State.SERVER, "opened"): (State.SERVER, [WaitAtMost(SERVER_INFO_SECONDS)]),
        (State.SERVER, "server_info"): (State.STARTING, [_start]),
        (State.SERVER, "timed out"): (State.SERVER, [_miss_server]),
        (State.SERVER, "audio"): (State.SERVER, [_count_early]),
        (State.STARTING, "started"): (State.BINDING, [_bind, WaitAtMost(CALL_INFO_SECONDS)]),
        (State.STARTING, "redirected"): (State.RECONNECTING, [_reconnect]),
        (State.STARTING, "audio"): (State.STARTING, [_count_early]),
        (State.RECONNECTING, "opened"): (State.TALKING, TALK),
        (State.RECONNECTING, "audio"): (State.RECONNECTING, [_count_early]),
        (State.BINDING, "call_info"): (State.TALKING, TALK),
        (State.BINDING, "timed out"): (State.TALKING, TALK),
        (State.BINDING, "audio"): (State.TALKING, [*TALK, _hear]),  # who speaks has bound us
        (State.TALKING, "call_info"): (State.TALKING, []),  # late
        (State.TALKING, "audio"): (State.TALKING, [_hear]),
    }

    def _take(self, event: Event, *facts: object) -> Iterable[Action]:
        self._state, steps = self.TRANSITIONS[self._state, event]
        actions: list[Action] = []
        for step in steps:
            actions += step(self, *facts) if callable(step) else [step]
        return actions

    # The events.

    def opened(self) -> Iterable[Action]:
        return self._take("opened")

    def resumed(self) -> None:
        self._state = State.TALKING

    def started(self, call: StartedCall) -> Iterable[Action]:
        return self._take("started" if call.sid else "redirected", call)

    def timed_out(self) -> Iterable[Action]:
        return self._take("timed out")

    def received(self, message: str | bytes) -> Iterable[Action]:
        if isinstance(message, bytes):
            return self._take("audio", message)
        if len(self._sid) > 3:  # less is no secret, and may be part of anything
            message = message.replace(self._sid, "***")
        for event in TOLD:
            is_due = (self._state, event) in self.TRANSITIONS
            if is_due and (fields := object_of_type(message, event)) is not None:
                return self._take(event, fields)
        return [passed_on(message)]

    def closed(self) -> Iterable[Action]:
        held, self._held = self._held, b""
        return self._play(held)

    # Sound.

    def encode(self, chunk: bytes) -> bytes:
        payload = self._codec.encode(chunk).tobytes()
        return payload if self._rtp_out is None else self._rtp_out.packet(payload, len(chunk) // 2)

    def _play(self, payload: bytes) -> Iterable[Action]:
        frames = self._whole_frames(payload)
        return [Play(self._codec.decode(frames).tobytes())] if frames else []

    def _payload(self, message: bytes) -> bytes:
        """What of a message is sound, and of one before it that was held back."""
        if self._strips_rtp:
            payload = self._rtp_in.receive(message)
            if self._rtp_in.unreadable >= UNREADABLE_MESSAGES:
                raise ServiceError(
                    f"the service sends no {self.codec} in RTP for a second: choose another framing or codec"
                )
            return payload
        held, self._held = self._held, b""
        packet = self._suspicion(message)
        if packet is None:
            return held + message
        before = self._suspicion(held)
        if before is not None and before.is_followed_by(packet):
            self._strips_rtp = True
            return self._rtp_in.receive(held) + self._rtp_in.receive(message)
        self._held = message
        return held

    def _suspicion(self, message: bytes) -> _rtp.Packet | None:
        """A message that may be RTP although it was not asked for: 20 ms behind a plain header."""
        frames = round(self.chunk_seconds * self.playout_samplerate)
        packet_bytes = _rtp.HEADER.size + frames * self.bytes_a_frame
        is_suspect = len(message) == packet_bytes and message[0] == _rtp.VERSION << 6
        return _rtp.parse(message) if is_suspect else None

    def statistics(self) -> dict[str, int]:
        rtp = {f"rtp_{name}": count for name, count in asdict(self._rtp_in.counts).items()}
        return {"early_messages": self._early_messages, **rtp}

"""The vendor's media websocket: the call is started by HTTP when the socket is already open.

::

    SERVER   wait for server_info --> its name goes into the request that starts the call
    STARTING that request --> a sid, or another URL to connect to (an older flow)
    BINDING  bind the socket to the sid, wait for call_info or speech, not for ever
    TALKING  sound flows both ways

Sound: mono, 20 ms messages on a steady clock; big-endian PCM16 at 16 kHz (`l16`), or G.711 at 8 kHz (`pcmu`, `pcma`),
as it is (`payload`) or in RTP packets (`rtp`).
"""

import enum
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sfaudio import (
    alaw_to_int16,
    byteswap_int16,
    int16_to_alaw,
    int16_to_ulaw,
    ulaw_to_int16,
)
from sfclient._dialects import _rtp
from sfclient._dialects._interface import (
    Action,
    AgentReady,
    Dialect,
    Established,
    PassOn,
    Play,
    Reconnect,
    Send,
    StartCall,
    StartedCall,
    WaitAtMost,
    json_object,
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
    encode: Callable[[NDArray[np.int16]], NDArray[np.int16] | NDArray[np.uint8]]
    decode: Callable[[bytes], NDArray[np.int16]]


CODECS = {
    "l16": Codec(
        16_000,
        2,
        range(96, 128),
        byteswap_int16,
        lambda data: byteswap_int16(np.frombuffer(data, np.int16)),
    ),
    "pcmu": Codec(8_000, 1, range(1), int16_to_ulaw, ulaw_to_int16),
    "pcma": Codec(8_000, 1, range(8, 9), int16_to_alaw, alaw_to_int16),
}


class State(enum.Enum):
    SERVER = enum.auto()
    STARTING = enum.auto()
    BINDING = enum.auto()
    TALKING = enum.auto()


class WsMediaDialect(Dialect):
    name = "ws-media"
    order = WsMediaOrder
    starts_calls = True
    codecs = tuple(CODECS)
    framings = ("payload", "rtp")
    paced = True
    # Any ends the call, and its record tells why; but for those that our own side may have sent.
    orderly_codes = frozenset(range(1000, 5000)) - {1002, 1007, 1009}

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

    # The handshake.

    def opened(self) -> Iterator[Action]:
        if self._state is State.STARTING:  # connected again, to a call that is already under way
            yield from self._talk()
        else:
            yield WaitAtMost(SERVER_INFO_SECONDS)

    def started(self, call: StartedCall) -> Iterator[Action]:
        if not call.sid:
            yield Reconnect(call.url)
            return
        self._state = State.BINDING
        self._sid = call.sid
        yield Send(json.dumps({"type": "bind", "sid": call.sid}))
        yield WaitAtMost(CALL_INFO_SECONDS)

    def timed_out(self) -> Iterator[Action]:
        if self._state is State.SERVER:
            raise ServiceError(
                f"the service sent no server_info within {SERVER_INFO_SECONDS:g} s: is the session URL right?"
            )
        yield from self._talk()

    def _talk(self) -> Iterator[Action]:
        self._state = State.TALKING
        yield Established()
        yield AgentReady()

    def received(self, message: str | bytes) -> Iterator[Action]:
        if isinstance(message, bytes):
            if self._state in (State.SERVER, State.STARTING):
                self._early_messages += 1  # in which codec, nobody has said yet
                return
            if self._state is State.BINDING:
                yield from self._talk()  # who speaks has bound us
            yield from self._play(self._payload(message))
            return
        if len(self._sid) > 3:  # less is no secret, and may be part of anything
            message = message.replace(self._sid, "***")
        fields = json_object(message)
        match self._state, (fields or {}).get("type"):
            case State.SERVER, "server_info":
                assert fields is not None
                name = fields.get("server-name") or fields.get("server_name")
                if not isinstance(name, str) or not name:
                    raise ServiceError("the service's server_info has no server-name")
                self._state = State.STARTING
                yield StartCall(name)
            case State.BINDING, "call_info":
                yield from self._talk()
            case State.TALKING, "call_info":
                pass  # late
            case _:
                yield PassOn(message, fields)

    # Sound.

    def encode(self, chunk: bytes) -> bytes:
        samples = np.frombuffer(chunk, np.int16)
        payload = self._codec.encode(samples).tobytes()
        return payload if self._rtp_out is None else self._rtp_out.packet(payload, len(samples))

    def closed(self) -> Iterator[Action]:
        held, self._held = self._held, b""
        yield from self._play(held)

    def _play(self, payload: bytes) -> Iterator[Action]:
        if frames := self._whole_frames(payload):
            yield Play(self._codec.decode(frames).tobytes())

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
        before, packet = self._suspicion(held), self._suspicion(message)
        if packet is None:
            return held + message
        if before is not None and before.is_followed_by(packet):
            self._strips_rtp = True
            return self._rtp_in.receive(held) + self._rtp_in.receive(message)
        self._held = message
        return held

    def _suspicion(self, message: bytes) -> _rtp.Packet | None:
        """A message that may be RTP although it was not asked for: 20 ms behind a plain header."""
        payload_bytes = (
            round(self.chunk_seconds * self._codec.samplerate) * self._codec.bytes_a_frame
        )
        is_suspect = (
            len(message) == _rtp.HEADER.size + payload_bytes and message[0] == _rtp.VERSION << 6
        )
        return _rtp.parse(message) if is_suspect else None

    def statistics(self) -> dict[str, int]:
        rtp = {f"rtp_{name}": count for name, count in asdict(self._rtp_in.counts).items()}
        return {"early_messages": self._early_messages, **rtp}

"""How audio looks in binary messages: samples, G.711, RTP, and the cutting; none of it is shared with the client.

A `Codec` is the samples of one party, `CallCodecs` what a call uses in both directions. Everything
else in the simulator knows PCM16 mono little-endian only.
"""

import secrets
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Literal

import numpy as np
import numpy.typing as npt

from sfclient.simulator._audio import AGENT_SAMPLERATE, CALLER_SAMPLERATE

Framing = Literal["rtp", "payload"]

_RTP_PACKET_SECONDS = 0.02
_DYNAMIC_PAYLOAD_TYPE = 96


class MalformedRtpError(ValueError):
    """A message is no RTP packet of the call. The text fits into a close reason."""


@dataclass(frozen=True)
class Codec:
    """The samples of one party."""

    samplerate: int
    width: int
    """Bytes of a sample on the wire."""
    encode: Callable[[bytes], bytes]
    """From PCM16 little-endian. Raises ValueError for half a sample, where it has to convert."""
    decode: Callable[[bytes], bytes]
    """To PCM16 little-endian. Half a sample at the end is left out, where it has to convert."""
    payload_type: int = _DYNAMIC_PAYLOAD_TYPE
    """Of RTP."""

    @property
    def byterate(self) -> int:
        """Bytes a second on the wire, RTP headers not counted."""
        return self.samplerate * self.width


class CallCodecs:
    """The audio of one call in both directions; `agent_messages` has the state of the agent's RTP."""

    def __init__(
        self,
        caller: Codec,
        agent: Codec,
        caller_framing: Framing = "payload",
        agent_framing: Framing = "payload",
    ) -> None:
        self.caller = caller
        self.agent = agent
        self._caller_framing = caller_framing
        self._agent_framing = agent_framing
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)
        self._payload_bytes = 0

    def caller_audio(self, message: bytes) -> bytes:
        """The audio in a message of the caller, as it is coded. Raises `MalformedRtpError`."""
        if self._caller_framing == "payload":
            return message
        return rtp_payload(message, self.caller.payload_type)

    def agent_audio(self, message: bytes) -> bytes:
        """The audio in a message of the agent, as it is coded; none if it is not what it should be.

        An agent may send what it likes.
        """
        if self._agent_framing == "payload":
            return message
        try:
            return rtp_payload(message, self.agent.payload_type)
        except MalformedRtpError:
            return b""

    def agent_messages(
        self, pcm: bytes, chunk_bytes: int | Iterable[int] | None
    ) -> Iterator[bytes]:
        """PCM16 as messages of the agent, cut when it is coded: see `SimulatedCall.send_audio`."""
        if chunk_bytes is None and self._agent_framing == "rtp":
            chunk_bytes = round(self.agent.byterate * _RTP_PACKET_SECONDS)
        for chunk in chunks(self.agent.encode(pcm), chunk_bytes):
            yield self._packet(chunk) if self._agent_framing == "rtp" else chunk

    def _packet(self, payload: bytes) -> bytes:
        # The number of the first sample, from the bytes before it: a packet may split one.
        timestamp = (self._timestamp + self._payload_bytes // self.agent.width) & 0xFFFF_FFFF
        header = struct.pack(
            ">BBHII", 0x80, self.agent.payload_type, self._sequence, timestamp, self._ssrc
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._payload_bytes += len(payload)
        return header + payload


def rtp_payload(packet: bytes, payload_type: int) -> bytes:
    """What an RTP packet carries (RFC 3550): without CSRCs, extension and padding.

    Raises `MalformedRtpError`, for a payload type other than the call's too.
    """
    if len(packet) < 12 or packet[0] >> 6 != 2:
        raise MalformedRtpError("this is no RTP, which was ordered as framing")
    if packet[1] & 0x7F != payload_type:
        raise MalformedRtpError(f"RTP payload type {packet[1] & 0x7F} should be {payload_type}")
    start, end = 12 + 4 * (packet[0] & 0x0F), len(packet)
    if packet[0] & 0x10:  # an extension, with its length in words behind 2 bytes of its own
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    if packet[0] & 0x20:  # padding, whose last byte counts itself
        end -= packet[-1]
    if start > end or (packet[0] & 0x20 and not packet[-1]):
        raise MalformedRtpError("RTP header or padding says more than the packet has")
    return packet[start:end]


def chunks(data: bytes, chunk_bytes: int | Iterable[int] | None) -> Iterator[bytes]:
    """`data` cut as `SimulatedCall.send_audio` says. Raises ValueError for an impossible length."""
    if chunk_bytes is None:
        lengths: Iterable[int] = ()
    elif isinstance(chunk_bytes, int):
        if chunk_bytes < 1:
            raise ValueError(f"chunk_bytes is {chunk_bytes}: it must be at least 1")
        lengths = repeat(chunk_bytes)
    else:
        lengths = chunk_bytes
    position = 0
    for length in lengths:
        if length < 0:
            raise ValueError(f"chunk_bytes has {length}: a length cannot be negative")
        if position >= len(data):
            return
        yield data[position : position + length]
        position += length
    if position < len(data):
        yield data[position:]


def _mu_law() -> npt.NDArray[np.uint8]:
    """The code of each 16-bit sample, by its bits as an unsigned number.

    A code is sign, segment and 4 bits of the place in the segment, all inverted. Segments double
    in length; with the bias of 33 the bit length of a (14-bit) magnitude tells its segment. The
    last one ends at 8191.
    """
    sample = _all_samples() >> 2
    magnitude = np.minimum(np.abs(sample) + 33, 8191)
    segment = np.frexp(magnitude)[1] - 6
    code = segment << 4 | magnitude >> (segment + 1) & 0x0F
    codes: npt.NDArray[np.uint8] = (code ^ np.where(sample < 0, 0x7F, 0xFF)).astype(np.uint8)
    return codes


def _a_law() -> npt.NDArray[np.uint8]:
    """The code of each 16-bit sample, by its bits as an unsigned number.

    As in `_mu_law`, but of 13 bits without a bias, so that the first two segments have one length;
    every other bit is inverted, and the sign is set for positive samples.
    """
    sample = _all_samples() >> 3
    magnitude = np.where(sample < 0, ~sample, sample)
    segment = np.maximum(np.frexp(magnitude)[1] - 5, 0)
    code = segment << 4 | magnitude >> np.maximum(segment, 1) & 0x0F
    codes: npt.NDArray[np.uint8] = (code ^ np.where(sample < 0, 0x55, 0xD5)).astype(np.uint8)
    return codes


def _from_mu_law() -> npt.NDArray[np.int16]:
    """The sample in the middle of what each code stands for."""
    code = ~np.arange(256)
    magnitude = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    samples: npt.NDArray[np.int16] = np.where(code & 0x80, -magnitude, magnitude).astype("<i2")
    return samples


def _from_a_law() -> npt.NDArray[np.int16]:
    """The sample in the middle of what each code stands for."""
    code = np.arange(256) ^ 0x55
    segment = code >> 4 & 7
    leading = np.where(segment > 0, 0x108, 8)
    magnitude = ((code & 0x0F) << 4) + leading << np.maximum(segment - 1, 0)
    samples: npt.NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype("<i2")
    return samples


def _all_samples() -> npt.NDArray[np.int64]:
    return np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _g711(codes: npt.NDArray[np.uint8], samples: npt.NDArray[np.int16], payload_type: int) -> Codec:
    def encode(pcm: bytes) -> bytes:
        _check_whole(pcm)
        data: bytes = codes[np.frombuffer(pcm, dtype="<u2")].tobytes()
        return data

    def decode(data: bytes) -> bytes:
        pcm: bytes = samples[np.frombuffer(data, dtype=np.uint8)].tobytes()
        return pcm

    return Codec(8_000, 1, encode, decode, payload_type)


def _to_l16(pcm: bytes) -> bytes:
    _check_whole(pcm)
    return np.frombuffer(pcm, dtype="<i2").byteswap().tobytes()


def _from_l16(data: bytes) -> bytes:
    return np.frombuffer(data[: len(data) & ~1], dtype="<i2").byteswap().tobytes()


def _unchanged(pcm: bytes) -> bytes:
    return pcm


def _check_whole(pcm: bytes) -> None:
    if len(pcm) % 2:
        raise ValueError(f"the audio has {len(pcm)} bytes: PCM16 has an even number")


WIDGET_CALLER = Codec(CALLER_SAMPLERATE, 2, _unchanged, _unchanged)
WIDGET_AGENT = Codec(AGENT_SAMPLERATE, 2, _unchanged, _unchanged)
# By their names in an order.
WS_MEDIA_CODECS = {
    "l16": Codec(16_000, 2, _to_l16, _from_l16),
    "pcmu": _g711(_mu_law(), _from_mu_law(), 0),
    "pcma": _g711(_a_law(), _from_a_law(), 8),
}

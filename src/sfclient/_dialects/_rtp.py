"""RTP packets, as one websocket message each: RFC 3550, section 5.1, and the payload types of RFC 3551.

The order of a websocket leaves little to do: what is missing is counted and not made up for, and what comes twice or
too late is counted and dropped.
"""

import secrets
import struct
from dataclasses import dataclass
from typing import NamedTuple

HEADER = struct.Struct("!BBHII")
VERSION = 2
PADDING, EXTENSION, CSRC_COUNT = 0x20, 0x10, 0x0F
PAYLOAD_TYPE = 0x7F
MARKER = 0x80

# RFC 3550, appendix A.1: a jump beyond these means that the source has begun anew.
MAX_DROPOUT = 3000
MAX_MISORDER = 100


class Packet(NamedTuple):
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    def is_followed_by(self, other: "Packet") -> bool:
        """Whether `other` is the next packet of the same source."""
        return other.ssrc == self.ssrc and other.sequence == (self.sequence + 1) & 0xFFFF


def parse(message: bytes) -> Packet | None:
    """The packet without CSRCs, extension and padding; None if this is no RTP."""
    if len(message) < HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(message)
    begin, end = HEADER.size + 4 * (first & CSRC_COUNT), len(message)
    if first & EXTENSION:
        begin += 4 + 4 * int.from_bytes(message[begin + 2 : begin + 4])
    if first & PADDING:
        end -= message[-1] or end  # it counts itself, so 0 is impossible
    if first >> 6 != VERSION or begin > end:
        return None
    return Packet(second & PAYLOAD_TYPE, sequence, timestamp, ssrc, message[begin:end])


@dataclass(slots=True)
class Counts:
    packets: int = 0
    """Whose payload was taken."""
    lost: int = 0
    """Sequence numbers that were skipped and never came."""
    late: int = 0
    """Came when a later one had been taken, or far from any other; dropped."""
    duplicate: int = 0
    """Came twice; dropped."""
    foreign: int = 0
    """Of another payload type, such as comfort noise; dropped."""
    invalid: int = 0
    """No RTP; dropped."""
    timestamp_gaps: int = 0
    """Times that a packet did not begin where the one before it ended."""


class Receiver:
    """Takes one packet after another, and counts what is wrong with them."""

    def __init__(self, bytes_a_frame: int, payload_types: range) -> None:
        self.counts = Counts()
        self.unreadable = 0
        """Messages since the last packet that was taken."""
        self._bytes_a_frame = bytes_a_frame
        self._payload_types = payload_types
        self._ssrc: int | None = None
        self._next_sequence = 0
        self._next_timestamp = 0
        self._restart: int | None = None  # RFC 3550, A.1: the number that would confirm a jump
        self._missing: set[int] = set()

    def receive(self, message: bytes) -> bytes:
        """The payload, in whole frames; empty if it is not to be played."""
        packet = parse(message)
        payload = b""
        if packet is None:
            self.counts.invalid += 1
        elif self._is_next(packet):
            if packet.payload_type in self._payload_types:
                # Of several dynamic types, the one that came first is meant.
                self._payload_types = range(packet.payload_type, packet.payload_type + 1)
                self.counts.packets += 1
                payload = packet.payload
            else:
                self.counts.foreign += 1
        self.unreadable = 0 if payload else self.unreadable + 1
        return payload[: len(payload) - len(payload) % self._bytes_a_frame]

    def _is_next(self, packet: Packet) -> bool:
        """Whether it is later than all before it; takes note of what it tells of them."""
        ahead = (packet.sequence - self._next_sequence) & 0xFFFF
        if packet.ssrc != self._ssrc or packet.sequence == self._restart:
            self._ssrc = packet.ssrc
            self._missing.clear()
        elif MAX_DROPOUT <= ahead < 0x10000 - MAX_MISORDER:
            self._restart = (packet.sequence + 1) & 0xFFFF
            self.counts.late += 1
            return False
        elif ahead >= MAX_DROPOUT:
            if packet.sequence in self._missing:
                self._missing.remove(packet.sequence)
                self.counts.lost -= 1
                self.counts.late += 1
            else:
                self.counts.duplicate += 1
            return False
        else:
            if ahead:
                self.counts.lost += ahead
                looked_for = range(1, min(ahead, MAX_MISORDER) + 1)
                self._missing |= {(packet.sequence - back) & 0xFFFF for back in looked_for}
            self._missing.discard(packet.sequence)  # missed when the numbers came round last
            self.counts.timestamp_gaps += packet.timestamp != self._next_timestamp
        self._restart = None
        self._next_sequence = (packet.sequence + 1) & 0xFFFF
        frames = len(packet.payload) // self._bytes_a_frame
        self._next_timestamp = (packet.timestamp + frames) & 0xFFFFFFFF
        return True


class Sender:
    """Makes packets of one source; it begins where nobody can guess, as RFC 3550 wants it."""

    def __init__(self, payload_type: int) -> None:
        self._second = payload_type | MARKER  # on the first packet: speech begins
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)

    def packet(self, payload: bytes, frames: int) -> bytes:
        """The next packet, which lasts so many frames."""
        header = HEADER.pack(
            VERSION << 6, self._second, self._sequence, self._timestamp, self._ssrc
        )
        self._second &= PAYLOAD_TYPE
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + frames) & 0xFFFFFFFF
        return header + payload

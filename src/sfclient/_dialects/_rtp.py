"""RTP packets, as one websocket message each: RFC 3550, section 5.1, and the payload types of RFC 3551.

The order of a websocket leaves little to do: what is missing is counted and not made up for, and what comes twice or
too late is counted and dropped.
"""

import secrets
import struct
from dataclasses import dataclass

HEADER = struct.Struct("!BBHII")
VERSION = 2
PADDING, EXTENSION, CSRC_COUNT = 0x20, 0x10, 0x0F
PAYLOAD_TYPE = 0x7F
MARKER = 0x80

# RFC 3550, appendix A.1: a jump beyond these means that the source has begun anew.
MAX_DROPOUT = 3000
MAX_MISORDER = 100


@dataclass(frozen=True, slots=True)
class Packet:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    def is_followed_by(self, other: "Packet", frames: int) -> bool:
        """Whether `other` is the next packet of the same source, `frames` later."""
        return (other.ssrc, other.payload_type) == (self.ssrc, self.payload_type) and (
            other.sequence == (self.sequence + 1) & 0xFFFF
            and other.timestamp == (self.timestamp + frames) & 0xFFFFFFFF
        )


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
    """Came when a later one had been taken; dropped."""
    duplicate: int = 0
    invalid: int = 0
    """No RTP, or of another payload type."""
    timestamp_gaps: int = 0
    """Times that a packet did not begin where the one before it ended."""


class Receiver:
    """Takes one packet after another, and counts what is wrong with them."""

    def __init__(self, bytes_a_frame: int) -> None:
        self.counts = Counts()
        self._bytes_a_frame = bytes_a_frame
        self._ssrc: int | None = None
        self._next_sequence = 0
        self._next_timestamp = 0
        self._missing: set[int] = set()

    def receive(self, packet: Packet | None) -> bytes:
        """Its payload, empty if it is not to be played."""
        if packet is None:
            self.counts.invalid += 1
            return b""
        ahead = (packet.sequence - self._next_sequence) & 0xFFFF
        if packet.ssrc != self._ssrc or MAX_DROPOUT <= ahead < 0x10000 - MAX_MISORDER:
            self._ssrc = packet.ssrc
            self._missing.clear()
        elif ahead >= MAX_DROPOUT:
            if packet.sequence in self._missing:
                self._missing.remove(packet.sequence)
                self.counts.lost -= 1
                self.counts.late += 1
            else:
                self.counts.duplicate += 1
            return b""
        else:
            self.counts.lost += ahead
            looked_for = range(1, min(ahead, MAX_MISORDER) + 1)
            self._missing |= {(packet.sequence - back) & 0xFFFF for back in looked_for}
            self._missing.discard(packet.sequence)  # missed when the numbers came round last
            self.counts.timestamp_gaps += packet.timestamp != self._next_timestamp
        self.counts.packets += 1
        self._next_sequence = (packet.sequence + 1) & 0xFFFF
        frames = len(packet.payload) // self._bytes_a_frame
        self._next_timestamp = (packet.timestamp + frames) & 0xFFFFFFFF
        return packet.payload


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

"""What a hostile server sends, made from bytes: messages, frames valid and not, split anywhere.

Hypothesis makes the bytes up in one draw, many times as fast as drawing each part; each byte decides something.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

from ..sfclient.raw_servers import close_frame, frame
from .far_side import BINARY, CONTINUATION, PING, SID, TEXT

T = TypeVar("T")
Message = str | bytes

KNOWN = [
    '{"type": "server_info", "server-name": "a"}',
    '{"type": "call_info"}',
    '{"type": "status_agent_ready"}',
    "[" * 5000,
    "null",
    "",
]
FIELDS = ["type", "server-name", "server_name", "sid", "error", "callId"]
VALUES = [
    "status_agent_ready",
    "server_info",
    "call_info",
    "bind",
    "",
    SID,
    "a",
    "\ud800",
    None,
    5,
    1e999,
    [],
    {},
]
REASONS = ["", "bye", "\u202e\x1b[2J", SID]
FIRST_RTP_BYTES = [0x80, 0x90, 0xA0, 0xBF, 0x8F, 0x40]
PAYLOAD_TYPES = [0, 8, 13, 96, 97, 127, 255]
SEQUENCE_NUMBERS = [0, 1, 2, 3, 101, 3000, 3001, 32768, 65535]
CODES = [
    0,
    999,
    1000,
    1001,
    1002,
    1005,
    1006,
    1007,
    1009,
    1011,
    1014,
    2999,
    3000,
    4999,
    5000,
    65535,
]
LONGEST = 12  # frames, or messages


class Tape:
    """Bytes that decide, one after another; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken.ljust(length, b"\0")

    def below(self, limit: int) -> int:
        return int.from_bytes(self.take(1 if limit <= 256 else 2)) % limit

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def data(self, longest: int) -> bytes:
        return self.take(self.below(longest + 1))


def text(tape: Tape) -> str:
    match tape.below(4):
        case 0:
            return tape.one_of(KNOWN)
        case 1:
            fields: dict[str, Any] = {
                tape.one_of(FIELDS): tape.one_of(VALUES) for _ in range(tape.below(4))
            }
            return json.dumps(fields)
        case 2:
            return json.dumps({"type": tape.one_of(VALUES)} | {"server-name": tape.one_of(VALUES)})
        case _:
            return tape.data(30).decode("latin-1")


def rtp_packet(tape: Tape) -> bytes:
    """What may be RTP, with numbers that may follow each other."""
    first, kind = tape.one_of(FIRST_RTP_BYTES), tape.one_of(PAYLOAD_TYPES)
    sequence, timestamp = tape.one_of(SEQUENCE_NUMBERS), tape.below(4) * 320
    payload = tape.data(20) if tape.below(2) else bytes(tape.one_of([160, 640]))
    return struct.pack("!BBHII", first, kind, sequence, timestamp, tape.below(2)) + payload


def sound(tape: Tape) -> bytes:
    match tape.below(3):
        case 0:
            return tape.data(40)
        case 1:
            return rtp_packet(tape)
        case _:
            return b"\x10" * tape.below(4000)


def message(tape: Tape) -> Message:
    return text(tape) if tape.below(2) else sound(tape)


def messages(data: bytes) -> list[Message | None]:
    """None: so long that a time limit is over."""
    tape = Tape(data)
    return [message(tape) if tape.below(8) else None for _ in range(tape.below(LONGEST))]


def good_frame(tape: Tape) -> bytes:
    """At least by itself."""
    match tape.below(6):
        case 0:
            return frame(TEXT, text(tape).encode("utf-8", "surrogatepass"))
        case 1:
            return frame(PING, tape.data(10))
        case 2:
            return frame(
                tape.one_of([CONTINUATION, TEXT, BINARY]), tape.data(99), final=bool(tape.below(2))
            )
        case 3 if tape.below(3) == 0:
            return close_frame(tape.one_of(CODES), tape.one_of(REASONS))
        case _:
            return frame(BINARY, sound(tape))


def broken_frame(tape: Tape) -> bytes:
    match tape.below(5):
        case 0:
            return frame(tape.below(16), tape.data(9), final=bool(tape.below(2)), rsv=tape.below(8))
        case 1:
            return frame(tape.below(3), tape.data(9), mask=tape.take(4))
        case 2:
            return b"\x82\x7f" + tape.take(8)
        case 3:
            return frame(8 + tape.below(3), tape.data(130), final=bool(tape.below(2)))
        case _:
            return tape.data(30)


def stream(data: bytes) -> list[bytes]:
    """Frames, at most one of them broken, in pieces as they are sent."""
    tape = Tape(data)
    whole = [good_frame(tape) for _ in range(tape.below(LONGEST))]
    if tape.below(2):
        whole.insert(tape.below(LONGEST), broken_frame(tape))
    joined = b"".join(whole)
    cuts = sorted(tape.below(len(joined) + 1) for _ in range(tape.below(6)))
    return [joined[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(joined)], strict=True)]

"""A cassette: a file from which a call can be played again. What is in it, and how it is read.

::

    sfclient-cassette 1\\n                        the line by which it is known, with the version of all that follows
    length  crc32 of data  crc32 of these two    12 bytes, little-endian, in front of each block
    data                                         of that length: records, deflated (zlib)
    ...                                          more blocks, until one whose last record is END

A block is what came within a quarter of a second. Its crc32 begins with that of the block before it, and the first one
with that of the line: none can be changed, left out or moved unseen by accident. (Who means to deceive can write any
file anew; a cassette proves nothing.) A file that stops before END is read up to there.

A record is ``kind`` (1 byte), ``seconds`` (a double, since `open_call` was entered), ``position`` (8 bytes), ``doubt``
(4 bytes), the length of its payload (4 bytes), and that, all little-endian. The position is how many frames of the wire
the playout engine had handed out: of what is done to its queue this is all that matters to the sound. Sound that a
device plays meanwhile may make it doubtful by so many frames more.

What a cassette has of a call is what lies behind the handshake: no URL, no header, no key or token goes by there. Texts
of the agent are masked as in an error of the call, of our own it has their type alone.
"""

import json
import struct
import zlib
from collections.abc import Generator, Iterator
from enum import IntEnum
from os.path import exists, isfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, Self

from sfclient._devices import open_input
from sfclient._dialects import json_object
from sfclient._errors import UsageError

VERSION = 1
MARK = b"sfclient-cassette "
LONGEST_LINE = 64
BLOCK = struct.Struct("<III")
BLOCKS = struct.Struct("<d")
RECORD = struct.Struct("<BdQII")
# What a writer lets wait at most, with a message more: nothing that claims to be more is a block of ours.
MOST_WAITING_BYTES = 64 << 20
MOST_BLOCK_BYTES = 2 * MOST_WAITING_BYTES


class Kind(IntEnum):
    """Of a record; its payload."""

    HEAD = 1
    """The first, once: JSON, what is spoken and played how (`Head`)."""
    RECEIVED = 2
    """Bytes of the agent, as they came."""
    RECEIVED_TEXT = 3
    """A text of the agent, masked."""
    SENT = 4
    """Bytes to the agent, which have left."""
    SENT_TEXT = 5
    """The type of a text to the agent."""
    TAKE = 6
    """The next speech that a message has brought goes to the playout."""
    REFILL = 7
    """What waited behind a full queue goes on."""
    FLUSH = 8
    """All that was received is thrown away."""
    DRAIN = 9
    """No more is to come."""
    INTERRUPTION = 10
    """The caller has spoken up over the agent: a FLUSH follows."""
    MUTE = 11
    """Of the caller: one byte, whether."""
    HANG_UP = 12
    """By the caller: why. A FLUSH follows."""
    CLOSED = 13
    """By the agent: JSON, the code and the reason, masked."""
    BLOCKS = 14
    """Before the first PLAYED, once: how many seconds (a double) each block of the output lasts, 0 for unknown."""
    PLAYED = 15
    """PCM16 mono that was played next, at the rate of the output."""
    LOST = 16
    """So many frames (8 bytes) of what was played were not kept; the next PLAYED begins with zeros for them."""
    END = 17
    """The last, once: JSON (`End`)."""


class Record(NamedTuple):
    kind: Kind
    seconds: float
    position: int
    doubt: int
    payload: bytes


class Head(NamedTuple):
    """What is known when sound begins to flow. Rates are in Hz."""

    made_by: str
    """The version of the program."""
    attempt: int
    """Of a call that is redialled, from 1."""
    dialect: str
    codec: str
    framing: str
    chunk_seconds: float
    policy: str
    """By which it was played."""
    capture_samplerate: int
    """Of the wire."""
    playout_samplerate: int
    """Of the wire."""
    output_samplerate: int
    """At which it was played."""
    is_device: bool
    """Whether by a sound device."""


class End(NamedTuple):
    """What is known when all has stopped."""

    output_frames: int
    """Played, at `Head.output_samplerate`."""
    sha256: str
    """Of these as PCM16."""
    lost_frames: int
    """Of these: not kept."""


class CassetteError(UsageError):
    """A cassette that cannot be played: another file, of another version, cut off at the start, or damaged."""


def packed(record: Record) -> bytes:
    """A record as it is in a block."""
    kind, seconds, position, doubt, payload = record
    return RECORD.pack(kind, seconds, position, doubt, len(payload)) + payload


def json_text(fields: object) -> bytes:
    """The payload that is JSON."""
    return json.dumps(fields).encode()


class Packer:
    """Makes the parts of a file of what is to be in it."""

    def __init__(self) -> None:
        self.line = MARK + b"%d\n" % VERSION
        self._crc = zlib.crc32(self.line)

    def block(self, records: bytes) -> bytes:
        """Of whole records."""
        data = zlib.compress(records, 1)  # as fast as a disk, and silence becomes nothing
        self._crc = zlib.crc32(data, self._crc)
        start = struct.pack("<II", len(data), self._crc)
        return start + struct.pack("<I", zlib.crc32(start)) + data


class Cassette:
    """One that is read, in a block: iterate over it for each `Record` but HEAD. It blocks.

    `cut_off` says where and why it stops, if it does so before its end; known when all was read. Raises
    `CassetteError` for what is none, or damaged; AudioFileError for a file that cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.cut_off: str | None = None
        self.end: End | None = None
        """None until it was read."""
        self._blocks = 0
        self._at = 0
        self._seconds = 0.0  # of the record that was read last
        self._records = self._read()
        try:
            first = next(self._records, None)
            if first is None:
                self._refuse(f"is cut off at its start: {self.cut_off}")
            if first.kind is not Kind.HEAD:
                self._refuse("does not begin with what was spoken")
            self.head = self._fields(Head, first)
        except BaseException:
            self._records.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._records.close()

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            if record.kind is Kind.HEAD:
                self._refuse("begins twice")
            if record.kind is Kind.END:
                self.end = self._fields(End, record)
            yield record

    def _refuse(self, what: str) -> NoReturn:
        raise CassetteError(f"{self.path} {what}")

    def _damaged(self, what: str) -> NoReturn:
        self._refuse(
            f"is damaged in block {self._blocks + 1}, at byte {self._at}, after {self._seconds:.2f} s of the call:"
            f" {what}"
        )

    def _read(self) -> Generator[Record, None, None]:
        if exists(self.path) and not isfile(self.path):  # of os.path, as those of a path may raise
            self._refuse("is no file: give the name of a cassette")
        with open_input(self.path) as file:
            line = self._line(file)
            self._at, crc = len(line), zlib.crc32(line)
            is_over = False
            while data := self._block(file, crc):
                if is_over:
                    self._damaged("something follows its end")
                crc = zlib.crc32(data, crc)
                for record in self._unpacked(self._inflated(data)):
                    if is_over:
                        self._damaged("a record follows its end")
                    self._seconds = record.seconds
                    is_over = record.kind is Kind.END
                    yield record
                self._blocks += 1
                self._at += BLOCK.size + len(data)
            if is_over and self.cut_off is not None:
                self._damaged("something follows its end")
            if not is_over and self.cut_off is None:
                self._cut("the program that wrote it did not come to the end")

    def _line(self, file: BinaryIO) -> bytes:
        line = file.readline(LONGEST_LINE)
        if not line:
            self._refuse("is empty: it is no cassette")
        version = line.removeprefix(MARK).removesuffix(b"\n")
        if not line.startswith(MARK):
            if MARK.startswith(line):
                self._refuse("is cut off in its first line")
            self._refuse("is no cassette, as sfclient call --cassette writes one")
        if not line.endswith(b"\n"):
            self._refuse("is damaged or cut off in its first line")
        if version != b"%d" % VERSION:
            if not version.isdigit():
                self._refuse("is damaged in its first line, at byte 18")
            self._refuse(
                f"is a cassette of version {version.decode()}, and this program plays version {VERSION}:"
                " use the one that wrote it"
            )
        return line

    def _block(self, file: BinaryIO, crc: int) -> bytes:
        """The data of the next one; empty at the end of the file."""
        start = file.read(BLOCK.size)
        if not start:
            return b""
        if len(start) < BLOCK.size:
            return self._cut("in the midst of a block")
        length, told_crc, start_crc = BLOCK.unpack(start)
        if zlib.crc32(start[:8]) != start_crc:
            self._damaged("its length or checksum was changed")
        if not 0 < length <= MOST_BLOCK_BYTES:
            self._damaged(f"no block has {length} bytes")
        data = file.read(length)
        if len(data) < length:
            return self._cut(f"in the midst of a block, {length - len(data)} bytes before its end")
        if zlib.crc32(data, crc) != told_crc:
            self._damaged("it is not what was written here, by its checksum")
        return data

    def _cut(self, why: str) -> bytes:
        self.cut_off = (
            f"at byte {self._at} in block {self._blocks + 1}, after {self._seconds:.2f} s: {why}"
        )
        return b""

    def _inflated(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj()
        try:
            records = inflater.decompress(data, MOST_BLOCK_BYTES)
        except zlib.error:
            self._damaged("it cannot be inflated")
        if not inflater.eof or inflater.unused_data:
            self._damaged("it is longer or shorter than any that was written")
        return records

    def _unpacked(self, records: bytes) -> Iterator[Record]:
        at = 0
        while at < len(records):
            if len(records) - at < RECORD.size:
                self._damaged("half a record is at its end")
            kind, seconds, position, doubt, length = RECORD.unpack_from(records, at)
            at += RECORD.size
            if kind not in Kind.__members__.values():
                self._damaged(f"no record is of kind {kind}")
            if not 0 <= seconds < 1e9 or position >= 1 << 62 or len(records) - at < length:
                self._damaged(f"a record of kind {Kind(kind).name} cannot be so")
            yield Record(Kind(kind), seconds, position, doubt, records[at : at + length])
            at += length

    def _fields(self, kind: type[Any], record: Record) -> Any:
        """Of JSON, just those that there are, each of its type."""
        fields = json_object(record.payload) or {}
        types = {name: type(value) for name, value in fields.items()}
        if types != kind.__annotations__:
            self._damaged(
                f"its {kind.__name__.upper()} is not what any program of version {VERSION} writes"
            )
        return kind(**fields)

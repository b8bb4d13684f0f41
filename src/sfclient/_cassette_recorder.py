"""A call on its way to a cassette: its connection, its playout and what is played, each by way of something that tells.

Nothing waits for the file: a thread deflates and writes what is to be in it. A file that fails does not end the call.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from hashlib import sha256
from math import inf
from pathlib import Path

import trio

from sfaudio import CaptureQueue, PlayoutEngine
from sfclient._cassette import (
    BLOCKS,
    MOST_WAITING_BYTES,
    End,
    Head,
    Kind,
    Packer,
    Record,
    json_text,
    packed,
)
from sfclient._connection import Connection, Traffic, WebSocketClosed
from sfclient._devices import Line, OutputFile, cannot, close_in_time
from sfclient._dialects import LONGEST_TEXT, json_object
from sfclient._errors import AudioFileError
from sfclient._playout import Playout
from sfclient._recording import TAP_SECONDS, Recorder
from sfclient._secrets import Secrets
from sfclient._spool import Spool, in_thread

WRITE_SECONDS = 0.25  # as much as a crash of the program costs
LOOK_SECONDS = 0.25

Note = Callable[[Kind, int], None]


class CassetteFile:
    """Of blocks; it blocks. An older one of the name is replaced as soon as there is something to write."""

    def __init__(self, path: Path) -> None:
        self._packer = Packer()
        self._file = OutputFile(path)
        self._has_begun = False

    def write(self, records: bytes) -> None:
        """Whole ones, as a block. Raises OSError."""
        data = self._packer.block(records)
        if not self._has_begun:
            self._file.begin()
            self._has_begun = True
            data = self._packer.line + data
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        with suppress(
            OSError
        ):  # where there is no such thing, or what is wrong is told by the next write
            getattr(os, "fdatasync", os.fsync)(self._file.fileno())

    def close(self) -> None:
        """There is no more to come."""
        self._file.close()


class CassetteRecorder:
    """Keeps what it is told, from `begin` on. Opening and closing may block, the rest does not.

    `played` is where the device writes what it plays; `take_played` takes it from there, and `listener` is told of it
    too, as those of a `Recorder` do and are. They are its, if there is one.
    """

    def __init__(
        self,
        path: Path,
        head: Head,
        engine: PlayoutEngine,
        playing: Line,
        recorder: Recorder | None,
    ) -> None:
        self._path = path
        self._head = head
        self._engine = engine
        self._playing = playing
        self._recorder = recorder
        if recorder is None:
            self.played = CaptureQueue(round(TAP_SECONDS * head.output_samplerate))
        else:
            self.played = recorder.played
            recorder.listener = self._add_played
        self.listener: Callable[[bytes], None] | None = None
        self.error: str | None = None
        """Why it is not complete, if it is not."""
        self._now: Callable[[], float] | None = None
        self._early: list[tuple[Kind, int]] = []
        self._hash = sha256()
        self._output_frames = self._lost_frames = 0
        file = CassetteFile(path)
        try:
            self._spool = Spool(
                file.write, file.close, every=WRITE_SECONDS, most_bytes=MOST_WAITING_BYTES
            )
        except RuntimeError as error:  # no more threads
            file.close()
            raise cannot("write", path, str(error)) from None

    def begin(
        self, connection: Connection, now: Callable[[], float], first: str | bytes | None
    ) -> "TapedConnection":
        """The handshake is over, by the message `first` if there was one; `now` tells seconds since the call began."""
        self._now = now
        self._put(Kind.HEAD, json_text(self._head._asdict()))
        if isinstance(first, bytes):  # which has spoken already
            self._put(Kind.RECEIVED, first)
        for kind, before in self._early:
            self.note(kind, before)
        return TapedConnection(connection, self)

    @property
    def position(self) -> int:
        """Frames of the wire that the engine has handed out."""
        return self._engine.statistics().output_frames

    def note(self, kind: Kind, before: int) -> None:
        """This was done to the playout, from when the engine was at `before` until now."""
        if self._now is None:
            self._early.append((kind, before))
        else:
            self._put(kind, b"", before)

    def tell(self, kind: Kind, payload: bytes = b"") -> None:
        """This happened now."""
        if self._now is not None:
            self._put(kind, payload)

    def received(self, message: str | bytes, secrets: Secrets) -> None:
        """From the agent."""
        if isinstance(message, bytes):
            self._put(Kind.RECEIVED, message)
            return
        told = secrets.masked(_as_read(message))
        self._put(Kind.RECEIVED_TEXT, told.encode(errors="replace"))

    def sent(self, message: str | bytes) -> None:
        """To the agent."""
        if isinstance(message, bytes):
            self._put(Kind.SENT, message)
        else:
            kind = (json_object(message) or {}).get("type")
            told = kind if isinstance(kind, str) else ""
            self._put(Kind.SENT_TEXT, told.encode(errors="replace"))

    def closed(self, code: int, reason: str) -> None:
        """By the agent, for a reason that is masked."""
        self._put(Kind.CLOSED, json_text({"code": code, "reason": reason}))

    def _put(self, kind: Kind, payload: bytes, before: int | None = None) -> None:
        assert self._now is not None
        position = self.position
        since = position if before is None else before
        record = packed(Record(kind, self._now(), since, position - since, payload))
        if self.error is None and not self._spool.put(record):
            self.error = self._failure()

    async def run(self, failed: Callable[[str], None]) -> None:
        """Take what is played from time to time, until cancelled. Calls `failed` with the reason, once, when the file
        fails."""
        had_failed = False
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.take_played()
            if self.error is not None and not had_failed:
                had_failed = True
                failed(self.error)

    def take_played(self) -> None:
        """Take what the device has played since the last time."""
        if self._recorder is not None:
            self._recorder.take_played()
        else:
            self._add_played(self.played.read(self.played.capacity))

    def _add_played(self, block: bytes) -> None:
        losses = self.played.statistics().dropped_frames - self._lost_frames
        if self._recorder is None:
            block = bytes(2 * losses) + block
        if losses:
            self._lost_frames += losses
            self.tell(Kind.LOST, losses.to_bytes(8, "little"))
        if block:
            if not self._output_frames:
                self.tell(Kind.BLOCKS, BLOCKS.pack(self._playing.block_seconds))
            self._hash.update(block)
            self._output_frames += len(block) // 2
            self.tell(Kind.PLAYED, block)
        if self.listener is not None:
            self.listener(block)

    def close(self) -> None:
        """All has stopped, and what was played is taken: complete the file. Raises `AudioFileError` if something is
        lacking."""
        try:
            end = End(self._output_frames, self._hash.hexdigest(), self._lost_frames)
            self.tell(Kind.END, json_text(end._asdict()))
        finally:
            self._spool.close()
        if self.error is None and self._spool.error is not None:
            self.error = self._failure()
        if self.error is not None:
            raise AudioFileError(self.error)

    def _failure(self) -> str:
        error = self._spool.error
        return str(
            cannot("write", self._path, error if isinstance(error, Exception) else str(error))
        )


def _as_read(text: str) -> str:
    """A text as whoever reads it finds it: JSON without escapes, and without what a later key of the same name has
    replaced. Nothing of one in which a secret could still be hidden: too long, so that a cut may go through one, or
    with escapes that cannot be read."""
    if len(text) > LONGEST_TEXT:
        return ""
    try:
        told: str = json.dumps(json.loads(text), ensure_ascii=False)
        return told
    except (ValueError, RecursionError):
        return "" if "\\" in text else text


class TapedPlayout(Playout):
    """Tells of each operation on its queue."""

    note: Note | None = None

    def _noted(self, kind: Kind, operate: Callable[[], None]) -> None:
        before = self.engine.statistics().output_frames
        operate()
        if self.note is not None:
            self.note(kind, before)

    def take(self, pcm: bytes) -> None:
        self._noted(Kind.TAKE, partial(super().take, pcm))

    def refill(self) -> None:
        if self._is_behind:
            self._noted(Kind.REFILL, super().refill)

    def flush(self) -> None:
        self._noted(Kind.FLUSH, super().flush)

    def finish(self) -> None:
        self._noted(Kind.DRAIN, super().finish)


class TapedConnection:
    """A `Connection` of which a cassette is told what goes by."""

    def __init__(self, connection: Connection, cassette: CassetteRecorder) -> None:
        self._connection = connection
        self._cassette = cassette

    @property
    def secrets(self) -> Secrets:
        return self._connection.secrets

    async def receive(self) -> str | bytes:
        try:
            message = await self._connection.receive()
        except WebSocketClosed as closed:
            self._cassette.closed(closed.code, closed.reason)
            raise
        self._cassette.received(message, self.secrets)
        return message

    async def send(self, message: str | bytes, within: float = inf) -> None:
        await self._connection.send(message, within)
        self._cassette.sent(message)

    async def keep_alive(self) -> None:
        await self._connection.keep_alive()

    def ask(self) -> bool:
        return self._connection.ask()

    def traffic(self) -> Traffic:
        return self._connection.traffic()

    async def close(self) -> None:
        await self._connection.close()


@asynccontextmanager
async def open_cassette(
    path: Path, head: Head, playout: TapedPlayout, playing: Line, recorder: Recorder | None
) -> AsyncIterator[CassetteRecorder]:
    """Of this playout, and the line that plays it; complete on leaving, as far as it could be written:
    `CassetteRecorder.error` tells."""
    make = partial(CassetteRecorder, path, head, playout.engine, playing, recorder)
    cassette = await in_thread(make, undo=CassetteRecorder.close)
    playout.note = cassette.note
    try:
        yield cassette
    finally:
        cassette.take_played()
        cassette.listener = None  # no cycle is left of who told whom
        if recorder is not None:
            recorder.listener = None
        try:
            await close_in_time(cassette.close, str(path))
        except AudioFileError as error:
            cassette.error = cassette.error or str(error)

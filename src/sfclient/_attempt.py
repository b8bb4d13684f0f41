"""One attempt at a call, between lines that are open: from a session until all that it brought has ended."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from os.path import abspath
from pathlib import Path

from sfaudio import __version__
from sfclient._call import HeldCall
from sfclient._cassette import Head
from sfclient._cassette_recorder import CassetteRecorder, TapedPlayout, open_cassette
from sfclient._connection import Connect, Connection
from sfclient._contexts import frugal_asynccontextmanager
from sfclient._devices import Audio, Line, open_lines
from sfclient._dialects import Dialect
from sfclient._echo import open_captured
from sfclient._errors import AudioFileError, SfclientError, UsageError
from sfclient._event_queue import EventQueue
from sfclient._events import Disconnected
from sfclient._handshake import Handshake
from sfclient._interruption import NO_DETECTOR
from sfclient._limits import TimeLimits
from sfclient._playout import Playout
from sfclient._recording import Recorder, open_recorder
from sfclient._session import Fetching, Session, check_session
from sfclient._spool import in_thread
from sfclient._tap import PlayedSource, Tap
from sfclient._uplink import PacedUplink, Uplink
from sfclient._voice import load_voice_detector


@dataclass(frozen=True, slots=True)
class Dialling:
    """What is asked of a call, whatever becomes of an attempt at it."""

    session: Session | Fetching
    new_dialect: Callable[[], Dialect]
    audio: Audio
    chunk_seconds: float
    record: Path | None
    cassette: Path | None
    policy: str | None
    connect: Connect
    new_call: Callable[..., HeldCall]
    limits: TimeLimits
    is_tapped: bool

    def open_lines(self) -> AbstractAsyncContextManager[list[Line]]:
        """The devices and files, for all attempts."""
        dialect = self.new_dialect()
        rates = dialect.capture_samplerate, dialect.playout_samplerate
        written = [path for path in (self.record, self.cassette) if path is not None]
        return open_lines(self.audio, *rates, *written, chunk_seconds=self.chunk_seconds)


class Outlet:
    """What a program reads of a call while it lasts: it outlasts attempts."""

    def __init__(self) -> None:
        self.events = EventQueue()
        self._tap: Tap | None = None

    def tap(self, samplerates: tuple[int, int], recorder: PlayedSource | None) -> Tap:
        """The one tap, which listens to what is played in another attempt from now on."""
        if self._tap is None:
            self._tap = Tap(samplerates)
        self._tap.listen(recorder)
        return self._tap

    def close(self, last: Disconnected) -> None:
        """There is no more to come but this event."""
        if self._tap is not None:
            self._tap.close()
        self.events.close(last)


class Attempt:
    """A context manager, inside which a call is opened and dialled; on leaving, all has stopped, and it has ended, by
    an error of ours if one leaves."""

    def __init__(
        self, dialling: Dialling, outlet: Outlet, number: int = 1, dialled_at: float = 0.0
    ) -> None:
        self._dialling = dialling
        self._outlet = outlet
        self._number = number
        self._dialled_at = dialled_at
        self.call: HeldCall | None = None
        """None until its files are open."""

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self.call is None:
            return
        if isinstance(error, SfclientError):
            self.call._close(error.party, error.status, str(error))
            error.call_id = error.call_id or self.call.call_id
            if self.call._is_stray:
                error.may_have_begun = True
        self.call._finish()

    @frugal_asynccontextmanager
    async def open(self, lines: list[Line]) -> AsyncGenerator[HeldCall, None]:
        """A call between these lines, that is yet to be dialled; on leaving, its recording is complete."""
        dialling = self._dialling
        dialect = dialling.new_dialect()
        recording = next(line for line in lines if line.input_samplerate)
        playing = next(line for line in lines if line.output_samplerate)
        rates = dialect.capture_samplerate, playing.output_samplerate
        async with AsyncExitStack() as files:
            recorder = None
            if dialling.record is not None:
                record = numbered(dialling.record, self._number)
                recorder = await files.enter_async_context(open_recorder(record, *rates))
            uplink = (PacedUplink if dialect.paced else Uplink)(
                open_captured(dialling.audio.echo, recording, playing, rates[0]),
                round(dialling.chunk_seconds * rates[0]),
                recorder,
                recording,
            )
            playout = (Playout if dialling.cassette is None else TapedPlayout)(
                dialect.playout_samplerate,
                playing.output_samplerate,
                dialling.policy or ("adaptive" if playing.is_real else "lossless"),
            )
            cassette = None
            if isinstance(playout, TapedPlayout):
                cassette = await files.enter_async_context(
                    self._open_cassette(dialect, playing, playout, recorder)
                )
            interrupt_after = dialling.audio.interrupt_after
            voice = None
            if recording.is_real or interrupt_after is not None:
                voice = await in_thread(partial(load_voice_detector, rates[0]))
            if voice is None and interrupt_after is not None:
                raise UsageError(NO_DETECTOR)
            self.call = dialling.new_call(
                dialect,
                lines,
                uplink,
                playout,
                recorder,
                voice,
                self._outlet.tap(rates, cassette or recorder) if dialling.is_tapped else None,
                cassette,
                events=self._outlet.events,
                attempt=self._number,
                dialled_at=self._dialled_at,
            )
            yield self.call

    def _open_cassette(
        self, dialect: Dialect, playing: Line, playout: TapedPlayout, recorder: Recorder | None
    ) -> AbstractAsyncContextManager[CassetteRecorder]:
        dialling = self._dialling
        assert dialling.cassette is not None
        head = Head(
            __version__,
            self._number,
            dialect.name,
            dialect.codec,
            dialect.framing,
            float(dialling.chunk_seconds),
            playout.policy,
            dialect.capture_samplerate,
            dialect.playout_samplerate,
            playing.output_samplerate,
            playing.is_real,
        )
        return open_cassette(
            numbered(dialling.cassette, self._number), head, playout, playing, recorder
        )

    async def dial(self, call: HeldCall, holds: Callable[[], None]) -> None:
        """Fetch a session, connect, and hold the call, until it is over; `holds` is called when sound flows."""
        dialling, dialect = self._dialling, call._dialect
        session = dialling.session
        if not isinstance(session, Session):
            session = await session.fetch(dialling.limits)
            check_session(session, dialect)
        call._agent_id = session.agent_id
        connect = session.connect or dialling.connect
        url: str | None = session.url
        while url is not None:
            async with connect(url, limits=dialling.limits, secrets=session.secrets) as websocket:
                act = partial(call._act, websocket)
                handshake = Handshake(
                    websocket, dialect, session.start_call, act, call._note_started, dialling.limits
                )
                url = await handshake.run()
                if url is None:
                    await call._hold(self._taped(call, websocket, handshake.last), holds)

    def _taped(self, call: HeldCall, websocket: Connection, last: str | bytes | None) -> Connection:
        """Behind the handshake, of which `last` was the last message; by way of the cassette, if there is one."""
        cassette = call._cassette
        if cassette is None:
            return websocket
        clock = call._clock
        return cassette.begin(websocket, lambda: clock.now, last)


def numbered(path: Path, number: int) -> Path:
    """A file of this attempt: ``both.wav`` for the first, ``both-2.wav`` for the second."""
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


def is_numbered(path: Path, first: Path) -> bool:
    """Whether it has the name of that file of a further attempt, in whatever folder."""
    return (
        re.fullmatch(f"{re.escape(first.stem)}-\\d+{re.escape(first.suffix)}", path.name)
        is not None
    )


def check_numbered(record: Path, audio: Audio, *written: Path | None) -> None:
    """No further recording, or cassette, is to take the place of what is said, played or written. Raises
    `AudioFileError`."""
    for end in (audio.input, audio.output, *written):
        path = getattr(end, "path", end)
        if (
            isinstance(path, str | Path)
            and is_numbered(Path(path), record)
            and abspath(Path(path).parent) == abspath(record.parent)
        ):
            raise AudioFileError(
                f"{path} may be the recording of a further attempt, beside {record}: give another name"
            )

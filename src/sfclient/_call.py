"""A call: `open_call` owns the tasks, the websocket and the devices, and the order in which they
end.

::

    the agent closes in order --> uplink stops --> socket closes --> playout drains --+
    the caller hangs up --------> flush --------> uplink stops --> socket closes -----+--> devices stop --> Disconnected
    a task fails, or the call is cancelled -----> all tasks stop, socket closes ------+
"""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from sfclient._contexts import frugal_asynccontextmanager
from sfclient._devices import Audio, DeviceStatistics, Line, Queues, open_lines
from sfclient._dialects import (
    Action,
    AgentReady,
    Dialect,
    PassOn,
    Play,
    Send,
    StartedCall,
    dialect_named,
)
from sfclient._errors import (
    AudioFileError,
    NetworkError,
    Party,
    ServiceError,
    SfclientError,
    UsageError,
)
from sfclient._event_queue import EventQueue
from sfclient._events import (
    Connected,
    Connecting,
    DeviceLost,
    DeviceReturned,
    Ended,
    Event,
    MessageReceived,
    RecordingFailed,
)
from sfclient._handshake import Handshake
from sfclient._limits import TimeLimits
from sfclient._nursery import open_unwrapped_nursery, without_cancelled
from sfclient._playout import Playout, PlayoutStatistics
from sfclient._recording import Recorder, RecordingStatistics, open_recorder
from sfclient._running import sleep_on_time
from sfclient._session import Session, SessionRequest
from sfclient._uplink import CaptureStatistics, PacedUplink, Uplink
from sfclient._websocket import ABNORMAL_CLOSURE, WebSocket, WebSocketClosed, open_websocket


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """A snapshot of a call."""

    ended: Ended | None = None
    """None while it lasts."""
    capture: CaptureStatistics = field(default_factory=CaptureStatistics)
    playout: PlayoutStatistics = field(default_factory=PlayoutStatistics)
    recording: RecordingStatistics | None = None
    """None if the call is not recorded."""
    dialect: dict[str, int] = field(default_factory=dict)
    """Counts of what only the dialect knows, such as lost RTP packets."""
    call_id: str | None = None
    """Under which the service keeps the record of the call, if it told."""
    dropped_events: int = 0
    """Events that nobody read in time."""
    devices: tuple[DeviceStatistics, ...] = ()
    """Of each real sound device, or of the one for both directions."""


class Call:
    """A call that lasts. Made by `open_call`; iterate over it for its events. For the thread that
    runs trio.

    The iteration ends with `Disconnected`, when the agent's last words have been played.
    """

    def __init__(
        self,
        dialect: Dialect,
        lines: list[Line],
        uplink: Uplink,
        playout: Playout,
        recorder: Recorder | None,
        on_call_id: Callable[[str], None] | None,
        limits: TimeLimits,
    ) -> None:
        self._dialect = dialect
        self._lines = lines
        self._uplink = uplink
        self._playout = playout
        self._recorder = recorder
        self._on_call_id = on_call_id
        self._limits = limits
        self._call_id: str | None = None
        self._connected = False
        self._heard_agent = False
        self._closed: tuple[Party, int | None, str] | None = (
            None  # the first who ended it, code, reason
        )
        self._cut = False
        self._stop = trio.Event()
        self._over = trio.Event()
        self._uplink_scope = trio.CancelScope()
        self._ended: Ended | None = None
        self._events = EventQueue()
        self._events.tell(Connecting())

    # What a program does with it.

    def __aiter__(self) -> "Call":
        return self

    async def __anext__(self) -> Event:
        return await self._events.receive()

    def hang_up(self) -> None:
        """End the call now. What the agent is saying fades out within a block and 5 ms."""
        if not self._stop.is_set():
            self._close("caller", 1000, "hung up")
            self._cut = self._playout.pending
            self._playout.flush()
            self._stop.set()

    def flush(self) -> None:
        """Interrupt the agent: throw away all that was received so far; what sounds fades out. The call goes on."""
        if not self._stop.is_set():
            self._playout.flush()

    def mute(self, muted: bool = True) -> None:
        """Send silence instead of the microphone, at the same pace; or the microphone again."""
        self._uplink.muted = muted

    @property
    def muted(self) -> bool:
        """Whether silence is sent instead of the microphone."""
        return self._uplink.muted

    @property
    def connected(self) -> bool:
        """Whether the agent has said that it can hear the caller."""
        return self._connected

    @property
    def call_id(self) -> str | None:
        """Under which the service keeps the record of the call (see `request_result`), None if it did not tell."""
        return self._call_id

    @property
    def ended(self) -> Ended | None:
        """How the call ended, None while it lasts."""
        return self._ended

    async def wait_ended(self) -> Ended:
        """Wait until the call is over and the agent's last words have been played."""
        await self._over.wait()
        assert self._ended is not None
        return self._ended

    def statistics(self) -> CallStatistics:
        """A snapshot of all counters; it may be asked for after the end too."""
        return CallStatistics(
            self._ended,
            self._uplink.statistics(),
            self._playout.statistics(),
            self._recorder.statistics() if self._recorder else None,
            self._dialect.statistics(),
            self._call_id,
            self._events.dropped_events,
            tuple(seen for line in self._lines if (seen := line.statistics()) is not None),
        )

    # What happens in it.

    def _note(self, started: StartedCall) -> None:
        self._call_id = started.call_id or None
        if self._call_id and self._on_call_id:
            self._on_call_id(self._call_id)

    async def _hold(self, websocket: WebSocket, started: Callable[[], None]) -> None:
        """Hold the call until somebody ends it; on leaving, devices and tasks have stopped."""
        queues = Queues(
            self._uplink.queue,
            self._playout.queue,
            self._recorder.played if self._recorder else None,
        )
        async with open_unwrapped_nursery() as tasks:
            try:
                for line in self._lines:
                    await tasks.start(line.run, queues, self._device_changed)
                tasks.start_soon(self._talk, websocket)
                tasks.start_soon(self._listen, websocket)
                tasks.start_soon(websocket.keep_alive)
                tasks.start_soon(self._playout.run)
                tasks.start_soon(self._await_agent)
                if self._recorder:
                    tasks.start_soon(self._recorder.run, self._recording_failed)
                started()
                await self._stop.wait()
            finally:
                # The uplink stops between two messages, so that the close frame follows a whole
                # one.
                self._uplink_scope.cancel()
                await websocket.close()
                tasks.cancel_scope.cancel()

    def _device_changed(self, is_there: bool) -> None:
        self._events.tell(DeviceReturned() if is_there else DeviceLost())

    def _recording_failed(self, reason: str) -> None:
        self._events.tell(RecordingFailed(reason))

    async def _talk(self, websocket: WebSocket) -> None:
        async def send(chunk: bytes) -> None:
            await websocket.send(self._dialect.encode(chunk))

        with self._uplink_scope:
            await self._uplink.wait_recorded()
            try:
                for action in self._dialect.recording():
                    await self._act(websocket, action)
                await self._uplink.run(send)
            except WebSocketClosed:
                pass  # who listens knows why

    async def _await_agent(self) -> None:
        """One that only answers pings would never hear, nor be heard."""
        waited = 0
        while not self._heard_agent:
            waited += await sleep_on_time(1)
            if waited > self._limits.first_message:
                raise ServiceError(
                    f"the agent sent no message for {self._limits.first_message:g} s: is it in service?"
                )

    async def _listen(self, websocket: WebSocket) -> None:
        try:
            while True:
                message = await websocket.receive()
                self._heard_agent = True
                for action in self._dialect.received(message):
                    await self._act(websocket, action)
        except WebSocketClosed as closed:
            if self._stop.is_set():
                return
            self._uplink_scope.cancel()
            if closed.code == ABNORMAL_CLOSURE:
                raise NetworkError("the connection was lost in mid-call") from None
            if closed.code not in self._dialect.orderly_codes:
                raise ServiceError(
                    f"the call was closed with an error: {closed.code} {closed.reason}".rstrip(),
                    status=closed.code,
                ) from None
            self._close("agent", closed.code, closed.reason)
            for action in self._dialect.closed():
                await self._act(websocket, action)
        await websocket.close()
        await self._playout.drain(max(line.output_latency for line in self._lines))
        self._stop.set()

    async def _act(self, websocket: WebSocket, action: Action) -> None:
        match action:
            case Play(data):
                await self._playout.play(data)
            case Send(message):
                await websocket.send(message)
            case AgentReady():
                self._heard_agent = True
                if not self._connected:
                    self._connected = True
                    self._events.tell(Connected(self._call_id))
            case PassOn():
                told = action.hiding(websocket.secrets.hidden)
                self._events.tell(MessageReceived(told.text, told.fields, told.cut_characters))
            case _:
                raise AssertionError(f"{action} in mid-call: it is a step of the handshake")

    def _close(self, by: Party, code: int | None, reason: str) -> None:
        """The first to end the call is the one who ended it."""
        self._closed = self._closed or (by, code, reason)

    def _finish(self) -> None:
        """All has stopped, all files are complete."""
        self._close("caller", None, "cancelled")
        assert self._closed is not None
        is_cut = self._cut or self._playout.pending
        self._uplink.close()
        self._playout.close()
        self._ended = Ended(*self._closed, "cut" if is_cut else "drained")
        self._events.close(self._ended)
        self._over.set()


@frugal_asynccontextmanager
async def open_call(
    session: Session | SessionRequest | str,
    audio: Audio | None = None,
    *,
    dialect: str = "widget",
    chunk_seconds: float | None = None,
    record: str | Path | None = None,
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
    on_call_id: Callable[[str], None] | None = None,
    limits: TimeLimits | None = None,
) -> AsyncGenerator[Call, None]:
    """Hold a call with an agent; on leaving, it is over, and nothing is left of it.

    ::

        async with open_call(session) as call:
            async for event in call:
                print(event)

    The block is entered when the websocket is open and sound flows. Leaving it hangs up; to let an
    agent who has hung up finish its last words, iterate to the end, or wait for `Call.wait_ended`.
    When the call fails, the block is cancelled and the one error raised from it.

    Parameters
    ----------
    session
        From `request_session`, or the URL of one, which your server requested.
    audio
        Where sound comes from and goes to; the default devices if None.
    dialect
        What is spoken on a session given as URL.
    chunk_seconds
        Of speech in each message to the agent, 0.005 to 1; what is usual in the dialect if None.
    record
        A stereo WAV file to write: the caller left, the agent right, time-aligned. When it cannot be written any more,
        the call goes on: `RecordingFailed` tells it at once, an `AudioFileError` at the end.
    ssl_context
        For certificates that the default does not know. One that does not verify them is refused.
    allow_insecure
        Allow ``ws://`` beyond this machine, and an `ssl_context` that does not verify who answers.
    on_call_id
        Is told the ID under which the service keeps the record of the call, as soon as the service has told it: so it
        is known even of a call that is cancelled before it begins. An error of the call has it as its `call_id`.
    limits
        How long each step may take; `TimeLimits()` if None.

    Raises
    ------
    UsageError
        An argument is wrong; `InsecureURLError` and `AudioFileError` are such.
    DeviceError
        A sound device is missing, or stops.
    NetworkError, ServiceError
        The connection or the agent failed, at the start or in mid-call.
    """
    if isinstance(session, str):
        session = Session(session, dialect)
    speaks = dialect_named(session.dialect)(session.codec, session.framing)
    if isinstance(session, Session) and speaks.starts_calls and session.start_call is None:
        raise UsageError(
            f"a {speaks.name} session needs start_call: take it from request_session, or give your own function"
        )
    chunk_seconds = speaks.chunk_seconds if chunk_seconds is None else chunk_seconds
    if not 0.005 <= chunk_seconds <= 1:
        raise UsageError(f"chunk_seconds must be between 0.005 and 1, not {chunk_seconds!r}")
    limits = limits or TimeLimits()
    connect = partial(
        open_websocket,
        ssl_context=ssl_context,
        allow_insecure=allow_insecure,
        limits=limits,
        secrets=session.secrets,
    )
    of_block: BaseException | None = None
    try:
        async with open_unwrapped_nursery() as nursery:
            call: Call = await nursery.start(
                _run,
                session,
                speaks,
                audio or Audio(),
                chunk_seconds,
                Path(record) if record is not None else None,
                connect,
                on_call_id,
                limits,
            )
            try:
                yield call
            except BaseException as error:
                of_block = without_cancelled(error)
                raise
            finally:
                call.hang_up()
    except BaseException:
        if of_block is None:
            raise
    if of_block is not None:
        try:
            raise of_block  # and not what the call may have to say besides
        finally:
            del of_block  # its traceback refers to this frame
    if call._recorder is not None and call._recorder.error is not None:
        raise AudioFileError(call._recorder.error, call_id=call.call_id)


async def _run(
    session: Session | SessionRequest,
    dialect: Dialect,
    audio: Audio,
    chunk_seconds: float,
    record: Path | None,
    connect: Callable[[str], AbstractAsyncContextManager[WebSocket]],
    on_call_id: Callable[[str], None] | None,
    limits: TimeLimits,
    *,
    task_status: trio.TaskStatus[Call],
) -> None:
    """The whole of a call: open the devices, connect, hold it, close in the reverse order."""
    call: Call | None = None
    try:
        async with AsyncExitStack() as files:
            rates = dialect.capture_samplerate, dialect.playout_samplerate
            written = [] if record is None else [record]
            lines = await files.enter_async_context(open_lines(audio, *rates, *written))
            input_samplerate = max(line.input_samplerate for line in lines)
            output_samplerate = max(line.output_samplerate for line in lines)
            recorder = None
            if record is not None:
                recorder = await files.enter_async_context(
                    open_recorder(record, dialect.capture_samplerate, output_samplerate)
                )
            uplink = (PacedUplink if dialect.paced else Uplink)(
                input_samplerate,
                dialect.capture_samplerate,
                round(chunk_seconds * dialect.capture_samplerate),
                recorder,
            )
            playout = Playout(dialect.playout_samplerate, output_samplerate)
            call = Call(dialect, lines, uplink, playout, recorder, on_call_id, limits)
            if isinstance(session, SessionRequest):
                session = await session.request()
            url: str | None = session.url
            while url is not None:
                async with connect(url) as websocket:
                    act = partial(call._act, websocket)
                    handshake = Handshake(
                        websocket, dialect, session.start_call, act, call._note, limits
                    )
                    url = await handshake.run()
                    if url is None:
                        await call._hold(websocket, partial(task_status.started, call))
    except SfclientError as error:
        if call is not None:
            call._close(error.party, error.status, str(error))
            error.call_id = error.call_id or call.call_id
        raise
    finally:
        if call is not None:
            call._finish()

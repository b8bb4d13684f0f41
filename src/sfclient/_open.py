"""From a session to a call and back: `open_call` opens the files, the devices and the websocket, and closes them in
the reverse order."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path

import trio

from sfclient._call import Call
from sfclient._contexts import frugal_asynccontextmanager
from sfclient._devices import Audio, open_lines
from sfclient._dialects import Dialect, dialect_named
from sfclient._echo import check_echo, open_captured
from sfclient._endings import check_seconds
from sfclient._errors import AudioFileError, SfclientError, UsageError
from sfclient._handshake import Handshake
from sfclient._host import check_runs_trio
from sfclient._interruption import NO_DETECTOR, check_interrupt_after
from sfclient._limits import TimeLimits
from sfclient._nursery import open_unwrapped_nursery, without_cancelled
from sfclient._playout import POLICIES, Playout
from sfclient._recording import open_recorder
from sfclient._session import Session, SessionRequest
from sfclient._spool import in_thread
from sfclient._tap import Tap
from sfclient._uplink import PacedUplink, Uplink
from sfclient._voice import load_voice_detector
from sfclient._watch import CallClock
from sfclient._websocket import WebSocket, open_websocket


@frugal_asynccontextmanager
async def open_call(
    session: Session | SessionRequest | str,
    audio: Audio | None = None,
    *,
    dialect: str = "widget",
    chunk_seconds: float | None = None,
    record: str | Path | None = None,
    playout: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
    on_call_id: Callable[[str], None] | None = None,
    limits: TimeLimits | None = None,
    max_seconds: float | None = None,
    silence_seconds: float | None = None,
    timeline: bool = False,
    tap: bool = False,
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
    playout
        How to deal with what the agent says and the network brings late. ``"adaptive"``: at the least delay without
        gaps, by playing a little slower and faster, shortening and lengthening pauses, and concealing what is missing;
        what comes ahead of time stays bit for bit. ``"lossless"``: all of it bit for bit, so that each gap adds to the
        delay for good. ``"browser"``: the same, without gathering 60 ms before it plays. If None, adaptive for a
        device, where somebody listens; lossless for WAV files, memory, sinks and ``"none"``, where every sample counts.
    ssl_context
        For certificates that the default does not know. One that does not verify them is refused.
    allow_insecure
        Allow ``ws://`` beyond this machine, and an `ssl_context` that does not verify who answers.
    on_call_id
        Is told the ID under which the service keeps the record of the call, as soon as the service has told it: so it
        is known even of a call that is cancelled before it begins. An error of the call has it as its `call_id`.
    limits
        How long each step may take; `TimeLimits()` if None.
    max_seconds
        Hang up when sound has flowed for so long.
    silence_seconds
        Hang up when all was said (`InputEnded`) and the agent has been silent for so long. If None, 8 where the input
        is a file, and else never; where it is no file, all was said while the caller is silent.
    timeline
        Keep what is queued and how long it waits, every 0.1 s, as `Call.timeline`.
    tap
        Whether `Call.tap` gives what both sides say, while they say it.

    Raises
    ------
    UsageError
        An argument is wrong; `InsecureURLError` and `AudioFileError` are such.
    DeviceError
        A sound device is missing, or stops.
    NetworkError, ServiceError
        The connection or the agent failed, at the start or in mid-call.
    """
    check_runs_trio("open_call")
    clock = CallClock()
    if isinstance(session, str):
        session = Session(session, dialect)
    if not isinstance(session, Session | SessionRequest):
        raise UsageError(
            f"the session must be a Session or the URL of one, not {type(session).__name__}"
        )
    speaks = dialect_named(session.dialect)(session.codec, session.framing)
    if isinstance(session, Session) and speaks.starts_calls and session.start_call is None:
        raise UsageError(
            f"a {speaks.name} session needs start_call: take it from request_session, or give your own function"
        )
    chunk_seconds = speaks.chunk_seconds if chunk_seconds is None else chunk_seconds
    if not 0.005 <= chunk_seconds <= 1:
        raise UsageError(f"chunk_seconds must be between 0.005 and 1, not {chunk_seconds!r}")
    if playout not in (None, *POLICIES):
        raise UsageError(f"playout must be one of {', '.join(POLICIES)}, not {playout!r}")
    audio = audio or Audio()
    check_echo(audio.echo)
    check_interrupt_after(audio.interrupt_after, audio.echo)
    check_seconds("max_seconds", max_seconds)
    check_seconds("silence_seconds", silence_seconds)
    limits = limits or TimeLimits()
    connect = partial(
        open_websocket, ssl_context=ssl_context, allow_insecure=allow_insecure, limits=limits
    )
    of_block: BaseException | None = None
    try:
        async with open_unwrapped_nursery() as nursery:
            call: Call = await nursery.start(
                _run,
                session,
                speaks,
                audio,
                chunk_seconds,
                Path(record) if record is not None else None,
                playout,
                connect,
                partial(
                    Call,
                    on_call_id=on_call_id,
                    limits=limits,
                    clock=clock,
                    agent_id=session.agent_id,
                    timeline=timeline,
                    max_seconds=max_seconds,
                    silence_seconds=silence_seconds,
                    interrupt_after=audio.interrupt_after,
                ),
                limits,
                tap,
            )
            try:
                yield call
            except BaseException as error:
                of_block = without_cancelled(error)
                raise
            finally:
                call.hang_up()
    except BaseException as error:
        # KeyboardInterrupt and its like, while the call was closed on account of what the block raised.
        is_interrupt = not isinstance(error, Exception | trio.Cancelled)
        if of_block is None or (is_interrupt and isinstance(of_block, Exception)):
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
    policy: str | None,
    connect: Callable[..., AbstractAsyncContextManager[WebSocket]],
    new_call: Callable[..., Call],
    limits: TimeLimits,
    is_tapped: bool,
    *,
    task_status: trio.TaskStatus[Call],
) -> None:
    """The whole of a call: open the devices, connect, hold it, close in the reverse order."""
    call: Call | None = None
    try:
        rates = dialect.capture_samplerate, dialect.playout_samplerate
        written = [] if record is None else [record]
        async with (
            open_lines(audio, *rates, *written, chunk_seconds=chunk_seconds) as lines,
            AsyncExitStack() as files,
        ):
            recording = next(line for line in lines if line.input_samplerate)
            playing = next(line for line in lines if line.output_samplerate)
            recorder = None
            if record is not None:
                recorder = await files.enter_async_context(
                    open_recorder(record, dialect.capture_samplerate, playing.output_samplerate)
                )
            uplink = (PacedUplink if dialect.paced else Uplink)(
                open_captured(audio.echo, recording, playing, dialect.capture_samplerate),
                round(chunk_seconds * dialect.capture_samplerate),
                recorder,
                recording,
            )
            playout = Playout(
                dialect.playout_samplerate,
                playing.output_samplerate,
                policy or ("adaptive" if playing.is_real else "lossless"),
            )
            voice = None
            if recording.is_real or audio.interrupt_after is not None:
                voice = await in_thread(partial(load_voice_detector, dialect.capture_samplerate))
            if voice is None and audio.interrupt_after is not None:
                raise UsageError(NO_DETECTOR)
            tap = Tap((rates[0], playing.output_samplerate), recorder) if is_tapped else None
            call = new_call(dialect, lines, uplink, playout, recorder, voice, tap)
            if isinstance(session, SessionRequest):
                session = await session.request()
                call._agent_id = session.agent_id or call._agent_id
            url: str | None = session.url
            while url is not None:
                async with connect(url, secrets=session.secrets) as websocket:
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

"""From a session to a call and back: `open_call` opens the files and devices, has them used, and closes them."""

import ssl
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path

import trio

from sfclient._attempt import Attempt, Dialling, Outlet, check_numbered
from sfclient._call import HeldCall
from sfclient._contexts import frugal_asynccontextmanager
from sfclient._devices import Audio
from sfclient._echo import check_echo
from sfclient._endings import check_seconds
from sfclient._errors import AudioFileError, UsageError
from sfclient._host import check_runs_trio
from sfclient._interface import Call
from sfclient._interruption import check_interrupt_after
from sfclient._limits import TimeLimits
from sfclient._nursery import open_unwrapped_nursery, without_cancelled
from sfclient._playout import POLICIES
from sfclient._redial import Redial, Redialer
from sfclient._redialled import RedialledCall
from sfclient._session import GetSession, Session, way_to_session
from sfclient._watch import CallClock
from sfclient._websocket import open_websocket


@frugal_asynccontextmanager
async def open_call(
    session: Session | GetSession | str,
    audio: Audio | None = None,
    *,
    dialect: str = "widget",
    codec: str | None = None,
    framing: str | None = None,
    redial: Redial | None = None,
    chunk_seconds: float | None = None,
    record: str | Path | None = None,
    cassette: str | Path | None = None,
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
        From `request_session`, or the URL of one, which your server requested; or an async function that fetches one
        when devices and files are open: see `GetSession`.
    audio
        Where sound comes from and goes to; the default devices if None.
    dialect, codec, framing
        What is spoken on a session given as URL or as function.
    redial
        When the network or the service ends the call, go on with another session from the function, after a pause: see
        `Redial`. The block is entered when devices and files are open, be there a network or not. What is said, be it
        a file, goes on where it was. None: never.
    chunk_seconds
        Of speech in each message to the agent, 0.005 to 1; what is usual in the dialect if None.
    record
        A stereo WAV file to write: the caller left, the agent right, time-aligned; of a call that is redialled one for
        each attempt, the second ``both-2.wav`` beside ``both.wav``. When it cannot be written any more,
        the call goes on: `RecordingFailed` tells it at once, an `AudioFileError` at the end.
    cassette
        A file from which ``sfclient replay`` and `sfclient.testing.replay` play the call again, to the same sound: the
        messages of both directions and what was played, but no URL, key or token. One for each attempt, as `record`,
        and as that when it cannot be written any more.
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
        Hang up when sound has flowed for so long, in this attempt.
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
    way, new_dialect = way_to_session(session, dialect, codec, framing)
    del session  # which may hold a key, in sight of a traceback
    speaks = new_dialect()
    if not isinstance(redial, Redial | None):
        raise UsageError(f"redial must be a Redial, as by redial=Redial(), not {redial!r}")
    if redial is not None and isinstance(way, Session):
        raise UsageError(
            "a session is good for one call: to redial, give an async function that fetches one"
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
    record = Path(record) if record is not None else None
    cassette = Path(cassette) if cassette is not None else None
    for file in (record, cassette):
        if file is not None and redial is not None:
            check_numbered(file, audio, record, cassette)
    dialling = Dialling(
        way,
        new_dialect,
        audio,
        chunk_seconds,
        record,
        cassette,
        playout,
        partial(open_websocket, ssl_context=ssl_context, allow_insecure=allow_insecure),
        partial(
            HeldCall,
            on_call_id=on_call_id,
            limits=limits,
            clock=clock,
            timeline=timeline,
            max_seconds=max_seconds,
            silence_seconds=silence_seconds,
            interrupt_after=audio.interrupt_after,
        ),
        limits,
        tap,
    )
    of_block: BaseException | None = None
    try:
        async with open_unwrapped_nursery() as nursery:
            if redial is None:
                call: HeldCall | RedialledCall = await nursery.start(_hold, dialling)
            else:
                call = await nursery.start(RedialledCall(dialling, clock, Redialer(redial)).run)
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
    if call._recording_error is not None:
        raise AudioFileError(call._recording_error, call_id=call.call_id)


async def _hold(dialling: Dialling, *, task_status: trio.TaskStatus[HeldCall]) -> None:
    """The whole of a call that is not redialled."""
    outlet = Outlet()
    attempt = Attempt(dialling, outlet)
    try:
        with attempt:
            async with dialling.open_lines() as lines, attempt.open(lines) as call:
                await attempt.dial(call, partial(task_status.started, call))
    finally:
        if attempt.call is not None and (last := attempt.call._last) is not None:
            outlet.close(last)

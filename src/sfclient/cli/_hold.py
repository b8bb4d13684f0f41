"""A call while it lasts: it is told, ended by a signal or when its time is up, and leaves its figures."""

import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import trio

from sfclient._call import Call, open_call
from sfclient._devices import Audio
from sfclient._errors import UsageError
from sfclient._events import (
    Connected,
    Connecting,
    DeviceLost,
    DeviceReturned,
    Disconnected,
    Event,
    MessageReceived,
    RecordingFailed,
)
from sfclient._nursery import open_unwrapped_nursery
from sfclient._session import Session, SessionRequest
from sfclient._spool import CLOSE_SECONDS, in_time
from sfclient._stats import without_a_call, write_stats
from sfclient.cli._telling import complain, open_teller

UNWRITTEN = 1  # exit status of a call that went well, but for its figures


async def hold(
    session: Session | SessionRequest,
    audio: Audio,
    *,
    duration: float | None = None,
    record: Path | None = None,
    stats: Path | None = None,
    allow_insecure: bool = False,
) -> int:
    """Hold a call and tell of it, until it ends, the time is up, or a signal comes; the exit status."""
    call: Call | None = None
    problem: BaseException | None = None
    call_id: str | None = None
    signals_seen = 0

    def note(told: str) -> None:
        nonlocal call_id
        call_id = told

    def stop() -> None:
        """Hang up; the second time, or before there is a call, leave at once."""
        nonlocal signals_seen
        signals_seen += 1
        if call is None or signals_seen > 1:
            nursery.cancel_scope.cancel()
        else:
            call.hang_up()

    with trio.open_signal_receiver(*_signals()) as signals:
        async with open_teller() as tell:
            try:
                async with open_unwrapped_nursery() as nursery:
                    nursery.start_soon(_at_each, signals, stop)
                    tell(line_of(Connecting()))
                    async with open_call(
                        session,
                        audio,
                        record=record,
                        allow_insecure=allow_insecure,
                        on_call_id=note,
                    ) as call:
                        if duration is not None:
                            nursery.start_soon(_after, duration, call.hang_up)
                        async for event in call:
                            if not isinstance(event, Connecting):
                                tell(line_of(event))
                    nursery.cancel_scope.cancel()
            except BaseException as error:
                problem = error
            if call is None and problem is None and call_id is not None:
                tell(f"Hung up before the call {call_id} began")
        status = 0
        if stats is not None:
            figures = call.statistics() if call else without_a_call(problem, call_id)
            try:
                await in_time(partial(write_stats, stats, figures))
            except (UsageError, TimeoutError) as error:
                late = isinstance(error, TimeoutError)
                complain(
                    f"sfclient: cannot write {stats} within {CLOSE_SECONDS:g} s"
                    if late
                    else f"sfclient: {error}"
                )
                status = UNWRITTEN
    if problem is not None:
        raise problem
    return status


def _signals() -> list[signal.Signals]:
    """Those that end a call; a hang-up of the terminal does not if we were started so, as by nohup."""
    ending = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    return ending


async def _at_each(signals: AsyncIterator[int], act: Callable[[], None]) -> None:
    async for _ in signals:
        act()


async def _after(seconds: float, act: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    act()


def line_of(event: Event) -> str:
    """What is told of it."""
    match event:
        case Connecting():
            return "Connecting to server"
        case Connected(call_id):
            return "Connected to call" + (f" {call_id}" if call_id else "")
        case MessageReceived(text):
            return f"Message from the agent: {text[:500]!r}"
        case DeviceLost():
            return "The sound device stopped; the call goes on in silence"
        case DeviceReturned():
            return "The sound device is back"
        case RecordingFailed(reason):
            return f"The recording stopped; the call goes on: {reason}"
        case Disconnected(ended):
            code = "" if ended.code is None else f", {ended.code}"
            reason = f": {ended.reason}" if ended.reason else ""
            return f"Disconnected from server (by {ended.by}{code}{reason})"

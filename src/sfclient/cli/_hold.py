"""A call while it lasts: it is told, ended by a signal or when its time is up, and leaves its figures."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import trio

from sfclient._call import Call
from sfclient._devices import Audio
from sfclient._errors import UsageError
from sfclient._events import Connecting
from sfclient._nursery import open_unwrapped_nursery
from sfclient._open import open_call
from sfclient._playout import PlayoutStatistics
from sfclient._session import Session, SessionRequest
from sfclient._spool import in_time
from sfclient._stats import record_of, without_a_call, write_stats
from sfclient.cli._telling import complain, open_teller

UNWRITTEN = 1  # exit status of a call that went well, but for its figures


async def hold(
    session: Session | SessionRequest,
    audio: Audio,
    *,
    duration: float | None = None,
    record: Path | None = None,
    playout: str | None = None,
    stats: Path | None = None,
    allow_insecure: bool = False,
) -> int:
    """Hold a call and tell of it, until it ends, the time is up, or a signal comes; the exit status.

    Raises what ended it, when its files and figures are written.
    """
    held = _Held()
    status = 0
    with trio.open_signal_receiver(*_signals()) as signals:
        # Until all is written: one that nobody took would strike when the receiver is closed.
        async with open_unwrapped_nursery() as watch:
            watch.start_soon(_at_each, signals, held.stop)
            async with open_teller() as tell:
                opening = open_call(
                    session,
                    audio,
                    record=record,
                    playout=playout,
                    allow_insecure=allow_insecure,
                    on_call_id=held.note,
                )
                await held.run(opening, duration, tell)
            if stats is not None and not await held.write(stats):
                status = UNWRITTEN
            watch.cancel_scope.cancel()
    if held.problem is not None:
        raise held.problem
    return status


class _Held:
    """A call that may not have begun, and may have been asked to end."""

    def __init__(self) -> None:
        self.problem: BaseException | None = None
        self._call: Call | None = None
        self._call_id: str | None = None
        self._asked = 0
        self._leave = trio.CancelScope()

    def note(self, call_id: str) -> None:
        self._call_id = call_id

    def stop(self) -> None:
        """Hang up; the second time, or before there is a call, leave at once."""
        self._asked += 1
        if self._call is None or self._asked > 1:
            self._leave.cancel()
        else:
            self._call.hang_up()

    async def run(
        self,
        opening: AbstractAsyncContextManager[Call],
        duration: float | None,
        tell: Callable[[str], object],
    ) -> None:
        """Hold it, whatever happens."""
        tell(str(Connecting()))
        try:
            with self._leave:
                async with opening as self._call:
                    await _tell_all(self._call, duration, tell)
        except BaseException as error:
            self.problem = error
        if self._call is None and self.problem is None and self._call_id is not None:
            tell(f"Hung up before the call {self._call_id} began")

    async def write(self, stats: Path) -> bool:
        """Its figures; whether they could be written, which is told if not."""
        call, problem = self._call, self.problem
        figures = call.statistics() if call else without_a_call(problem, self._call_id)
        record = record_of(figures)
        try:
            await in_time(partial(write_stats, stats, record))
        except UsageError as error:
            complain(f"sfclient: {error}")
        except TimeoutError as error:
            complain(f"sfclient: cannot write {stats}: {error}")
        else:
            return True
        return False


async def _tell_all(call: Call, duration: float | None, tell: Callable[[str], object]) -> None:
    """What happens in it, until it is over, and its time."""
    async with open_unwrapped_nursery() as nursery:
        if duration is not None:
            nursery.start_soon(_after, duration, call.hang_up)
        async for event in call:
            if not isinstance(event, Connecting):
                tell(str(event))
        nursery.cancel_scope.cancel()
    if told := line_of_playout(call.statistics().playout):
        tell(told)


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


def line_of_playout(playout: PlayoutStatistics) -> str | None:
    """What is told of it at the end, if its policy knows."""
    if playout.policy != "adaptive" or not playout.played_frames:
        return None
    queued = 1000 * playout.jitter_buffer_delay / playout.played_frames
    gaps = f"{playout.underruns}, of 150 ms or more: {playout.interruptions}"
    return f"The agent's speech was queued for {queued:.0f} ms on average; gaps in it: {gaps}"

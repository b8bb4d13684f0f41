"""A call while it lasts: it is told, ended by a signal, a key or when its time is up, and leaves its figures."""

import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import trio

from sfclient._call import Call
from sfclient._errors import UsageError
from sfclient._events import Connecting, Disconnected
from sfclient._nursery import open_unwrapped_nursery
from sfclient._playout import PlayoutStatistics
from sfclient._spool import in_time
from sfclient._stats import record_of, without_a_call, write_stats
from sfclient.cli._display import open_display
from sfclient.cli._facts import ROUTINE, Facts, Snapshot
from sfclient.cli._keys import HANG_UP, KEYS
from sfclient.cli._look import look_at
from sfclient.cli._telling import complain

UNWRITTEN = 1  # exit status of a call that went well, but for its figures
STILL_SECONDS = 5.0  # between lines of a call that is still being set up
NEVER_HEARD = "The agent sent no sound in all of the call"

Opening = Callable[..., AbstractAsyncContextManager[Call]]
Tell = Callable[[str], object]


async def hold(
    opening: Opening,
    *,
    title: str,
    duration: float | None = None,
    stats: Path | None = None,
    plain: bool = False,
) -> int:
    """Hold a call and tell of it, until it ends or a signal or a key ends it; the exit status.

    `opening` is `open_call` with all that it needs but for `on_call_id`. Raises what ended the call, when its files and
    figures are written.
    """
    held = _Held(title)
    status = 0
    with trio.open_signal_receiver(*_signals()) as signals:
        # Until all is written: one that nobody took would strike when the receiver is closed.
        async with open_unwrapped_nursery() as watch:
            watch.start_soon(_at_each, signals, held.stop)
            async with open_display(sys.stdout, plain, held.look, held.press) as tell:
                await held.run(opening, duration, tell)
            if stats is not None and not await held.write(stats):
                status = UNWRITTEN
            watch.cancel_scope.cancel()
    if held.problem is not None:
        raise held.problem
    return status


class _Held:
    """A call that may not have begun, and may have been asked to end."""

    def __init__(self, title: str) -> None:
        self.problem: BaseException | None = None
        self._title = title
        self._began = trio.current_time()
        self._facts = Facts()
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

    def press(self, key: str) -> None:
        """What a key asks for."""
        if key == HANG_UP:
            self.stop()
        elif self._call is not None and key in KEYS:
            KEYS[key].act(self._call)

    def look(self) -> Snapshot:
        """All that is to be seen of it now."""
        now = trio.current_time() - self._began
        return look_at(self._call, self._facts, self._title, now, self._asked > 0)

    async def run(self, opening: Opening, duration: float | None, tell: Tell) -> None:
        """Hold it, whatever happens."""
        tell(str(Connecting()))
        try:
            with self._leave:
                async with open_unwrapped_nursery() as nursery:
                    nursery.start_soon(self._tell_still, tell)
                    async with opening(on_call_id=self.note) as self._call:
                        if duration is not None:
                            nursery.start_soon(_after, duration, self._call.hang_up)
                        await self._tell_all(self._call, tell)
                    nursery.cancel_scope.cancel()
        except BaseException as error:
            self.problem = error
        if self._call is None and self.problem is None and self._call_id is not None:
            tell(f"Hung up before the call {self._call_id} began")

    async def _tell_still(self, tell: Tell) -> None:
        """That there is no call yet, again and again."""
        while True:
            await trio.sleep(STILL_SECONDS)
            if self._call is not None:
                return
            tell(f"{Connecting()}, for {trio.current_time() - self._began:.0f} s so far")

    async def _tell_all(self, call: Call, tell: Tell) -> None:
        """What happens in it, until it is over, and what is to be said of it then."""
        async for event in call:
            self._facts.learn(event)
            if isinstance(event, Disconnected) and was_never_heard(call):
                tell(NEVER_HEARD)
            if not isinstance(event, ROUTINE):
                tell(str(event))
        for line in (str(self._facts.answers() or ""), line_of_playout(call.statistics().playout)):
            if line:
                tell(line)

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


def was_never_heard(call: Call) -> bool:
    """Whether the agent was there, and sent no sound at all."""
    return call.connected and not call.statistics().playout.received_frames


def line_of_playout(playout: PlayoutStatistics) -> str:
    """What is told of it at the end, if its policy knows."""
    if playout.policy != "adaptive" or not playout.played_frames:
        return ""
    queued = 1000 * playout.jitter_buffer_delay / playout.played_frames
    gaps = f"{playout.underruns}, of 150 ms or more: {playout.interruptions}"
    return f"The agent's speech was queued for {queued:.0f} ms on average; gaps in it: {gaps}"

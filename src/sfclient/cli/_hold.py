"""A call while it lasts: it is told, ended by a signal, a key or when its time is up, and leaves its figures."""

import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

import trio

from sfclient._echo import EchoStatistics
from sfclient._errors import SfclientError
from sfclient._events import Connecting, Disconnected, Event
from sfclient._interface import Call
from sfclient._nursery import open_unwrapped_nursery
from sfclient._playout import PlayoutStatistics
from sfclient.cli._display import open_display
from sfclient.cli._facts import ROUTINE, Facts, Snapshot
from sfclient.cli._keys import HANG_UP, Key, make_keys
from sfclient.cli._leavings import Called, Files, Leavings
from sfclient.cli._log import open_log
from sfclient.cli._look import look_at

UNWRITTEN = 1  # exit status of a call that went well, but for its figures
MOST_PRESSED = 10  # keys that wait for what the one before asks for
STILL_SECONDS = 5.0  # between lines of a call that is still being set up
NEVER_HEARD = "The agent sent no sound in all of the call"

Opening = Callable[..., AbstractAsyncContextManager[Call]]
Tell = Callable[[str], object]


async def hold(
    opening: Opening,
    files: Files,
    called: Called,
    *,
    plain: bool = False,
    has_device: bool = False,
) -> int:
    """Hold a call and tell of it, until it ends or a signal or a key ends it; the exit status.

    `opening` is `open_call` with all that is asked of the call itself. Raises what ended it, when its files and figures
    are written. `has_device` is whether the input is a sound device, which can be changed.
    """
    status = 0
    with trio.open_signal_receiver(*_signals()) as signals, files.recording() as recording:
        leavings = Leavings(files, recording, called)
        held = _Held(str(called), make_keys(has_device), leavings.learn)
        opening = partial(
            opening, record=recording, timeline=files.has_record, on_call_id=held.note
        )
        # Until all is written: one that nobody took would strike when the receiver is closed.
        async with open_unwrapped_nursery() as watch, open_log(files.log):
            watch.start_soon(_at_each, signals, held.stop)
            out = sys.stderr if files.is_printed else sys.stdout
            async with open_display(out, plain, held.look, held.press) as tell:
                await held.run(opening, tell)
            if not await leavings.write(held.call, held.problem, held.call_id):
                status = UNWRITTEN
            watch.cancel_scope.cancel()
    if held.problem is not None:
        raise held.problem
    return status


class _Held:
    """A call that may not have begun, and may have been asked to end."""

    def __init__(self, title: str, keys: list[Key], learn: Callable[[Event], None]) -> None:
        self.call: Call | None = None
        self.call_id: str | None = None
        self.problem: BaseException | None = None
        self._title = title
        self._keys = keys
        self._learn = learn
        self._began = trio.current_time()
        self._facts = Facts()
        self._pressed, self._to_act = trio.open_memory_channel[str](MOST_PRESSED)
        self._asked = 0
        self._leave = trio.CancelScope()

    def note(self, call_id: str) -> None:
        self.call_id = call_id

    def stop(self) -> None:
        """Hang up; the second time, or before there is a call, leave at once."""
        self._asked += 1
        if self.call is None or self._asked > 1:
            self._leave.cancel()
        else:
            self.call.hang_up()

    def press(self, letter: str) -> None:
        """What a key asks for: one after the other."""
        if letter == HANG_UP:
            self.stop()
        else:
            with suppress(trio.WouldBlock):  # who presses so fast need not have all of it
                self._pressed.send_nowait(letter)

    async def _act(self, call: Call, tell: Tell) -> None:
        """As keys ask for it."""
        async for letter in self._to_act:
            for key in self._keys:
                if key.letter == letter:
                    try:
                        await key.act(call)
                    except SfclientError as error:
                        tell(str(error))
                        self._facts.note(str(error), call.seconds)

    def look(self) -> Snapshot:
        """All that is to be seen of it now."""
        now = trio.current_time() - self._began
        return look_at(self.call, self._facts, self._title, now, self._keys, self._asked > 0)

    async def run(self, opening: Opening, tell: Tell) -> None:
        """Hold it, whatever happens."""
        tell(str(Connecting()))
        try:
            with self._leave:
                async with open_unwrapped_nursery() as nursery:
                    nursery.start_soon(self._tell_still, tell)
                    async with opening() as self.call:
                        nursery.start_soon(self._act, self.call, tell)
                        await self._tell_all(self.call, tell)
                    nursery.cancel_scope.cancel()
        except BaseException as error:
            self.problem = error
            if self.call is not None and self.call.ended is not None:
                await self._learn_rest(self.call)
        if self.call is None and self.problem is None and self.call_id is not None:
            tell(f"Hung up before the call {self.call_id} began")

    async def _learn_rest(self, call: Call) -> None:
        """What a call that failed has told to the end: the error says what went wrong."""
        with trio.CancelScope(shield=True):
            async for event in call:
                self._learn(event)

    async def _tell_still(self, tell: Tell) -> None:
        """That there is no call yet, again and again."""
        while True:
            await trio.sleep(STILL_SECONDS)
            if self.call is not None:
                return
            tell(f"{Connecting()}, for {trio.current_time() - self._began:.0f} s so far")

    async def _tell_all(self, call: Call, tell: Tell) -> None:
        """What happens in it, until it is over, and what is to be said of it then."""
        async for event in call:
            self._facts.learn(event)
            self._learn(event)
            if isinstance(event, Disconnected) and was_never_heard(call):
                tell(NEVER_HEARD)
            if not isinstance(event, ROUTINE):
                tell(str(event))
        figures = call.statistics()
        answers = str(self._facts.answers() or "")
        for line in (answers, line_of_playout(figures.playout), line_of_echo(figures.echo)):
            if line:
                tell(line)


def _signals() -> list[signal.Signals]:
    """Those that end a call; a hang-up of the terminal does not if we were started so, as by nohup."""
    ending = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    return ending


async def _at_each(signals: AsyncIterator[int], act: Callable[[], None]) -> None:
    async for _ in signals:
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


def line_of_echo(echo: EchoStatistics | None) -> str:
    """What is told of it at the end, if there was one."""
    if echo is None:
        return ""
    told = []
    if echo.erle_db is not None:
        told.append(f"{echo.erle_db:.0f} dB weaker than it came")
    if echo.gated_seconds:
        told.append(f"for {echo.gated_seconds:.1f} s nothing was sent for it")
    return f"The agent's echo: {', '.join(told)}" if told else ""

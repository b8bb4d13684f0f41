"""A call that goes on over several attempts.

::

        +--> dials ------> sound flows ------> ended in order, by either side ----------------> Disconnected
        |      |                |
        |      +-- failed <-----+
        |            |
        |            +-- not to be redialled (see `_redial`), or hung up -------------------> error, or Disconnected
        |            |
        +-- pause <--+ Redialing
"""

from collections import deque
from dataclasses import replace

import trio

from sfclient._attempt import Attempt, Dialling, Outlet
from sfclient._call import HeldCall
from sfclient._devices import Device, Line
from sfclient._echo import EchoStatistics
from sfclient._errors import RemoteError, SfclientError
from sfclient._events import Disconnected, Ended, Event, Redialing
from sfclient._hearing import Levels
from sfclient._interface import Call, PastAttempt
from sfclient._network import NetworkStatistics
from sfclient._redial import Redialer
from sfclient._statistics import CallStatistics
from sfclient._tap import Tap
from sfclient._timeline import Timeline
from sfclient._watch import CallClock

MOST_EARLIER = 100  # attempts that are kept, of a call that may last for months
CANCELLED = Ended("caller", None, "cancelled", "drained")
HUNG_UP = Ended("caller", 1000, "hung up", "drained")


class RedialledCall(Call):
    """Hands on what it is asked to the present attempt, or between two of them to the one before.

    It is a program's when there is a first one.
    """

    def __init__(self, dialling: Dialling, clock: CallClock, redialer: Redialer) -> None:
        self._dialling = dialling
        self._clock = clock
        self._redialer = redialer
        self._outlet = Outlet()
        self._events = self._outlet.events
        self._present: HeldCall
        self._number = 0
        self._earlier: deque[PastAttempt] = deque(maxlen=MOST_EARLIER)
        self._is_muted = False
        self._was_hung_up = False
        self._held_since: float | None = None  # the present attempt: None before, and between two
        self._until_held = trio.CancelScope()
        self._is_between = False  # attempts: the present one is over
        self._ended: Ended | None = None
        self._over = trio.Event()
        self._first_recording_error: str | None = None

    # What a program does with it.

    async def __anext__(self) -> Event:
        return await self._events.receive()

    def hang_up(self) -> None:
        if self._ended is None:
            self._was_hung_up = True
            self._present.hang_up()
            if self._held_since is None:
                self._until_held.cancel()

    def flush(self) -> None:
        self._present.flush()

    @property
    def muted(self) -> bool:
        return self._is_muted

    def mute(self, muted: bool = True) -> None:
        self._is_muted = muted
        self._present.mute(muted)

    async def use_input(self, device: Device | str | int | None) -> None:
        await self._present.use_input(device)  # the lines are those of all attempts

    async def use_output(self, device: Device | str | int | None) -> None:
        await self._present.use_output(device)

    @property
    def volume(self) -> float:
        return self._present.volume

    @volume.setter
    def volume(self, volume: float) -> None:
        self._present.volume = volume

    def levels(self) -> Levels:
        return self._present.levels()

    @property
    def tap(self) -> Tap:
        return self._present.tap

    @property
    def connected(self) -> bool:
        return self._present.connected

    @property
    def call_id(self) -> str | None:
        return self._present.call_id

    @property
    def ended(self) -> Ended | None:
        return self._ended

    @property
    def seconds(self) -> float:
        return self._clock.now

    @property
    def timeline(self) -> Timeline | None:
        return self._present.timeline

    @property
    def attempt(self) -> int:
        return self._number

    @property
    def earlier(self) -> tuple[PastAttempt, ...]:
        return tuple(self._earlier)

    async def wait_ended(self) -> Ended:
        await self._over.wait()
        assert self._ended is not None
        return self._ended

    def statistics(self) -> CallStatistics:
        return self._present.statistics()

    def network(self) -> NetworkStatistics:
        return self._present.network()

    def echo(self) -> EchoStatistics | None:
        return self._present.echo()

    # What happens in it.

    async def run(self, *, task_status: trio.TaskStatus["RedialledCall"]) -> None:
        """All attempts, between lines that are opened once; started when the first begins to dial."""
        failed: Ended | None = None
        try:
            async with self._dialling.open_lines() as lines:
                while (pause := await self._attempt(lines, task_status)) is not None:
                    with trio.CancelScope() as self._until_held:
                        await trio.sleep(pause)
                    if self._was_hung_up:
                        return
        except SfclientError as error:
            failed = Ended(error.party, error.status, str(error), "drained")
            raise
        finally:
            last = self._present._last if self._number else None
            if last is not None:
                if self._is_between:
                    ended = HUNG_UP if self._was_hung_up else CANCELLED
                    last = Disconnected(failed or ended, at=self._clock.now)
                elif failed and replace(last.ended, audio="drained") == CANCELLED:
                    # By what is none of the attempt's own, such as a line.
                    last = replace(last, ended=replace(failed, audio=last.ended.audio))
                self._ended = last.ended
                self._outlet.close(last)
                self._over.set()

    async def _attempt(
        self, lines: list[Line], task_status: trio.TaskStatus["RedialledCall"]
    ) -> float | None:
        """One more; after how many seconds to redial, None when the call is over. Raises what has ended it for good."""
        number, dialled_at = self._number + 1, self._clock.now if self._number else 0.0
        try:
            with (
                trio.CancelScope() as self._until_held,
                Attempt(self._dialling, self._outlet, number, dialled_at) as attempt,
            ):
                async with attempt.open(lines) as call:
                    if self._is_between:
                        past = PastAttempt(self._present.statistics(), self._present.timeline)
                        self._earlier.append(past)
                    self._present, self._number, self._is_between = call, number, False
                    call.mute(self._is_muted)
                    if number == 1:
                        task_status.started(self)
                    await attempt.dial(call, self._sound_flows)
        except RemoteError as error:
            if self._was_hung_up and self._held_since is None:
                return None  # it failed at the moment at which it was given up
            now = self._clock.now
            held = 0.0
            if self._held_since is not None and self._present._heard_agent:
                held = now - self._held_since
            pause = self._redialer.pause(error, held, now)
            if pause is None or self._was_hung_up:
                raise
        else:
            return None
        self._is_between, self._held_since = True, None
        self._first_recording_error = self._recording_error
        if (last := self._present._last) is not None:
            self._events.tell(Redialing(last.ended, pause, number + 1, at=now))
        return pause

    @property
    def _recording_error(self) -> str | None:
        """Why the first attempt that could not be recorded to the end was not."""
        return self._first_recording_error or self._present._recording_error

    def _sound_flows(self) -> None:
        self._held_since = self._clock.now

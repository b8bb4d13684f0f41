"""Sound hardware through PortAudio, with native callbacks; it may be changed for another, stop, and come back.

::

    +--> streams run --+-- one does not call back ---> lost: silence, until it is found --+
    |                  +-- another is asked for -----> silence, while that is opened -----+
    +------------- (the one before, if it cannot be) -------------------------------------+

Only the task of `PortAudioLine.run` opens and closes streams. It may run again, for another attempt of the same call:
who asks for another device meanwhile waits for that.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from numbers import Real

import trio

from sfaudio import JitterBuffer, PlayoutEngine
from sfaudio.stream import is_stuck
from sfclient._devices._choice import (
    HANG_SECONDS,
    Device,
    End,
    Kind,
    choose_all,
    choose_anew,
)
from sfclient._devices._defaults import watch_defaults
from sfclient._devices._ends import MemoryInput, NullOutput
from sfclient._devices._interface import NO_DEVICE, DeviceStatistics, DeviceWaits, Queues, Tell
from sfclient._devices._streams import Streams
from sfclient._devices._virtual import VirtualLine
from sfclient._errors import DeviceError, UsageError
from sfclient._events import DeviceChanged, DeviceLost, DeviceReturned
from sfclient._nursery import open_unwrapped_nursery
from sfclient._spool import in_thread, within

LOOK_SECONDS = 0.25
REOPEN_SECONDS = 1.0  # between tries to get a lost device back
MOST_VOLUME = 16.0  # as a stream has it
HANGS = (
    "PortAudio hangs, since its sound server has stopped or died: start that anew, and the program"
)


class _Asked:
    """For other devices, by `PortAudioLine.use`."""

    def __init__(self, devices: dict[Kind, Device]) -> None:
        self.devices = devices
        self._error: DeviceError | None = None
        self._is_done = trio.Event()

    def __enter__(self) -> None:
        """Do it."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            self.failed(DeviceError("the call ended before its device was changed"))
        self._is_done.set()

    def failed(self, error: DeviceError) -> None:
        """The first error is the one that is told."""
        self._error = self._error or error

    async def wait_done(self) -> None:
        """Raises `DeviceError`."""
        await self._is_done.wait()
        if self._error is not None:
            raise self._error


class PortAudioLine(DeviceWaits):
    """A line of one duplex stream where both directions are one device, else of a stream for each.

    A device that no longer calls back is reported and given up; until it, or a new default one, can be
    opened at the same rates, the call goes on with silence.

    `rates` are those hoped for, in Hz. With `follow`, a device that becomes the default one takes over where no other
    is named. To make one may block. Raises `DeviceError`, or TimeoutError if PortAudio hangs for another call.
    """

    is_real = True
    clock = staticmethod(time.perf_counter)  # that of the callback
    has_end = False
    is_said = True

    def __init__(
        self, wanted: dict[Kind, Device], rates: dict[Kind, int], *, follow: bool = False
    ) -> None:
        self._wanted = wanted
        self._ends: dict[Kind, End] = choose_all(wanted, rates)
        self._rates = {kind: end.samplerate for kind, end in self._ends.items()}
        self.input_samplerate = self._rates.get("input", 0)
        self.output_samplerate = self._rates.get("output", 0)
        self._requested_latency = next(iter(wanted.values())).latency
        self._is_following = follow
        self._asking, self._asked = trio.open_memory_channel[_Asked](0)
        self._streams = Streams()
        self._names: dict[Kind, str] = {}
        self._losses = 0
        self._silent_seconds = 0.0
        self._lost_since: float | None = None

    @property
    def block_seconds(self) -> float:
        for stream in self._streams.statistics():
            for callbacks in (stream.callbacks, stream.callbacks + 1):  # one may be under way
                if stream.output_frames and stream.output_frames % callbacks == 0:
                    return stream.output_frames // callbacks / self.output_samplerate
        return 0.0

    @property
    def input_latency(self) -> float:
        return self._streams.input_latency

    @property
    def output_latency(self) -> float:
        return self._streams.output_latency

    @property
    def volume(self) -> float:
        return self._streams.gain

    @volume.setter
    def volume(self, volume: float) -> None:
        given: object = volume  # a float of numpy is as good
        if not (isinstance(given, Real) and 0 <= volume <= MOST_VOLUME):
            raise UsageError(f"the volume must be between 0 and {MOST_VOLUME:g}, not {volume!r}")
        self._streams.gain = float(volume)

    async def use(self, kind: Kind, device: Device | str | int | None) -> None:
        wanted = self._wanted.get(kind)
        if wanted is None:
            raise UsageError(NO_DEVICE.format(kind))
        if not isinstance(device, Device):
            device = replace(wanted, name=device, channel=1)
        await self._ask({kind: device})

    async def _ask(self, devices: dict[Kind, Device]) -> None:
        asked = _Asked(devices)
        try:
            await self._asking.send(asked)
        except trio.BrokenResourceError:
            raise UsageError("the call is over: its device cannot be changed") from None
        await asked.wait_done()

    async def run(
        self,
        queues: Queues,
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        self._queues, self._tell = queues, tell
        has_run = bool(self._names)
        is_lost = False
        try:
            try:
                await self._start()
            except DeviceError:
                if not has_run:
                    raise
                is_lost = True  # between two attempts: it is waited for, as in the midst of one
            async with open_unwrapped_nursery() as nursery:
                if self._is_following:
                    nursery.start_soon(self._follow)
                task_status.started()
                if is_lost:
                    await self._get_back()
                while True:
                    asked = await self._watch()
                    if asked is None or not await self._change(asked):
                        await self._get_back()
        except TimeoutError:
            raise DeviceError(HANGS) from None
        finally:
            self._count_silence()
            await self._streams.give_up()

    def close(self) -> None:
        """It will not run again: what is asked for is refused."""
        self._asked.close()

    async def _watch(self) -> _Asked | None:
        """Until others are asked for; or None: a stream has not called back for a while, or stopped."""
        while (asked := await self._asked_within(LOOK_SECONDS)) is None:
            if self._streams.is_any_lost():
                return None
        return asked

    async def _asked_within(self, seconds: float) -> _Asked | None:
        with trio.move_on_after(seconds):
            return await self._asked.receive()
        return None

    async def _follow(self) -> None:
        try:
            await watch_defaults(self._use_defaults)
        except OSError as error:
            raise DeviceError(
                f"the default device cannot be followed, since no other process can be started ({error}): leave it out"
            ) from None

    async def _use_defaults(self, names: dict[Kind, str]) -> None:
        """Those that are the default ones now are of these names."""
        devices: dict[Kind, Device] = {
            kind: wanted
            for kind, wanted in self._wanted.items()
            if wanted.name is None
            and names.get(kind, self._ends[kind].name) != self._ends[kind].name
        }
        if devices:
            with suppress(DeviceError):
                await self._ask(devices)

    async def _change(self, asked: _Asked) -> bool:
        """Use what is asked for, or else go on with what there was before; whether either could be."""
        before = self._wanted
        # Meters would take what is recorded and played meanwhile for silence of the devices.
        meanwhile = replace(
            self._queues, playout=self._silent_playout(), capture_meter=None, playout_meter=None
        )
        with asked:
            for wanted in (before | asked.devices, before):
                try:
                    async with self._silence(meanwhile):
                        await self._find(wanted)
                    await self._start()
                except DeviceError as error:
                    asked.failed(error)
                else:
                    return True
            self._wanted = before
            return False

    async def _get_back(self) -> None:
        """A device is lost: go on with silence until it, or another that is asked for, can be opened."""
        self._losses += 1
        self._lost_since = trio.current_time()
        self._tell(DeviceLost())
        while True:
            async with self._silence(self._queues):
                while not await self._is_back():
                    if is_stuck() and trio.current_time() > self._lost_since + HANG_SECONDS:
                        raise TimeoutError
            with suppress(DeviceError):
                await self._start()
                break
        self._count_silence()
        self._tell(DeviceReturned())

    async def _is_back(self) -> bool:
        with suppress(DeviceError):
            await self._find(self._wanted)
            return True
        if (asked := await self._asked_within(REOPEN_SECONDS)) is None:
            return False
        with asked:
            try:
                await self._find(self._wanted | asked.devices)
            except DeviceError as error:
                asked.failed(error)
                return False
            return True

    async def _find(self, wanted: dict[Kind, Device]) -> None:
        """Look for the devices, anew where that can be, and take them for the next start. Raises `DeviceError`, or
        TimeoutError when PortAudio hangs."""
        look = partial(choose_anew, wanted, self._rates)
        self._ends = await in_thread(partial(within, look, HANG_SECONDS))
        self._wanted = wanted

    @asynccontextmanager
    async def _silence(self, queues: Queues) -> AsyncIterator[None]:
        """Give up the streams, and record and play silence meanwhile."""
        silence = VirtualLine(
            MemoryInput(samplerate=self.input_samplerate) if self.input_samplerate else None,
            NullOutput() if self.output_samplerate else None,
            self.input_samplerate,
            self.output_samplerate,
            clock=self.clock,
        )
        await self._streams.detach()
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(silence.run, queues, self._tell)
            await self._streams.give_up()
            yield
            nursery.cancel_scope.cancel()

    def _silent_playout(self) -> PlayoutEngine:
        """What the agent says stays queued while it is read instead of its own."""
        rate = self.output_samplerate or self.input_samplerate
        return PlayoutEngine(JitterBuffer(1), samplerate=rate, policy="lossless")

    async def _start(self) -> None:
        await self._streams.start(self._ends, self._queues)
        for kind, end in self._ends.items():
            if self._names.get(kind, end.name) != end.name:
                self._tell(DeviceChanged(kind, end.name))
            self._names[kind] = end.name

    def _count_silence(self) -> None:
        self._silent_seconds = self._silent_seconds_by_now()
        self._lost_since = None

    def _silent_seconds_by_now(self) -> float:
        if self._lost_since is None:
            return self._silent_seconds
        return self._silent_seconds + trio.current_time() - self._lost_since

    def statistics(self) -> DeviceStatistics:
        """What was seen of the devices since the call began, those that were lost included."""
        return DeviceStatistics(
            self._streams.statistics(),
            lost=self._losses,
            abandoned=self._streams.abandoned,
            silent_seconds=self._silent_seconds_by_now(),
            requested_latency=self._requested_latency,
            input_latency=self._streams.input_latency,
            output_latency=self._streams.output_latency,
        )

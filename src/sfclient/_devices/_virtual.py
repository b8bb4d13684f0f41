"""A line without hardware, paced by trio's clock: from a source, to a sink."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import NoReturn

import numpy as np
import trio
from numpy.typing import NDArray

from sfclient._clock import Bell, shared_clock
from sfclient._contexts import frugal_asynccontextmanager
from sfclient._devices._choice import Device, Kind
from sfclient._devices._ends import Sink, Source
from sfclient._devices._interface import NO_DEVICE, Queues, Tell
from sfclient._errors import AudioFileError, SfclientError, UsageError
from sfclient._nursery import open_unwrapped_nursery
from sfclient._rates import whole_rate
from sfclient._spool import CLOSE_SECONDS, in_thread, in_time

BLOCK_SECONDS = 0.01
INT16 = np.dtype(np.int16)  # comparing with the type itself would make one each time
AT_ONCE_SECONDS = 0.005  # for blocks that are late; then others have a turn


class VirtualLine:
    """A line whose blocks are due by the clock that all such lines share, late ones at once.

    A turn is taken by the task that waits for what is recorded, or else, as while that one sends, by the line's own.
    """

    input_latency = output_latency = 0.0
    is_real = False

    def __init__(
        self,
        source: Source | None,
        sink: Sink | None,
        input_samplerate: int,
        output_samplerate: int,
        block_seconds: float = BLOCK_SECONDS,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self.clock = clock
        self._source = source
        self._sink = sink
        self.has_end = getattr(source, "has_end", False)
        feed = getattr(source, "feed", None)
        # A plain one is a program's own, such as one that is given samples.
        self._feed: Callable[[], Awaitable[None]] | None = (
            feed if iscoroutinefunction(feed) else None
        )
        self.input_samplerate = input_samplerate
        self.output_samplerate = output_samplerate
        self.block_seconds = block_seconds
        self._is_due = False
        self._waiting = Bell()  # for what is recorded
        self._own_task = Bell()

    @property
    def is_fed(self) -> bool:
        """Whether its source has more to come, by `feed`."""
        return self._feed is not None

    async def feed(self) -> None:
        """For as long as the line is open. Raises what the source does."""
        if self._feed is not None:
            await self._feed()
            self._feed = None

    @property
    def is_said(self) -> bool:
        # A program's own may not tell.
        return not self.is_fed and not getattr(self._source, "waiting_frames", 0)

    def statistics(self) -> None:
        """There is no device."""

    async def use(self, kind: Kind, _device: Device | str | int | None) -> NoReturn:
        raise UsageError(NO_DEVICE.format(kind))

    @property
    def volume(self) -> float:
        return 1.0

    @volume.setter
    def volume(self, _volume: float) -> NoReturn:
        raise UsageError(
            "the output of this call is no sound device: what it gets stays as it came"
        )

    async def wait_recorded(self, _seconds: float) -> None:
        await self._waiting.wait()
        self._take_turns()

    async def sleep_until(self, deadline: float) -> None:
        if deadline > trio.current_time():
            await shared_clock().sleep_until(deadline)

    async def catch_up(self) -> None:
        await shared_clock().sleep_until(trio.current_time())
        self._take_turns()

    async def run(
        self,
        queues: Queues,
        _tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        self._clock = shared_clock()
        self._queues = queues
        self._ahead = self.clock() - trio.current_time()
        self._start = self._clock.good_start(self.block_seconds)
        self._turns = self._recorded = self._played = 0
        self._begin_reference()
        try:
            async with open_unwrapped_nursery() as nursery:
                nursery.start_soon(self._clock.keep)
                self._wait_due()
                task_status.started()
                while True:
                    await self._own_task.wait()
                    self._take_turns()
        finally:
            self._clock.forget(self._due)

    def _begin_reference(self) -> None:
        if self._queues.reference is not None:
            self._queues.reference.begin(self._queues.capture.statistics().written_frames)

    def _wait_due(self) -> None:
        self._clock.call_at(self._start + (self._turns + 1) * self.block_seconds, self._due)

    def _due(self) -> None:
        self._is_due = True
        if not self._waiting.ring():
            self._own_task.ring()

    def _take_turns(self) -> None:
        """All that are due, if nobody else has."""
        if not self._is_due:
            return
        self._is_due = False
        now = trio.current_time()
        due = max(self._turns + 1, int((now - self._start) / self.block_seconds))
        while self._turns < due and trio.current_time() <= now + AT_ONCE_SECONDS:
            self._turns += 1
            self._turn(self._queues, self._turns * self.block_seconds)
        self._wait_due()
        self._waiting.ring()

    def _turn(self, queues: Queues, seconds: float) -> None:
        """Record and play until so many seconds after the start.

        Blocks of a rate that does not divide evenly differ by a frame, so that none is ever lost.
        """
        is_whole = True
        if self._source is not None:
            due = int(seconds * self.input_samplerate + 0.5)
            block = _read(self._source, due - self._recorded, self.input_samplerate)
            is_whole = len(block) == due - self._recorded
            queues.capture.write(block)
            if queues.capture_meter is not None:
                began = self._start + self._recorded / self.input_samplerate
                queues.capture_meter.hear(block, began + self._ahead)
            self._recorded = due
        if self._sink is not None:
            due = int(seconds * self.output_samplerate + 0.5)
            block = np.empty(due - self._played, np.int16)
            queues.playout.read_into(block)
            if queues.played is not None:
                queues.played.write(block)
            if queues.reference is not None:
                queues.reference.queue.write(block)
            if queues.playout_meter is not None:
                queues.playout_meter.hear(block, self._start + seconds + self._ahead)
            self._sink.write(block)
            self._played = due
        if not is_whole:
            self._begin_reference()


@frugal_asynccontextmanager
async def open_virtual_line(
    source: Source | None,
    sink: Sink | None,
    output_samplerate: int,
    block_seconds: float = BLOCK_SECONDS,
) -> AsyncGenerator[VirtualLine, None]:
    """A line from `source` and to `sink`, either of which may be missing. Raises `UsageError`, and what they raise."""
    input_samplerate = 0
    if source is not None:
        told = await in_thread(source.open)
        input_samplerate = whole_rate(told, f"the rate that {_name(source)}.open told")
    if sink is None:
        async with _fed(VirtualLine(source, None, input_samplerate, 0, block_seconds)) as line:
            yield line
        return
    told = await in_thread(lambda: sink.open(output_samplerate), undo=lambda _: sink.close())
    try:
        if told is not None:  # some do not tell
            output_samplerate = whole_rate(told, f"the rate that {_name(sink)}.open told")
        line = VirtualLine(source, sink, input_samplerate, output_samplerate, block_seconds)
        async with _fed(line):
            yield line
    except BaseException:
        with suppress(SfclientError):  # what went wrong before is what is told
            await close_in_time(sink.close, _name(sink))
        raise
    await close_in_time(sink.close, _name(sink))


@frugal_asynccontextmanager
async def _fed(line: VirtualLine) -> AsyncGenerator[VirtualLine, None]:
    """While it is open, its source is fed, if that has something to do for it."""
    if not line.is_fed:
        yield line
        return
    async with open_unwrapped_nursery() as nursery:
        nursery.start_soon(line.feed)
        yield line
        nursery.cancel_scope.cancel()


async def close_in_time(close: Callable[[], None], what: str) -> None:
    """Do it in a thread, cancelled or not, but do not wait for ever. Raises `AudioFileError`, and what it raises."""
    try:
        await in_time(close)
    except TimeoutError:
        raise AudioFileError(
            f"{what} could not be completed within {CLOSE_SECONDS:g} s, so its end may be missing: is the disk stalled?"
        ) from None


def _name(end: Source | Sink) -> str:
    return type(end).__name__


def _read(source: Source, frames: int, samplerate: int) -> NDArray[np.int16]:
    """What it gives, if that is what it says. Raises `UsageError`."""
    block = source.read(frames)
    given = np.asarray(block)
    if given.dtype != INT16 or given.ndim != 1 or len(given) > max(frames, samplerate):
        raise UsageError(
            f"{_name(source)}.read({frames}) gave {given.dtype} of shape {given.shape}: it must give so many samples of"
            " native int16, mono (sfaudio.float32_to_int16 converts)"
        )
    return given

"""A line without hardware, paced by trio's clock: from a source, to a sink."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

import numpy as np
import trio
from numpy.typing import NDArray

from sfclient._devices._ends import Sink, Source
from sfclient._devices._interface import DeviceChanged, Queues
from sfclient._errors import AudioFileError, SfclientError, UsageError
from sfclient._rates import whole_rate
from sfclient._spool import CLOSE_SECONDS, in_thread, in_time

BLOCK_SECONDS = 0.01


class VirtualLine:
    """A line whose blocks are due by trio's clock, every `BLOCK_SECONDS`, late ones at once."""

    output_latency = 0.0

    def __init__(
        self,
        source: Source | None,
        sink: Sink | None,
        input_samplerate: int,
        output_samplerate: int,
    ) -> None:
        self._source = source
        self._sink = sink
        self.input_samplerate = input_samplerate
        self.output_samplerate = output_samplerate

    def statistics(self) -> None:
        """There is no device."""

    async def run(
        self,
        queues: Queues,
        _device_changed: DeviceChanged,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        start = trio.current_time()
        task_status.started()
        recorded = played = 0
        for blocks in count(1):
            # Blocks of a rate that does not divide evenly differ by a frame, so that none is ever
            # lost.
            await trio.sleep_until(start + blocks * BLOCK_SECONDS)
            if self._source is not None:
                due = int(blocks * BLOCK_SECONDS * self.input_samplerate + 0.5)
                queues.capture.write(_read(self._source, due - recorded, self.input_samplerate))
                recorded = due
            if self._sink is not None:
                due = int(blocks * BLOCK_SECONDS * self.output_samplerate + 0.5)
                block = np.empty(due - played, np.int16)
                queues.playout.read_into(block)
                if queues.played is not None:
                    queues.played.write(block)
                self._sink.write(block)
                played = due


@asynccontextmanager
async def open_virtual_line(
    source: Source | None, sink: Sink | None, output_samplerate: int
) -> AsyncIterator[VirtualLine]:
    """A line from `source` and to `sink`, either of which may be missing. Raises `UsageError`, and what they raise."""
    input_samplerate = 0
    if source is not None:
        told = await in_thread(source.open)
        input_samplerate = whole_rate(told, f"the rate that {_name(source)}.open told")
    if sink is None:
        yield VirtualLine(source, None, input_samplerate, 0)
        return
    told = await in_thread(lambda: sink.open(output_samplerate), undo=lambda _: sink.close())
    try:
        if told is not None:  # some do not tell
            output_samplerate = whole_rate(told, f"the rate that {_name(sink)}.open told")
        yield VirtualLine(source, sink, input_samplerate, output_samplerate)
    except BaseException:
        with suppress(SfclientError):  # what went wrong before is what is told
            await close_in_time(sink.close, _name(sink))
        raise
    await close_in_time(sink.close, _name(sink))


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
    if given.dtype != np.int16 or given.ndim != 1 or len(given) > max(frames, samplerate):
        raise UsageError(
            f"{_name(source)}.read({frames}) gave {given.dtype} of shape {given.shape}: it must give so many samples of"
            " native int16, mono (sfaudio.float32_to_int16 converts)"
        )
    return given

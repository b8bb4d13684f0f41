"""What a program says, as it makes it: a source that asks for more when little is left."""

import logging
import threading
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sfaudio import float32_to_int16
from sfclient._clock import Bell
from sfclient._devices._pieces import pieces_of
from sfclient._devices._samples import Pcm16, PcmQueue, pcm16
from sfclient._errors import UsageError
from sfclient._rates import whole_rate
from sfclient._spool import CLOSE_SECONDS

# What waits is said later by as much, and bridges as long a stall: a few blocks of 20 to 60 ms, as programs make them.
ENOUGH_SECONDS = 0.2
FEW_SECONDS = 0.1  # waiting, at which more is asked for: so a thread is not woken for each block
# Of floats, whose full scale is 1.0: decoders and models overshoot by less. What is scaled as int16 has more.
MOST_FLOAT = 16.0

Piece = Pcm16 | NDArray[np.float32]

_logger = logging.getLogger(__name__)


class PieceQueue(Protocol):
    """What has a ``get`` that waits, as `queue.Queue` has with ``timeout=``, or `asyncio.Queue` as a coroutine."""

    def get(self) -> Any:
        """The next piece, or None at the end."""


@dataclass(frozen=True, slots=True)
class StreamInputStatistics:
    """Frames at the rate of the input: ``taken == said + waiting``."""

    taken_frames: int = 0
    """From the program."""
    said_frames: int = 0
    """To the call, without the silence where there was nothing."""
    waiting_frames: int = 0
    """Still to be said; when the call is over they never will be."""
    underruns: int = 0
    """Times that nothing more was there, between the first piece and the end."""
    padded_frames: int = 0
    """Of silence, for these."""
    has_ended: bool = False
    """Whether the program has said that there is no more."""
    was_abandoned: bool = False
    """Whether the program's own had not come back when the call was over, and was left alone."""


class StreamInput:
    """What a program says while it makes it, in real time.

    `pieces` are bytes of PCM16, split anywhere, or arrays of int16 or float32 (full scale 1.0), mono, at `samplerate`
    in Hz; any rate will do. Floats become int16 as those of a microphone do (`sfaudio.float32_to_int16`). They are
    given by

    - an async iterable, such as an async generator or a memory channel of trio's, which is iterated in the loop of the
      program, trio's or that of asyncio;
    - an iterable, such as a generator, which may block: in a thread;
    - a queue, until it gives None or is shut down: a `queue.Queue`, in a thread, or with `sfclient.aio` an
      `asyncio.Queue`.

    More is asked for only while less than 0.2 s wait, and from when sound flows: what is made faster waits with the
    program, and so does what a phone or a robot has said before, unless that is thrown away. Where nothing is there in
    time the agent hears silence, which is counted, and all that follows is later by as much.

    The end is that of a file: `InputEnded`, and the call hangs up when the agent has been silent for `silence_seconds`.
    Pieces that raise, that are no such samples, or that end with half a sample, end the call with a `UsageError`. When
    the call ends first, the iterator is closed (``aclose`` or ``close``) where that can be, and a queue left as it is;
    one in a thread that does not come back for 2 s is left alone there, which is logged and told by `statistics`.

    Use it for one call, which may be redialled: it goes on where it was. Raises `UsageError` for what is no such thing,
    and for no whole rate.
    """

    has_end = True

    def __init__(
        self, pieces: AsyncIterable[Piece] | Iterable[Piece] | PieceQueue, *, samplerate: int
    ) -> None:
        self._samplerate = whole_rate(samplerate, "the samplerate of a StreamInput")
        self._pieces = pieces_of(pieces)
        self._queue = PcmQueue()
        self._few_bytes = 2 * round(FEW_SECONDS * self._samplerate)
        self._enough_bytes = 2 * round(ENOUGH_SECONDS * self._samplerate)
        self._bell = Bell()  # rung when little waits
        self._free = threading.Lock()  # taken by its call, for good
        self._taken = 0  # pieces
        self._is_stalled = False
        self._has_ended = self._was_abandoned = False
        self._underruns = self._padded_frames = 0

    def open(self) -> int:
        if not self._free.acquire(blocking=False):
            raise UsageError("a StreamInput is good for one call: make another")
        return self._samplerate

    @property
    def _has_begun(self) -> bool:
        return self._queue.put_bytes > 0

    @property
    def waiting_frames(self) -> int:
        """Frames that were taken and are still to be said."""
        return self._queue.waiting_bytes // 2

    def read(self, frames: int) -> NDArray[np.int16]:
        waiting = self.waiting_frames
        was_said = waiting > 0 or not self._is_stalled  # something, since the last underrun
        self._is_stalled = waiting < frames and self._has_begun and not self._has_ended
        if self._is_stalled:
            self._underruns += was_said
            self._padded_frames += frames - waiting
        block = self._queue.read(frames)
        if self._queue.waiting_bytes <= self._few_bytes:
            self._bell.ring()
        return block

    async def feed(self) -> None:
        """Take what the program gives, until that ends or this is cancelled. Raises `UsageError`."""
        try:
            try:
                await self._take_all()
            finally:
                await self._close()
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(
                f"the pieces of a StreamInput raised {type(error).__name__}: {error}"
            ) from error

    async def _take_all(self) -> None:
        await self._bell.wait()  # for the first block
        while await self._pieces.pull(self._take):
            if self._queue.waiting_bytes > self._few_bytes:
                await self._bell.wait()
        if self._queue.put_bytes % 2:
            raise UsageError("the pieces of a StreamInput end with half a sample")
        self._has_ended = True

    async def _close(self) -> None:
        self._was_abandoned = not await self._pieces.close()
        if self._was_abandoned:
            _logger.warning(
                "the pieces of a StreamInput did not come back within %g s when the call was over: they are left alone",
                CLOSE_SECONDS,
            )

    def _take(self, piece: Any) -> bool:
        self._taken += 1
        try:
            pcm = self._pcm(piece)
        except (TypeError, ValueError) as error:
            raise UsageError(f"piece {self._taken} of a StreamInput: {error}") from None
        self._queue.put(pcm)
        return self._queue.waiting_bytes < self._enough_bytes

    def _pcm(self, piece: Any) -> memoryview:
        """Raises TypeError or ValueError."""
        if isinstance(piece, np.ndarray) and piece.dtype == np.float32:
            # But for NaN, which is silence.
            peak = np.fmax.reduce(np.abs(piece), axis=None, initial=0.0)
            if peak > MOST_FLOAT:
                raise ValueError(
                    f"float32 has a full scale of 1.0, but this reaches {peak:g}: scale it"
                )
            piece = float32_to_int16(np.ascontiguousarray(piece))
        pcm = pcm16(piece)
        if self._queue.put_bytes % 2 and memoryview(piece).itemsize > 1:
            raise ValueError("an array of samples follows half a sample of the bytes before it")
        return pcm

    def statistics(self) -> StreamInputStatistics:
        """What became of all that was taken; it may be asked for in another thread, and after the end."""
        return StreamInputStatistics(
            taken_frames=self._queue.put_bytes // 2,
            said_frames=self._queue.read_bytes // 2,
            waiting_frames=self.waiting_frames,
            underruns=self._underruns,
            padded_frames=self._padded_frames,
            has_ended=self._has_ended,
            was_abandoned=self._was_abandoned,
        )

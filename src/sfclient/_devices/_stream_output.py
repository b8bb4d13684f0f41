"""What the agent says, for a program that takes it block by block while it is said."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

import numpy as np
import trio
from numpy.typing import NDArray

from sfaudio import int16_to_float32
from sfclient._errors import UsageError
from sfclient._host import check_runs_trio
from sfclient._rates import whole_rate

CAPACITY_SECONDS = 10.0  # as long as a program may do something else without a loss

Block = NDArray[np.int16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StreamOutputStatistics:
    """Frames at the rate of the output: ``played == read + unread + dropped``.

    Told while another thread reads or plays, a block that is just then on its way may be missing.
    """

    played_frames: int = 0
    """Silence included."""
    read_frames: int = 0
    """By the program."""
    unread_frames: int = 0
    dropped_frames: int = 0
    """The oldest, which the program did not read in time."""


class BlockQueue:
    """A sink that keeps what is played for a reader in any thread, and waits for nobody.

    Raises `UsageError` for what is no rate, dtype or capacity.
    """

    _end: type[Exception] = StopAsyncIteration

    def __init__(
        self,
        *,
        samplerate: int | None = None,
        dtype: Literal["int16", "float32"] = "int16",
        capacity_seconds: float = CAPACITY_SECONDS,
    ) -> None:
        if samplerate is not None:
            samplerate = whole_rate(samplerate, "the samplerate of a StreamOutput")
        if dtype not in ("int16", "float32"):
            raise UsageError(f"the dtype of a StreamOutput is int16 or float32, not {dtype!r}")
        if not isinstance(capacity_seconds, int | float) or not capacity_seconds > 0:
            raise UsageError(f"capacity_seconds must be more than 0, not {capacity_seconds!r}")
        self.samplerate = samplerate
        """In Hz; None until the call begins, if none was given."""
        self._is_float = dtype == "float32"
        self._capacity_seconds = capacity_seconds
        self._capacity_frames = 0.0
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._wakes: deque[Callable[[], object]] = deque()
        self._free = threading.Lock()  # taken by its call, for good
        self._pid: int | None = None  # of the process of its call
        self._is_over = False
        # Each is counted by one thread alone.
        self._played_frames = self._dropped_frames = self._read_frames = 0

    def open(self, samplerate: int) -> int:
        if not self._free.acquire(blocking=False):
            raise UsageError("a StreamOutput is good for one call: make another")
        self.samplerate = self.samplerate or samplerate
        self._capacity_frames = self._capacity_seconds * self.samplerate
        self._pid = os.getpid()
        return self.samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        self._blocks.append(block)
        self._played_frames += len(block)
        unread = self._played_frames - self._dropped_frames - self._read_frames
        while unread > self._capacity_frames and len(self._blocks) > 1:
            dropped = self._oldest()
            if dropped is None:
                break  # the reader was faster
            unread -= len(dropped)
            self._dropped_frames += len(dropped)
        self._wake()

    def close(self) -> None:
        self._is_over = True
        self._wake()

    def statistics(self) -> StreamOutputStatistics:
        """What became of all that was played; it may be asked for in any thread."""
        unread = sum(map(len, tuple(self._blocks)))
        return StreamOutputStatistics(
            self._played_frames, self._read_frames, unread, self._dropped_frames
        )

    def _next(self, wake: Callable[[], object]) -> Block | None:
        """The oldest block; or None, and `wake` is called in another thread when it is worth to look again.

        Raises `_end` when the call is over and all was read, `UsageError` when there is no call yet, or only in the
        process from which this one was forked.
        """
        if self._pid is None:
            raise UsageError("no call plays to this StreamOutput yet: read it inside the block")
        if self._pid != os.getpid():
            raise UsageError(
                "the call of this StreamOutput is of the process that this one was forked from: open one here"
            )
        is_over = (
            self._is_over
        )  # then nothing comes any more; asked after the blocks it would not tell
        block = self._oldest()
        if block is None and not is_over:
            self._wakes.append(wake)
            is_over = self._is_over  # either may have come just before
            block = self._oldest()
        if block is not None:
            self._read_frames += len(block)
            return int16_to_float32(block) if self._is_float else block
        if is_over:
            raise self._end
        return None

    def _oldest(self) -> NDArray[np.int16] | None:
        try:
            return self._blocks.popleft()
        except IndexError:
            return None

    def _wake(self) -> None:
        with suppress(
            IndexError
        ):  # none is left; without the GIL nothing but taking one tells that for sure
            while True:
                wake = self._wakes.popleft()
                with suppress(RuntimeError):  # its loop is closed, with all who waited there
                    wake()


class StreamOutput(BlockQueue):
    """What the agent says, block by block as a loudspeaker would have played it: ``async for block in output``.

    Each block is a mono array of `dtype`, int16 or float32 (full scale 1.0), some 5 to 100 ms long. `samplerate` is in
    Hz; None, until the call begins, for the wire's own, at which the samples are bit for bit what came. Silence is
    included, so that blocks come in real time from when sound flows; the iteration is over when the call is, and all
    was read. To be read inside the block of `open_call`: before, it raises `UsageError`.

    The call never waits for the program: of what was not read, the latest `capacity_seconds` are kept, and what is
    older is dropped, and counted by `statistics`. For tasks of trio; tasks that read at the same time share what comes.
    `sfclient.aio` and `sfclient.blocking` have their own, which wait in their ways.

    Use it for one call. Raises `UsageError` for what is no rate, dtype or capacity.
    """

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Block:
        check_runs_trio("StreamOutput")
        await trio.lowlevel.checkpoint()
        token = trio.lowlevel.current_trio_token()
        while True:
            news = trio.Event()
            block = self._next(partial(token.run_sync_soon, news.set))
            if block is not None:
                return block
            await news.wait()

"""A stream that is read by hand: what a program says while it makes it, and the steps between."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from sfclient import StreamInput, UsageError

from .conftest import noise, without_silence

RATE = 8000
SPOKEN = noise(0.5, RATE)
PIECES = [SPOKEN[at : at + 321] for at in range(0, len(SPOKEN), 321)]  # of an odd length


async def one_after_another(pieces: Iterable[Any]) -> AsyncIterator[Any]:
    for piece in pieces:
        await trio.lowlevel.checkpoint()
        yield piece


@asynccontextmanager
async def feeding(pieces: Any, samplerate: int = RATE) -> AsyncIterator[StreamInput]:
    """An open one whose `feed` runs; it is read by hand."""
    source = StreamInput(pieces, samplerate=samplerate)
    assert source.open() == samplerate
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.feed)
        await trio.testing.wait_all_tasks_blocked()
        yield source
        nursery.cancel_scope.cancel()


async def read(source: StreamInput, frames: int) -> bytes:
    """A block, after which it has taken what it wants; not for one that is pulled in a thread."""
    block = source.read(frames).tobytes()
    await trio.testing.wait_all_tasks_blocked()
    return block


async def said_by(source: StreamInput) -> bytes:
    """All that it says, without silence."""
    said = b""
    with trio.fail_after(20):
        while not (source.statistics().has_ended and source.waiting_frames == 0):
            said += without_silence(source.read(160).tobytes())
            await trio.sleep(0.0005)
    return said


@asynccontextmanager
async def ending_with(match: str) -> AsyncIterator[None]:
    with pytest.RaisesGroup(pytest.RaisesExc(UsageError, match=match), allow_unwrapped=True):
        yield


async def said_some(source: StreamInput) -> None:
    with trio.fail_after(20):
        while not without_silence(source.read(80).tobytes()):  # noqa: ASYNC110 -- a thread gives it
            await trio.sleep(0.001)

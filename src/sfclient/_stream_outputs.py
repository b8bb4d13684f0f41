"""`StreamOutput` for programs that are not trio's: the queue is the same, and each waits in its own way."""

import asyncio
from functools import partial
from typing import Self

from sfclient._crossing import Flag
from sfclient._devices import Block, BlockQueue
from sfclient._loop import call_soon, running_loop
from sfclient._waiting import check_may_block


class AsyncioStreamOutput(BlockQueue):
    """What the agent says, block by block, for tasks of asyncio: ``async for block in output``.

    Otherwise as `sfclient.StreamOutput`; for tasks of one loop.
    """

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Block:
        loop = running_loop("StreamOutput")
        while True:
            news = asyncio.Event()
            block = self._next(partial(call_soon, loop, news.set))
            if block is not None:
                return block
            await news.wait()


class BlockingStreamOutput(BlockQueue):
    """What the agent says, block by block, for any one thread: ``for block in output``.

    Otherwise as `sfclient.StreamOutput`.
    """

    _end = StopIteration

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Block:
        check_may_block("StreamOutput")
        while True:
            news = Flag()
            block = self._next(news.set)
            if block is not None:
                return block
            news.wait()

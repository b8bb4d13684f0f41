"""What scenarios share: words, and what goes before them."""

from sfclient import (
    Connected,
)
from sfclient.simulator import SimulatedCall

from ..conftest import noise

WORDS = noise(0.3, 16_000)


class MistakeError(Exception):
    """Of the program."""


async def connected(call) -> None:
    async for event in call:
        if isinstance(event, Connected):
            return


async def tell_then_listen(call: SimulatedCall) -> None:
    await call.client_ready()
    for number in range(3):
        await call.send(f'{{"type": "note", "number": {number}}}')
    await call.send_audio(WORDS)
    await call.wait_ended()

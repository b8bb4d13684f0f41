"""The two agents that come with the simulator. A test writes its own: see `Agent`."""

import math
from dataclasses import dataclass
from os import PathLike
from typing import Literal

import trio

from sfclient.simulator._audio import AGENT_SAMPLERATE, Decimator, read_wav
from sfclient.simulator._call import SimulatedCall, chunks

_BYTES_PER_SECOND = 2 * AGENT_SAMPLERATE


@dataclass(frozen=True)
class EchoAgent:
    """Says what the caller says, `delay` seconds after it came, in messages as it came.

    The low-pass between 48 and 16 kHz adds 1 ms of silence in front.
    """

    delay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.delay < math.inf:
            raise ValueError(f"delay is {self.delay}: give seconds, 0 or more")

    async def __call__(self, call: SimulatedCall) -> None:
        await call.client_ready()
        ears, mouth = trio.open_memory_channel[tuple[float, bytes]](math.inf)

        async def listen() -> None:
            decimator = Decimator()
            with ears:
                async for pcm in call.audio():
                    ears.send_nowait((trio.current_time() + self.delay, decimator.feed(pcm)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            async for due, pcm in mouth:
                await trio.sleep_until(due)
                await call.send_audio(pcm)


class SpeakAgent:
    """Says `source` once the client is ready: a WAV file, or PCM16 mono 16 kHz as bytes.

    Messages have `chunk_bytes` bytes (640 are 20 ms). With `pace` "realtime" each goes out when
    its first sample is due, so that timing errors do not add up; with "burst" all go at once.
    Then it listens until the client hangs up, or closes the call in order.

    Raises `UnreadableWavError`, or ValueError for another impossible argument.
    """

    def __init__(
        self,
        source: str | PathLike[str] | bytes,
        pace: Literal["realtime", "burst"] = "realtime",
        chunk_bytes: int = 640,
        then: Literal["close", "listen"] = "listen",
    ) -> None:
        self._pcm = source if isinstance(source, bytes) else read_wav(source)
        if len(self._pcm) % 2:
            raise ValueError(f"source has {len(self._pcm)} bytes: PCM16 has an even number")
        if pace not in ("realtime", "burst"):
            raise ValueError(f"pace is {pace!r}: use 'realtime' or 'burst'")
        if then not in ("close", "listen"):
            raise ValueError(f"then is {then!r}: use 'close' or 'listen'")
        self._chunks = list(chunks(self._pcm, chunk_bytes))
        self._is_paced = pace == "realtime"
        self._listens = then == "listen"

    async def __call__(self, call: SimulatedCall) -> None:
        await call.client_ready()
        due = trio.current_time()
        for chunk in self._chunks:
            if self._is_paced:
                await trio.sleep_until(due)
                due += len(chunk) / _BYTES_PER_SECOND
            await call.send(chunk)
        if self._listens:
            await call.wait_ended()

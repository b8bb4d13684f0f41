"""The two agents that come with the simulator. A test writes its own: see `Agent`."""

import math
from dataclasses import dataclass
from os import PathLike
from typing import Literal

import trio

from sfclient.simulator._audio import AGENT_SAMPLERATE, Decimator, read_wav, resample
from sfclient.simulator._call import SimulatedCall

_BYTES_PER_SECOND = 2 * AGENT_SAMPLERATE


@dataclass(frozen=True)
class EchoAgent:
    """Says what the caller says, `delay` seconds after it came, in messages as it came.

    In a widget call, the low-pass between 48 and 16 kHz adds 1 ms of silence in front.
    """

    delay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.delay < math.inf:
            raise ValueError(f"delay is {self.delay}: give seconds, 0 or more")

    async def __call__(self, call: SimulatedCall) -> None:
        await call.client_ready()
        echoes_in, echoes_out = trio.open_memory_channel[tuple[float, bytes]](math.inf)

        async def listen() -> None:
            decimator = Decimator()
            is_same_rate = call.caller_samplerate == call.agent_samplerate
            with echoes_in:
                async for pcm in call.audio():
                    echo = pcm if is_same_rate else decimator.feed(pcm)
                    echoes_in.send_nowait((trio.current_time() + self.delay, echo))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            async for due, pcm in echoes_out:
                await trio.sleep_until(due)
                await call.send_audio(pcm)


class SpeakAgent:
    """Says `source` once the client is ready: a WAV file, or PCM16 mono 16 kHz as bytes.

    Messages last as long as `chunk_bytes` bytes of such PCM (640 are 20 ms), whatever the codec of
    the call. With `pace` "realtime" each goes out when its first sample is due, so that timing
    errors do not add up; with "burst" all go at once. Then it listens until the client hangs up,
    or closes the call in order.

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
        if chunk_bytes < 1:
            raise ValueError(f"chunk_bytes is {chunk_bytes}: it must be at least 1")
        self._chunk_bytes = chunk_bytes
        self._is_paced = pace == "realtime"
        self._listens = then == "listen"

    async def __call__(self, call: SimulatedCall) -> None:
        await call.client_ready()
        pcm = resample(self._pcm, AGENT_SAMPLERATE, call.agent_samplerate)
        chunk_bytes = round(self._chunk_bytes * call.agent_byterate / _BYTES_PER_SECOND) or 1
        due = trio.current_time()
        for message in call.wire_messages(pcm, chunk_bytes):
            if self._is_paced:
                await trio.sleep_until(due)
                due += chunk_bytes / call.agent_byterate
            await call.send(message)
        if self._listens:
            await call.wait_ended()

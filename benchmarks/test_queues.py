"""int16 samples through a queue and out again, from Python: ours beside the ring of python-rtmixer."""

from collections.abc import Callable
from typing import Any

import pytest

from sfaudio import CaptureQueue, JitterBuffer

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=10, warmup=True, warmup_iterations=10)

FRAMES = 180 * 16_000  # that each has room for


@pytest.mark.parametrize("who", ["sfaudio", "CaptureQueue", "rtmixer"])
@pytest.mark.parametrize("n", [320, 960])
def test_queue(measure: Callable[..., None], n: int, who: str) -> None:
    queue: Any
    if who == "rtmixer":
        queue = pytest.importorskip("rtmixer").RingBuffer(2, 1 << 22)
        read = queue.readinto
    else:
        queue = JitterBuffer(FRAMES) if who == "sfaudio" else CaptureQueue(FRAMES)
        read = queue.read_into
    block, out = bytes(2 * n), bytearray(2 * n)
    queue.write(block)  # so many are always queued
    names = {"write": queue.write, "read": read, "block": block, "out": out}
    measure(f"through a queue, {n}", who, "write(block); read(out)", 200, **names)

"""int16 samples through a queue and out again, from Python: ours beside the ring of python-rtmixer.

``memcpy`` is a memoryview's copy of the samples into a place that is there, and from there into another.
`PlayoutEngine` reads a `JitterBuffer` of 16 kHz as it does most of the time: all is on time, and it plays what it has.
"""

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine

pytestmark = pytest.mark.benchmark(max_time=0.06, min_rounds=5, warmup=True, warmup_iterations=10)

FRAMES = 180 * 16_000  # that each has room for
SPEECH = random.Random(1).randbytes(2000)


@pytest.mark.parametrize(
    ("n", "who"),
    [
        *product((320, 960), ("sfaudio", "sfaudio CaptureQueue", "rtmixer", "memcpy")),
        (320, "sfaudio PlayoutEngine"),  # of more it would play faster, to come to its target
    ],
)
def test_queue(measure: Callable[..., None], n: int, who: str) -> None:
    block, out = SPEECH[: 2 * n], bytearray(2 * n)
    group = f"through a queue, {n}"
    if who == "memcpy":
        there = {"there": memoryview(bytearray(2 * n)), "out": memoryview(out), "block": block}
        measure(group, who, "there[:] = block; out[:] = there", 200, **there)
        return
    queue: Any
    if who == "rtmixer":
        queue = pytest.importorskip("rtmixer").RingBuffer(2, 1 << 22)
        read = queue.readinto
    else:
        queue = CaptureQueue(FRAMES) if who == "sfaudio CaptureQueue" else JitterBuffer(FRAMES)
        read = (PlayoutEngine(queue) if who == "sfaudio PlayoutEngine" else queue).read_into
    queue.write(block)  # so many are always queued
    names = {"write": queue.write, "read": read, "block": block, "out": out}
    measure(group, who, "write(block); read(out)", 200, **names)

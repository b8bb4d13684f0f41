"""The jitter buffer between two threads."""

import random
import threading
import time
from typing import Any

import numpy as np
import pytest

from sfaudio import JitterBuffer

from .queues import conserved
from .threads import switch_interval


@pytest.mark.parametrize(
    ("capacity", "blocksize", "frames"), [(64, 48, 100_000), (4096, 480, 2_000_000)]
)
def test_a_writer_and_a_reader_thread_lose_nothing(
    capacity: int, blocksize: int, frames: int
) -> None:
    sent = (np.arange(frames) % 65521 - 32760).astype("<i2")
    sent[sent == 0] = 1  # so that zeros are padding
    buffer = JitterBuffer(capacity)
    stop = threading.Event()
    received: list[Any] = []
    failures: list[BaseException] = []

    def write_all() -> None:
        try:
            rng = random.Random(5)
            rest = memoryview(sent.tobytes())
            while rest and not stop.is_set():
                taken = buffer.write(rest[: rng.choice([1, 3, capacity, 3 * capacity])])
                rest = rest[taken:]
                assert conserved(buffer.statistics())
                if not taken:
                    time.sleep(0)
            buffer.drain()
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write_all)
    count = 0
    with switch_interval(1e-6):
        writer.start()
        try:
            while count < frames and (writer.is_alive() or buffer.queued_frames):
                block = np.full(blocksize, 77, np.int16)
                taken = buffer.read_into(block)
                assert not block[taken:].any()
                received.append(block[:taken])
                count += taken
        finally:
            stop.set()
            writer.join()
    assert failures == []
    assert np.array_equal(np.concatenate(received), sent)
    statistics = buffer.statistics()
    assert conserved(statistics)
    assert (statistics.read_frames, statistics.dropped_frames) == (frames, 0)

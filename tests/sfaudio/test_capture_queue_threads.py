"""The capture queue between two threads."""

import random
import threading
import time

import numpy as np
import pytest

from sfaudio import CaptureQueue, CaptureQueueStatistics

from .queues import conserved
from .threads import switch_interval


@pytest.mark.parametrize("capacity", [100, 4000])
def test_a_slow_reader_thread_gets_samples_in_order_with_gaps_that_are_counted(
    capacity: int,
) -> None:
    # A sample is its position, so a gap shows its length, modulo 2^16.
    frames = 400_000
    sent = np.arange(frames).astype(np.uint16).view(np.int16)
    queue = CaptureQueue(capacity)

    def write_all() -> None:
        rng = random.Random(3)
        position = 0
        while position < frames:
            size = rng.choice([1, 10, 64, capacity // 2, 2 * capacity])
            queue.write(sent[position : position + size])
            position += size
            if rng.random() < 0.05:
                time.sleep(0)

    writer = threading.Thread(target=write_all)
    rng = random.Random(4)
    before = CaptureQueueStatistics(0, 0, 0, 0, 0)
    with switch_interval(1e-5):
        writer.start()
        try:
            while True:
                last_look = not writer.is_alive()
                block = np.frombuffer(queue.read(rng.randint(1, capacity)), np.uint16)
                after = queue.statistics()
                assert conserved(after)
                assert after.read_frames == before.read_frames + len(block)
                assert after.queued_frames <= capacity
                assert after.overruns >= before.overruns
                assert (after.overruns == 0) == (after.dropped_frames == 0)
                if len(block):
                    assert (np.diff(block) == 1).all()  # in order, and whole
                    lost = (int(block[0]) - before.read_frames - before.dropped_frames) % 65536
                    assert lost <= after.dropped_frames - before.dropped_frames
                before = after
                if last_look and not len(block):
                    break
        finally:
            writer.join()
    assert before.written_frames == frames
    assert before.queued_frames == 0
    assert before.read_frames > 0
    assert before.overruns > 0  # a block of twice the capacity is one for certain

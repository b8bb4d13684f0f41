"""The capture queue does what its model does, whatever it is told."""

import random

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sfaudio import CaptureQueue, float32_to_int16
from sfaudio._callback import StreamCallback

from .queues import CaptureQueueModel, conserved, int16, take

samples_lists = st.lists(st.integers(-32768, 32767), max_size=60)


class Pair:
    """A queue and its model, given the same orders and compared after each."""

    def __init__(self, capacity: int) -> None:
        self.queue = CaptureQueue(capacity)
        self.model = CaptureQueueModel(capacity)

    def write(self, samples: list[int]) -> None:
        self.queue.write(int16(samples))
        self.model.write(samples)

    def write_float32(self, samples: list[int]) -> None:
        block = (int16(samples) / np.float32(20000)).astype(np.float32)  # beyond full scale too
        self.queue.write(block)
        self.model.write(float32_to_int16(block).tolist())

    def record(self, samples: list[int]) -> None:
        """As a stream, for which all of the ring is there."""
        block = (int16(samples) / np.float32(32768)).astype(np.float32)
        stream = StreamCallback(self.queue)
        stream.run(block, None)
        stream.close()
        self.model.write(float32_to_int16(block).tolist())

    def read(self, frames: int) -> None:
        assert take(self.queue, frames) == self.model.read(frames)
        assert self.queue.dropped_frames == self.model.statistics().dropped_frames

    def read_into(self, frames: int) -> None:
        expected = self.model.read(frames)
        room = np.full(frames + 2, 99, np.int16)
        assert self.queue.read_into(room[1:-1]) == len(expected)
        untouched = frames - len(expected)
        assert room.tolist() == [99, *expected, *[99] * untouched, 99]

    def read_padded(self, frames: int) -> None:
        block = np.frombuffer(self.queue.read(frames, pad=True), np.int16)
        assert block.tolist() == self.model.read_padded(frames)

    def drop(self, frames: int) -> None:
        assert self.queue.drop(frames) == self.model.drop(frames)

    def flush(self) -> None:
        self.queue.flush()
        self.model.flush()

    def compare(self) -> None:
        statistics = self.queue.statistics()
        assert statistics == self.model.statistics()
        assert conserved(statistics)
        assert self.queue.queued_frames == len(self.model.kept)
        assert self.queue.padded_frames == statistics.padded_frames
        assert self.queue.dropped_frames <= statistics.dropped_frames


class AgainstTheModel(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 40))
    def make(self, capacity: int) -> None:
        self.pair = Pair(capacity)

    @rule(samples=samples_lists)
    def write(self, samples: list[int]) -> None:
        self.pair.write(samples)

    @rule(samples=samples_lists)
    def write_float32(self, samples: list[int]) -> None:
        self.pair.write_float32(samples)

    @rule(samples=samples_lists)
    def record(self, samples: list[int]) -> None:
        self.pair.record(samples)

    @rule(frames=st.integers(0, 50))
    def read(self, frames: int) -> None:
        self.pair.read(frames)

    @rule(frames=st.integers(0, 50))
    def read_into(self, frames: int) -> None:
        self.pair.read_into(frames)

    @rule(frames=st.integers(0, 50))
    def read_padded(self, frames: int) -> None:
        self.pair.read_padded(frames)

    @rule(frames=st.integers(0, 50))
    def drop(self, frames: int) -> None:
        self.pair.drop(frames)

    @rule()
    def flush(self) -> None:
        self.pair.flush()

    @invariant()
    def same(self) -> None:
        self.pair.compare()


AgainstTheModel.TestCase.settings = settings(max_examples=80, stateful_step_count=30)
TestAgainstTheModel = AgainstTheModel.TestCase


@pytest.mark.parametrize("seed", range(30))
def test_long_random_lives_agree_with_the_model(seed: int) -> None:
    rng = random.Random(seed)
    capacity = rng.choice([1, 2, 3, 7, 8, 31, 64, 300])
    pair = Pair(capacity)
    for _ in range(400):
        samples = [rng.randint(-32768, 32767) for _ in range(rng.randint(0, 2 * capacity))]
        frames = rng.randint(0, capacity + 2)
        rng.choices(
            [
                lambda samples=samples: pair.write(samples[: capacity // 2]),
                lambda samples=samples: pair.write(samples),
                lambda samples=samples: pair.write_float32(samples),
                lambda samples=samples: pair.record(samples),
                lambda frames=frames: pair.read(frames),
                lambda frames=frames: pair.read_into(frames),
                lambda frames=frames: pair.read_padded(frames),
                lambda frames=frames: pair.drop(frames),
                pair.flush,
            ],
            [6, 1, 1, 0.2, 5, 5, 1, 1, 1],
        )[0]()
        pair.compare()

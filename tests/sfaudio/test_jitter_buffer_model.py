"""The jitter buffer does what its model does, whatever it is told."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sfaudio import JitterBuffer

from .queues import JitterBufferModel, conserved


class Pair:
    """A buffer and its model, given the same orders and compared after each."""

    def __init__(self, capacity: int, prefill: int, fade: int) -> None:
        self.buffer = JitterBuffer(capacity, prefill=prefill, fade=fade)
        self.model = JitterBufferModel(capacity, prefill, fade)

    def write(self, data: bytes) -> None:
        assert self.buffer.write(data) == self.model.write(data)

    def read(self, frames: int, dtype: Any) -> None:
        expected, faded, count = self.model.read(frames)
        room = np.full(frames + 2, 99, dtype)
        assert self.buffer.read_into(room[1:-1]) == count
        assert (room[0], room[-1]) == (99, 99)
        scale = 32768 if dtype is np.float32 else 1
        got = room[1:-1].astype(np.float64) * scale
        # A faded sample may be rounded, to int16 either way or to float32; all others are exact.
        error = np.where(faded, 1.001 if dtype is np.int16 else 0.01, 0)
        assert (np.abs(got - expected) <= error).all(), (got, expected)

    def order(self, name: str) -> None:
        getattr(self.buffer, name)()
        getattr(self.model, name)()

    def compare(self) -> None:
        statistics = self.buffer.statistics()
        assert statistics == self.model.statistics()
        assert conserved(statistics)
        assert self.buffer.queued_frames == self.model.queued
        assert self.buffer.writable_frames == self.model.capacity - self.model.queued


class AgainstTheModel(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 40), prefill=st.integers(0, 40), fade=st.integers(0, 40))
    def make(self, capacity: int, prefill: int, fade: int) -> None:
        self.pair = Pair(capacity, min(prefill, capacity), min(fade, capacity))

    @rule(data=st.binary(max_size=100))
    def write(self, data: bytes) -> None:
        self.pair.write(data)

    @rule(frames=st.integers(0, 40), dtype=st.sampled_from([np.int16, np.float32]))
    def read(self, frames: int, dtype: Any) -> None:
        self.pair.read(frames, dtype)

    @rule(name=st.sampled_from(["flush", "drain", "abort"]))
    def order(self, name: str) -> None:
        self.pair.order(name)

    @invariant()
    def same(self) -> None:
        self.pair.compare()


AgainstTheModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestAgainstTheModel = AgainstTheModel.TestCase


@pytest.mark.parametrize("seed", range(40))
def test_long_random_lives_agree_with_the_model(seed: int) -> None:
    rng = random.Random(seed)
    capacity = rng.choice([1, 2, 3, 7, 8, 31, 64, 100])
    pair = Pair(capacity, rng.randint(0, capacity), rng.choice([0, rng.randint(0, capacity)]))
    for _ in range(500):
        choice = rng.random()
        if choice < 0.46:
            pair.write(rng.randbytes(rng.choice([0, 1, 2, 3, rng.randint(0, 3 * capacity)])))
        elif choice < 0.9:
            frames = rng.choice([0, 1, rng.randint(0, 2 * capacity), capacity // 3])
            pair.read(frames, rng.choice([np.int16, np.float32]))
        else:
            pair.order(rng.choices(["flush", "drain", "abort"], [6, 3, 1])[0])
        pair.compare()

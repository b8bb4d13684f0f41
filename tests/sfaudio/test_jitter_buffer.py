"""The queue from a network task to an audio callback, against a model of it and scene by scene."""

import ctypes
import itertools
import random
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sfaudio import JitterBuffer, JitterBufferStatistics


def pcm(samples: Sequence[int]) -> bytes:
    return np.array(samples, "<i2").tobytes()


def read(buffer: JitterBuffer, frames: int) -> list[int]:
    out = np.full(frames, 12321, np.int16)
    buffer.read_into(out)
    return out.tolist()


def check_conservation(statistics: JitterBufferStatistics) -> None:
    s = statistics
    assert s.written_frames == s.read_frames + s.queued_frames + s.dropped_frames


def ramp(frames: int) -> list[int]:
    """Samples of which none is zero, each another."""
    return list(range(1, frames + 1))


# ---- the model


@dataclass
class Model:
    """What the docstrings say, a frame at a time; positions are frames since the start."""

    capacity: int
    prefill: int = 0
    fade: int = 0
    stream: list[int] = field(default_factory=list)
    split: bytes = b""
    position: int = 0
    flush_to: int = 0
    drain_to: int = 0
    playing: bool = False
    waited: int = 0
    gains: list[float] = field(default_factory=list)  # of the fade under way
    read_frames: int = 0
    dropped_frames: int = 0
    padded_frames: int = 0
    underruns: int = 0

    @property
    def queued(self) -> int:
        return len(self.stream) - self.position

    def write(self, data: bytes) -> int:
        taken = 0
        while taken < len(data):
            rest = self.split + data[taken : taken + 2 - len(self.split)]
            if len(rest) == 1:
                self.split = rest
                taken += 1
            elif self.queued == self.capacity:
                break
            else:
                self.stream.append(int.from_bytes(rest, "little", signed=True))
                taken += 2 - len(self.split)
                self.split = b""
        return taken

    def next_frame(self) -> int:
        self.position += 1
        self.read_frames += 1
        return self.stream[self.position - 1]

    def read(self, frames: int) -> tuple[list[float], list[bool], int]:
        """The samples as int16 values, whether each is faded, and how many came from the queue."""
        out: list[float] = []
        read_before = self.read_frames
        if self.flush_to > self.position:
            if self.playing:
                if not self.gains:
                    steps = min(self.fade, self.flush_to - self.position)
                    self.gains = [1 - (step + 1) / steps for step in range(steps)]
                while self.gains and len(out) < frames:
                    out.append(self.next_frame() * self.gains.pop(0))
            if not self.gains:
                self.playing = False
                self.dropped_frames += self.flush_to - self.position
                self.position = self.flush_to
                self.waited = 0
        faded = len(out)
        if not self.gains:
            self.play(out, frames)
        return out, [at < faded for at in range(frames)], self.read_frames - read_before

    def play(self, out: list[float], frames: int) -> None:
        if not self.playing and self.queued:
            gathered = self.queued >= self.prefill
            drained = self.drain_to > self.position
            if gathered or drained or self.waited >= self.prefill:
                self.playing, self.waited = True, 0
            else:
                self.waited += frames - len(out)
        while self.playing and self.queued and len(out) < frames:
            out.append(self.next_frame())
        if len(out) < frames:
            if self.playing and self.position > self.drain_to:
                self.underruns += 1
            self.playing = False
            self.padded_frames += frames - len(out)
            out += [0] * (frames - len(out))

    def flush(self) -> None:
        self.flush_to = len(self.stream)

    def drain(self) -> None:
        self.drain_to = len(self.stream)

    def abort(self) -> None:
        self.dropped_frames += self.queued
        self.position = len(self.stream)
        self.playing, self.gains, self.waited = False, [], 0

    def statistics(self) -> JitterBufferStatistics:
        return JitterBufferStatistics(
            written_frames=len(self.stream),
            read_frames=self.read_frames,
            queued_frames=self.queued,
            dropped_frames=self.dropped_frames,
            padded_frames=self.padded_frames,
            underruns=self.underruns,
            partial_bytes=len(self.split),
        )


class Pair:
    """A buffer and its model, given the same orders and compared after each."""

    def __init__(self, capacity: int, prefill: int, fade: int) -> None:
        self.buffer = JitterBuffer(capacity, prefill=prefill, fade=fade)
        self.model = Model(capacity, prefill, fade)

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
        check_conservation(statistics)
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


# ---- what goes in comes out


@given(
    st.lists(st.tuples(st.binary(max_size=64), st.integers(0, 24)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_split_of_the_same_bytes_sounds_the_same(
    life: list[tuple[bytes, int]], rng: random.Random
) -> None:
    whole, split = (JitterBuffer(1000, prefill=10, fade=5) for _ in range(2))
    for data, frames in life:
        assert whole.write(data) == len(data)
        cuts = sorted(rng.choices(range(len(data) + 1), k=rng.randrange(8)))
        for start, end in itertools.pairwise([0, *cuts, len(data)]):
            assert split.write(data[start:end]) == end - start
        assert read(whole, frames) == read(split, frames)
        assert whole.statistics() == split.statistics()


def test_bytes_one_at_a_time_give_every_sample() -> None:
    buffer = JitterBuffer(1 << 16)
    every_sample = np.arange(-32768, 32768, dtype="<i2")
    data = every_sample.tobytes()
    for at in range(len(data)):
        assert buffer.write(data[at : at + 1]) == 1
        assert buffer.statistics().partial_bytes == (at + 1) % 2
    assert read(buffer, 1 << 16) == every_sample.tolist()


@pytest.mark.parametrize(
    "block",
    [
        bytearray(8),
        memoryview(bytearray(9))[1:],
        np.zeros(4, np.int16),
        np.zeros((2, 2), np.int16),
        (ctypes.c_int16 * 4)(),
    ],
    ids=["bytearray", "misaligned", "array", "2-d", "ctypes"],
)
def test_every_kind_of_int16_block_is_filled(block: Any) -> None:
    buffer = JitterBuffer(8)
    buffer.write(pcm([1, -2, 32767]))
    assert buffer.read_into(block) == 3
    assert memoryview(block).tobytes() == pcm([1, -2, 32767, 0])


@pytest.mark.parametrize(
    "data",
    [
        pcm([1, -2]),
        bytearray(pcm([1, -2])),
        memoryview(b"." + pcm([1, -2]))[1:],
        np.array([1, -2], "<i2"),
        np.array([[1], [-2]], "<i2"),
        (ctypes.c_int16 * 2)(1, -2),
    ],
    ids=["bytes", "bytearray", "misaligned", "array", "2-d", "ctypes"],
)
def test_every_kind_of_contiguous_buffer_is_queued(data: Any) -> None:
    buffer = JitterBuffer(8)
    assert buffer.write(data) == 4
    assert read(buffer, 2) == [1, -2]


@pytest.mark.parametrize("empty", [b"", np.zeros(0, np.int16), np.zeros((0, 2), np.int16)])
def test_no_bytes_are_queued_from_an_empty_buffer(empty: Any) -> None:
    buffer = JitterBuffer(8)
    assert buffer.write(empty) == 0
    assert buffer.statistics().written_frames == 0


def test_float32_blocks_hold_the_samples_over_32768() -> None:
    buffer = JitterBuffer(1 << 16)
    every_sample = np.arange(-32768, 32768, dtype="<i2")
    buffer.write(every_sample)
    out = np.zeros(1 << 16, np.float32)
    assert buffer.read_into(out) == 1 << 16
    assert (out * 32768 == every_sample).all()


@pytest.mark.parametrize("capacity", [1, 5, 8, 13])
def test_samples_stay_in_order_round_and_round_the_ring(capacity: int) -> None:
    buffer = JitterBuffer(capacity)
    samples = ramp(200)
    sizes = itertools.cycle([1, capacity, 2, 3])
    got: list[int] = []
    rest = pcm(samples)
    while rest:
        rest = rest[buffer.write(rest) :]
        got += read(buffer, min(next(sizes), buffer.queued_frames))
    assert got + read(buffer, buffer.queued_frames) == samples


# ---- a full queue


def test_a_full_queue_takes_no_more_and_loses_nothing() -> None:
    buffer = JitterBuffer(5)
    data = pcm(ramp(8))
    assert buffer.write(data) == 10
    assert buffer.writable_frames == 0
    assert buffer.write(data[10:]) == 0
    assert read(buffer, 2) == [1, 2]
    assert buffer.writable_frames == 2
    assert buffer.write(data[10:]) == 4
    assert read(buffer, 4) == [3, 4, 5, 6]
    assert buffer.write(data[14:]) == 2
    assert read(buffer, 3) == [7, 8, 0]


def test_a_sample_split_at_the_end_of_a_full_queue_is_not_lost() -> None:
    buffer = JitterBuffer(2)
    data = pcm([1, 2, 0x1234])
    assert buffer.write(data[:5]) == 5  # the half sample waits outside the queue
    assert buffer.statistics().partial_bytes == 1
    assert buffer.write(data[5:]) == 0  # its other half would need room
    assert read(buffer, 1) == [1]
    assert buffer.write(data[5:]) == 1
    assert buffer.statistics().partial_bytes == 0
    assert read(buffer, 2) == [2, 0x1234]


@given(data=st.binary(max_size=200), capacity=st.integers(1, 9), seed=st.integers(0, 99))
def test_writing_the_rest_later_gives_every_sample(data: bytes, capacity: int, seed: int) -> None:
    rng = random.Random(seed)
    buffer = JitterBuffer(capacity)
    got: list[int] = []
    rest = data
    while rest:
        taken = buffer.write(rest[: rng.randint(1, 30)])
        rest = rest[taken:]
        got += read(buffer, min(rng.randint(0, capacity), buffer.queued_frames))
    got += read(buffer, buffer.queued_frames)
    assert got == np.frombuffer(data[: len(data) // 2 * 2], "<i2").tolist()
    assert buffer.statistics().partial_bytes == len(data) % 2


# ---- when playing starts and stops


def test_without_prefill_whatever_there_is_plays_at_once() -> None:
    buffer = JitterBuffer(8)
    assert read(buffer, 2) == [0, 0]
    buffer.write(pcm([1]))
    assert read(buffer, 2) == [1, 0]


def test_playing_starts_when_prefill_frames_are_queued() -> None:
    buffer = JitterBuffer(20, prefill=10)
    buffer.write(pcm(ramp(9)))
    assert read(buffer, 4) == [0] * 4
    buffer.write(pcm([10]))
    assert read(buffer, 4) == [1, 2, 3, 4]


def test_playing_starts_when_some_have_waited_for_as_long_as_prefill_frames_play() -> None:
    buffer = JitterBuffer(20, prefill=10)
    for _ in range(5):
        assert read(buffer, 4) == [0] * 4  # nothing is there to wait
    buffer.write(pcm(ramp(3)))
    silent = 0
    while (block := read(buffer, 4)) == [0] * 4:
        silent += 4
    assert block == [1, 2, 3, 0]
    assert silent == 12  # the first whole block at which the wait had come to 10


def test_playing_starts_at_once_after_drain() -> None:
    buffer = JitterBuffer(20, prefill=10)
    buffer.write(pcm([1, 2]))
    buffer.drain()
    assert read(buffer, 4) == [1, 2, 0, 0]
    assert buffer.statistics().underruns == 0


def test_audio_after_a_drain_gathers_anew() -> None:
    buffer = JitterBuffer(20, prefill=4)
    buffer.write(pcm([1, 2]))
    buffer.drain()
    assert read(buffer, 3) == [1, 2, 0]
    buffer.write(pcm([3, 4]))
    assert read(buffer, 3) == [0, 0, 0]


def test_playing_goes_on_below_prefill_until_the_queue_is_empty() -> None:
    buffer = JitterBuffer(20, prefill=10)
    buffer.write(pcm(ramp(10)))
    assert read(buffer, 9) == ramp(9)
    assert read(buffer, 1) == [10]
    buffer.write(pcm([11]))  # in time: not a frame was missing
    assert read(buffer, 1) == [11]
    assert buffer.statistics().underruns == 0


def test_after_an_underrun_playing_gathers_anew() -> None:
    buffer = JitterBuffer(20, prefill=4)
    buffer.write(pcm(ramp(4)))
    assert read(buffer, 6) == [1, 2, 3, 4, 0, 0]
    buffer.write(pcm([5, 6, 7]))
    assert read(buffer, 2) == [0, 0]
    buffer.write(pcm([8]))
    assert read(buffer, 5) == [5, 6, 7, 8, 0]


def test_the_wait_after_an_underrun_begins_with_the_new_audio() -> None:
    buffer = JitterBuffer(20, prefill=4)
    buffer.write(pcm([1]))
    assert read(buffer, 3) == [0] * 3
    assert read(buffer, 3) == [0] * 3
    assert read(buffer, 3) == [1, 0, 0]
    assert read(buffer, 3) == [0] * 3
    buffer.write(pcm([2]))
    assert [read(buffer, 3) for _ in range(3)] == [[0] * 3, [0] * 3, [2, 0, 0]]


def test_each_time_the_queue_runs_empty_while_playing_is_one_underrun() -> None:
    buffer = JitterBuffer(20)
    for _ in range(3):
        read(buffer, 4)
    assert buffer.statistics().underruns == 0  # nothing has played yet
    for times in (1, 2):
        buffer.write(pcm([1, 2]))
        for _ in range(3):
            read(buffer, 4)
        assert buffer.statistics().underruns == times
    buffer.write(pcm(ramp(4)))
    read(buffer, 4)
    assert buffer.statistics().underruns == 2  # just enough
    read(buffer, 4)
    assert buffer.statistics().underruns == 3  # found missing now


def test_running_empty_after_a_drain_is_no_underrun() -> None:
    buffer = JitterBuffer(20)
    buffer.write(pcm(ramp(6)))
    read(buffer, 4)
    buffer.drain()
    assert read(buffer, 4) == [5, 6, 0, 0]
    assert buffer.statistics().underruns == 0
    buffer.write(pcm([7]))
    read(buffer, 4)
    assert buffer.statistics().underruns == 1  # that came after the drain


def test_padded_frames_count_the_silence_and_nothing_else() -> None:
    buffer = JitterBuffer(20, prefill=2)
    read(buffer, 3)
    buffer.write(pcm([0, 0]))  # silence that was written is no padding
    read(buffer, 5)
    statistics = buffer.statistics()
    assert (statistics.padded_frames, statistics.read_frames) == (6, 2)


def test_an_empty_block_changes_nothing() -> None:
    buffer = JitterBuffer(20, prefill=2, fade=4)
    buffer.write(pcm(ramp(10)))
    read(buffer, 2)
    buffer.flush()
    before = buffer.statistics()
    assert buffer.read_into(np.zeros(0, np.int16)) == 0
    assert buffer.statistics() == before
    assert len(set(read(buffer, 4))) > 1


# ---- flush


def playing(level: int, *, frames: int, fade: int, prefill: int = 0) -> JitterBuffer:
    """A buffer that has just begun to play a constant signal."""
    buffer = JitterBuffer(1000, fade=fade, prefill=prefill)
    buffer.write(pcm([level] * frames))
    assert read(buffer, 10) == [level] * 10
    return buffer


@pytest.mark.parametrize("blocksize", [1, 3, 7, 40, 64])
@pytest.mark.parametrize("level", [32767, -32768])
def test_a_flush_fades_in_a_straight_line_to_exact_silence(blocksize: int, level: int) -> None:
    buffer = playing(level, frames=500, fade=40)
    buffer.flush()
    sound: list[int] = []
    while len(sound) < 100:
        sound += read(buffer, blocksize)
    straight = [level * (39 - i) / 40 for i in range(40)]
    assert np.allclose(sound[:40], straight, rtol=0, atol=1)
    steps = np.diff([level, *sound[:40]])
    assert (np.sign(steps) == -np.sign(level)).all()
    assert not any(sound[39:])
    assert buffer.statistics().dropped_frames == 500 - 10 - 40
    assert buffer.statistics().underruns == 0


def test_a_fade_into_float32_is_the_same_line() -> None:
    buffer = playing(16384, frames=500, fade=8)
    buffer.flush()
    out = np.ones(20, np.float32)
    assert buffer.read_into(out) == 8
    assert out.tolist() == [0.5 * (7 - i) / 8 for i in range(8)] + [0.0] * 12


def test_a_fade_may_change_between_float32_and_int16_blocks() -> None:
    buffer = playing(16384, frames=500, fade=8)
    buffer.flush()
    out = np.ones(3, np.float32)
    buffer.read_into(out)
    assert out.tolist() == [0.5 * (7 - i) / 8 for i in range(3)]
    assert read(buffer, 6) == [2048 * (7 - i) for i in range(3, 8)] + [0]


def test_a_flush_without_fade_is_silence_in_the_next_block() -> None:
    buffer = playing(1000, frames=500, fade=0)
    buffer.flush()
    assert read(buffer, 10) == [0] * 10
    assert buffer.statistics().dropped_frames == 490


def test_a_flush_of_less_than_the_fade_still_ends_in_silence() -> None:
    buffer = playing(1000, frames=15, fade=40)
    buffer.flush()
    assert read(buffer, 10) == [800, 600, 400, 200, 0, 0, 0, 0, 0, 0]
    assert buffer.statistics().dropped_frames == 0


def test_a_flush_while_gathering_makes_no_sound() -> None:
    buffer = JitterBuffer(100, prefill=50, fade=10)
    buffer.write(pcm(ramp(30)))
    read(buffer, 5)
    buffer.flush()
    assert [read(buffer, 5) for _ in range(20)] == [[0] * 5] * 20
    statistics = buffer.statistics()
    assert (statistics.read_frames, statistics.dropped_frames) == (0, 30)


def test_a_flush_ends_the_wait_of_what_it_threw_away() -> None:
    buffer = JitterBuffer(100, prefill=10)
    buffer.write(pcm([1]))
    assert read(buffer, 9) == [0] * 9
    buffer.flush()
    buffer.write(pcm([2]))
    assert [read(buffer, 5) for _ in range(3)] == [[0] * 5, [0] * 5, [2, 0, 0, 0, 0]]


@pytest.mark.parametrize("read_between", [False, True])
def test_new_audio_after_a_flush_is_played_from_its_first_sample(read_between: bool) -> None:
    buffer = playing(1000, frames=50, fade=4)
    buffer.flush()
    sound: list[int] = []
    if read_between:
        sound += read(buffer, 8)
    buffer.write(pcm(ramp(6)))
    sound += read(buffer, 12)
    assert sound[:4] == [750, 500, 250, 0]
    assert [sample for sample in sound[4:] if sample] == ramp(6)
    assert buffer.statistics().dropped_frames == 36


def test_new_audio_after_a_flush_gathers_anew() -> None:
    buffer = playing(1000, frames=50, fade=4, prefill=10)
    buffer.flush()
    buffer.write(pcm(ramp(9)))
    assert read(buffer, 8) == [750, 500, 250, 0, 0, 0, 0, 0]
    buffer.write(pcm([10]))
    assert read(buffer, 10) == ramp(10)


def test_a_second_flush_during_the_fade_does_not_lengthen_it() -> None:
    buffer = playing(800, frames=500, fade=8)
    buffer.flush()
    assert read(buffer, 3) == [700, 600, 500]
    buffer.write(pcm([9] * 20))
    buffer.flush()
    assert read(buffer, 20) == [400, 300, 200, 100] + [0] * 16
    assert buffer.queued_frames == 0


def test_flushing_an_empty_queue_fades_nothing_that_comes_later() -> None:
    buffer = JitterBuffer(100, fade=10)
    buffer.flush()
    buffer.write(pcm(ramp(20)))
    buffer.flush()
    buffer.flush()
    assert read(buffer, 5) == [0] * 5
    buffer.write(pcm(ramp(20)))
    assert read(buffer, 20) == ramp(20)


def test_half_a_sample_outlives_a_flush() -> None:
    buffer = JitterBuffer(100)
    data = pcm([1, 0x1234, 3])
    buffer.write(data[:3])
    buffer.flush()
    assert buffer.statistics().partial_bytes == 1
    buffer.write(data[3:])
    assert read(buffer, 3) == [0x1234, 3, 0]


# ---- abort


def test_abort_throws_all_away_at_once_without_a_fade() -> None:
    buffer = playing(1000, frames=500, fade=40)
    buffer.abort()
    assert buffer.queued_frames == 0
    assert buffer.statistics().dropped_frames == 490
    assert read(buffer, 10) == [0] * 10
    assert buffer.statistics().underruns == 0


def test_abort_ends_a_fade() -> None:
    buffer = playing(1000, frames=500, fade=40)
    buffer.flush()
    read(buffer, 10)
    buffer.abort()
    assert read(buffer, 10) == [0] * 10
    buffer.write(pcm(ramp(5)))
    assert read(buffer, 5) == ramp(5)


def test_abort_ends_the_wait_of_what_it_threw_away() -> None:
    buffer = JitterBuffer(100, prefill=10)
    buffer.write(pcm([1]))
    assert read(buffer, 9) == [0] * 9
    buffer.abort()
    buffer.write(pcm([2]))
    assert [read(buffer, 5) for _ in range(3)] == [[0] * 5, [0] * 5, [2, 0, 0, 0, 0]]


# ---- what it tells, and bad input


def test_a_new_buffer_tells_its_parameters_and_zeros() -> None:
    buffer = JitterBuffer(100, prefill=30, fade=5)
    assert (buffer.capacity, buffer.prefill) == (100, 30)
    assert (buffer.queued_frames, buffer.writable_frames) == (0, 100)
    assert buffer.statistics() == JitterBufferStatistics(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"capacity": 0}, ValueError, "capacity must be between 1 and .* frames, not 0"),
        ({"capacity": -1}, ValueError, "capacity must be between .*not -1"),
        ({"capacity": 2**30 + 1}, ValueError, "capacity must be between .*not 1073741825"),
        ({"capacity": 10**30}, ValueError, "capacity must be between"),
        ({"capacity": 1.5}, TypeError, "capacity must be a whole number of frames, not 1.5"),
        ({"capacity": "9"}, TypeError, "capacity must be a whole number of frames, not '9'"),
        ({"capacity": None}, TypeError, "capacity must be a whole number of frames, not None"),
        ({"prefill": 11}, ValueError, "prefill must be between 0 and 10 frames, not 11"),
        ({"prefill": -1}, ValueError, "prefill must be between 0 and 10 frames, not -1"),
        ({"prefill": 0.5}, TypeError, "prefill must be a whole number of frames, not 0.5"),
        ({"fade": 11}, ValueError, "fade must be between 0 and 10 frames, not 11"),
        ({"fade": -1}, ValueError, "fade must be between 0 and 10 frames, not -1"),
        ({"fade": b"1"}, TypeError, "fade must be a whole number of frames, not b'1'"),
    ],
)
def test_a_parameter_out_of_range_is_refused(
    parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        JitterBuffer(**{"capacity": 10, **parameters})


def test_the_limits_of_the_parameters_are_allowed() -> None:
    assert JitterBuffer(1, prefill=1, fade=1).capacity == 1
    assert JitterBuffer(10, prefill=10, fade=10).prefill == 10


@pytest.mark.parametrize("data", [None, "text", 3, [1, 2]])
def test_writing_what_is_no_buffer_is_refused(data: Any) -> None:
    buffer = JitterBuffer(10)
    with pytest.raises(TypeError, match=r"bytes-like|buffer"):
        buffer.write(data)
    assert buffer.statistics().written_frames == 0


def test_writing_what_is_not_contiguous_is_refused() -> None:
    buffer = JitterBuffer(10)
    with pytest.raises((TypeError, ValueError), match="contiguous"):
        buffer.write(np.zeros(8, np.int16)[::2])
    assert buffer.statistics().written_frames == 0


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (None, TypeError, "out must be a buffer of int16 or float32 samples"),
        ([0, 0], TypeError, "out must be a buffer of int16 or float32 samples .*not list"),
        (np.zeros(2), TypeError, "out must hold native int16.* format 'd'"),
        (np.zeros(2, np.dtype(np.int16).newbyteorder("S")), TypeError, "out must hold native"),
        (bytes(4), ValueError, "out must be writable"),
        (bytearray(3), ValueError, "out has 3 bytes"),
        (np.zeros(4, np.int16)[::2], ValueError, "out must be writable and C-contiguous"),
        (np.zeros((), np.int16), ValueError, "out is zero-dimensional"),
    ],
)
def test_reading_into_a_bad_buffer_takes_nothing(
    out: Any, error: type[Exception], message: str
) -> None:
    buffer = JitterBuffer(10)
    buffer.write(pcm([1, 2, 3]))
    before = buffer.statistics()
    with pytest.raises(error, match=message):
        buffer.read_into(out)
    assert buffer.statistics() == before
    assert read(buffer, 3) == [1, 2, 3]


def test_buffers_are_let_go_after_success_and_error() -> None:
    buffer = JitterBuffer(10)
    data, out = bytearray(4), bytearray(5)
    buffer.write(data)
    with pytest.raises(ValueError, match="5 bytes"):
        buffer.read_into(out)
    out.append(0)  # BufferError while exported
    buffer.read_into(out)
    out.append(0)
    data.append(0)


# ---- two threads


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
                check_conservation(buffer.statistics())
                if not taken:
                    time.sleep(0)
            buffer.drain()
        except BaseException as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=write_all)
    writer.start()
    count = 0
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
        sys.setswitchinterval(interval)
    assert failures == []
    assert np.array_equal(np.concatenate(received), sent)
    statistics = buffer.statistics()
    check_conservation(statistics)
    assert (statistics.read_frames, statistics.dropped_frames) == (frames, 0)

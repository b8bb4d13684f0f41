"""The jitter buffer plays what was written, in order: when it starts, and until when it goes on."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import JitterBuffer

from .queues import pcm, play, ramp

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
        assert play(whole, frames) == play(split, frames)
        assert whole.statistics() == split.statistics()


def test_bytes_one_at_a_time_give_every_sample() -> None:
    buffer = JitterBuffer(1 << 16)
    every_sample = np.arange(-32768, 32768, dtype="<i2")
    data = every_sample.tobytes()
    for at in range(len(data)):
        assert buffer.write(data[at : at + 1]) == 1
        assert buffer.statistics().partial_bytes == (at + 1) % 2
    assert play(buffer, 1 << 16) == every_sample.tolist()


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
        got += play(buffer, min(next(sizes), buffer.queued_frames))
    assert got + play(buffer, buffer.queued_frames) == samples


# ---- a full queue


def test_a_full_queue_takes_no_more_and_loses_nothing() -> None:
    buffer = JitterBuffer(5)
    data = pcm(ramp(8))
    assert buffer.write(data) == 10
    assert buffer.writable_frames == 0
    assert buffer.write(data[10:]) == 0
    assert play(buffer, 2) == [1, 2]
    assert buffer.writable_frames == 2
    assert buffer.write(data[10:]) == 4
    assert play(buffer, 4) == [3, 4, 5, 6]
    assert buffer.write(data[14:]) == 2
    assert play(buffer, 3) == [7, 8, 0]


def test_a_sample_split_at_the_end_of_a_full_queue_is_not_lost() -> None:
    buffer = JitterBuffer(2)
    data = pcm([1, 2, 0x1234])
    assert buffer.write(data[:5]) == 5  # the half sample waits outside the queue
    assert buffer.statistics().partial_bytes == 1
    assert buffer.write(data[5:]) == 0  # its other half would need room
    assert play(buffer, 1) == [1]
    assert buffer.write(data[5:]) == 1
    assert buffer.statistics().partial_bytes == 0
    assert play(buffer, 2) == [2, 0x1234]


@given(data=st.binary(max_size=200), capacity=st.integers(1, 9), seed=st.integers(0, 99))
def test_writing_the_rest_later_gives_every_sample(data: bytes, capacity: int, seed: int) -> None:
    rng = random.Random(seed)
    buffer = JitterBuffer(capacity)
    got: list[int] = []
    rest = data
    while rest:
        taken = buffer.write(rest[: rng.randint(1, 30)])
        rest = rest[taken:]
        got += play(buffer, min(rng.randint(0, capacity), buffer.queued_frames))
    got += play(buffer, buffer.queued_frames)
    assert got == np.frombuffer(data[: len(data) // 2 * 2], "<i2").tolist()
    assert buffer.statistics().partial_bytes == len(data) % 2


# ---- when playing starts and stops


def test_without_prefill_whatever_there_is_plays_at_once() -> None:
    buffer = JitterBuffer(8)
    assert play(buffer, 2) == [0, 0]
    buffer.write(pcm([1]))
    assert play(buffer, 2) == [1, 0]


def test_playing_starts_when_prefill_frames_are_queued() -> None:
    buffer = JitterBuffer(20, prefill=10)
    buffer.write(pcm(ramp(9)))
    assert play(buffer, 4) == [0] * 4
    buffer.write(pcm([10]))
    assert play(buffer, 4) == [1, 2, 3, 4]


def test_playing_starts_when_some_have_waited_for_as_long_as_prefill_frames_play() -> None:
    buffer = JitterBuffer(20, prefill=10)
    for _ in range(5):
        assert play(buffer, 4) == [0] * 4  # nothing is there to wait
    buffer.write(pcm(ramp(3)))
    silent = 0
    while (block := play(buffer, 4)) == [0] * 4:
        silent += 4
    assert block == [1, 2, 3, 0]
    assert silent == 12  # the first whole block at which the wait had come to 10


def test_playing_starts_at_once_after_drain() -> None:
    buffer = JitterBuffer(20, prefill=10)
    buffer.write(pcm([1, 2]))
    buffer.drain()
    assert play(buffer, 4) == [1, 2, 0, 0]
    assert buffer.statistics().underruns == 0


def test_audio_after_a_drain_gathers_anew() -> None:
    buffer = JitterBuffer(20, prefill=4)
    buffer.write(pcm([1, 2]))
    buffer.drain()
    assert play(buffer, 3) == [1, 2, 0]
    buffer.write(pcm([3, 4]))
    assert play(buffer, 3) == [0, 0, 0]


def test_playing_goes_on_below_prefill_until_the_queue_is_empty() -> None:
    buffer = JitterBuffer(20, prefill=10)
    buffer.write(pcm(ramp(10)))
    assert play(buffer, 9) == ramp(9)
    assert play(buffer, 1) == [10]
    buffer.write(pcm([11]))  # in time: not a frame was missing
    assert play(buffer, 1) == [11]
    assert buffer.statistics().underruns == 0


def test_after_an_underrun_playing_gathers_anew() -> None:
    buffer = JitterBuffer(20, prefill=4)
    buffer.write(pcm(ramp(4)))
    assert play(buffer, 6) == [1, 2, 3, 4, 0, 0]
    buffer.write(pcm([5, 6, 7]))
    assert play(buffer, 2) == [0, 0]
    buffer.write(pcm([8]))
    assert play(buffer, 5) == [5, 6, 7, 8, 0]


def test_the_wait_after_an_underrun_begins_with_the_new_audio() -> None:
    buffer = JitterBuffer(20, prefill=4)
    buffer.write(pcm([1]))
    assert play(buffer, 3) == [0] * 3
    assert play(buffer, 3) == [0] * 3
    assert play(buffer, 3) == [1, 0, 0]
    assert play(buffer, 3) == [0] * 3
    buffer.write(pcm([2]))
    assert [play(buffer, 3) for _ in range(3)] == [[0] * 3, [0] * 3, [2, 0, 0]]

"""What the jitter buffer throws away: flush, with a fade, and abort."""

from typing import Any

import numpy as np
import pytest

from sfaudio import JitterBuffer

from .queues import pcm, play, ramp

# ---- flush


def playing(level: int, *, frames: int, fade: int, prefill: int = 0) -> JitterBuffer:
    """A buffer that has just begun to play a constant signal."""
    buffer = JitterBuffer(1000, fade=fade, prefill=prefill)
    buffer.write(pcm([level] * frames))
    assert play(buffer, 10) == [level] * 10
    return buffer


@pytest.mark.parametrize("blocksize", [1, 3, 7, 40, 64])
@pytest.mark.parametrize("level", [32767, -32768])
def test_a_flush_fades_in_a_straight_line_to_exact_silence(blocksize: int, level: int) -> None:
    buffer = playing(level, frames=500, fade=40)
    buffer.flush()
    sound: list[int] = []
    while len(sound) < 100:
        sound += play(buffer, blocksize)
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


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_fade_goes_to_any_address(dtype: Any) -> None:
    """That is checked where the suite is sanitized; elsewhere, that the line is the same."""
    buffer, aligned = playing(16384, frames=500, fade=64), playing(16384, frames=500, fade=64)
    buffer.flush()
    aligned.flush()
    expected = np.ones(100, dtype)
    out = np.frombuffer(bytearray(expected.nbytes + 1), dtype, offset=1)
    assert buffer.read_into(out) == aligned.read_into(expected) == 64
    assert out.tobytes() == expected.tobytes()


def test_a_fade_may_change_between_float32_and_int16_blocks() -> None:
    buffer = playing(16384, frames=500, fade=8)
    buffer.flush()
    out = np.ones(3, np.float32)
    buffer.read_into(out)
    assert out.tolist() == [0.5 * (7 - i) / 8 for i in range(3)]
    assert play(buffer, 6) == [2048 * (7 - i) for i in range(3, 8)] + [0]


def test_a_flush_without_fade_is_silence_in_the_next_block() -> None:
    buffer = playing(1000, frames=500, fade=0)
    buffer.flush()
    assert play(buffer, 10) == [0] * 10
    assert buffer.statistics().dropped_frames == 490


def test_a_flush_of_less_than_the_fade_still_ends_in_silence() -> None:
    buffer = playing(1000, frames=15, fade=40)
    buffer.flush()
    assert play(buffer, 10) == [800, 600, 400, 200, 0, 0, 0, 0, 0, 0]
    assert buffer.statistics().dropped_frames == 0


def test_a_flush_while_gathering_makes_no_sound() -> None:
    buffer = JitterBuffer(100, prefill=50, fade=10)
    buffer.write(pcm(ramp(30)))
    play(buffer, 5)
    buffer.flush()
    assert [play(buffer, 5) for _ in range(20)] == [[0] * 5] * 20
    statistics = buffer.statistics()
    assert (statistics.read_frames, statistics.dropped_frames) == (0, 30)


def test_a_flush_ends_the_wait_of_what_it_threw_away() -> None:
    buffer = JitterBuffer(100, prefill=10)
    buffer.write(pcm([1]))
    assert play(buffer, 9) == [0] * 9
    buffer.flush()
    buffer.write(pcm([2]))
    assert [play(buffer, 5) for _ in range(3)] == [[0] * 5, [0] * 5, [2, 0, 0, 0, 0]]


@pytest.mark.parametrize("read_between", [False, True])
def test_new_audio_after_a_flush_is_played_from_its_first_sample(read_between: bool) -> None:
    buffer = playing(1000, frames=50, fade=4)
    buffer.flush()
    sound: list[int] = []
    if read_between:
        sound += play(buffer, 8)
    buffer.write(pcm(ramp(6)))
    sound += play(buffer, 12)
    assert sound[:4] == [750, 500, 250, 0]
    assert [sample for sample in sound[4:] if sample] == ramp(6)
    assert buffer.statistics().dropped_frames == 36


def test_new_audio_after_a_flush_gathers_anew() -> None:
    buffer = playing(1000, frames=50, fade=4, prefill=10)
    buffer.flush()
    buffer.write(pcm(ramp(9)))
    assert play(buffer, 8) == [750, 500, 250, 0, 0, 0, 0, 0]
    buffer.write(pcm([10]))
    assert play(buffer, 10) == ramp(10)


def test_a_second_flush_during_the_fade_does_not_lengthen_it() -> None:
    buffer = playing(800, frames=500, fade=8)
    buffer.flush()
    assert play(buffer, 3) == [700, 600, 500]
    buffer.write(pcm([9] * 20))
    buffer.flush()
    assert play(buffer, 20) == [400, 300, 200, 100] + [0] * 16
    assert buffer.queued_frames == 0


def test_flushing_an_empty_queue_fades_nothing_that_comes_later() -> None:
    buffer = JitterBuffer(100, fade=10)
    buffer.flush()
    buffer.write(pcm(ramp(20)))
    buffer.flush()
    buffer.flush()
    assert play(buffer, 5) == [0] * 5
    buffer.write(pcm(ramp(20)))
    assert play(buffer, 20) == ramp(20)


def test_half_a_sample_outlives_a_flush() -> None:
    buffer = JitterBuffer(100)
    data = pcm([1, 0x1234, 3])
    buffer.write(data[:3])
    buffer.flush()
    assert buffer.statistics().partial_bytes == 1
    buffer.write(data[3:])
    assert play(buffer, 3) == [0x1234, 3, 0]


# ---- abort


def test_abort_throws_all_away_at_once_without_a_fade() -> None:
    buffer = playing(1000, frames=500, fade=40)
    buffer.abort()
    assert buffer.queued_frames == 0
    assert buffer.statistics().dropped_frames == 490
    assert play(buffer, 10) == [0] * 10
    assert buffer.statistics().underruns == 0


def test_abort_ends_a_fade() -> None:
    buffer = playing(1000, frames=500, fade=40)
    buffer.flush()
    play(buffer, 10)
    buffer.abort()
    assert play(buffer, 10) == [0] * 10
    buffer.write(pcm(ramp(5)))
    assert play(buffer, 5) == ramp(5)


def test_abort_ends_the_wait_of_what_it_threw_away() -> None:
    buffer = JitterBuffer(100, prefill=10)
    buffer.write(pcm([1]))
    assert play(buffer, 9) == [0] * 9
    buffer.abort()
    buffer.write(pcm([2]))
    assert [play(buffer, 5) for _ in range(3)] == [[0] * 5, [0] * 5, [2, 0, 0, 0, 0]]

"""The resampler gives just so many frames when asked, and what it rounds and holds back is counted to the frame."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import Resampler, ResamplerStatistics

PAIRS = [
    *[(44100, 48000), (48000, 44100), (44100, 16000), (16000, 44100), (48000, 16000)],
    *[(16000, 48000), (8000, 48000), (16000, 16000), (1000, 64000), (768000, 12000), (8191, 1024)],
]
every_pair = pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)


def noise(frames: int, dtype: Any = np.int16) -> Any:
    return np.random.default_rng(1).integers(-9999, 9999, frames).astype(dtype)


def balanced(resampler: Resampler) -> bool:
    s = resampler.statistics()
    given, taken = s.output_frames * resampler.samplerate_in, s.input_frames
    return given == taken * resampler.samplerate_out + s.ahead_ticks


@every_pair
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_frames_that_are_asked_for_are_those_of_the_whole_stream(rate_in, rate_out, dtype) -> None:
    src, rng = noise(4000 * max(1, rate_in // rate_out), dtype), random.Random(1)
    whole, pulling = Resampler(rate_in, rate_out).process(src), Resampler(rate_in, rate_out)
    out, at = [], 0
    while True:
        frames = rng.choice([0, 1, 2, 7, 240, 320, 700])
        needed = pulling.input_frames(frames)
        assert needed == 0 or pulling.output_frames(needed - 1) < frames
        assert pulling.output_frames(needed) >= frames
        if at + needed > len(src):
            break
        part = pulling.process(src[at : at + needed], frames)
        assert (len(part), part.dtype) == (frames, dtype)
        out.append(part)
        at += needed
        assert balanced(pulling)
    given = np.concatenate(out)
    assert np.array_equal(given, whole[: len(given)])
    assert len(given) > 0.5 * len(whole)
    statistics = pulling.statistics()
    assert (statistics.input_frames, statistics.output_frames) == (at, len(given))
    assert statistics.padded_frames == 0


def test_what_is_held_back_comes_with_the_next_call_in_any_form() -> None:
    src = noise(300)
    whole = Resampler(8000, 48000).process(src)
    resampler = Resampler(8000, 48000)
    out = [resampler.process(src[:1], 2)]
    assert resampler.statistics().ahead_ticks < 0
    assert resampler.output_frames(0) == 4
    assert resampler.input_frames(4) == 0
    assert resampler.input_frames(5) == 1
    out += [resampler.process(b"", 1), resampler.process(b"", 1), resampler.process(src[1:100])]
    assert resampler.output_frames(0) == 0
    out.append(resampler.process(src[100:]))
    assert np.array_equal(np.concatenate(out), whole)


@every_pair
def test_what_the_input_does_not_give_is_silence_that_is_counted(rate_in, rate_out) -> None:
    src = noise(1000)
    whole, resampler = Resampler(rate_in, rate_out).process(src), Resampler(rate_in, rate_out)
    due = resampler.output_frames(len(src))
    part = resampler.process(src, due + 100)
    assert np.array_equal(part[:due], whole)
    assert not part[due:].any()
    assert resampler.statistics().padded_frames == 100
    assert resampler.statistics().output_frames == due
    assert balanced(resampler)


@every_pair
def test_more_input_than_the_frames_need_is_refused_and_nothing_taken(rate_in, rate_out) -> None:
    resampler = Resampler(rate_in, rate_out)
    needed = resampler.input_frames(100)
    with pytest.raises(ValueError, match=f"src has {needed + 1} frames, but 100 .* need {needed}"):
        resampler.process(noise(needed + 1), 100)
    assert resampler.statistics() == ResamplerStatistics(0, 0, 0, 0)
    with pytest.raises(ValueError, match=r"frames must be between .*not -1"):
        resampler.process(b"", -1)
    with pytest.raises(ValueError, match=r"frames must be between .*not -1"):
        resampler.input_frames(-1)


@every_pair
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_drain_gives_the_end_that_is_in_the_filter(rate_in, rate_out, dtype) -> None:
    src = noise(2000, dtype)
    resampler, untold = Resampler(rate_in, rate_out), Resampler(rate_in, rate_out)
    assert np.array_equal(resampler.process(src), untold.process(src))
    end = resampler.drain(dtype)
    assert end.dtype == dtype
    assert abs(len(end) / rate_out - resampler.delay) < 1 / rate_in + 1 / rate_out
    assert np.array_equal(end, untold.process(np.zeros(2000, dtype))[: len(end)])
    assert resampler.statistics().input_frames == 2000
    assert balanced(resampler)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float64, ">i2", None])
def test_drain_gives_no_other_type_and_counts_nothing_then(dtype: Any) -> None:
    resampler = Resampler(16000, 48000)
    with pytest.raises(TypeError, match="dtype must be int16 or float32, not "):
        resampler.drain(dtype)
    assert resampler.statistics() == ResamplerStatistics(0, 0, 0, 0)


def test_what_was_held_back_when_it_was_reset_stays_in_the_books() -> None:
    resampler = Resampler(8000, 48000)
    resampler.process(noise(1), 2)
    resampler.reset()
    assert resampler.statistics() == ResamplerStatistics(1, 2, 0, -4 * 8000)
    assert len(resampler.process(noise(1))) == 6
    assert balanced(resampler)


@given(
    rates=st.sampled_from(PAIRS),
    calls=st.lists(
        st.tuples(st.sampled_from(["all", "some", "drain", "reset"]), st.integers(0, 400)),
        max_size=40,
    ),
)
def test_the_books_close_after_whatever_was_asked(rates, calls) -> None:
    resampler = Resampler(*rates)
    taken = given = padded = 0
    for what, frames in calls:
        if what == "all":
            taken += frames
            given += len(resampler.process(noise(frames)))
        elif what == "some":
            src = noise(min(resampler.input_frames(frames), 300))
            there = min(frames, resampler.output_frames(len(src)))
            assert len(resampler.process(src, frames)) == frames
            taken, given, padded = taken + len(src), given + there, padded + frames - there
        elif what == "drain":
            given += len(resampler.drain())
        else:
            resampler.reset()
        assert balanced(resampler)
        statistics = resampler.statistics()
        assert (statistics.input_frames, statistics.output_frames) == (taken, given)
        assert statistics.padded_frames == padded

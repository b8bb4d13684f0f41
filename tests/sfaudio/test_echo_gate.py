"""The gate: silent while the agent is heard, and each frame that is captured leaves once, as itself or as zero.

An agent here is noise at -20 dBFS, a room's noise is at -60, and an echo what a test makes of the agent.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sfaudio import EchoGate

RATE = 16_000
BLOCK = RATE // 100
TAIL = 0.2  # seconds, for which it stays closed
Frames = NDArray[np.float32]


def noise(seconds: float, dbfs: float, seed: int = 1, rate: int = RATE) -> Frames:
    """No sample of it is zero."""
    random = np.random.default_rng(seed)
    frames = random.standard_normal(round(seconds * rate)) * 10 ** (dbfs / 20)
    frames[frames == 0] = 1e-6
    return frames.astype(np.float32)


def at(seconds: float, sound: Frames, length: float, rate: int = RATE) -> Frames:
    """From then on, in silence of so many seconds."""
    whole = np.zeros(round(length * rate), np.float32)
    whole[round(seconds * rate) :][: len(sound)] = sound
    return whole


def echo_of(played: Frames, rt60: float, delay: float = 0.0) -> Frames:
    """10 dB weaker, of a room whose tail is noise."""
    tail = noise(rt60, 0.0, seed=9) * 10 ** (-3 * np.arange(round(rt60 * RATE)) / RATE / rt60)
    size = len(played) + len(tail)
    echo = np.fft.irfft(np.fft.rfft(played, size) * np.fft.rfft(tail, size), size)[: len(played)]
    echo *= 10**-0.5 * np.sqrt(np.mean(played**2) / np.mean(echo**2))
    return at(delay, echo, len(played) / RATE).astype(np.float32)


def passed(gate: EchoGate, captured: Frames, played: Frames) -> tuple[Any, Any]:
    """What came out of it, without its latency; and whether each frame of that is what was captured."""
    late = round(gate.latency * gate.samplerate)
    silence = np.zeros(late, captured.dtype)
    out = np.concatenate((gate.process(captured, played), gate.process(silence, silence)))
    assert not out[:late].any()
    out = out[late:]
    itself = out == captured
    assert not out[~itself].any()
    return out, itself


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize(
    ("rate", "delay"), [(8000, 0.0), (16_000, 0.1), (44_100, 0.1234), (48_000, 1.2)]
)
def test_all_passes_but_while_the_agent_is_heard_and_shortly_after(
    rate: int, delay: float, dtype: type
) -> None:
    played = at(0.5, noise(0.5, -20, rate=rate), 3, rate)
    captured = noise(3, -60, seed=2, rate=rate)
    if dtype is np.int16:
        played, captured = (np.round(32768 * of).astype(np.int16) for of in (played, captured))
        captured[captured == 0] = 1
    _, itself = passed(EchoGate(rate, delay_seconds=delay), captured, played)
    began, ended = np.flatnonzero(~itself)[[0, -1]] / rate
    assert not itself[round((0.5 + delay) * rate) : round((1.0 + delay + TAIL) * rate)].any()
    # To the block, and to a zero of the wave.
    assert 0.5 + delay - 0.02 < began
    assert ended < 1.0 + delay + TAIL + 0.02


def test_the_agent_is_what_is_above_60_dbfs() -> None:
    captured = noise(1, -60)
    for level, is_heard in ((0.00101, True), (0.00099, False), (np.nan, True)):
        played = at(0.5, np.full(1, level, np.float32), 1)
        assert passed(EchoGate(RATE), captured, played)[1].all() is not np.bool_(is_heard)


@pytest.mark.parametrize("rt60", [0.2, 0.4, 0.7])
@pytest.mark.parametrize("begins", [0.0, 0.05, 0.15])
def test_a_caller_who_begins_as_the_agent_ends_is_whole(rt60: float, begins: float) -> None:
    played = at(0.0, noise(1, -20), 2)
    caller = at(1.0 + begins, noise(0.5, -26, seed=3), 2)
    captured = noise(2, -60, seed=2) + echo_of(played, rt60) + caller
    gate = EchoGate(RATE)
    _, itself = passed(gate, captured, played)
    spoken = round((1 + begins) * RATE)
    # But for less than a millisecond, to the next zero of the wave.
    assert itself[spoken + RATE // 1000 :].all()
    assert not itself[:RATE].any()
    assert gate.statistics().early_openings == 1


def test_of_what_is_given_back_none_is_of_a_time_when_the_agent_sounds() -> None:
    """He speaks up 60 ms after a word of the agent, and the line is of 100."""
    played = at(0.0, noise(1.0, -20), 2)
    captured = noise(2, -60) + at(0.94, noise(1, -10, seed=3), 2)
    _, itself = passed(EchoGate(RATE), captured, played)
    assert not itself[:RATE].any()
    assert itself[RATE + BLOCK :].mean() > 0.99


@pytest.mark.parametrize("rt60", [0.2, 0.4, 0.7])
def test_the_tail_of_the_agent_does_not_open_it(rt60: float) -> None:
    """Of forty words, with pauses that are shorter and longer than the gate's."""
    words = [at(0.05, noise(0.2, -20, seed), 0.3 + 0.01 * seed) for seed in range(40)]
    played = np.concatenate(words)
    played = played[: len(played) // BLOCK * BLOCK]
    captured = echo_of(played, rt60) + noise(len(played) / RATE, -60, seed=99)
    gate = EchoGate(RATE)
    out, _ = passed(gate, captured, played)
    assert gate.statistics().early_openings == 0
    powers = np.mean(out.reshape(-1, BLOCK) ** 2, 1)
    assert 10 * np.log10(powers.max()) < -45


def test_a_click_in_each_of_two_pauses_of_the_agent_does_not_open_it() -> None:
    played = at(0.0, noise(0.5, -20), 1) + at(0.56, noise(0.2, -20), 1)
    captured = noise(1, -70, seed=2) + at(0.55, noise(0.01, -10), 1) + at(0.76, noise(0.01, -10), 1)
    gate = EchoGate(RATE)
    passed(gate, captured, played)
    assert gate.statistics().early_openings == 0


@pytest.mark.parametrize(
    "sound", [noise(0.01, -10), noise(0.1, -51)], ids=["a click", "what is faint"]
)
def test_what_is_no_caller_does_not_open_it(sound: Frames) -> None:
    played = at(0.0, noise(0.5, -20), 1)
    captured = noise(1, -70, seed=2) + at(0.6, sound, 1)
    gate = EchoGate(RATE)
    passed(gate, captured, played)
    assert gate.statistics().early_openings == 0


def test_it_is_not_cut_where_it_would_click() -> None:
    """A tone, of which the highest step from one frame to the next is far below its height."""
    time = np.arange(2 * RATE) / RATE
    captured = (0.5 * np.sin(2 * np.pi * 100.3 * time)).astype(np.float32)
    played = at(0.5003, noise(0.2, -20), 2)
    out, itself = passed(EchoGate(RATE), captured, played)
    assert not itself.all()
    assert np.abs(np.diff(out)).max() <= 1.01 * np.abs(np.diff(captured)).max()


def test_what_never_crosses_zero_is_cut_at_a_block() -> None:
    captured = np.full(RATE, 0.002, np.float32)
    played = at(0.5, noise(0.1, -20), 1)
    _, itself = passed(EchoGate(RATE), captured, played)
    assert np.flatnonzero(~itself)[[0, -1]].tolist() == [RATE // 2, round(0.8 * RATE) - 1]


def test_the_delay_may_become_another_and_what_was_played_before_is_known() -> None:
    gate = EchoGate(RATE)
    played = at(0.0, noise(0.5, -20), 1)
    gate.process(noise(1, -60), played)
    assert gate.statistics().is_open
    gate.delay_seconds = 1.0
    assert gate.delay_seconds == 1.0
    gate.process(noise(0.1, -60), np.zeros(RATE // 10, np.float32))
    assert not gate.statistics().is_open


def test_what_was_played_while_frames_were_lost_is_known() -> None:
    gate = EchoGate(RATE, delay_seconds=0.3)
    gate.skip(noise(0.2, -20))
    assert gate.statistics().frames == 0
    out, itself = passed(gate, noise(1, -60), np.zeros(RATE, np.float32))
    assert out[: round(0.1 * RATE) - BLOCK].any()
    assert not itself[round(0.1 * RATE) : round(0.5 * RATE)].any()
    assert itself[round(0.5 * RATE) + BLOCK :].all()


SOUNDS = st.lists(st.tuples(st.sampled_from([0.0, 0.0005, 0.01, 0.3]), st.integers(1, 30)))


def blocks_of(sounds: list[tuple[float, int]], seed: int) -> Frames:
    levels = np.repeat([level for level, _ in sounds], [count for _, count in sounds])
    random = np.random.default_rng(seed)
    frames = random.uniform(-1, 1, (len(levels), BLOCK)) * levels[:, np.newaxis]
    return frames.astype(np.float32).ravel()


@given(SOUNDS, SOUNDS, st.floats(0, 0.5), st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_it_gives_the_same_in_any_chunks_and_its_books_add_up(
    caller: Any, agent: Any, delay: float, data: Any
) -> None:
    captured, played = blocks_of(caller, 1), blocks_of(agent, 2)
    frames = min(len(captured), len(played))
    captured, played = captured[:frames], played[:frames]
    whole, parts = (EchoGate(RATE, delay_seconds=delay) for _ in range(2))
    expected = whole.process(captured, played)
    given_back, begin = [np.empty(0, np.float32)], 0
    while begin < frames:
        end = begin + BLOCK * data.draw(st.integers(1, 20))
        given_back.append(parts.process(captured[begin:end], played[begin:end]))
        begin = end
    np.testing.assert_array_equal(np.concatenate(given_back), expected)
    assert parts.statistics() == whole.statistics()
    counts = whole.statistics()
    assert counts.frames == frames
    assert counts.frames == counts.passed_frames + counts.silenced_frames + counts.waiting_frames
    left = captured[: max(0, frames - 10 * BLOCK)]
    itself = expected[min(frames, 10 * BLOCK) :] == left
    assert counts.passed_frames <= itself.sum() <= counts.passed_frames + (left == 0).sum()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 1.0, 0.0])
def test_no_sound_keeps_it_open_or_closed_for_good(value: float) -> None:
    gate = EchoGate(RATE)
    sound, silence = np.full(RATE // 10, value, np.float32), np.zeros(RATE // 10, np.float32)
    gate.process(sound, noise(0.1, -20))
    gate.process(sound, sound)
    for _ in range(3):
        gate.process(silence, silence)
    assert gate.statistics().is_open
    gate.process(silence, noise(0.1, -20))
    assert not gate.statistics().is_open
    for _ in range(20):
        gate.process(silence, noise(0.1, -20))
    gate.process(noise(0.1, -20), silence)
    assert gate.statistics().early_openings == 1


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda gate: EchoGate(22_050), ValueError, "a multiple of 100 Hz, not 22050: use a Resam"),
        (lambda gate: EchoGate(7900), ValueError, "between 8000 and 768000 Hz, not 7900"),
        (lambda gate: EchoGate("x"), TypeError, "samplerate must be a whole number"),
        (lambda gate: EchoGate(8000, delay_seconds=1.3), ValueError, "between 0 and 1.2, not 1.3"),
        (lambda gate: EchoGate(8000, delay_seconds=np.nan), ValueError, "0 and 1.2, not nan"),
        (lambda gate: setattr(gate, "delay_seconds", None), TypeError, "not NoneType"),
        (lambda gate: setattr(gate, "delay_seconds", -0.1), ValueError, "not -0.1"),
        (lambda gate: gate.process(bytes(320), bytes(322)), ValueError, "160 frames, but played 1"),
        (lambda gate: gate.process(bytes(2), bytes(2)), ValueError, "1 frames: give whole blocks"),
        (lambda gate: gate.skip(bytes(2)), ValueError, "played has 1 frames: give whole blocks"),
        (lambda gate: gate.process(np.zeros(160), bytes(320)), TypeError, "captured must hold"),
        (lambda gate: gate.process(bytes(320), [0]), TypeError, "played must be a buffer"),
        (lambda gate: gate.process(np.zeros((160, 2), np.int16), b""), ValueError, "must be mono"),
        (lambda gate: gate.skip(np.zeros((160, 2), np.int16)), ValueError, "must be mono"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_was_taken(
    call: Callable[[EchoGate], object], error: type[Exception], text: str
) -> None:
    gate = EchoGate(RATE)
    with pytest.raises(error, match=text):
        call(gate)
    assert gate.statistics() == EchoGate(RATE).statistics()

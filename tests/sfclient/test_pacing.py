"""The steady clock of the uplink, with a microphone that is late, drifts, or stops, and in a program that is busy.

All in virtual time; a device is a task that writes blocks when they are due by its own clock.
"""

import itertools

import numpy as np
import pytest
import trio

from sfclient._sound import BACKLOG_SECONDS, CLOSEST_BEATS, PacedCapture

SAMPLERATE = 16_000
CHUNK = 320
BEAT = 0.02


def counting(frames: int, start: int = 1) -> np.ndarray:
    """Samples that tell where they belong, none of them zero."""
    return (np.arange(start, start + frames) % 30_000 + 1).astype(np.int16)


class Microphone:
    """Writes blocks of `block` seconds by a clock that is `drift` fast."""

    def __init__(self, capture: PacedCapture, block: float = 0.01, drift: float = 0.0) -> None:
        self.capture = capture
        self.block = block
        self.drift = drift
        self.written = 0

    async def run(self, seconds: float) -> None:
        start = trio.current_time()
        for blocks in itertools.count(1):
            await trio.sleep_until(start + blocks * self.block / (1 + self.drift))
            if trio.current_time() > start + seconds:
                return
            due = round(blocks * self.block * SAMPLERATE)
            self.capture.queue.write(counting(due - self.written, self.written))
            self.written = due


async def collect(capture: PacedCapture, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """What is sent in this time, and when."""
    chunks, times = [], []
    with trio.move_on_after(seconds):
        while True:
            chunk = await capture.next_chunk()
            capture.sent(chunk, 0)
            chunks.append(chunk)
            times.append(trio.current_time())
    return np.frombuffer(b"".join(chunks), np.int16), np.array(times)


@pytest.fixture
def capture() -> PacedCapture:
    return PacedCapture(SAMPLERATE, SAMPLERATE, CHUNK)


def check_conservation(capture: PacedCapture) -> None:
    counts = capture.statistics()
    assert counts.captured_frames == (
        counts.sent_frames + counts.queued_frames + counts.dropped_frames
    )


@pytest.mark.parametrize("block", [0.0025, 0.005, 0.01, 0.0107, 0.02])
async def test_speech_leaves_whole_and_evenly(capture, autojump_clock, nursery, block):
    nursery.start_soon(Microphone(capture, block).run, 20)
    sent, times = await collect(capture, 15)
    assert np.array_equal(sent, counting(len(sent), 0))
    assert np.all(np.abs(np.diff(times) - BEAT) < 0.005)
    assert len(sent) / SAMPLERATE == pytest.approx(15, abs=0.1)
    assert capture.statistics().padded_frames == 0
    check_conservation(capture)


@pytest.mark.parametrize("block", [0.03, 0.05, 0.1])
async def test_longer_blocks_are_padded_at_first_and_never_again(
    capture, autojump_clock, nursery, block
):
    nursery.start_soon(Microphone(capture, block).run, 40)
    await collect(capture, 5)
    before = capture.statistics().padded_frames
    await collect(capture, 30)
    assert capture.statistics().padded_frames == before
    assert before <= block * SAMPLERATE + 2 * CHUNK


@pytest.mark.parametrize(
    ("chunk_seconds", "block"),
    [(0.005, 0.1), (0.005, 0.3), (0.01, 0.12), (0.02, 0.24), (0.02, 0.5), (1.0, 0.01), (1.0, 0.3)],
)
async def test_any_chunk_settles_with_any_block(autojump_clock, nursery, chunk_seconds, block):
    capture = PacedCapture(SAMPLERATE, SAMPLERATE, round(chunk_seconds * SAMPLERATE))
    nursery.start_soon(Microphone(capture, block).run, 80)
    await collect(capture, 20)
    before = capture.statistics()
    await collect(capture, 50)
    after = capture.statistics()
    assert after.padded_frames == before.padded_frames
    assert after.dropped_frames == 0
    check_conservation(capture)


async def test_stale_speech_is_dropped_with_long_chunks_too(autojump_clock, nursery):
    capture = PacedCapture(SAMPLERATE, SAMPLERATE, SAMPLERATE)
    nursery.start_soon(Microphone(capture).run, 80)
    await collect(capture, 5)
    await trio.sleep(9)
    await collect(capture, 10)
    assert capture.statistics().queued_frames < 3.5 * SAMPLERATE
    check_conservation(capture)


async def test_padding_that_was_not_sent_is_not_counted(capture, autojump_clock):
    capture.queue.write(counting(CHUNK + 100))
    for missing in (0, CHUNK - 100):
        await capture.next_chunk()
        assert capture.missing_frames == missing
    capture.close()
    counts = capture.statistics()
    assert (counts.sent_frames, counts.padded_frames) == (0, 0)
    assert counts.dropped_frames == CHUNK + 100


@pytest.mark.parametrize("drift", [-1e-3, -1e-4, 1e-4, 1e-3])
async def test_clock_follows_a_device_that_drifts(capture, autojump_clock, nursery, drift):
    nursery.start_soon(Microphone(capture, drift=drift).run, 125)
    sent, times = await collect(capture, 120)
    assert np.array_equal(sent, counting(len(sent), 0))
    assert np.all(np.abs(np.diff(times) - BEAT) < 0.005)
    counts = capture.statistics()
    assert counts.padded_frames == 0
    assert counts.queued_frames < 3 * CHUNK
    check_conservation(capture)


async def test_zeros_go_out_on_the_beat_when_the_microphone_stops(capture, autojump_clock, nursery):
    nursery.start_soon(Microphone(capture).run, 1)
    sent, times = await collect(capture, 3)
    spoken = np.flatnonzero(sent)
    assert np.array_equal(sent[: len(spoken)], counting(len(spoken), 0))
    assert len(spoken) == SAMPLERATE
    late = np.abs(np.diff(times) - BEAT) > 1e-3
    assert np.count_nonzero(late[10:]) == 1  # for which it was waited in vain
    assert capture.statistics().padded_frames == len(sent) - len(spoken)
    check_conservation(capture)


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.19])
async def test_short_stall_loses_nothing_and_makes_no_burst(
    capture, autojump_clock, nursery, seconds
):
    nursery.start_soon(Microphone(capture).run, 20)
    before, _ = await collect(capture, 2)
    await trio.sleep(seconds)
    after, times = await collect(capture, 5)
    sent = np.concatenate([before, after])
    assert np.array_equal(sent, counting(len(sent), 0))
    assert np.all(np.diff(times) > CLOSEST_BEATS * BEAT - 1e-9)
    assert capture.statistics().dropped_frames == 0
    assert len(sent) / SAMPLERATE == pytest.approx(7 + seconds, abs=0.1)
    check_conservation(capture)


async def test_long_stall_drops_the_oldest_and_makes_no_burst(capture, autojump_clock, nursery):
    nursery.start_soon(Microphone(capture).run, 20)
    before, _ = await collect(capture, 2)
    await trio.sleep(1.5)
    after, times = await collect(capture, 5)
    assert np.all(np.diff(times) > CLOSEST_BEATS * BEAT - 1e-9)
    counts = capture.statistics()
    assert counts.dropped_frames / SAMPLERATE == pytest.approx(1.5 - BACKLOG_SECONDS, abs=0.05)
    assert counts.overruns == 1
    assert capture.lost_frames == counts.dropped_frames
    assert np.array_equal(after, counting(len(after), len(before) + counts.dropped_frames))
    assert counts.padded_frames == 0
    assert counts.queued_frames < 3 * CHUNK
    check_conservation(capture)

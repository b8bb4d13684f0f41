"""The steady clock of the uplink, with a microphone that is late, drifts, or stops, and in a program that is busy.

All in virtual time; a device is a task that writes blocks when they are due by its own clock.
"""

import itertools

import numpy as np
import pytest
import trio
import trio.testing

from sfaudio import JitterBuffer, PlayoutEngine
from sfclient import MemoryInput
from sfclient._captured import Captured
from sfclient._devices import Queues
from sfclient._devices._virtual import VirtualLine
from sfclient._uplink import BACKLOG_SECONDS, CLOSEST_BEATS, PacedUplink

from .books import capture_errors

SAMPLERATE = 16_000
CHUNK = 320
BEAT = 0.02


def counting(frames: int, start: int = 1) -> np.ndarray:
    """Samples that tell where they belong, none of them zero."""
    return (np.arange(start, start + frames) % 30_000 + 1).astype(np.int16)


class Microphone:
    """Writes blocks of `block` seconds by a clock that is `drift` fast."""

    def __init__(
        self,
        uplink: PacedUplink,
        block: float = 0.01,
        drift: float = 0.0,
        samplerate: int = SAMPLERATE,
    ) -> None:
        self.uplink = uplink
        self.block = block
        self.drift = drift
        self.samplerate = samplerate
        self.written = 0

    async def run(self, seconds: float) -> None:
        start = trio.current_time()
        for blocks in itertools.count(1):
            await trio.sleep_until(start + blocks * self.block / (1 + self.drift))
            if trio.current_time() > start + seconds:
                return
            due = round(blocks * self.block * self.samplerate)
            self.uplink.captured.queue.write(counting(due - self.written, self.written))
            self.written = due


async def collect(
    uplink: PacedUplink, seconds: float, lost: list[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What is sent in this time, and when; and what was lost before each chunk."""
    chunks, times = [], []
    with trio.move_on_after(seconds):
        while True:
            chunk = await uplink.next_chunk()
            uplink.sent(0)
            chunks.append(chunk.data)
            if lost is not None:
                lost.append(chunk.lost_frames)
            times.append(trio.current_time())
    return np.frombuffer(b"".join(chunks), np.int16), np.array(times)


@pytest.fixture
def uplink() -> PacedUplink:
    return PacedUplink(Captured(SAMPLERATE, SAMPLERATE), CHUNK)


@pytest.mark.parametrize("block", [0.0025, 0.005, 0.01, 0.0107, 0.02])
async def test_speech_leaves_whole_and_evenly(uplink, autojump_clock, nursery, block):
    nursery.start_soon(Microphone(uplink, block).run, 20)
    sent, times = await collect(uplink, 15)
    assert np.array_equal(sent, counting(len(sent), 0))
    assert np.all(np.abs(np.diff(times) - BEAT) < 0.005)
    assert len(sent) / SAMPLERATE == pytest.approx(15, abs=0.1)
    assert uplink.statistics().padded_frames == 0
    assert not capture_errors(uplink.statistics())


@pytest.mark.parametrize("block", [0.03, 0.05, 0.1])
async def test_longer_blocks_are_padded_at_first_and_never_again(
    uplink, autojump_clock, nursery, block
):
    nursery.start_soon(Microphone(uplink, block).run, 40)
    await collect(uplink, 5)
    before = uplink.statistics().padded_frames
    await collect(uplink, 30)
    assert uplink.statistics().padded_frames == before
    assert before <= block * SAMPLERATE + 2 * CHUNK


@pytest.mark.parametrize(
    ("chunk_seconds", "block"),
    [(0.005, 0.1), (0.005, 0.3), (0.01, 0.12), (0.02, 0.24), (0.02, 0.5), (1.0, 0.01), (1.0, 0.3)],
)
async def test_any_chunk_settles_with_any_block(autojump_clock, nursery, chunk_seconds, block):
    uplink = PacedUplink(Captured(SAMPLERATE, SAMPLERATE), round(chunk_seconds * SAMPLERATE))
    nursery.start_soon(Microphone(uplink, block).run, 80)
    await collect(uplink, 20)
    before = uplink.statistics()
    await collect(uplink, 50)
    after = uplink.statistics()
    assert after.padded_frames == before.padded_frames
    assert after.dropped_frames == 0
    assert not capture_errors(uplink.statistics())


async def test_stale_speech_is_dropped_with_long_chunks_too(autojump_clock, nursery):
    uplink = PacedUplink(Captured(SAMPLERATE, SAMPLERATE), SAMPLERATE)
    nursery.start_soon(Microphone(uplink).run, 80)
    await collect(uplink, 5)
    await trio.sleep(9)
    await collect(uplink, 10)
    assert uplink.statistics().queued_frames < 3.5 * SAMPLERATE
    assert not capture_errors(uplink.statistics())


@pytest.mark.parametrize("samplerate", [SAMPLERATE, 44_100])
async def test_padding_that_was_not_sent_is_not_counted(autojump_clock, samplerate):
    uplink = PacedUplink(Captured(samplerate, SAMPLERATE), CHUNK)
    uplink.captured.queue.write(counting((CHUNK + 100) * samplerate // SAMPLERATE))
    assert (await uplink.next_chunk()).padded_frames == 0
    uplink.sent(0)
    chunk = await uplink.next_chunk()
    assert chunk.padded_frames == CHUNK - 100
    assert len(chunk.data) == 2 * CHUNK
    assert not any(chunk.data[2 * 100 :])
    uplink.close()
    counts = uplink.statistics()
    assert (counts.sent_frames, counts.in_hand_frames, counts.padded_frames) == (CHUNK, 100, 0)
    assert (counts.captured_frames + counts.ahead_frames, counts.dropped_frames) == (CHUNK + 100, 0)
    assert not capture_errors(counts)
    uplink.sent(0)
    assert uplink.statistics().padded_frames == CHUNK - 100


@pytest.mark.parametrize("drift", [-1e-3, -1e-4, 1e-4, 1e-3])
async def test_clock_follows_a_device_that_drifts(uplink, autojump_clock, nursery, drift):
    nursery.start_soon(Microphone(uplink, drift=drift).run, 125)
    sent, times = await collect(uplink, 120)
    assert np.array_equal(sent, counting(len(sent), 0))
    assert np.all(np.abs(np.diff(times) - BEAT) < 0.005)
    counts = uplink.statistics()
    assert counts.padded_frames == 0
    assert counts.queued_frames < 3 * CHUNK
    assert not capture_errors(uplink.statistics())


async def test_zeros_go_out_on_the_beat_when_the_microphone_stops(uplink, autojump_clock, nursery):
    nursery.start_soon(Microphone(uplink).run, 1)
    sent, times = await collect(uplink, 3)
    spoken = np.flatnonzero(sent)
    assert np.array_equal(sent[: len(spoken)], counting(len(spoken), 0))
    assert len(spoken) == SAMPLERATE
    late = np.abs(np.diff(times) - BEAT) > 1e-3
    assert np.count_nonzero(late[10:]) == 1  # for which it was waited in vain
    assert np.diff(times[-50:]).mean() == pytest.approx(BEAT, rel=1e-3)  # leans to nothing
    assert uplink.statistics().padded_frames == len(sent) - len(spoken)
    assert not capture_errors(uplink.statistics())


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.19])
async def test_short_stall_loses_nothing_and_makes_no_burst(
    uplink, autojump_clock, nursery, seconds
):
    nursery.start_soon(Microphone(uplink).run, 20)
    before, _ = await collect(uplink, 2)
    await trio.sleep(seconds)
    after, times = await collect(uplink, 5)
    sent = np.concatenate([before, after])
    assert np.array_equal(sent, counting(len(sent), 0))
    assert np.all(np.diff(times) > CLOSEST_BEATS * BEAT - 1e-9)
    assert uplink.statistics().dropped_frames == 0
    assert len(sent) / SAMPLERATE == pytest.approx(7 + seconds, abs=0.1)
    assert not capture_errors(uplink.statistics())


async def test_long_stall_drops_the_oldest_and_makes_no_burst(uplink, autojump_clock, nursery):
    nursery.start_soon(Microphone(uplink).run, 20)
    before, _ = await collect(uplink, 2)
    await trio.sleep(1.5)
    lost = []
    after, times = await collect(uplink, 5, lost)
    assert np.all(np.diff(times) > CLOSEST_BEATS * BEAT - 1e-9)
    counts = uplink.statistics()
    assert counts.dropped_frames / SAMPLERATE == pytest.approx(1.5 - BACKLOG_SECONDS, abs=0.05)
    assert counts.overruns == 1
    assert lost[0] == sum(lost) == counts.dropped_frames
    assert np.array_equal(after, counting(len(after), len(before) + counts.dropped_frames))
    assert counts.padded_frames == 0
    assert counts.queued_frames < 3 * CHUNK
    assert not capture_errors(uplink.statistics())


async def test_stalled_network_leaves_no_gaps_in_what_is_said_after_it(
    uplink, autojump_clock, nursery
):
    """What was recorded meanwhile is dropped, so there is nothing to make up for."""
    nursery.start_soon(Microphone(uplink).run, 20)
    await collect(uplink, 2)
    await uplink.next_chunk()
    await trio.sleep(1.5)
    uplink.sent(1.5)
    _, times = await collect(uplink, 5)
    assert uplink.statistics().dropped_frames / SAMPLERATE == pytest.approx(1.5, abs=0.05)
    assert uplink.statistics().padded_frames < CHUNK
    assert np.all(np.diff(times)[2:] > 0.9 * BEAT)


@pytest.mark.parametrize("samplerate", [8000, 44_100, 96_000])
async def test_backlog_and_cushion_are_the_same_at_any_rate(autojump_clock, nursery, samplerate):
    uplink = PacedUplink(Captured(samplerate, SAMPLERATE), CHUNK)
    nursery.start_soon(Microphone(uplink, samplerate=samplerate).run, 40)
    await collect(uplink, 2)
    await trio.sleep(1.5)
    await uplink.next_chunk()
    uplink.sent(0)
    assert uplink.statistics().queued_frames / SAMPLERATE == pytest.approx(
        BACKLOG_SECONDS, abs=0.02
    )
    await collect(uplink, 25)
    levels = []
    for _ in range(100):
        await uplink.next_chunk()
        uplink.sent(0)
        levels.append(uplink.statistics().queued_frames)
    assert CHUNK // 8 - 4 < min(levels) <= CHUNK + 4
    assert uplink.statistics().padded_frames == 0


class LateLine(VirtualLine):
    """As in a program that is always a little late: whoever slept until a moment wakes 1 ms after it."""

    async def sleep_until(self, deadline: float) -> None:
        if deadline > trio.current_time():
            await super().sleep_until(deadline)
            clock = trio.lowlevel.current_clock()
            assert isinstance(clock, trio.testing.MockClock)
            clock.jump(0.001)


@pytest.mark.parametrize("chunk_seconds", [0.008, 0.0123, 0.02])
async def test_what_a_headless_line_missed_is_made_up_for_whatever_its_clock_makes_of_a_beat(
    autojump_clock, nursery, chunk_seconds
):
    frames = round(chunk_seconds * SAMPLERATE)
    line = LateLine(MemoryInput(samplerate=SAMPLERATE), None, SAMPLERATE, 0, chunk_seconds)
    uplink = PacedUplink(Captured(SAMPLERATE, SAMPLERATE), frames, line=line)
    queues = Queues(uplink.captured.queue, PlayoutEngine(JitterBuffer(SAMPLERATE)), None)
    await nursery.start(line.run, queues, lambda _: None)
    await collect(uplink, 2)
    autojump_clock.jump(0.15)
    _, times = await collect(uplink, 4)
    counts = uplink.statistics()
    assert counts.queued_frames <= 3 * frames
    assert (counts.dropped_frames, counts.padded_frames) == (0, 0)
    assert np.all(np.diff(times) > CLOSEST_BEATS * frames / SAMPLERATE - 1e-9)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("chunk_seconds", [0.005, 0.02])
async def test_what_a_headless_line_missed_in_a_long_stall_is_dropped_whoever_wakes_first(
    autojump_clock, nursery, chunk_seconds
):
    """Trio shuffles who is due: of those who look before their line has recorded, the delay would stay for minutes."""
    frames = round(chunk_seconds * SAMPLERATE)
    uplinks = []
    for _ in range(10):
        line = VirtualLine(MemoryInput(samplerate=SAMPLERATE), None, SAMPLERATE, 0, chunk_seconds)
        uplinks.append(uplink := PacedUplink(Captured(SAMPLERATE, SAMPLERATE), frames, line=line))
        queues = Queues(uplink.captured.queue, PlayoutEngine(JitterBuffer(SAMPLERATE)), None)
        await nursery.start(line.run, queues, lambda _: None)
        nursery.start_soon(collect, uplink, 10)
    await trio.sleep(2)
    autojump_clock.jump(1.5)
    await trio.sleep(2)
    for uplink in uplinks:
        counts = uplink.statistics()
        assert counts.dropped_frames >= SAMPLERATE
        assert counts.queued_frames <= (BACKLOG_SECONDS + 2 * chunk_seconds) * SAMPLERATE
        assert not capture_errors(counts)
    nursery.cancel_scope.cancel()

"""The way from wire to playout queue: what is flushed is counted, in hand or queued, at any rate."""

import tracemalloc

import numpy as np
import pytest
import trio

from sfaudio import JitterBuffer
from sfaudio._callback import StreamCallback
from sfclient import _playout
from sfclient._playout import Playout

from .books import playout_errors


@pytest.mark.parametrize("samplerate", [8000, 16_000, 44_100, 48_000])
async def test_what_is_flushed_counts_as_dropped(samplerate):
    playout = Playout(16_000, samplerate)
    await playout.play(bytes(2 * 16_001))
    assert playout.pending
    playout.flush()
    playout.queue.read_into(np.zeros(samplerate // 100, np.int16))
    assert not playout.pending
    counts = playout.statistics()
    assert counts.received_frames == counts.dropped_frames - counts.ahead_frames == 16_001
    assert not playout_errors(counts)


@pytest.mark.parametrize("samplerate", [8000, 16_000, 44_100])
async def test_a_message_in_hand_is_flushed_behind_the_queue(
    monkeypatch, autojump_clock, nursery, samplerate
):
    """A queue of 0.5 s, a message of 3 s: the reader makes room, but nothing more of it sounds."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(16_000, samplerate)
    nursery.start_soon(playout.run)
    await playout.play(np.full(48_000, 9, np.int16).tobytes())
    counts = playout.statistics()
    assert (counts.received_frames, counts.queued_frames) == (48_000, 8000)
    assert counts.in_hand_frames == pytest.approx(40_000, abs=2)
    assert not playout_errors(counts)
    playout.flush()
    assert playout.pending  # until the device has noticed
    block = np.zeros(samplerate // 100, np.int16)
    for _ in range(30):
        playout.queue.read_into(block)
        await trio.sleep(0.01)
        assert not playout_errors(playout.statistics())
    assert not playout.pending
    counts = playout.statistics()
    assert counts.dropped_frames - counts.ahead_frames == 48_000
    assert counts.played_frames == 0
    await playout.play(np.full(1600, 7, np.int16).tobytes())
    assert playout.statistics().queued_frames > 0
    assert not playout_errors(playout.statistics())


async def test_what_is_in_hand_at_the_end_counts_as_dropped(monkeypatch, autojump_clock):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(16_000, 16_000)
    await playout.play(bytes(2 * 48_000))
    playout.close()
    counts = playout.statistics()
    assert (counts.received_frames, counts.dropped_frames) == (48_000, 48_000)
    assert not playout.pending


async def test_what_a_device_does_not_let_go_of_stays_queued():
    """Its callback was kept from leaving, and PortAudio from closing it."""
    playout = Playout(16_000, 16_000)
    await playout.play(bytes(2 * 1600))
    device = StreamCallback(None, playout.queue)
    playout.close()
    assert playout.statistics().queued_frames == 1600
    device.close()
    playout.close()
    assert playout.statistics().dropped_frames == 1600


@pytest.mark.parametrize("samplerate", [16_000, 44_100])
async def test_what_waits_before_the_queue_is_played_in_order(
    monkeypatch, autojump_clock, nursery, samplerate
):
    """As what comes in a handshake, while the device does not run yet."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(16_000, samplerate)
    await playout.play(np.full(16_000, 9, np.int16).tobytes())
    nursery.start_soon(playout.run)
    await playout.play(np.full(8000, 7, np.int16).tobytes())
    played = np.zeros((200, samplerate // 100), np.int16)
    for block in played:
        await trio.sleep(0.01)
        playout.queue.read_into(block)
        counts = playout.statistics()
        assert counts.received_frames == 24_000
        assert not playout_errors(counts)
    assert not playout.pending
    assert np.count_nonzero(played == 9) == pytest.approx(samplerate, abs=20)
    assert np.count_nonzero(played == 7) == pytest.approx(samplerate // 2, abs=100)


@pytest.mark.parametrize("samplerate", [16_000, 44_100])
async def test_a_flush_throws_away_what_waits_and_nothing_that_follows(
    monkeypatch, autojump_clock, nursery, samplerate
):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(16_000, samplerate)
    await playout.play(np.full(16_000, 9, np.int16).tobytes())
    playout.flush()
    nursery.start_soon(playout.run)
    await playout.play(np.full(8000, 7, np.int16).tobytes())
    played = np.zeros((100, samplerate // 100), np.int16)
    for block in played:
        await trio.sleep(0.01)
        playout.queue.read_into(block)
    assert not np.any(played == 9)
    assert np.count_nonzero(played == 7) == pytest.approx(samplerate // 2, abs=100)
    counts = playout.statistics()
    assert counts.dropped_frames == pytest.approx(16_000, abs=2)
    assert not playout_errors(counts)


async def test_the_network_is_read_on_while_less_waits_than_the_limit(
    monkeypatch, autojump_clock, nursery
):
    """So that pings behind speech are heard; then it is made to wait."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    monkeypatch.setattr(_playout, "READ_ON_BYTES", 64_000)
    playout = Playout(16_000, 16_000)
    nursery.start_soon(playout.run)
    second = bytes(2 * 16_000)
    await playout.play(second * 2)
    assert trio.current_time() == 0
    with trio.move_on_after(1) as waited:
        await playout.play(second)
    assert waited.cancelled_caught
    assert playout.statistics().received_frames == 3 * 16_000
    assert not playout_errors(playout.statistics())


async def test_a_flush_ends_draining(autojump_clock, nursery):
    """Or a minute of silence would follow."""
    playout = Playout(16_000, 16_000)
    await playout.play(bytes(2 * 60 * 16_000))

    async def flush_and_read() -> None:
        await trio.sleep(1)
        playout.flush()
        playout.queue.read_into(np.zeros(160, np.int16))

    nursery.start_soon(flush_and_read)
    began = trio.current_time()
    await playout.drain(0.1)
    assert trio.current_time() - began < 1.2


async def test_nothing_of_what_was_flushed_rings_on_in_what_follows():
    playout = Playout(16_000, 44_100)
    await playout.play(np.full(1600, 20_000, np.int16).tobytes())
    playout.flush()
    playout.queue.read_into(np.zeros(441, np.int16))
    await playout.play(bytes(2 * 1600))
    block = np.ones(4410, np.int16)
    assert playout.queue.read_into(block)
    assert not np.any(block)


async def test_drained_to_the_end_of_the_filter_and_until_it_has_sounded(autojump_clock, nursery):
    playout = Playout(16_000, 48_000)
    await playout.play(np.full(160, 10_000, np.int16).tobytes())
    played = np.zeros((20, 480), np.int16)

    async def read() -> None:
        for block in played:
            await trio.sleep(0.01)
            playout.queue.read_into(block)

    nursery.start_soon(read)
    began = trio.current_time()
    await playout.drain(0.5)
    # Two blocks and the latency; who wakes first, the device or the look, is anybody's guess.
    assert 0.519 < trio.current_time() - began < 0.521 + _playout.LOOK_SECONDS
    assert played.sum() == pytest.approx(480 * 10_000, rel=1e-3)
    counts = playout.statistics()
    assert counts.underruns == 0
    assert counts.padded_frames == 20 * 160 - 160 - counts.ahead_frames


async def test_what_is_in_hand_has_yet_to_sound(monkeypatch):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(16_000, 16_000)
    await playout.play(bytes(2 * 9000))
    playout.queue.read_into(np.zeros(8000, np.int16))
    assert playout.queue.queued_frames == 0
    assert playout.pending


async def test_nothing_of_a_flushed_message_sounds_however_the_device_reads(
    monkeypatch, autojump_clock, nursery
):
    """Its thread may read between the writing of a piece and the flush of it."""
    blocks = []

    class ReadAtOnce(JitterBuffer):
        flushed = False

        def write(self, data):
            taken = super().write(data)
            if self.flushed:
                blocks.append(np.zeros(160, np.int16))
                self.read_into(blocks[-1])
            return taken

    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    monkeypatch.setattr(_playout, "JitterBuffer", ReadAtOnce)
    playout = Playout(16_000, 16_000)
    nursery.start_soon(playout.run)
    await playout.play(np.full(48_000, 9, np.int16).tobytes())
    playout.queue.flushed = True
    playout.flush()
    await trio.sleep(2)
    playout.queue.write(b"")  # the device reads once more
    assert not playout.pending
    assert len(blocks) > 40
    assert not np.concatenate(blocks).any()
    assert playout.statistics().dropped_frames == 48_000


@pytest.mark.parametrize("samplerate", [16_000, 48_000])
async def test_memory_of_a_burst_is_given_back_though_nothing_follows_it(
    autojump_clock, nursery, samplerate
):
    playout = Playout(16_000, samplerate)
    nursery.start_soon(playout.run)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await playout.play(bytes(2 * 60 * 16_000))
        block = np.zeros(samplerate // 2, np.int16)
        for _ in range(130):
            await trio.sleep(0.5)
            playout.queue.read_into(block)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert playout.statistics().played_frames == 60 * 16_000
    assert after - before < 200_000
    assert not playout_errors(playout.statistics())

"""The way from the wire to what a line reads: what is flushed is counted, in hand or queued, at any rate and policy."""

import tracemalloc

import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from sfaudio._callback import StreamCallback
from sfclient import _playout
from sfclient._playout import Playout

from .books import playout_errors
from .conftest import every_policy

WIRE = 16_000


def constant(value: int, frames: int) -> bytes:
    return np.full(frames, value, np.int16).tobytes()


def read(playout: Playout, seconds: float = 0.01) -> NDArray[np.int16]:
    """As a device does."""
    block = np.zeros(round(seconds * playout.engine.output_samplerate), np.int16)
    playout.engine.read_into(block)
    return block


@every_policy
@pytest.mark.parametrize("samplerate", [8000, 16_000, 44_100, 48_000])
async def test_what_is_flushed_counts_as_dropped(samplerate, policy):
    playout = Playout(WIRE, samplerate, policy)
    await playout.play(bytes(2 * 16_001))
    assert playout.pending
    playout.flush()
    read(playout)
    assert not playout.pending
    counts = playout.statistics()
    assert counts.received_frames == counts.dropped_frames == 16_001
    assert not playout_errors(counts)


@every_policy
@pytest.mark.parametrize("samplerate", [8000, 16_000, 44_100])
async def test_a_message_in_hand_is_flushed_behind_the_queue(
    monkeypatch, autojump_clock, nursery, samplerate, policy
):
    """A queue of 0.5 s, a message of 3 s: the reader makes room, but nothing more of it sounds."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(WIRE, samplerate, policy)
    nursery.start_soon(playout.run)
    await playout.play(constant(9, 48_000))
    counts = playout.statistics()
    assert (counts.received_frames, counts.queued_frames) == (48_000, 8000)
    assert counts.in_hand_frames == 40_000
    assert not playout_errors(counts)
    playout.flush()
    counts = playout.statistics()
    assert (counts.in_hand_frames, counts.dropped_frames) == (0, 40_000)
    assert playout.pending  # until the device has noticed
    for _ in range(30):
        assert not read(playout).any()
        await trio.sleep(0.01)
        assert not playout_errors(playout.statistics())
    assert not playout.pending
    counts = playout.statistics()
    assert counts.dropped_frames == 48_000
    assert counts.played_frames == 0
    await playout.play(constant(7, 1600))
    assert playout.statistics().queued_frames > 0
    assert not playout_errors(playout.statistics())


@every_policy
async def test_what_is_in_hand_at_the_end_counts_as_dropped(monkeypatch, policy):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(WIRE, WIRE, policy)
    await playout.play(bytes(2 * 48_000))
    read(playout, 0.2)
    assert playout.pending
    playout.close()
    counts = playout.statistics()
    assert (counts.received_frames, counts.queued_frames, counts.in_hand_frames) == (48_000, 0, 0)
    assert counts.dropped_frames == 48_000 - counts.played_frames
    assert 0 < counts.played_frames <= 3200
    assert not playout_errors(counts)
    assert not playout.pending


@every_policy
async def test_what_a_device_does_not_let_go_of_stays_queued(policy):
    """Its callback was kept from leaving, and PortAudio from closing it."""
    playout = Playout(WIRE, WIRE, policy)
    await playout.play(bytes(2 * 1600))
    device = StreamCallback(None, playout.engine)
    playout.close()
    assert playout.statistics().queued_frames == 1600
    device.close()
    playout.close()
    assert playout.statistics().dropped_frames == 1600


@every_policy
@pytest.mark.parametrize("samplerate", [16_000, 44_100])
async def test_what_waits_before_the_queue_is_played_in_order(
    monkeypatch, autojump_clock, nursery, samplerate, policy
):
    """As what comes in a handshake, while the device does not run yet."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(WIRE, samplerate, policy)
    await playout.play(constant(9, 16_000))
    nursery.start_soon(playout.run)
    await playout.play(constant(7, 8000))
    played = []
    for _ in range(200):
        await trio.sleep(0.01)
        played.append(read(playout))
        counts = playout.statistics()
        assert counts.received_frames == 24_000
        assert not playout_errors(counts)
    assert not playout.pending
    heard = np.concatenate(played)
    assert np.count_nonzero(heard == 9) == pytest.approx(samplerate, abs=20)
    assert np.count_nonzero(heard == 7) == pytest.approx(samplerate // 2, abs=100)
    assert np.flatnonzero(heard == 9).max() < np.flatnonzero(heard == 7).min()


@every_policy
@pytest.mark.parametrize("samplerate", [16_000, 44_100])
async def test_a_flush_throws_away_what_waits_and_nothing_that_follows(
    monkeypatch, autojump_clock, nursery, samplerate, policy
):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(WIRE, samplerate, policy)
    await playout.play(constant(9, 16_000))
    playout.flush()
    nursery.start_soon(playout.run)
    await playout.play(constant(7, 8000))
    played = []
    for _ in range(100):
        await trio.sleep(0.01)
        played.append(read(playout))
    heard = np.concatenate(played)
    assert not np.any(heard == 9)
    assert np.count_nonzero(heard == 7) == pytest.approx(samplerate // 2, abs=100)
    counts = playout.statistics()
    assert (counts.dropped_frames, counts.played_frames) == (16_000, 8000)
    assert not playout_errors(counts)


@pytest.mark.parametrize("flushed", [1, 2, 16_001, 16_002, 16_003])
@pytest.mark.parametrize("capacity", [4, 0.5])
async def test_a_flush_between_the_halves_of_a_sample_leaves_them_together(
    monkeypatch, flushed, capacity
):
    """Whether it is queued or waits for room: or all that follows would be noise."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", capacity)
    playout = Playout(WIRE, WIRE, "lossless")
    speech = constant(0x1234, 16_000)
    await playout.play(speech[:flushed])
    playout.flush()
    read(playout)
    await playout.play(speech[flushed : 2 * flushed])
    playout.queue.drain()
    heard = read(playout, 2)
    assert set(heard[heard != 0]) <= {0x1234}
    assert np.count_nonzero(heard) == playout.statistics().played_frames
    assert not playout_errors(playout.statistics())


async def test_the_network_is_read_on_while_less_waits_than_the_limit(
    monkeypatch, autojump_clock, nursery
):
    """So that pings behind speech are heard; then it is made to wait."""
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    monkeypatch.setattr(_playout, "READ_ON_BYTES", 64_000)
    playout = Playout(WIRE, WIRE, "lossless")
    nursery.start_soon(playout.run)
    second = bytes(2 * 16_000)
    await playout.play(second * 2)
    assert trio.current_time() == 0
    with trio.move_on_after(1) as waited:
        await playout.play(second)
    assert waited.cancelled_caught
    assert playout.statistics().received_frames == 3 * 16_000
    assert not playout_errors(playout.statistics())


@every_policy
async def test_a_flush_ends_draining(autojump_clock, nursery, policy):
    """Or a minute of silence would follow."""
    playout = Playout(WIRE, WIRE, policy)
    await playout.play(bytes(2 * 60 * 16_000))

    async def flush_and_read() -> None:
        await trio.sleep(1)
        playout.flush()
        read(playout)

    nursery.start_soon(flush_and_read)
    began = trio.current_time()
    await playout.drain(0.1)
    assert trio.current_time() - began < 1.2


@every_policy
async def test_nothing_of_what_was_flushed_rings_on_in_what_follows(policy):
    """Beyond 5 ms of fade, and the resampler's 3."""
    playout = Playout(WIRE, 44_100, policy)
    await playout.play(constant(20_000, 16_000))
    read(playout, 0.2)
    playout.flush()
    await playout.play(bytes(2 * 16_000))
    heard = read(playout, 0.5)
    assert np.abs(heard[:100]).max() > 10_000
    assert not np.any(heard[round(0.0085 * 44_100) :])


@every_policy
async def test_drained_to_the_end_of_the_filter_and_until_it_has_sounded(
    autojump_clock, nursery, policy
):
    playout = Playout(WIRE, 48_000, policy)
    await playout.play(constant(10_000, 160))
    played = []

    async def run() -> None:
        for _ in range(20):
            await trio.sleep(0.01)
            played.append(read(playout))

    nursery.start_soon(run)
    began = trio.current_time()
    await playout.drain(0.5)
    # Two blocks, the resampler and the latency; who wakes first, the device or the look, is anybody's guess.
    assert 0.521 < trio.current_time() - began < 0.523 + _playout.LOOK_SECONDS
    assert np.concatenate(played).sum() == pytest.approx(480 * 10_000, rel=1e-3)
    counts = playout.statistics()
    assert counts.underruns == counts.concealed_frames == 0
    assert (counts.output_frames, counts.padded_frames) == (20 * 160, 19 * 160)


async def test_what_is_in_hand_has_yet_to_sound(monkeypatch):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    playout = Playout(WIRE, WIRE, "lossless")
    await playout.play(bytes(2 * 9000))
    read(playout, 0.5)
    assert playout.queue.queued_frames == 0
    assert playout.pending


@every_policy
@pytest.mark.parametrize("samplerate", [16_000, 48_000])
async def test_memory_of_a_burst_is_given_back_though_nothing_follows_it(
    autojump_clock, nursery, samplerate, policy
):
    playout = Playout(WIRE, samplerate, policy)
    nursery.start_soon(playout.run)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await playout.play(bytes(2 * 60 * 16_000))
        for _ in range(130):
            await trio.sleep(0.5)
            read(playout, 0.5)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert playout.statistics().played_frames == 60 * 16_000
    assert after - before < 200_000
    assert not playout_errors(playout.statistics())

"""The way from wire to playout queue: what is flushed is counted, in hand or queued, at any rate."""

import numpy as np
import pytest
import trio
import trio.testing

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
    nursery.start_soon(playout.play, np.full(48_000, 9, np.int16).tobytes())
    await trio.testing.wait_all_tasks_blocked()
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
    with trio.move_on_after(1):
        await playout.play(bytes(2 * 48_000))
    playout.close()
    counts = playout.statistics()
    assert (counts.received_frames, counts.dropped_frames) == (48_000, 48_000)
    assert not playout.pending

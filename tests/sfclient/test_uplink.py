"""The way from capture queue to wire: chunks that are late, speech that is stale, counts in frames of the wire."""

import numpy as np
import pytest
import trio
import trio.testing

from sfclient import UsageError
from sfclient._captured import Captured
from sfclient._uplink import LATE_SECONDS, STALE_SECONDS, Uplink

from .books import capture_errors

CHUNK = 960


@pytest.fixture
def uplink() -> Uplink:
    return Uplink(Captured(48_000, 48_000), CHUNK)


def recorded(uplink: Uplink, frames: int) -> np.ndarray:
    samples = np.arange(1, frames + 1, dtype=np.int16)
    uplink.captured.queue.write(samples)
    return samples


async def test_program_that_was_kept_from_sending_sends_all_it_missed_at_once(uplink):
    samples = recorded(uplink, 24_500)
    chunk = await uplink.next_chunk()
    assert chunk.data == samples[: 25 * CHUNK].tobytes()
    uplink.captured.queue.write(np.zeros(CHUNK, np.int16))
    assert len((await uplink.next_chunk()).data) == 2 * CHUNK


async def test_what_was_missed_meanwhile_goes_with_a_chunk_that_was_ready(uplink):
    recorded(uplink, 3 * CHUNK)
    await uplink.next_chunk()
    recorded(uplink, 24_000)
    assert len((await uplink.next_chunk()).data) == 2 * 27 * CHUNK


async def test_a_little_late_is_one_chunk_at_a_time(uplink):
    samples = recorded(uplink, round(LATE_SECONDS * 48_000) - CHUNK)
    assert (await uplink.next_chunk()).data == samples[:CHUNK].tobytes()
    assert (await uplink.next_chunk()).data == samples[CHUNK : 2 * CHUNK].tobytes()


@pytest.mark.parametrize(("seconds", "left"), [(STALE_SECONDS, True), (STALE_SECONDS + 0.1, False)])
async def test_speech_that_waited_for_a_stalled_network_is_dropped(uplink, seconds, left):
    recorded(uplink, CHUNK)
    await uplink.next_chunk()
    recorded(uplink, 4800)
    uplink.sent(seconds)
    counts = uplink.statistics()
    assert (counts.sent_frames, counts.captured_frames) == (CHUNK, CHUNK + 4800)
    assert (counts.queued_frames, counts.dropped_frames) == ((4800, 0) if left else (0, 4800))
    assert counts.overruns == (0 if left else 1)
    recorded(uplink, CHUNK)
    assert (await uplink.next_chunk()).lost_frames == (0 if left else 4800)


async def test_chunk_in_hand_is_counted_as_such_until_it_was_sent(uplink):
    recorded(uplink, 1500)
    await uplink.next_chunk()
    counts = uplink.statistics()
    assert (counts.sent_frames, counts.in_hand_frames, counts.queued_frames) == (0, 960, 540)
    uplink.sent(0)
    counts = uplink.statistics()
    assert (counts.sent_frames, counts.in_hand_frames, counts.queued_frames) == (960, 0, 540)


async def test_what_is_left_at_the_end_is_dropped(uplink):
    recorded(uplink, 1500)
    await uplink.next_chunk()
    uplink.sent(0)
    uplink.close()
    counts = uplink.statistics()
    assert (counts.sent_frames, counts.queued_frames, counts.dropped_frames) == (960, 0, 540)


@pytest.mark.parametrize("samplerate", [8000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("chunk", [CHUNK, 241])
async def test_other_rates_are_counted_in_frames_of_the_wire(samplerate, chunk):
    uplink = Uplink(Captured(samplerate, 48_000), chunk)
    uplink.captured.queue.write(np.zeros(samplerate, np.int16))
    sent = 0
    while sent < 47_000:
        assert not capture_errors(uplink.statistics())
        sent += len((await uplink.next_chunk()).data) // 2
        assert not capture_errors(uplink.statistics())
        uplink.sent(0)
    counts = uplink.statistics()
    assert counts.captured_frames == 48_000
    assert counts.sent_frames == sent
    uplink.captured.queue.drop(samplerate // 100 + 1)
    assert not capture_errors(uplink.statistics())


async def test_impossible_rate_is_wrong_use():
    with pytest.raises(UsageError, match=r"cannot be resampled: .*not 700"):
        Captured(700, 48_000)


@pytest.mark.parametrize("samplerate", [8000, 44_100, 96_000])
async def test_chunk_is_taken_with_the_frame_that_makes_it_whole(autojump_clock, samplerate):
    uplink = Uplink(Captured(samplerate, 48_000), 241)
    for _ in range(10):
        chunk = None
        while chunk is None:
            uplink.captured.queue.write(np.ones(1, np.int16))
            with trio.move_on_after(0.01):
                chunk = await uplink.next_chunk()
        assert len(chunk.data) == 2 * 241
        assert uplink.captured.queue.queued_frames == 0
        uplink.sent(0)


async def test_chunk_that_nobody_began_to_send_is_dropped_not_in_hand(uplink, autojump_clock):
    recorded(uplink, 5 * CHUNK)
    sent = []

    async def send(data: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        sent.append(data)
        if len(sent) == 2:
            scope.cancel()

    with trio.CancelScope() as scope:
        await uplink.run(send)
    uplink.close()
    counts = uplink.statistics()
    assert (counts.sent_frames, counts.in_hand_frames) == (2 * CHUNK, 0)
    assert counts.dropped_frames == 3 * CHUNK

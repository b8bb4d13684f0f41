"""The queues between wire and device: chunks that are late, speech that is stale, counts in frames of the wire."""

import numpy as np
import pytest

from sfclient._sound import LATE_SECONDS, STALE_SECONDS, Capture, Playout

CHUNK = 960


def recorded(capture: Capture, frames: int) -> np.ndarray:
    samples = np.arange(1, frames + 1, dtype=np.int16)
    capture.queue.write(samples)
    return samples


class TestCapture:
    async def test_program_that_was_kept_from_sending_sends_all_it_missed_at_once(self):
        capture = Capture(48_000, 48_000, CHUNK)
        samples = recorded(capture, 24_500)
        chunk = await capture.next_chunk()
        assert chunk == samples[: 25 * CHUNK].tobytes()
        capture.queue.write(np.zeros(CHUNK, np.int16))
        assert len(await capture.next_chunk()) == 2 * CHUNK

    async def test_what_was_missed_meanwhile_goes_with_a_chunk_that_was_ready(self):
        capture = Capture(48_000, 48_000, CHUNK)
        recorded(capture, 3 * CHUNK)
        await capture.next_chunk()
        recorded(capture, 24_000)
        assert len(await capture.next_chunk()) == 2 * 27 * CHUNK

    async def test_a_little_late_is_one_chunk_at_a_time(self):
        capture = Capture(48_000, 48_000, CHUNK)
        samples = recorded(capture, round(LATE_SECONDS * 48_000) - CHUNK)
        assert await capture.next_chunk() == samples[:CHUNK].tobytes()
        assert await capture.next_chunk() == samples[CHUNK : 2 * CHUNK].tobytes()

    @pytest.mark.parametrize(
        ("seconds", "left"), [(STALE_SECONDS, True), (STALE_SECONDS + 0.1, False)]
    )
    async def test_speech_that_waited_for_a_stalled_network_is_dropped(self, seconds, left):
        capture = Capture(48_000, 48_000, CHUNK)
        recorded(capture, CHUNK)
        chunk = await capture.next_chunk()
        recorded(capture, 4800)
        capture.sent(chunk, seconds)
        counts = capture.statistics()
        assert (counts.sent_frames, counts.captured_frames) == (CHUNK, CHUNK + 4800)
        assert (counts.queued_frames, counts.dropped_frames) == ((4800, 0) if left else (0, 4800))
        assert capture.lost_frames == (0 if left else 4800)

    async def test_stale_speech_that_was_taken_from_the_queue_is_dropped_too(self):
        capture = Capture(48_000, 48_000, CHUNK)
        recorded(capture, 3 * CHUNK)
        capture.sent(await capture.next_chunk(), STALE_SECONDS + 0.1)
        recorded(capture, CHUNK)
        capture.sent(await capture.next_chunk(), 0)
        counts = capture.statistics()
        assert (counts.sent_frames, counts.dropped_frames) == (2 * CHUNK, 2 * CHUNK)
        assert counts.overruns == 1

    async def test_what_is_left_at_the_end_is_dropped(self):
        capture = Capture(48_000, 48_000, CHUNK)
        recorded(capture, 1500)
        capture.sent(await capture.next_chunk(), 0)
        capture.close()
        counts = capture.statistics()
        assert (counts.sent_frames, counts.queued_frames, counts.dropped_frames) == (960, 0, 540)

    @pytest.mark.parametrize("samplerate", [8000, 16_000, 44_100, 96_000])
    async def test_other_rates_are_counted_in_frames_of_the_wire(self, samplerate):
        capture = Capture(samplerate, 48_000, CHUNK)
        capture.queue.write(np.zeros(samplerate, np.int16))
        sent = 0
        while sent < 47_000:
            chunk = await capture.next_chunk()
            capture.sent(chunk, 0)
            sent += len(chunk) // 2
        counts = capture.statistics()
        assert counts.captured_frames == 48_000
        assert counts.sent_frames == sent


class TestPlayout:
    @pytest.mark.parametrize("samplerate", [16_000, 44_100, 48_000])
    async def test_what_is_flushed_counts_as_dropped(self, samplerate):
        playout = Playout(16_000, samplerate)
        await playout.play(bytes(2 * 16_000))
        assert playout.pending
        playout.flush()
        playout.queue.read_into(np.zeros(samplerate // 100, np.int16))
        assert not playout.pending
        counts = playout.statistics()
        assert counts.received_frames == 16_000
        assert counts.dropped_frames == pytest.approx(16_000, abs=30)
        assert counts.received_frames == (
            counts.played_frames + counts.queued_frames + counts.dropped_frames
        )

    async def test_a_sample_split_between_messages_is_rejoined_before_it_is_resampled(self):
        speech = np.random.default_rng(1).integers(-9000, 9000, 1600, np.int16).tobytes()
        heard = []
        for cut in (0, 1, 777):
            playout = Playout(16_000, 48_000)
            await playout.play(speech[:cut])
            await playout.play(speech[cut:])
            block = np.zeros(4800, np.int16)
            playout.queue.read_into(block)
            heard.append(block.tobytes())
        assert heard[0] == heard[1] == heard[2]
        assert any(heard[0])

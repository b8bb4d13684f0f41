"""The recording of a call: both sides stand where they were said and heard, with silence for what was lost."""

import wave
from pathlib import Path

import numpy as np
import pytest
import trio

from sfclient import _recording
from sfclient._recording import Recorder
from sfclient._uplink import PacedUplink

RATE = 16_000
CHUNK = 320


def sides(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The caller's channel and the agent's."""
    with wave.open(str(path)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    return frames[:, 0], frames[:, 1]


def counting(first: int, last: int) -> np.ndarray:
    """Samples that tell where they belong, none of them zero."""
    return (np.arange(first, last) % 30_000 + 1).astype(np.int16)


async def test_caller_stands_where_the_microphone_was_whatever_is_padded_muted_or_lost(
    tmp_path, autojump_clock
):
    path = tmp_path / "both.wav"
    recorder = Recorder(path, RATE, RATE)
    uplink = PacedUplink(RATE, RATE, CHUNK, recorder)
    recorded = 0

    async def say(frames: int, stalled: float = 0, padded: bool = False) -> None:
        nonlocal recorded
        uplink.queue.write(counting(recorded, recorded + frames))
        recorded += frames
        assert ((await uplink.next_chunk()).padded_frames > 0) == padded
        uplink.sent(stalled)

    await say(CHUNK)
    await say(100, padded=True)
    await say(CHUNK + 7)
    await say(CHUNK, stalled=2)  # what is queued is stale now
    await say(CHUNK)
    uplink.muted = True
    await say(CHUNK)
    uplink.muted = False
    await say(50, padded=True)
    await say(CHUNK + 20, stalled=2)
    await say(CHUNK)
    recorder.close()
    caller, agent = sides(path)
    expected = counting(0, recorded)
    silent = caller == 0
    assert len(caller) == recorded
    assert np.array_equal(caller[~silent], expected[~silent])
    assert np.count_nonzero(silent) == uplink.statistics().dropped_frames + CHUNK
    assert uplink.statistics().dropped_frames == 7 + 20
    assert not np.any(agent)


async def test_what_the_tap_lost_is_silence_in_its_place(tmp_path, monkeypatch, autojump_clock):
    monkeypatch.setattr(_recording, "TAP_SECONDS", 0.5)
    path = tmp_path / "both.wav"
    recorder = Recorder(path, RATE, RATE)
    played = 0
    with trio.move_on_after(3 * _recording.LOOK_SECONDS + 0.1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.run)
            await trio.sleep(0.1)
            for frames in (4000, 10_000, 9000):
                recorder.played.write(counting(played, played + frames))
                played += frames
                await trio.sleep(_recording.LOOK_SECONDS)
    recorder.close()
    _, agent = sides(path)
    expected = counting(0, played)
    expected[4000:6000] = expected[14_000:15_000] = 0
    assert np.array_equal(agent, expected)


@pytest.mark.parametrize("samplerate", [8000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("block", [3, 480, 100_000])
async def test_resampled_agent_stands_where_it_was_heard_to_the_last_frame(
    tmp_path, samplerate, block
):
    path = tmp_path / "both.wav"
    recorder = Recorder(path, RATE, samplerate)
    heard = 12_000 * np.cos(2 * np.pi * 440 * np.arange(samplerate // 5) / samplerate)
    for at in range(0, len(heard), block):
        recorder.played.write(heard[at : at + block].astype(np.int16))
        recorder._take_played()
    recorder.close()
    _, agent = sides(path)
    expected = 12_000 * np.cos(2 * np.pi * 440 * np.arange(RATE // 5) / RATE)
    assert len(agent) == pytest.approx(RATE // 5, abs=1)
    inner = slice(50, RATE // 5 - 50)  # the filter meets silence at both ends
    # Half a frame off is 1036.
    assert np.max(np.abs(agent[inner] - expected[inner])) < 1100

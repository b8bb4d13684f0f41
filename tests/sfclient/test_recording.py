"""The recording of a call: both sides stand where they were said and heard, with silence for what was lost."""

import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import trio

from sfclient import (
    Audio,
    AudioFileError,
    Call,
    Connected,
    Disconnected,
    NetworkError,
    RecordingFailed,
    _recording,
    open_call,
)
from sfclient._captured import Captured
from sfclient._devices._wav_writer import WavWriter
from sfclient._recording import Recorder, open_recorder
from sfclient._uplink import PacedUplink
from sfclient.simulator import SimulatedCall, SpeakAgent

from .conftest import exactly, noise

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
    uplink = PacedUplink(Captured(RATE, RATE), CHUNK, recorder)
    recorded = 0

    async def say(frames: int, stalled: float = 0, padded: bool = False) -> None:
        nonlocal recorded
        uplink.captured.queue.write(counting(recorded, recorded + frames))
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
            nursery.start_soon(recorder.run, lambda reason: None)
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
        recorder.take_played()
    recorder.close()
    _, agent = sides(path)
    expected = 12_000 * np.cos(2 * np.pi * 440 * np.arange(RATE // 5) / RATE)
    assert len(agent) == pytest.approx(RATE // 5, abs=1)
    inner = slice(50, RATE // 5 - 50)  # the filter meets silence at both ends
    # Half a frame off is 1036.
    assert np.max(np.abs(agent[inner] - expected[inner])) < 1100


class FullDisk:
    """Has room until it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        write = WavWriter.write

        def write_if_there_is_room(writer: WavWriter, data: bytes) -> None:
            if self.is_full:
                raise AudioFileError("cannot write both.wav: No space left on device")
            write(writer, data)

        monkeypatch.setattr(WavWriter, "write", write_if_there_is_room)


@exactly
async def test_recording_that_fails_in_mid_call_is_told_and_the_call_goes_on(
    hold, fast_clock, tmp_path, monkeypatch
):
    disk, path, events = FullDisk(monkeypatch), tmp_path / "both.wav", []
    spoken = noise(0.5, hold.playout_samplerate)

    async def read(call: Call) -> None:
        async for event in call:
            events.append(type(event))
            if isinstance(event, Connected):
                disk.is_full = True

    with pytest.raises(AudioFileError, match="No space left") as caught:
        async with hold(SpeakAgent(spoken, "burst", then="close"), record=path) as held:
            await read(held.call)
    assert events.count(RecordingFailed) <= 1
    assert events[-1] == Disconnected
    assert held.heard == spoken
    assert (held.call.ended.by, held.call.ended.audio) == ("agent", "drained")
    assert caught.value.call_id == held.call.call_id
    recording = held.call.statistics().recording
    assert recording.lost_frames > 0
    assert recording.leaving_frames == 0


async def test_what_a_recording_lost_is_told_once_and_counted(
    tmp_path, monkeypatch, autojump_clock
):
    monkeypatch.setattr("sfclient._devices._wav_writer.WRITE_SECONDS", 0)
    disk, path, told = FullDisk(monkeypatch), tmp_path / "both.wav", []
    async with open_recorder(path, RATE, RATE) as recorder:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.run, told.append)
            for step in range(12):
                disk.is_full = step >= 4
                recorder.caller(counting(0, 4000).tobytes(), 0)
                recorder.played.write(counting(0, 4000))
                await trio.sleep(_recording.LOOK_SECONDS)
                await trio.to_thread.run_sync(time.sleep, 0.01)  # for who writes
            nursery.cancel_scope.cancel()
    assert told == [recorder.error]
    figures = recorder.statistics()
    assert figures.written_frames == len(sides(path)[0])
    assert figures.written_frames + figures.lost_frames == 12 * 4000
    assert figures.lost_frames >= 8 * 4000
    assert (figures.caller_frames, figures.agent_frames, figures.leaving_frames) == (0, 0, 0)


async def test_error_of_the_call_is_not_hidden_by_that_of_its_recording(
    hold, fast_clock, tmp_path, monkeypatch
):
    FullDisk(monkeypatch).is_full = True

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(1)
        await call.abort()

    with pytest.raises(NetworkError, match="lost"):
        async with hold(agent, record=tmp_path / "both.wav") as held:
            await trio.sleep(20)
    assert held.call.statistics().recording.lost_frames > 0


async def test_recording_that_never_completes_is_left_alone_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sfclient._spool.in_time.__defaults__", (0.05,))
    let = threading.Event()
    monkeypatch.setattr(WavWriter, "write", lambda writer, data: let.wait(20))
    async with open_recorder(tmp_path / "both.wav", RATE, RATE) as recorder:
        recorder.caller(bytes(200), 0)
    assert "could not be completed" in recorder.error
    let.set()


async def test_call_that_never_begins_leaves_no_recording(tmp_path):
    with pytest.raises(NetworkError):
        async with open_call(
            "ws://127.0.0.1:1/", Audio("none", "none"), record=tmp_path / "both.wav"
        ):
            raise AssertionError
    assert list(tmp_path.iterdir()) == []


async def test_call_that_is_cancelled_while_it_opens_leaves_its_files_to_the_next(
    tmp_path, monkeypatch
):
    path, begun, let = tmp_path / "both.wav", threading.Event(), threading.Event()
    with monkeypatch.context() as patched:
        init = WavWriter.__init__

        def open_slowly(*args: object) -> None:
            init(*args)
            begun.set()
            assert let.wait(20)

        patched.setattr(WavWriter, "__init__", open_slowly)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def open_it() -> None:
                async with open_recorder(path, RATE, RATE):
                    raise AssertionError

            await trio.to_thread.run_sync(begun.wait, 20)
            nursery.cancel_scope.cancel()
    let.set()
    async with open_recorder(path, RATE, RATE) as recorder:
        recorder.caller(bytes(200), 0)
    assert len(sides(path)[0]) == 100

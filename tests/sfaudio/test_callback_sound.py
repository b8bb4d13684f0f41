"""What a callback does with the sound of a block: channels, gain, meters; and when it was."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from sfaudio import CaptureQueue, JitterBuffer, Meter, float32_to_int16
from sfaudio._callback import StreamCallback

FRAMES = 1000  # more than the callback works on at a time


def noise(channels: int) -> NDArray[np.float32]:
    samples = np.random.default_rng(1).uniform(-1, 1, (FRAMES, channels))
    return samples.astype(np.float32)


def recorded(indata: NDArray[np.float32], input_channel: int | None) -> NDArray[np.int16]:
    capture = CaptureQueue(FRAMES)
    channels = indata.shape[1]
    callback = StreamCallback(capture, input_channels=channels, input_channel=input_channel)
    callback.run(indata, None)
    return np.frombuffer(capture.read(FRAMES), np.int16)


def test_the_mean_of_all_channels_is_recorded_or_one_alone() -> None:
    indata = noise(3)
    for channel in (1, 2, 3):
        assert (recorded(indata, channel) == float32_to_int16(indata[:, channel - 1].copy())).all()
    mean = (indata[:, 0] + indata[:, 1] + indata[:, 2]) / np.float32(3)
    assert (recorded(indata, None) == float32_to_int16(mean)).all()


@pytest.mark.parametrize("channel", [0, 4, "left"])
def test_a_channel_that_is_not_there_is_refused(channel: object) -> None:
    with pytest.raises((TypeError, ValueError), match="input_channel"):
        StreamCallback(CaptureQueue(1), input_channels=3, input_channel=channel)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
def test_a_gain_is_reached_in_a_straight_line_within_a_block(channels: int) -> None:
    playout, played = JitterBuffer(10 * FRAMES), CaptureQueue(10 * FRAMES)
    callback = StreamCallback(None, playout, played, output_channels=channels, output_gain=0.5)
    playout.write(np.full(4 * FRAMES, 16384, np.int16))
    blocks = []
    for gain in (0.5, 0.5, 2, 0):
        callback.output_gain = gain
        assert callback.output_gain == gain
        outdata = np.empty((FRAMES, channels), np.float32)
        callback.run(None, outdata)
        assert (outdata == outdata[:, :1]).all()
        blocks.append(outdata[:, 0])
    step = np.arange(1, FRAMES + 1) / FRAMES
    assert (blocks[1] == 0.25).all()
    np.testing.assert_allclose(blocks[2], 0.25 + 0.75 * step, atol=1e-4)
    np.testing.assert_allclose(blocks[3], 1 - step, atol=1e-4)
    assert (np.frombuffer(played.read(4 * FRAMES), np.int16) == 16384).all()  # is not scaled


def test_what_a_gain_takes_beyond_full_scale_is_cut_off() -> None:
    playout, outdata = JitterBuffer(100), np.empty(4, np.float32)
    playout.write(np.array([20_000, -20_000, 5000, -32768], np.int16))
    StreamCallback(None, playout, output_gain=2).run(None, outdata)
    assert outdata.tolist() == [1, -1, 10_000 / 32768, -1]


@pytest.mark.parametrize("gain", [-0.1, 16.1, float("nan"), 1e300, "loud", None])
def test_a_gain_that_is_none_is_refused(gain: object) -> None:
    callback = StreamCallback(None, JitterBuffer(1))
    with pytest.raises((TypeError, ValueError), match="output_gain must be"):
        callback.output_gain = gain  # type: ignore[assignment]
    assert callback.output_gain == 1.0


def test_meters_hear_what_is_recorded_and_what_is_played_before_the_gain() -> None:
    capture, playout = CaptureQueue(FRAMES), JitterBuffer(FRAMES)
    meters = Meter(16_000), Meter(8000)
    callback = StreamCallback(
        capture,
        playout,
        capture_meter=meters[0],
        playout_meter=meters[1],
        input_channels=2,
        input_channel=1,
        output_gain=0.0,
    )
    playout.write(np.full(FRAMES, 8192, np.int16))
    before = time.perf_counter()
    callback.run(np.full((FRAMES, 2), (0.5, 0.0), np.float32), np.empty(FRAMES, np.float32))
    after = time.perf_counter()
    assert [meter.level() for meter in meters] == [(0.5, 0.5, 0), (0.25, 0.25, 0)]
    assert [meter.statistics().frames for meter in meters] == [FRAMES, FRAMES]
    # The block that is recorded ended when the callback began, the one that is played began then.
    (spoken,), (heard,) = (meter.read_segments() for meter in meters)
    assert before <= spoken.seconds + FRAMES / 16_000 <= after
    assert before <= heard.seconds <= after
    assert spoken.seconds + FRAMES / 16_000 == pytest.approx(heard.seconds, abs=1e-6)


def test_a_meter_is_the_callbacks_until_it_is_detached() -> None:
    meter = Meter(8000)
    callback = StreamCallback(CaptureQueue(1), capture_meter=meter)
    for take in (
        lambda: meter.hear(b"", 0),
        lambda: StreamCallback(CaptureQueue(1), capture_meter=meter),
    ):
        with pytest.raises(
            RuntimeError, match="the writing side of this Meter is held by a stream"
        ):
            take()
    callback.detach()
    meter.hear(b"", 0)


@pytest.mark.parametrize("side", ["capture", "playout"])
def test_a_meter_with_nothing_to_hear_is_refused(side: str) -> None:
    with pytest.raises(ValueError, match=f"{side}_meter has nothing to hear"):
        StreamCallback(**{f"{side}_meter": Meter(8000)})  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_reference_is_what_a_microphone_wired_to_the_loudspeaker_records(channels: int) -> None:
    capture, reference = CaptureQueue(10 * FRAMES), CaptureQueue(10 * FRAMES)
    playout = JitterBuffer(10 * FRAMES, fade=100)
    callback = StreamCallback(
        capture,
        playout,
        reference=reference,
        input_channels=channels,
        input_channel=1,
        output_channels=channels,
    )
    playout.write(float32_to_int16(noise(4).ravel()))
    wire = np.zeros((FRAMES, channels), np.float32)
    for gain in (1, 0.3, 8, 0.5, 0, 1):
        callback.output_gain = gain
        if gain == 0:
            playout.flush()
        callback.run(wire.copy(), wire)
    recorded, played = (
        np.frombuffer(each.read(6 * FRAMES), np.int16) for each in (capture, reference)
    )
    assert (recorded[FRAMES:] == played[:-FRAMES]).all()
    assert np.abs(played[:FRAMES]).max() < 32767 == played.max()  # as it came, and cut off


def test_a_reference_with_nothing_to_get_is_refused() -> None:
    with pytest.raises(ValueError, match="reference has nothing to get: there is no playout"):
        StreamCallback(CaptureQueue(1), reference=CaptureQueue(1))


def test_a_position_is_of_the_begin_of_a_callback() -> None:
    callback = StreamCallback(CaptureQueue(FRAMES), JitterBuffer(1))
    assert callback.position() is None
    for blocks in (1, 2):
        before = time.perf_counter()
        callback.run(np.empty(FRAMES, np.float32), np.empty(FRAMES, np.float32))
        position = callback.position()
        assert position is not None
        assert before <= position.seconds <= time.perf_counter()
        assert position[1:] == (blocks * FRAMES, (blocks - 1) * FRAMES)
    callback.detach()
    callback.run(np.empty(FRAMES, np.float32), np.empty(FRAMES, np.float32))
    assert callback.position() == position

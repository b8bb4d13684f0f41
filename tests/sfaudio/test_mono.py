"""What streams is mono: frames of several channels would pass for more of one, so they are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sfaudio import CaptureQueue, EchoCanceller, JitterBuffer, Meter, PlayoutEngine, Resampler

TAKERS: dict[str, Callable[[Any], object]] = {
    "CaptureQueue.write": lambda block: CaptureQueue(100).write(block),
    "CaptureQueue.read_into": lambda out: CaptureQueue(100).read_into(out),
    "JitterBuffer.write": lambda data: JitterBuffer(100).write(data),
    "JitterBuffer.read_into": lambda out: JitterBuffer(100).read_into(out),
    "PlayoutEngine.read_into": lambda out: PlayoutEngine(JitterBuffer(160)).read_into(out),
    "Meter.hear": lambda block: Meter(8000).hear(block, 0),
    "EchoCanceller.skip": lambda played: EchoCanceller().skip(played),
    "Resampler.process": lambda src: Resampler(8000, 16_000).process(src),
    "Resampler.process_into": lambda src: Resampler(8000, 16_000).process_into(
        src, np.zeros(50, np.int16)
    ),
}
each_taker = pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)


@each_taker
@pytest.mark.parametrize("shape", [(8, 2), (2, 8), (2, 2), (3, 1, 2)])
def test_frames_of_several_channels_are_refused_and_let_go(
    take: Callable[[Any], object], shape: tuple[int, ...]
) -> None:
    for samples in (np.zeros(shape, np.int16), memoryview(np.zeros(shape, np.int16))):
        with pytest.raises(ValueError, match=r"must be mono, not of shape \(.*to_mono"):
            take(samples)
    held = bytearray(16)
    with pytest.raises(ValueError, match="must be mono"):
        take(memoryview(held).cast("B").cast("h", (4, 2)))
    held.append(0)


@each_taker
@pytest.mark.parametrize("shape", [(8,), (8, 1), (1, 8), (0, 2), (1, 1, 8)])
def test_one_channel_is_taken_in_any_shape(
    take: Callable[[Any], object], shape: tuple[int, ...]
) -> None:
    take(np.zeros(shape, np.int16))
    take(memoryview(np.zeros(shape, np.int16)) if 0 not in shape else np.zeros(shape, np.int16))


def test_raw_bytes_are_samples_in_any_shape() -> None:
    assert JitterBuffer(100).write(np.zeros((8, 2), np.uint8)) == 16

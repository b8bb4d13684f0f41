"""An engine between any rate of the wire and any of the device, read in blocks of any size."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

from sfaudio import JitterBuffer, PlayoutEngine

from .engine_player import balanced, talk

BLOCKSIZES = (1, 7, 63, 64, 441, 480, 4096)
SECONDS = 8
MARK = 12_321


def events(rng: random.Random, wire: int) -> Iterator[tuple[float, str, int]]:
    """Seconds until something happens to the queue, what, and frames: a paced sender whose network stalls."""
    sent = 0
    while sent < SECONDS * wire:
        message = round(wire * rng.choice((0.02, 0.02, 0.02, 0.0213, 0.1)))
        late = rng.choice((0.0,) * 30 + (0.05, 0.2, 0.7))
        yield message / wire + late, "write", message
        sent += message
        if late:  # What was said meanwhile has waited, too.
            yield 0.0, "write", round(late * wire)
            sent += round(late * wire)
        for what, once_in in (("flush", 100), ("drain", 60), ("abort", 200)):
            if rng.randrange(once_in) == 0:
                yield rng.choice((0.0, 0.004)), what, 0


class Playing:
    """One engine, and all that it gave, in blocks of which nothing around is touched."""

    def __init__(self, wire: int, device: int, dtype: type) -> None:
        self.queue = JitterBuffer(1 << 21)
        self.engine = PlayoutEngine(self.queue, samplerate=wire, output_samplerate=device)
        self.media = talk(wire)
        self.dtype = dtype
        self.given: list[np.ndarray] = []

    def happen(self, what: str, at: int, frames: int) -> None:
        if what == "write":
            self.queue.write(self.media[at : at + frames])
        elif what == "abort":
            self.engine.abort()
        else:
            getattr(self.queue, what)()

    def read(self, frames: int) -> None:
        out = np.full(frames + 2, MARK, self.dtype)
        self.engine.read_into(out[1:-1])
        assert out[0] == out[-1] == MARK
        self.given.append(out[1:-1])


@pytest.mark.parametrize("device", [8000, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("wire", [8000, 16_000, 24_000, 48_000])
def test_blocks_of_any_size_give_the_same_at_any_rates(wire: int, device: int) -> None:
    rng = random.Random(wire + device)
    whole, parts = Playing(wire, device, np.int16), Playing(wire, device, np.int16)
    floats = Playing(wire, device, np.float32)
    written, now, read = 0, 0.0, 0
    for wait, what, count in events(rng, wire):
        now += wait
        due = round(now * device) - read
        whole.read(due)
        floats.read(due)
        left = due
        while left > 0:
            frames = min(left, rng.choice(BLOCKSIZES))
            parts.read(frames)
            left -= frames
        read += due
        for playing in (whole, parts, floats):
            assert balanced(playing.engine.statistics())
            playing.happen(what, written, count)
        written += count
    for playing in (parts, floats):
        assert playing.engine.statistics() == whole.engine.statistics()
    expected = np.concatenate(whole.given)
    assert np.array_equal(np.concatenate(parts.given), expected)
    assert np.array_equal(np.concatenate(floats.given), expected / np.float32(32768))
    told = whole.engine.statistics()
    assert min(told.removed_frames + told.cut_frames, told.inserted_frames, told.dropped_frames) > 0


@pytest.mark.parametrize(("wire", "device"), [(768_000, 12_000), (12_000, 768_000), (1000, 64_000)])
def test_a_lossless_engine_may_be_at_the_ends_of_what_a_resampler_can(
    wire: int, device: int
) -> None:
    queue = JitterBuffer(1 << 21)
    engine = PlayoutEngine(queue, samplerate=wire, output_samplerate=device, policy="lossless")
    queue.write(np.full(wire // 10, 8000, np.int16))
    out = np.concatenate([np.zeros(0, np.int16)])
    while len(out) < device // 10:
        block = np.full(random.Random(len(out)).choice(BLOCKSIZES), MARK, np.int16)
        engine.read_into(block)
        out = np.concatenate([out, block])
    assert abs(int(np.median(out[: device // 10])) - 8000) <= 1
    assert balanced(engine.statistics())

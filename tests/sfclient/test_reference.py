"""What was played while a frame was recorded, by counts: of one callback, and of one turn."""

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from trio.testing import MockClock

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
from sfclient import MemoryInput, MemoryOutput
from sfclient._devices import Queues, Reference
from sfclient._devices._reference import REFERENCE_SECONDS
from sfclient._devices._virtual import VirtualLine

RATE = 8000
BLOCK = 80


class Device:
    """Records what it plays: frame number n has the value n, or what is nearest to it."""

    def __init__(self, capacity: int = 10**6) -> None:
        self.reference = Reference(RATE, RATE)
        self.capture = CaptureQueue(capacity)
        self.frames = 0
        self.read_frames = 0

    def run(self, frames: int, *, recorded: bool = True, played: bool = True) -> None:
        block = self.numbers(self.frames, frames)
        if played:
            self.reference.queue.write(block)
        if recorded:
            self.capture.write(block)
        self.frames += frames

    def change(self) -> None:
        """To one that loses touch with the time before."""
        self.reference.begin_devices(self.capture.statistics().written_frames)

    @staticmethod
    def numbers(first: int, frames: int) -> NDArray[np.int16]:
        return (np.arange(first, first + frames) % 32_000).astype(np.int16)

    def take(self, frames: int) -> tuple[list[int], list[int]]:
        """What was recorded, and what was played then."""
        recorded = np.frombuffer(self.capture.read(frames), np.int16)
        self.read_frames += len(recorded)
        end = self.read_frames + self.capture.dropped_frames
        return recorded.tolist(), self.reference.take(end, len(recorded)).tolist()


def test_each_frame_is_taken_with_that_which_was_played_in_the_same_callback() -> None:
    device = Device()
    device.change()
    for frames in (1, 79, 500, 3):
        device.run(frames)
        recorded, played = device.take(frames)
        assert recorded == played
        assert len(played) == frames


def test_what_is_too_late_to_be_sent_is_passed_over_on_both_sides() -> None:
    device = Device(capacity=200)
    device.run(1000)
    recorded, played = device.take(50)
    assert recorded == played == device.numbers(800, 50).tolist()
    device.capture.drop(100)
    recorded, played = device.take(50)
    assert recorded == played == device.numbers(950, 50).tolist()


def test_what_was_lost_can_be_asked_for_before_the_rest() -> None:
    device = Device(capacity=100)
    device.run(300)
    assert device.reference.take(200, 200).tolist() == device.numbers(0, 200).tolist()
    recorded, played = device.take(100)
    assert recorded == played == device.numbers(200, 100).tolist()


def test_what_was_not_played_or_is_forgotten_is_zeros_and_counted() -> None:
    device = Device()
    device.run(100, played=False)
    device.change()
    device.run(100)
    assert device.take(150)[1] == [0] * 100 + device.numbers(100, 50).tolist()
    device.reference.take(400, 200)  # which are not recorded yet
    assert device.reference.statistics().padded_frames == 100 + 200
    assert device.reference.take(150, 150).tolist()[:50] == [0] * 50  # one goes forward only


def test_a_reference_that_nobody_took_has_dropped_the_oldest() -> None:
    device = Device()
    frames = round(REFERENCE_SECONDS * RATE) + 777
    device.run(frames)
    recorded, played = device.take(frames)
    assert played == [0] * 777 + recorded[777:]
    counts = device.reference.statistics()
    assert (counts.dropped_frames, counts.padded_frames) == (777, 777)


def test_a_change_of_devices_counts_when_its_first_frame_is_taken() -> None:
    device = Device()
    device.change()
    device.run(100)
    device.run(33, recorded=False)  # what a device plays on for itself
    device.reference.begin(100)  # silence, until it is opened
    device.run(50)
    device.change()
    device.run(20, played=False)
    device.change()
    device.run(100)
    assert device.reference.changes == 0
    recorded, played = device.take(140)
    assert (recorded == played, device.reference.changes) == (True, 0)
    recorded, played = device.take(30)
    assert (recorded[:10], device.reference.changes) == (played[:10], 1)
    recorded, played = device.take(100)
    assert (recorded == played, device.reference.changes) == (True, 2)
    assert device.reference.statistics().changes == 2


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("run"), st.integers(1, 700)),
            st.tuples(st.just("take"), st.integers(1, 700)),
            st.tuples(st.just("drop"), st.integers(1, 300)),
            st.tuples(st.just("lose"), st.integers(1, 300)),
            st.tuples(st.just("miss"), st.integers(1, 300)),
            st.tuples(st.just("stall"), st.just(0)),
        ),
        max_size=30,
    )
)
def test_whatever_is_lost_the_sides_stay_together_and_the_books_balance(
    orders: list[tuple[str, int]],
) -> None:
    device = Device(capacity=1000)
    missed: set[int] = set()
    written, is_whole = 0, True
    for order, frames in orders:
        if order == "take":
            recorded, played = device.take(frames)
            wanted = [0 if number in missed else number for number in recorded]
            assert played == wanted if is_whole else all(map(either, played, wanted))
        elif order == "drop":
            device.capture.drop(frames)
        elif order == "stall":  # until it does not hold all
            device.run(round(REFERENCE_SECONDS * RATE) + 1)
            written += round(REFERENCE_SECONDS * RATE) + 1
            is_whole = False
            missed.clear()  # and all else that was before
        else:
            missed |= (
                set(range(device.frames, device.frames + frames)) if order == "miss" else set()
            )
            device.run(frames, recorded=order != "lose", played=order != "miss")
            written += frames * (order != "miss")
            if order != "run":
                device.change()  # as a line tells, which knows of a loss
        counts = device.reference.statistics()
        assert counts.written_frames == written
        assert counts.written_frames == (
            counts.read_frames + counts.queued_frames + counts.dropped_frames
        )


def either(played: int, wanted: int) -> bool:
    return played in (wanted, 0)


class Stuttering(MemoryInput):
    """Gives a frame less now and then, or one more."""

    def read(self, frames: int) -> NDArray[np.int16]:
        self.turns = getattr(self, "turns", 0) + 1
        return super().read(frames + (self.turns % 5 == 3) - (self.turns % 7 == 5))


@pytest.mark.parametrize("output_samplerate", [RATE, 16_000, 44_100])
async def test_a_line_without_hardware_has_an_exact_reference(
    nursery: trio.Nursery, autojump_clock: MockClock, output_samplerate: int
) -> None:
    """It is given what it plays to be recorded, at once; where rates differ, that is resampled."""
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * output_samplerate) / output_samplerate)
    playout, capture = JitterBuffer(10**6), CaptureQueue(10**6)
    playout.write((9000 * tone).astype(np.int16))
    reference = Reference(RATE, output_samplerate)
    engine = PlayoutEngine(playout, samplerate=output_samplerate, policy="lossless")
    line = VirtualLine(Stuttering(samplerate=RATE), MemoryOutput(), RATE, output_samplerate)
    await nursery.start(line.run, Queues(capture, engine, None, reference=reference), print)
    pieces, end = [], 0
    for _ in range(40):
        await trio.sleep(0.02)
        frames = len(capture.read(RATE)) // 2
        end += frames
        pieces.append(reference.take(end, frames))
    nursery.cancel_scope.cancel()
    played = np.concatenate(pieces)[RATE // 10 :]
    assert end > 0.7 * RATE
    # A frame that the source leaves out is left out here, too: so it is the tone but for some steps.
    level = np.sqrt(np.mean(played.astype(float) ** 2))
    assert level == pytest.approx(9000 / 2**0.5, rel=0.01)
    assert reference.statistics().padded_frames <= 40
    assert reference.statistics().drift_ppm is None

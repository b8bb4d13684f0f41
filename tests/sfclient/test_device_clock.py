"""Two devices whose clocks differ, driven by hand: what was played while a frame was recorded."""

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from sfaudio import CaptureQueue, StreamPosition
from sfclient._devices import Reference, ReferenceStatistics, _reference
from sfclient._devices._device_clock import DeviceClock
from sfclient._devices._played import Played

TONE_HZ = 500.0
CHUNK_SECONDS = 0.02
AIR_SECONDS = 0.02  # from the loudspeaker's callback to the microphone's

Late = Callable[[random.Random], float]


def rarely_late(rng: random.Random) -> float:
    """Most are on time, one in ten comes by up to 20 ms too late."""
    return rng.expovariate(5000) + (rng.uniform(0.002, 0.02) if rng.random() < 0.1 else 0.0)


def never_quite_on_time(rng: random.Random) -> float:
    return rng.expovariate(1000)


class Device:
    """Its callbacks are due whenever its clock has gone on by a block."""

    def __init__(self, rate: int, ppm: float, block: int, began: float, late: Late) -> None:
        self.rate = rate * (1 + ppm / 1e6)
        self.block = block
        self.began = began
        self.frames = self.told = 0  # by its clock, and as its stream has counted them
        self.position: StreamPosition | None = None
        self.late = late

    def due(self, rng: random.Random) -> float:
        return self.began + self.frames / self.rate + self.late(rng)


class Devices:
    """A loudspeaker that plays a tone, and a microphone that hears it in the air."""

    def __init__(
        self,
        rates: tuple[int, int],
        ppm: tuple[float, float],
        late: Late,
        blocks: tuple[int, int] = (480, 480),
    ) -> None:
        self.rng = random.Random(f"{rates} {ppm}")
        self.rates = rates
        self.microphone = Device(rates[0], ppm[0], blocks[0], 1000.0, late)
        self.loudspeaker = Device(rates[1], ppm[1], blocks[1], 1000.0137, late)
        self.reference = Reference(*rates)
        self.reference.begin_devices(
            0, (lambda: self.microphone.position, lambda: self.loudspeaker.position)
        )
        self.now = 1000.0
        self.taken: list[NDArray[np.int16]] = []
        self.recorded: list[NDArray[np.float64]] = []
        self.waiting = np.empty(0)
        self.losing: Device | None = None

    def tone(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """As its clock has it."""
        return 9000 * np.sin(2 * np.pi * TONE_HZ / self.rates[1] * frames)

    def run(self, seconds: float) -> Iterator[None]:
        """Chunk by chunk."""
        until = self.now + seconds
        due = {device: device.due(self.rng) for device in (self.microphone, self.loudspeaker)}
        while self.now < until:
            device = min(due, key=lambda device: due[device])
            self.now = max(self.now, due[device])
            (self.record if device is self.microphone else self.play)(self.now)
            due[device] = device.due(self.rng)
            if self.take():
                yield

    def play(self, now: float) -> None:
        device = self.loudspeaker
        block = self.tone(np.arange(device.frames, device.frames + device.block))
        device.frames += device.block
        if self.losing is not device:
            self.reference.queue.write(np.rint(block).astype(np.int16))
            device.position = StreamPosition(now, 0, device.told)
            device.told += device.block

    def record(self, now: float) -> None:
        """What the air has brought; the last frame of it just now."""
        device, speaker = self.microphone, self.loudspeaker
        at = device.began + np.arange(device.frames, device.frames + device.block) / device.rate
        device.frames += device.block
        if self.losing is not device:
            device.told += device.block
            device.position = StreamPosition(now, device.told, 0)
            heard = self.tone((at - speaker.began - AIR_SECONDS) * speaker.rate)
            self.waiting = np.append(self.waiting, heard)

    def take(self) -> bool:
        frames = round(CHUNK_SECONDS * self.rates[0])
        if len(self.waiting) < frames:
            return False
        self.recorded.append(self.waiting[:frames])
        self.waiting = self.waiting[frames:]
        end = self.microphone.told - len(self.waiting)
        self.taken.append(self.reference.take(end, frames))
        return True

    def delays(self, seconds: float) -> NDArray[np.float64]:
        """Of what was recorded behind what was taken, in each tenth of the last so many seconds; modulo 2 ms."""
        rate = self.rates[0]
        signals = (np.concatenate(each).astype(float) for each in (self.taken, self.recorded))
        frames = rate * round(seconds * 10) // 10
        turning = np.exp(-2j * np.pi * TONE_HZ / rate * np.arange(frames))
        played, heard = (
            (signal[-frames:] * turning).reshape(-1, rate // 10).mean(axis=1) for signal in signals
        )
        delays: NDArray[np.float64] = np.angle(played * heard.conj()) / (2 * np.pi * TONE_HZ)
        return delays


def finish(running: Iterator[None]) -> None:
    for _ in running:
        pass


@pytest.mark.parametrize(
    ("rates", "blocks", "ppm", "late"),
    [
        ((48_000, 48_000), (480, 480), (0.0, 300.0), rarely_late),
        ((48_000, 44_100), (480, 1024), (200.0, -100.0), rarely_late),
        ((16_000, 48_000), (160, 480), (-150.0, 150.0), never_quite_on_time),
    ],
)
def test_two_clocks_are_paired_to_within_ten_in_a_million(
    rates: tuple[int, int], blocks: tuple[int, int], ppm: tuple[float, float], late: Late
) -> None:
    devices = Devices(rates, ppm, late, blocks)
    finish(devices.run(12.0))
    seen = devices.reference.statistics()
    assert seen.drift_ppm == pytest.approx(ppm[1] - ppm[0], abs=10)
    delays = devices.delays(2.0)
    drift = np.polyfit(np.arange(len(delays)) / 10, delays, 1)[0]
    assert abs(drift) < 10e-6
    assert np.ptp(delays) < 50e-6
    assert (seen.steps, seen.changes) == (0, 0)
    assert seen.spread_seconds < 200e-6
    # Until the loudspeaker played, and where its callback was later than what was recorded.
    assert seen.padded_frames < 0.04 * 12 * rates[0]


@pytest.mark.parametrize("side", ["microphone", "loudspeaker"])
def test_what_one_of_two_devices_loses_is_made_good_on_the_other_side(side: str) -> None:
    devices = Devices((16_000, 16_000), (-100.0, 50.0), rarely_late, (160, 160))
    finish(devices.run(4.0))
    before = float(np.mean(devices.delays(0.5)))
    devices.losing = getattr(devices, side)
    finish(devices.run(0.05))
    devices.losing = None
    finish(devices.run(2.5))
    assert devices.reference.statistics().steps == 1
    assert np.mean(devices.delays(0.5)) == pytest.approx(before, abs=50e-6)


def test_a_second_in_which_all_callbacks_are_late_is_no_loss() -> None:
    clock = DeviceClock(48_000)
    for block in range(1000):
        is_late = 500 <= block < 580
        clock.see(block * 0.01 + 0.015 * is_late, block * 480)
    assert clock.steps == 0
    assert clock.samplerate == pytest.approx(48_000, rel=1e-6)
    assert clock.seconds_at(48_000) == pytest.approx(1.0, abs=1e-5)
    assert clock.frames_at(1.0) == pytest.approx(48_000, abs=1)


def test_nothing_is_known_of_a_device_that_has_not_called_back() -> None:
    clock = DeviceClock(8000)
    assert clock.seconds_at(0) is None
    assert clock.frames_at(0.0) is None
    reference = Reference(8000, 8000)
    reference.begin_devices(0, (lambda: StreamPosition(1.0, 80, 0), lambda: None))
    assert not reference.take(80, 80).any()
    assert reference.statistics() == ReferenceStatistics(padded_frames=80, drift_ppm=0.0)


@pytest.mark.parametrize("block_seconds", [0.0, 0.0001, 0.02])
def test_a_device_that_keeps_no_time_at_all_costs_a_call_nothing(block_seconds: float) -> None:
    """As one that plays to nobody does."""
    callbacks = 0
    reference = Reference(16_000, 16_000)
    reference.begin_devices(
        0,
        (
            lambda: StreamPosition(1.0 + callbacks * 0.01, callbacks * 160, 0),
            lambda: StreamPosition(1.0 + callbacks * block_seconds, 0, callbacks * 160),
        ),
    )
    for callbacks in range(1, 150):
        reference.queue.write(np.full(160, 999, np.int16))
        assert len(reference.take(callbacks * 160, 160)) == 160
    assert abs(reference.statistics().drift_ppm or 0) < 1010


def test_between_frames_a_tone_stays_a_tone() -> None:
    rate, step = 16_000, 1 + 500e-6
    queue = CaptureQueue(rate)
    queue.write(np.rint(9000 * np.sin(2 * np.pi * 3000 / rate * np.arange(rate))).astype(np.int16))
    played, at, pieces = Played(queue, rate, rate), 100.3, []
    for frames in (160, 320, 1, 799, 320) * 5:
        pieces.append(played.glide(at, frames, step))
        at += frames * step
    glided = np.concatenate(pieces)
    wanted = 9000 * np.sin(2 * np.pi * 3000 / rate * (100.3 + step * np.arange(len(glided))))
    assert np.std(glided - wanted) < 9000 / 2**0.5 / 1000  # 60 dB
    assert played.padded_frames == 0


class MovedClocks:
    """Which have found out that the one side is 1.5 ms later than was known."""

    ratio, spread, steps, is_settled, later = 1.0, 0.0, 0, True, 0.0

    def look(self) -> None:
        pass

    def played_when(self, recorded: int) -> float:
        return recorded - self.later


def test_what_was_measured_anew_is_reached_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = MovedClocks()
    monkeypatch.setattr(_reference, "ClockPair", lambda *of: clocks)
    reference = Reference(8000, 8000)
    reference.begin_devices(0, (lambda: None, lambda: None))
    lags = []
    for end in range(160, 160_000, 160):
        if end == 80_000:
            clocks.later = 12.0
        reference.queue.write((np.arange(end - 160, end) % 20_000).astype(np.int16))
        lags.append((end - 1 - int(reference.take(end, 160)[-1])) % 20_000)
    lags = lags[100:]  # none is at the end of the saw's teeth but one in 125
    assert np.median(lags[:300]) == 16 + 16  # half a filter, 2 ms
    moved = np.array(lags[400:])
    assert np.median(moved[245:255]) == pytest.approx(32 + 12 * (1 - 1 / np.e), abs=1)
    assert np.median(moved[-20:]) == pytest.approx(32 + 12 * (1 - np.exp(-2)), abs=1)

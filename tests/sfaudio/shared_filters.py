"""What works on sound, and is used by several threads at the same time: see `shared_objects`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from sfaudio import EchoCanceller, EchoGate, Meter, Resampler
from sfaudio._echo_filter import EchoFilter
from sfaudio._playout_law import NAMES, PlayoutLaw
from sfaudio._stretch import Stretcher

from .shared_objects import Call, Done, Shared, Spoiled, float32, heard, int16, seen_balanced


class OfResampler(Shared):
    def __init__(self) -> None:
        self.thing = self.resampler = Resampler(44_100, 16_000)

    def process(self, src: Any, frames: int | None, done: Done) -> None:
        out = self.resampler.process(src, frames)
        done["input"] += len(src)
        done["output"] += len(out)

    def process_into(self, src: Any, done: Done) -> None:
        done["output"] += self.resampler.process_into(src, np.zeros(500, src.dtype))
        done["input"] += len(src)

    def drain(self, done: Done) -> None:
        done["output"] += len(self.resampler.drain("float32"))

    def calls(self) -> list[Call]:
        return [
            *(partial(self.process, src, None) for src in (int16(480), float32(441))),
            *(partial(self.process, src, 100) for src in (int16(50), float32(50))),
            *(partial(self.process_into, src) for src in (int16(480), float32(441))),
            *(self.drain, lambda done: self.resampler.reset()),
            lambda done: self.resampler.input_frames(100),
            lambda done: self.resampler.output_frames(100),
            lambda done: self.resampler.statistics(),
            lambda done: (self.resampler.delay, repr(self.resampler)),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        told = self.resampler.statistics()
        yield "input", told.input_frames, done["input"]
        yield "output", told.output_frames + told.padded_frames, done["output"]

    def works(self) -> bool:
        src = np.sin(np.arange(1000) / 20).astype(np.float32)
        self.resampler.reset()
        return np.array_equal(self.resampler.process(src), Resampler(44_100, 16_000).process(src))


class OfMeter(Shared):
    def __init__(self) -> None:
        self.thing = self.meter = Meter(16_000)
        self.loud = np.full(480, 16_384, np.int16)

    def hear(self, block: Any, done: Done) -> None:
        self.meter.hear(block, done["frames"] / 16_000)
        done["frames"] += len(block)

    def read_segments(self, done: Done) -> None:
        done["segments"] += len(self.meter.read_segments())

    def look(self, done: Done) -> None:
        seen_balanced(lambda: self.meter.statistics().frames >= done["frames"])

    def calls(self) -> list[Call]:
        return [
            *(partial(self.hear, block) for block in (self.loud, self.loud / np.float32(32768))),
            *(partial(self.hear, np.zeros(frames, np.int16)) for frames in (33, 9000)),
            *(self.read_segments, self.look),
            *(lambda done: self.meter.level(), lambda done: repr(self.meter)),
            lambda done: (self.meter.zero_frames, self.meter.speech_until, self.meter.heard_until),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        yield "frames", self.meter.statistics().frames, done["frames"]

    def works(self) -> bool:
        self.meter.hear(self.loud, 1e6)
        self.meter.hear(np.zeros(1600, np.int16), 1e6 + 0.03)
        return self.meter.zero_frames == 1600 and self.meter.level().peak <= 0.5


class OfEchoCanceller(Shared):
    def __init__(self, samplerate: int) -> None:
        self.thing = self.canceller = EchoCanceller(samplerate)
        rng = np.random.default_rng(1)
        self.block = samplerate // 100
        self.played = (3000 * rng.standard_normal(12 * self.block)).astype(np.int16)

    def process(self, blocks: int, kind: type, done: Done) -> None:
        samples = self.played[: blocks * self.block].astype(kind)
        out = self.canceller.process(samples, samples)
        done["frames"] += len(out)

    def skip(self, done: Done) -> None:
        self.canceller.skip(self.played[: self.block])
        done["skipped"] += self.block

    def path_changed(self, done: Done) -> None:
        self.canceller.path_changed()
        done["changes"] += 1

    def calls(self) -> list[Call]:
        return [
            *(partial(self.process, blocks, np.int16) for blocks in (1, 2, 12)),
            *(partial(self.process, blocks, np.float32) for blocks in (0, 3)),
            *(self.skip, self.path_changed, lambda done: self.canceller.statistics()),
            lambda done: (self.canceller.latency, repr(self.canceller)),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        told = self.canceller.statistics()
        yield "frames", told.frames, done["frames"]
        yield "skipped", told.skipped_frames, done["skipped"]
        yield "changes", min(told.path_changes, done["changes"]), done["changes"]

    def works(self) -> bool:
        self.canceller.path_changed()
        out = self.canceller.process(self.played, self.played)
        return len(out) == len(self.played)


class OfEchoFilter(Shared):
    def __init__(self) -> None:
        self.thing = self.filter = EchoFilter(16_000)
        self.played = np.random.default_rng(1).normal(0, 0.1, 480).astype(np.float32)

    def process(self, frames: int, done: Done) -> None:
        out = self.filter.process(self.played[:frames], self.played[:frames])
        if len(out) != frames or not np.isfinite(out).all():
            raise Spoiled(f"{out}")

    def calls(self) -> list[Call]:
        return [
            *(partial(self.process, frames) for frames in (0, 160, 480)),
            *(lambda done: self.filter.skip(self.played), lambda done: self.filter.path_changed()),
            *(lambda done: self.filter.last(), lambda done: repr(self.filter)),
        ]

    def works(self) -> bool:
        for _ in range(100):
            self.process(480, Done())
        told = self.filter.last()
        return bool(np.isfinite(list(told.values())).all() and told["captured"] > 0)


class OfEchoGate(Shared):
    def __init__(self) -> None:
        self.thing = self.gate = EchoGate(16_000, delay_seconds=0.1)

    def process(self, captured: Any, played: Any, done: Done) -> None:
        heard(np.sort(self.gate.process(captured, played))[::-1])
        done["frames"] += len(captured)

    def set_delay(self, seconds: float, done: Done) -> None:
        self.gate.delay_seconds = seconds
        if self.gate.delay_seconds not in (0.1, 0.11, 0.005):
            raise Spoiled(f"{self.gate.delay_seconds}")

    def calls(self) -> list[Call]:
        silence = np.zeros(1600, np.int16)
        return [
            *(partial(self.process, int16(n), int16(n)) for n in (160, 480)),
            *(partial(self.process, int16(1600), silence) for _ in range(2)),
            *(partial(self.set_delay, seconds) for seconds in (0.11, 0.005)),
            lambda done: self.gate.skip(int16(160)),
            lambda done: self.gate.statistics(),
            lambda done: (self.gate.latency, repr(self.gate)),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        yield "frames", self.gate.statistics().frames, done["frames"]

    def works(self) -> bool:
        silence = np.zeros(48_000, np.int16)
        return heard(self.gate.process(int16(48_000), silence)[-16_000:]) == 16_000


class OfPlayoutLaw(Shared):
    def __init__(self) -> None:
        self.thing = self.law = PlayoutLaw()

    def pause_left(self, limit: float) -> tuple[float]:
        try:
            raise Spoiled(f"a target of {self.law.target} while a block is decided")
        except RuntimeError:
            return (20.0,)

    def block(self, done: Done) -> None:
        done["blocks"] += 1
        now = 10.0 * done["blocks"]
        pause = done["blocks"] % 3 > 0
        kind, advance = self.law.block(
            now, now + 300, now, not pause, self.pause_left, 5.0, pause, now % 700 == 0
        )
        if kind not in ("wait", *NAMES) or not 0 <= advance < 1e6:
            raise Spoiled(f"{kind}, {advance}")

    def calls(self) -> list[Call]:
        return [
            *[self.block] * 3,
            *(lambda done: self.law.flushed(), lambda done: self.law.operated(5.0, 5.0)),
            *(lambda done: self.law.target, lambda done: self.law.state()),
        ]

    def works(self) -> bool:
        self.law.flushed()
        kinds = {
            self.law.block(1e9 + 10 * n, 1e9 + 500 + 10 * n, 1e9 + 10 * n, True, None, 5.0, False)[
                0
            ]
            for n in range(200)
        }
        return "play" in kinds


class OfStretcher(Shared):
    refusals = ()  # Nothing in it changes.

    def __init__(self) -> None:
        self.thing = self.stretcher = Stretcher(16_000)
        self.samples = (9000 * np.sin(np.arange(1600) / 12)).astype(np.int16)

    def answers(self) -> list[Any]:
        of, x = self.stretcher, self.samples
        return [
            *(of.remove(x, 90), of.insert(x, 90), of.conceal(x), of.mirror(x, 7, 400)),
            *(of.best_lag(x), of.may_operate(x), of.block, of.lag_min, of.lag_max, of.fade),
        ]

    def calls(self) -> list[Call]:
        due = self.answers()

        def compare(done: Done) -> None:
            if not all(map(np.array_equal, self.answers(), due)):
                raise Spoiled("another answer")

        return [compare]

    def works(self) -> bool:
        return bool(self.stretcher.history == 960)

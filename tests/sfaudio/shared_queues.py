"""Queues, engine and callback that several threads use at the same time: see `shared_objects`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from sfaudio import CaptureQueue, JitterBuffer, Meter, PlayoutEngine
from sfaudio._callback import StreamCallback

from .queues import conserved, play, ramp, take
from .shared_objects import (
    CALL,
    ENGINE,
    STREAM,
    Call,
    Done,
    Shared,
    Spoiled,
    float32,
    heard,
    int16,
    seen_balanced,
)


class OfJitterBuffer(Shared):
    def __init__(self) -> None:
        self.thing = self.queue = JitterBuffer(1000, prefill=30)

    def write(self, data: Any, done: Done) -> None:
        done["bytes"] += self.queue.write(data)

    def read_into(self, kind: type, done: Done) -> None:
        out = np.full(160, 1, kind)
        taken = self.queue.read_into(out)
        done["asked"] += 160
        done["read"] += heard(out)
        if taken != heard(out):
            raise Spoiled(f"{taken} frames were told, but {heard(out)} came")

    def read(self, done: Done) -> None:
        out = np.frombuffer(self.queue.read(50), np.int16)
        done["asked"] += 50
        done["read"] += heard(out)

    def look(self, done: Done) -> None:
        seen_balanced(lambda: conserved(self.queue.statistics()))
        if not 0 <= self.queue.queued_frames <= 1000 >= self.queue.writable_frames >= 0:
            raise Spoiled(f"{self.queue!r}")

    def calls(self) -> list[Call]:
        return [
            *(partial(self.write, data) for data in (bytes([1] * 333), int16(80), b"\1")),
            *(partial(self.read_into, kind) for kind in (np.int16, np.float32)),
            *(self.read, self.look),
            *(lambda done: self.queue.flush(), lambda done: self.queue.drain()),
            *(lambda done: self.queue.abort(), lambda done: repr(self.queue)),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        told = self.queue.statistics()
        yield "bytes", 2 * told.written_frames + told.partial_bytes, done["bytes"]
        yield "read", told.read_frames, done["read"]
        yield "asked", told.read_frames + told.padded_frames, done["asked"]

    def works(self) -> bool:
        if self.queue.statistics().partial_bytes:
            self.queue.abort()
            self.queue.write(b"\1")
        self.queue.abort()
        self.queue.write(np.array(ramp(100), np.int16))
        return play(self.queue, 101) == [*ramp(100), 0]


class OfCaptureQueue(Shared):
    def __init__(self) -> None:
        self.thing = self.queue = CaptureQueue(1000)

    def write(self, block: Any, done: Done) -> None:
        self.queue.write(block)
        done["written"] += len(block)

    def read(self, pad: bool, done: Done) -> None:
        out = np.frombuffer(self.queue.read(100, pad=pad), np.int16)
        done["read"] += heard(out)
        done["padded"] += len(out) - heard(out)

    def read_into(self, kind: type, done: Done) -> None:
        out = np.zeros(300, kind)
        taken = self.queue.read_into(out)
        done["read"] += taken
        if taken != heard(out):
            raise Spoiled(f"{taken} frames were told, but {heard(out)} came")

    def drop(self, done: Done) -> None:
        done["dropped"] += self.queue.drop(20)

    def look(self, done: Done) -> None:
        seen_balanced(lambda: conserved(self.queue.statistics()))
        if not 0 <= self.queue.queued_frames <= 1000:
            raise Spoiled(f"{self.queue!r}")

    def calls(self) -> list[Call]:
        return [
            *(partial(self.write, block) for block in (int16(333), float32(700), int16(80))),
            *(partial(self.read, pad) for pad in (False, True)),
            *(partial(self.read_into, kind) for kind in (np.int16, np.float32)),
            *(self.drop, self.look, lambda done: self.queue.flush()),
            lambda done: (self.queue.dropped_frames, self.queue.padded_frames, repr(self.queue)),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        told = self.queue.statistics()
        yield "written", told.written_frames, done["written"]
        yield "read", told.read_frames, done["read"]
        yield "padded", told.padded_frames, done["padded"]
        yield "dropped", min(told.dropped_frames, done["dropped"]), done["dropped"]

    def works(self) -> bool:
        self.queue.flush()
        self.queue.write(np.array(ramp(100), np.int16))
        return take(self.queue, 101) == ramp(100)


class OfEngine(Shared):
    refusals = CALL, ENGINE, "pieces are missing: read it more often"

    def __init__(self, policy: str, output_samplerate: int) -> None:
        self.queue = JitterBuffer(16_000)
        self.thing = self.engine = PlayoutEngine(
            self.queue, policy=policy, output_samplerate=output_samplerate, log_pieces=1000
        )
        self.speech = (9000 * np.sin(np.arange(8000) / 12)).astype(np.int16)

    def objects(self) -> list[Any]:
        return [self.engine, self.queue] if self.engine.policy == "lossless" else [self.engine]

    def write(self, frames: int, done: Done) -> None:
        done["bytes"] += self.queue.write(self.speech[:frames])

    def read_into(self, out: Any, done: Done) -> None:
        self.engine.read_into(out.copy())
        done["output"] += len(out)

    def is_balanced(self) -> bool:
        told = self.engine.statistics()
        stretched = told.removed_frames - told.inserted_frames
        kept = told.read_frames + told.queued_frames + told.dropped_frames
        return told.written_frames == kept + stretched

    def calls(self) -> list[Call]:
        return [
            *(partial(self.write, frames) for frames in (320, 320, 8000)),
            *(partial(self.read_into, out) for out in (int16(160), int16(997), float32(480))),
            *(lambda done: self.queue.flush(), lambda done: self.queue.drain()),
            *(lambda done: self.engine.abort(), lambda done: self.engine.read_log()),
            lambda done: seen_balanced(self.is_balanced),
            lambda done: (self.engine.queued_frames, repr(self.engine), self.engine.queue.capacity),
            *(lambda done: self.queue.read(9), lambda done: PlayoutEngine(self.queue)),
            lambda done: self.queue.statistics(),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        told = self.engine.statistics()
        yield "bytes", 2 * told.written_frames, done["bytes"]
        if self.engine.output_samplerate == self.engine.samplerate:
            yield "output", told.output_frames, done["output"]

    def works(self) -> bool:
        self.engine.abort()
        self.queue.write(self.speech)
        self.queue.drain()
        out = np.zeros(self.engine.output_samplerate, np.int16)
        self.engine.read_into(out)
        return np.count_nonzero(out) > len(out) // 3 and self.is_balanced()


class OfStreamCallback(Shared):
    refusals = CALL, STREAM

    def __init__(self) -> None:
        self.playout, self.capture = JitterBuffer(4000), CaptureQueue(4000)
        self.played, self.reference = CaptureQueue(4000), CaptureQueue(4000)
        self.meters = Meter(48_000), Meter(48_000)
        self.thing = self.callback = StreamCallback(
            self.capture,
            self.playout,
            self.played,
            reference=self.reference,
            capture_meter=self.meters[0],
            playout_meter=self.meters[1],
        )

    def objects(self) -> list[Any]:
        return [self.playout, self.capture, self.played, self.reference]

    def run(self, frames: int, done: Done) -> None:
        out = np.zeros(frames, np.float32)
        self.callback.run(float32(frames), out, 0)
        done["callbacks"] += 1
        done["frames"] += frames

    def write(self, done: Done) -> None:
        done["bytes"] += self.playout.write(int16(480))

    def read(self, done: Done) -> None:
        done["read"] += heard(np.frombuffer(self.capture.read(480), np.int16))

    def look(self, done: Done) -> None:
        position = self.callback.position()
        if position is not None and position.input_frames <= position.output_frames:
            raise Spoiled(f"{position}")
        told = self.callback.statistics()
        if told.callbacks < done["callbacks"] or told.p999_gap > told.longest_gap:
            raise Spoiled(f"{told}")

    def set_gain(self, done: Done) -> None:
        self.callback.output_gain = 1.5
        self.callback.output_gain = self.callback.output_gain

    def calls(self) -> list[Call]:
        return [
            *(partial(self.run, frames) for frames in (160, 480, 480, 1)),
            *(self.write, self.read, self.look, self.set_gain),
            *(lambda done: self.played.read(480), lambda done: self.reference.read(480)),
            lambda done: (self.callback.idle_seconds, repr(self.callback), self.callback.address),
            lambda done: self.callback.duration_percentile(0.9) + self.callback.cpu_percentile(0.9),
            lambda done: self.playout.flush(),
            # Which a stream does not allow.
            *(lambda done: self.capture.write(int16(9)), lambda done: self.playout.read(9)),
            *(lambda done: self.meters[0].hear(int16(9), 0), lambda done: self.playout.abort()),
            lambda done: StreamCallback(self.capture),
        ]

    def books(self, done: Done) -> Iterator[tuple[str, int, int]]:
        told, queue = self.callback.statistics(), self.playout.statistics()
        yield "callbacks", told.callbacks, done["callbacks"]
        yield "input", told.input_frames, done["frames"]
        yield "output", told.output_frames, done["frames"]
        for written in (self.capture, self.played, self.reference):
            yield "written", written.statistics().written_frames, done["frames"]
        for meter in self.meters:
            yield "metered", meter.statistics().frames, done["frames"]
        yield "played", queue.read_frames + queue.padded_frames, done["frames"]
        yield "bytes", 2 * queue.written_frames, done["bytes"]
        yield "read", self.capture.statistics().read_frames, done["read"]

    def works(self) -> bool:
        self.run(480, Done())
        self.callback.close()
        self.capture.flush()
        self.capture.write(int16(9))
        return self.capture.queued_frames == 9

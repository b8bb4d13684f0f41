"""What the tests of the two queues share: how a test talks to them, and a model of each.

Nothing here asserts: pytest explains a failed assertion only where it collects tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sfaudio import CaptureQueue, CaptureQueueStatistics, JitterBuffer, JitterBufferStatistics


def conserved(statistics: JitterBufferStatistics | CaptureQueueStatistics) -> bool:
    """Every frame that was written is somewhere."""
    s = statistics
    return s.written_frames == s.read_frames + s.queued_frames + s.dropped_frames


def pcm(samples: Sequence[int]) -> bytes:
    return np.array(samples, "<i2").tobytes()


def play(buffer: JitterBuffer, frames: int) -> list[int]:
    out = np.full(frames, 12321, np.int16)
    buffer.read_into(out)
    return out.tolist()


def ramp(frames: int) -> list[int]:
    """Samples of which none is zero, each another."""
    return list(range(1, frames + 1))


def int16(samples: Any) -> Any:
    return np.array(samples, np.int16)


def take(queue: CaptureQueue, frames: int) -> list[int]:
    return np.frombuffer(queue.read(frames), np.int16).tolist()


@dataclass
class JitterBufferModel:
    """What the docstrings say, a frame at a time; positions are frames since the start."""

    capacity: int
    prefill: int = 0
    fade: int = 0
    stream: list[int] = field(default_factory=list)
    split: bytes = b""
    position: int = 0
    flush_to: int = 0
    drain_to: int = 0
    playing: bool = False
    waited: int = 0
    gains: list[float] = field(default_factory=list)  # of the fade under way
    read_frames: int = 0
    dropped_frames: int = 0
    padded_frames: int = 0
    underruns: int = 0

    @property
    def queued(self) -> int:
        return len(self.stream) - self.position

    def write(self, data: bytes) -> int:
        taken = 0
        while taken < len(data):
            rest = self.split + data[taken : taken + 2 - len(self.split)]
            if len(rest) == 1:
                self.split = rest
                taken += 1
            elif self.queued == self.capacity:
                break
            else:
                self.stream.append(int.from_bytes(rest, "little", signed=True))
                taken += 2 - len(self.split)
                self.split = b""
        return taken

    def next_frame(self) -> int:
        self.position += 1
        self.read_frames += 1
        return self.stream[self.position - 1]

    def read(self, frames: int) -> tuple[list[float], list[bool], int]:
        """The samples as int16 values, whether each is faded, and how many came from the queue."""
        out: list[float] = []
        read_before = self.read_frames
        if self.flush_to > self.position:
            if self.playing:
                if not self.gains:
                    steps = min(self.fade, self.flush_to - self.position)
                    self.gains = [1 - (step + 1) / steps for step in range(steps)]
                while self.gains and len(out) < frames:
                    out.append(self.next_frame() * self.gains.pop(0))
            if not self.gains:
                self.playing = False
                self.dropped_frames += self.flush_to - self.position
                self.position = self.flush_to
                self.waited = 0
        faded = len(out)
        if not self.gains:
            self.play(out, frames)
        return out, [at < faded for at in range(frames)], self.read_frames - read_before

    def play(self, out: list[float], frames: int) -> None:
        if not self.playing and self.queued:
            gathered = self.queued >= self.prefill
            drained = self.drain_to > self.position
            if gathered or drained or self.waited >= self.prefill:
                self.playing, self.waited = True, 0
            else:
                self.waited += frames - len(out)
        while self.playing and self.queued and len(out) < frames:
            out.append(self.next_frame())
        if len(out) < frames:
            if self.playing and self.position > self.drain_to:
                self.underruns += 1
            self.playing = False
            self.padded_frames += frames - len(out)
            out += [0] * (frames - len(out))

    def flush(self) -> None:
        self.flush_to = len(self.stream)

    def drain(self) -> None:
        self.drain_to = len(self.stream)

    def abort(self) -> None:
        self.dropped_frames += self.queued
        self.position = len(self.stream)
        self.playing, self.gains, self.waited = False, [], 0

    def statistics(self) -> JitterBufferStatistics:
        return JitterBufferStatistics(
            written_frames=len(self.stream),
            read_frames=self.read_frames,
            queued_frames=self.queued,
            dropped_frames=self.dropped_frames,
            padded_frames=self.padded_frames,
            underruns=self.underruns,
            partial_bytes=len(self.split),
        )


@dataclass
class CaptureQueueModel:
    """What the docstrings say: the newest frames are kept, a loss is noted when looked at."""

    capacity: int
    kept: list[int] = field(default_factory=list)
    lost: int = 0  # since the reader was here last
    written_frames: int = 0
    read_frames: int = 0
    dropped_frames: int = 0
    overruns: int = 0
    padded_frames: int = 0

    def write(self, samples: list[int]) -> None:
        self.written_frames += len(samples)
        self.kept += samples
        surplus = max(0, len(self.kept) - self.capacity)
        self.lost += surplus
        del self.kept[:surplus]

    def find_out(self) -> None:
        self.dropped_frames += self.lost
        self.overruns += self.lost > 0
        self.lost = 0

    def read(self, frames: int) -> list[int]:
        self.find_out()
        taken = self.kept[:frames]
        del self.kept[:frames]
        self.read_frames += len(taken)
        return taken

    def read_padded(self, frames: int) -> list[int]:
        taken = self.read(frames)
        self.padded_frames += frames - len(taken)
        return taken + [0] * (frames - len(taken))

    def drop(self, frames: int) -> int:
        self.find_out()
        dropped = len(self.kept[:frames])
        del self.kept[:frames]
        self.dropped_frames += dropped
        self.overruns += dropped > 0
        return dropped

    def flush(self) -> None:
        self.find_out()
        self.dropped_frames += len(self.kept)
        self.kept.clear()

    def statistics(self) -> CaptureQueueStatistics:
        return CaptureQueueStatistics(
            written_frames=self.written_frames,
            read_frames=self.read_frames,
            queued_frames=len(self.kept),
            dropped_frames=self.dropped_frames + self.lost,
            overruns=self.overruns + (self.lost > 0),
            padded_frames=self.padded_frames,
        )

"""The compiled playout engine, driven by hand: what a network writes and a device reads, block by block.

Nothing here asserts: pytest explains a failed assertion only where it collects tests.
"""

from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sfaudio import JitterBuffer, PlayoutEngine, PlayoutEngineStatistics

from .playout_reference import Samples, reconstruct

POOL_SECONDS = 20


def balanced(s: PlayoutEngineStatistics) -> bool:
    """Every frame that was written is somewhere."""
    stretched = s.removed_frames - s.inserted_frames
    return s.written_frames == s.read_frames + s.queued_frames + s.dropped_frames + stretched


@cache
def talk(samplerate: int, noise: float = 0.0005) -> Samples:
    """Made-up speech: voiced phrases of gliding pitch with pauses between them, over a room's noise."""
    rng = np.random.default_rng(samplerate)
    parts: list[NDArray[np.float64]] = []
    while sum(map(len, parts)) < POOL_SECONDS * samplerate:
        frames, pause = (rng.uniform([0.3, 0.1], [2.5, 1.2]) * samplerate).astype(int)
        pitch = rng.uniform(80, 300) * np.linspace(1.1, 0.9, frames)
        at = 2 * np.pi * np.cumsum(pitch) / samplerate
        wave = sum((np.cos(k * at + k * k) / k for k in range(1, 8)), np.zeros(frames))
        swell = np.minimum(1, np.minimum(np.arange(frames), np.arange(frames)[::-1]) / 400)
        parts += [0.12 * wave * swell, np.zeros(pause)]
    whole = np.concatenate(parts)
    whole += noise * rng.standard_normal(len(whole))
    return np.rint(32767 * np.clip(whole, -1, 1)).astype(np.int16)


@cache
def speaking(samplerate: int = 16000, seconds: int = 20) -> Samples:
    """Made-up speech without any pause."""
    at = np.arange(seconds * samplerate) / samplerate
    phase = 2 * np.pi * (140 * at + 20 * np.sin(2 * np.pi * 0.7 * at))
    wave = sum((np.cos(k * phase + k * k) / k for k in range(1, 8)), np.zeros(len(at)))
    return np.rint(4000 * wave * (1 + 0.3 * np.sin(9 * at))).astype(np.int16)


class Player:
    """A queue, its engine, all that was written, all that was played, and the log of it."""

    def __init__(
        self, samplerate: int = 16000, *, output_samplerate: int | None = None, log: int = 4096
    ) -> None:
        self.samplerate, self.block = samplerate, samplerate // 100
        self.queue = JitterBuffer(1 << 22)
        self.engine = PlayoutEngine(
            self.queue,
            samplerate=samplerate,
            output_samplerate=output_samplerate,
            log_pieces=log,
        )
        self.written: list[bytes] = []
        self.played: list[Samples] = []
        self.log: list[tuple[str, int, int]] = []

    def write(self, samples: Samples | bytes) -> None:
        data = bytes(samples) if isinstance(samples, bytes) else samples.tobytes()
        self.queue.write(data)
        self.written.append(data)

    def read(self, frames: int) -> Samples:
        out = np.full(frames, 12321, np.int16)
        self.engine.read_into(out)
        self.played.append(out)
        self.log += self.engine.read_log()
        return out

    def blocks(self, number: int) -> Samples:
        """So many blocks of 10 ms, each read on its own."""
        return np.concatenate([self.read(self.block) for _ in range(number)])

    def paced(
        self, media: Samples, message_ms: int = 20, late: NDArray[np.int64] | None = None
    ) -> Samples:
        """Media in messages, each when it has been said, or so many blocks late (never out of order).

        Reads until the last has come. Returns what was played meanwhile.
        """
        frames = self.block * message_ms // 10
        messages = [media[at : at + frames] for at in range(0, len(media), frames)]
        due = (np.arange(len(messages)) + 1) * message_ms // 10
        come = np.maximum.accumulate(due + (0 if late is None else late[: len(messages)]))
        played, written = [], 0
        for now in range(int(come[-1]) + 1):
            while written < len(messages) and come[written] <= now:
                self.write(messages[written])
                written += 1
            played.append(self.read(self.block))
        return np.concatenate(played)

    @property
    def media(self) -> Samples:
        whole = b"".join(self.written)
        return np.frombuffer(whole[: len(whole) // 2 * 2], np.int16)

    @property
    def output(self) -> Samples:
        return np.concatenate([np.zeros(0, np.int16), *self.played])

    @property
    def statistics(self) -> PlayoutEngineStatistics:
        return self.engine.statistics()

    @property
    def pieces(self) -> Counter[str]:
        return Counter(kind for kind, _, _ in self.log)

    def reconstructed(self) -> Samples:
        """The output by the log, without what was prepared and not played."""
        return reconstruct(self.log, self.media, self.samplerate)[: len(self.output)]

    def gaps(self) -> list[int]:
        """ms of each stretch in which nothing of the queue was played, after the first that was."""
        found, gap, begun = [], 0, False
        for kind, a, _ in self.log:
            if kind in ("conceal", "silence"):
                gap += a
            elif kind != "resume":
                if begun and gap:
                    found.append(1000 * gap // self.samplerate)
                gap, begun = 0, True
        return found

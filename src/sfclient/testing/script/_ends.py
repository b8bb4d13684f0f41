"""Both ends of a scripted call: what the caller says, and what it hears, block by block.

Times are counted in frames, in seconds since sound flowed, and so the same on any clock: a block that is heard begins
when the one that is said beside it has been said, as in all figures of a call.
"""

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from math import inf

import numpy as np
from numpy.typing import NDArray

from sfaudio import Meter
from sfclient.testing.script._sounds import Sound
from sfclient.testing.script._worst import Worst, exceeds

# The core's gate is sure of speech when it was loud for so long, and behind a longer pause than NEAR_SECONDS anew.
SURE_SECONDS = 0.04
NEAR_SECONDS = 0.1
STEP_SECONDS = 0.01  # of the gate's times
STRETCH_PAUSE_SECONDS = 0.5  # after which speech is another stretch: as the gate has it
# Less is a breath. A gap in what arrives of so much counts as one: W3C's webrtc-stats, interruptionCount.
GAP_SECONDS = 0.15


class Mouth:
    """What the caller says: see `sfclient.Source`."""

    def __init__(self, samplerate: int) -> None:
        self._samplerate = samplerate
        self._waiting: deque[NDArray[np.int16]] = deque()
        self._waiting_frames = self._said_frames = 0
        self._silence = np.zeros(0, np.int16)
        self._hash = sha256()
        self._is_closed = False
        self.spoke_from = self.spoke_until = -inf
        """Of the last that was said, or is being said: when its speech begins, and when it is over."""

    @property
    def seconds(self) -> float:
        """For which it has said something, or nothing: what comes next is said from now on."""
        return self._said_frames / self._samplerate

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()

    def say(self, sound: Sound, at_once: bool = False) -> None:
        """When what is being said is over; or at once, and what is left of that, which is silent, is left out."""
        if at_once:
            self._waiting.clear()
            self._waiting_frames = 0
        begins = (self._said_frames + self._waiting_frames) / self._samplerate
        self.spoke_from = begins + sound.speaks_from
        self.spoke_until = begins + sound.speaks_until
        self._waiting.append(sound.samples)
        self._waiting_frames += len(sound.samples)

    def open(self) -> int:
        return self._samplerate

    def read(self, frames: int) -> NDArray[np.int16]:
        block = self._take(frames) if self._waiting else self._nothing(frames)
        if not self._is_closed:
            self._said_frames += frames
            self._hash.update(block.data)
        return block

    def close(self) -> None:
        """The conversation is over: what is said still is no part of it."""
        self._is_closed = True

    def _take(self, frames: int) -> NDArray[np.int16]:
        parts: list[NDArray[np.int16]] = []
        missing = frames
        while missing and self._waiting:
            piece = self._waiting.popleft()
            parts.append(piece[:missing])
            if len(piece) > missing:
                self._waiting.appendleft(piece[missing:])
            missing -= len(parts[-1])
        self._waiting_frames -= frames - missing
        return np.concatenate([*parts, self._nothing(missing)])

    def _nothing(self, frames: int) -> NDArray[np.int16]:
        if len(self._silence) < frames:
            self._silence = np.zeros(frames, np.int16)
        return self._silence[:frames]


class Ear:
    """What the caller hears: see `sfclient.Sink`. After each block that was heard, `then` is called.

    `spoke_until` and `spoke_from` are of the agent's last stretch of speech, which half a second of silence ends; its
    beginning is known when it is `SURE_SECONDS` old.
    """

    def __init__(self, mouth: Mouth, then: Callable[[], None], gap_limit: float | None) -> None:
        self._mouth = mouth
        self._then: Callable[[], None] | None = then  # None when it is closed
        self._hash = sha256()
        self.spoke_from = self.spoke_until = -inf
        self.gaps = Worst(gap_limit)
        """In what the agent says, while the caller does not speak: see `Limits.gap`."""

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()

    def open(self, samplerate: int) -> int:
        self._meter = Meter(samplerate)
        self._step = round(STEP_SECONDS * samplerate)
        return samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        if self._then is None:
            return
        self._hash.update(block.data)
        meter, step, now = self._meter, self._step, self._mouth.seconds
        # One step of the gate at a time, or its times would be known as of the block's end.
        for first in range(0, len(block), step):
            meter.hear(block[first : first + step], now)
            now += STEP_SECONDS
            until = meter.speech_until
            if until is not None and until != self.spoke_until:
                self._spoken(until)
        self._then()

    def close(self) -> None:
        """The conversation is over, or the line is closed: what is heard still is no part of it."""
        self._then = None

    def _spoken(self, until: float) -> None:
        """It was loud until then, and before that until `spoke_until`."""
        before, self.spoke_until = self.spoke_until, until
        if not exceeds(until - before, NEAR_SECONDS):
            return
        began = until - SURE_SECONDS
        pause, since = began - before, before
        if not exceeds(STRETCH_PAUSE_SECONDS, pause):
            # A caller who spoke over what is over now has made a turn of it, and gets an answer.
            since, self.spoke_from = self.spoke_from, began
        caller_spoke = self._mouth.spoke_from < began and self._mouth.spoke_until > since
        if not exceeds(GAP_SECONDS, pause) and pause < inf and not caller_spoke:
            self.gaps.add(pause, before)

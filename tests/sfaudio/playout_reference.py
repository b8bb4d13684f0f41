"""The playout engine's sound in numpy: what each operation writes, and a whole output from the log of its pieces.

The same bits as the compiled operations, from their definitions: weights from one table, mixes rounded to nearest with
halves up. Only the lag of a concealment is asked of the compiled search, since that is made with floats.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sfaudio._stretch import Stretcher

Samples = NDArray[np.int16]
Wide = NDArray[np.int64]

# A raised cosine from 0 to 2**30, in 1,024 steps; between them lies a straight line of as many.
TABLE = np.rint(2**29 * (1 - np.cos(np.pi * np.arange(1025) / 1024))).astype(np.int64)

VOICED = 0.5
NOWHERE = -1  # as the place of a resume: from the hold


def rise(frames: int) -> Wide:
    """The weights of what comes in a fade, from 0 to 2**15."""
    at = (2 * np.arange(frames) + 1) * (2**31 // max(frames, 1))  # of 2**32
    step, more = at >> 22, at >> 12 & 1023
    return (TABLE[step] + ((TABLE[step + 1] - TABLE[step]) * more >> 10) + 2**14) >> 15


def cross_fade(before: Samples, after: Samples, weights: Wide | None = None) -> Samples:
    weights = rise(len(after)) if weights is None else weights
    mixed = before.astype(np.int64) * (2**15 - weights) + after.astype(np.int64) * weights
    return (mixed + 2**14 >> 15).astype(np.int16)


def fade_out(x: Samples) -> Samples:
    return cross_fade(x, np.zeros_like(x))


def remove(x: Samples, lag: int) -> Samples:
    """2 lag samples in, lag samples out."""
    return cross_fade(x[:lag], x[lag : 2 * lag])


def insert(x: Samples, lag: int) -> Samples:
    """2 lag samples out, after which x goes on at lag."""
    return np.concatenate([x[:lag], cross_fade(x[lag : 2 * lag], x[:lag])])


def looped(history: Samples, lag: int, frames: int) -> Samples:
    """The last period again and again, and what would click at its turns spread over it."""
    step = int(history[-1]) - int(history[-lag - 1])
    part = 2**24 // (lag - 1)
    closing = step * part * np.arange(lag - 1, -1, -1) + 2**23 >> 24
    loop = np.clip(history[-lag:] + closing, -(2**15), 2**15 - 1).astype(np.int16)
    return np.resize(loop, frames)


def conceal(history: Samples, stretcher: Stretcher) -> Samples:
    """60 ms that go on from the history and fade to nothing."""
    recent = history[-stretcher.block - stretcher.lag_max :]
    lag, likeness = stretcher.best_lag(np.ascontiguousarray(recent[::-1]))
    return fade_out(
        looped(history, lag if likeness >= VOICED else stretcher.lag_max, stretcher.history)
    )


def mirror(history: Samples, step: int, frames: int) -> Samples:
    """The history back and forth from its end; `step` frames of that were before."""
    last = len(history) - 1
    at = (np.arange(step, step + frames) + 1) % (2 * last)
    return history[last - np.where(at < last, at, 2 * last - at)]


class Reconstruction:
    """The output, from the log of its pieces in order and from all that was written to the queue.

    A piece is ``(kind, at, frames)``, and sounds as follows:

    ==========  ====================================================================================
    play        `frames` of the media from `at` on
    remove      2 `frames` of the media at `at` become `frames`
    insert      `frames` of the media at `at` become 2 `frames`
    cut         `frames` of the media at `at` are left out: a fade across
    hold        `frames` of the last 60 ms back and forth, `at` of them before; 0 begins one
    conceal     `frames` of the concealment from its frame `at` on; 0 begins one
    silence     `frames` zeros
    resume      what comes next is faded in, over the concealment from its frame `at` on (silence where
                that is over) or, at NOWHERE, over the hold
    flush       the last `at` frames of the pieces so far had not sounded: the first `frames` of them
                do, fading out
    ==========  ====================================================================================
    """

    def __init__(self, media: Samples, samplerate: int) -> None:
        self.media, self.of = media, Stretcher(samplerate)
        self.out = np.zeros(self.of.history, np.int16)  # silence was before
        self.tail = np.zeros(self.of.history, np.int16)
        self.held, self.holding = self.out, 0
        self.under, self.weights = np.zeros(0, np.int16), np.zeros(0, np.int64)

    def piece(self, kind: str, at: int, frames: int) -> Samples:
        match kind:
            case "play":
                return self.media[at : at + frames]
            case "remove":
                return remove(self.media[at : at + 2 * frames], frames)
            case "insert":
                return insert(self.media[at : at + 2 * frames], frames)
            case "cut":
                before, after = self.media[at:], self.media[at + frames :]
                return cross_fade(before[: self.of.fade], after[: self.of.fade])
            case "hold":
                self.held = self.out[-self.of.history :] if at == 0 else self.held
                self.holding = at + frames
                return mirror(self.held, at, frames)
            case "conceal":
                self.tail = conceal(self.out, self.of) if at == 0 else self.tail
                return self.tail[at : at + frames]
            case "silence":
                return np.zeros(frames, np.int16)
        raise ValueError(kind)

    def resume(self, at: int) -> None:
        fade = self.of.fade
        if at == NOWHERE:
            self.under = mirror(self.held, self.holding, fade)
        else:
            rest = self.tail[at : at + fade]
            self.under = np.concatenate([rest, np.zeros(fade - len(rest), np.int16)])
        self.weights = rise(fade)

    def flush(self, at: int, frames: int) -> None:
        sounded, rest = np.split(self.out, [len(self.out) - at])
        self.out = np.concatenate([sounded, fade_out(rest[:frames])])

    def add(self, kind: str, at: int, frames: int) -> None:
        if kind == "resume":
            self.resume(at)
        elif kind == "flush":
            self.flush(at, frames)
        else:
            new = self.piece(kind, at, frames)
            n = min(len(new), len(self.under))  # A fade goes over as many pieces as it takes.
            faded = cross_fade(self.under[:n], new[:n], self.weights[:n])
            self.under, self.weights = self.under[n:], self.weights[n:]
            self.out = np.concatenate([self.out, faded, new[n:]])


def reconstruct(log: Iterable[tuple[str, int, int]], media: Samples, samplerate: int) -> Samples:
    whole = Reconstruction(media, samplerate)
    for kind, at, frames in log:
        whole.add(kind, at, frames)
    return whole.out[whole.of.history :]

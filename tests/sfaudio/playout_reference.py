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
FROM_SILENCE, FROM_HOLD = -1, -2  # in the place of a resume


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
    """The output, from the pieces of `PlayoutEngine.read_log` and from all that was written to the queue."""

    def __init__(self, media: Samples, samplerate: int) -> None:
        self.media, self.of = media, Stretcher(samplerate)
        self.out = bytearray(2 * self.of.history)  # silence was before
        self.held, self.held_steps = self.history(), 0
        self.tail = self.history()
        self.under, self.weights = np.zeros(0, np.int16), np.zeros(0, np.int64)

    def history(self) -> Samples:
        return np.frombuffer(bytes(self.out[-2 * self.of.history :]), np.int16)

    def add(self, kind: str, a: int, n: int) -> None:
        if kind == "resume":
            self.resume(a)
        elif kind == "flush":
            self.flush(a, n)
        else:
            new = self.piece(kind, a, n)
            first = min(len(new), len(self.under))  # A fade goes over as many pieces as it takes.
            faded = cross_fade(self.under[:first], new[:first], self.weights[:first])
            self.under, self.weights = self.under[first:], self.weights[first:]
            self.out += faded.tobytes() + new[first:].tobytes()

    def piece(self, kind: str, a: int, n: int) -> Samples:
        match kind:
            case "play":
                return self.media[a : a + n]
            case "remove":
                return remove(self.media[a : a + 2 * n], n)
            case "insert":
                return insert(self.media[a : a + 2 * n], n)
            case "cut":
                fade = self.of.fade
                return cross_fade(self.media[a : a + fade], self.media[a + n : a + n + fade])
            case "hold":
                self.held = self.history() if n == 0 else self.held
                self.held_steps = n + a
                return mirror(self.held, n, a)
            case "conceal":
                self.tail = conceal(self.history(), self.of) if n == 0 else self.tail
                return self.tail[n : n + a]
            case "silence":
                return np.zeros(a, np.int16)
        raise ValueError(kind)

    def resume(self, k: int) -> None:
        fade = self.of.fade
        if k == FROM_HOLD:
            self.under = mirror(self.held, self.held_steps, fade)
        else:
            rest = self.tail[k : k + fade] if k != FROM_SILENCE else self.tail[:0]
            self.under = np.concatenate([rest, np.zeros(fade - len(rest), np.int16)])
        self.weights = rise(fade)

    def flush(self, unplayed: int, fading: int) -> None:
        del self.out[len(self.out) - 2 * unplayed :]
        if fading:
            self.out[-2 * fading :] = fade_out(self.history()[-fading:]).tobytes()


def reconstruct(log: Iterable[tuple[str, int, int]], media: Samples, samplerate: int) -> Samples:
    whole = Reconstruction(media, samplerate)
    for kind, a, n in log:
        whole.add(kind, a, n)
    return np.frombuffer(whole.out, np.int16)[whole.of.history :]

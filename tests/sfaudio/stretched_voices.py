"""Voices played faster, slower and across gaps, and how much of that could be heard: steps at joints, and pitch."""

import os
import shutil
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import sfclient
from sfaudio import Resampler
from sfaudio._stretch import Stretcher

from .playout_reference import Samples, conceal, cross_fade

HELLO = Path(sfclient.__file__).parent / "_assets" / "hello.wav"
SAID = "Good morning. Shall we go through the numbers again, or would you rather hear the weather?"
SMALLEST_STEP = 4  # of int16: below it a step is rounding
ROUNDED = 1  # A step lies between two samples, each half of it off at most.


def read(path: Path) -> tuple[Samples, int]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def spoken(voice: str, folder: Path) -> tuple[Samples, int]:
    """A sentence by a voice of espeak-ng, at 16 kHz. Skips the test where there is none."""
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("needs espeak-ng")
    path = folder / "spoken.wav"
    # What is loaded into Python for the sanitizers would keep it from ending.
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run([program, "-v", voice, "-w", str(path), SAID], check=True, env=env)
    x, samplerate = read(path)
    return Resampler(samplerate, 16000).process(x), 16000


@dataclass(frozen=True)
class Joint:
    """Where an operation begins, in what was given and in what came out, and how much it gave."""

    given: int
    out: int
    frames: int


def stretch(
    x: Samples, samplerate: int, *, faster: bool, every: float = 0.03
) -> tuple[Samples, list[Joint], int]:
    """An operation every 30 ms, or a block later where the waveform refuses; and how often it did."""
    of = Stretcher(samplerate)
    out: list[Samples] = []
    joints: list[Joint] = []
    at = done = refused = 0
    while at + 2 * of.lag_max + of.block < len(x):
        here = x[at : at + 2 * of.lag_max]
        if of.may_operate(here):
            lag, _ = of.best_lag(here)
            new = of.remove(here, lag) if faster else of.insert(here, lag)
            joints.append(Joint(at, done, len(new)))
            at += 2 * lag if faster else lag
            rest = max(0, round(every * samplerate) - len(new))
        else:
            new, rest = here[:0], of.block
            refused += 1
        out += [new, x[at : at + rest]]
        at += rest
        done += len(new) + rest
    return np.concatenate(out), joints, refused


def steepest(x: Samples) -> int:
    return int(np.abs(np.diff(x.astype(np.int32))).max(initial=0))


def against(heard: Samples, around: Samples) -> float:
    return (steepest(heard) - ROUNDED) / max(steepest(around), SMALLEST_STEP)


def steps_at_joints(
    x: Samples, y: Samples, joints: list[Joint], samplerate: int
) -> NDArray[np.float64]:
    """The largest step in each joint of y, against the largest in 20 ms of x around it."""
    around, reach = samplerate // 50, 3 * samplerate // 100
    return np.array(
        [
            against(
                y[max(0, j.out - 1) : j.out + j.frames + 1],
                x[max(0, j.given - around) : j.given + reach + around],
            )
            for j in joints
        ]
    )


def steps_at_gaps(
    x: Samples, samplerate: int, gap: float = 0.05, every: float = 0.1
) -> NDArray[np.float64]:
    """Gaps are concealed, then x goes on: the largest step in and around each, against that of x there."""
    of = Stretcher(samplerate)
    before, frames = of.block + of.lag_max, round(gap * samplerate)
    found = []
    for at in range(2 * of.history, len(x) - 2 * of.history, round(every * samplerate)):
        history, rest = x[at - before : at], x[at : at + before]
        tail = conceal(history, of)
        over = np.concatenate([tail[frames:], np.zeros(of.fade, np.int16)])[: of.fade]
        resumed = cross_fade(over, rest[: of.fade])
        whole = np.concatenate([history[-1:], tail[:frames], resumed, rest[of.fade :]])
        found.append(against(whole, x[at - before : at + before]))
    return np.array(found)


def pitch(x: Samples, at: int, samplerate: int) -> float | None:
    """The fundamental in Hz, by a parabola through the peak of the correlation; None where it is unvoiced."""
    window, least, most = samplerate // 40, samplerate // 400, samplerate * 3 // 200
    y = x[at : at + window + most].astype(np.float64)
    if len(y) < window + most or np.sqrt(np.mean(y**2)) < 0.02 * 32768:
        return None
    later = sliding_window_view(y, window)[least:most]
    energies = np.convolve(y**2, np.ones(window), "valid")
    alike = later @ y[:window] / np.sqrt(energies[0] * energies[least:most] + 1)
    if alike.max() < 0.85:
        return None
    k = int(np.argmax(alike > 0.97 * alike.max()))
    while k + 1 < len(alike) and alike[k + 1] > alike[k]:
        k += 1
    if not 0 < k < len(alike) - 1:
        return None
    left, top, right = alike[k - 1 : k + 2]
    return samplerate / (least + k + (left - right) / (2 * (left - 2 * top + right)))


def pitch_ratios(
    x: Samples, y: Samples, joints: list[Joint], samplerate: int
) -> NDArray[np.float64]:
    """The pitch in y against that at the same place of x, wherever both are voiced."""
    given, out = [j.given for j in joints], [j.out for j in joints]
    ratios = []
    for at in range(0, len(x) - samplerate // 12, samplerate // 100):
        before = pitch(x, at, samplerate)
        after = pitch(y, int(np.interp(at, given, out)), samplerate)
        if before and after and abs(after / before - 1) < 0.3:
            ratios.append(after / before)
    return np.array(ratios)

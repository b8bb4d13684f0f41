"""What is counted in the laboratory of echo, the same for every canceller.

- *ERLE* (echo return loss enhancement): dB by which what comes out is below the echo that went in, while only the agent
  talks. The room's noise counts as echo that is left.
- *Onset*: the first 20 ms of echo over -60 dBFS. *Time to 25 dB*: from when on ERLE is at least that over the next
  second, and over the next five.
- *AECMOS* (M. Purin, S. Sootla et al., "AECMOS: A speech quality assessment metric for echo impairment", ICASSP 2022;
  PyPI's `speechmos` holds the model of 16 kHz): how little echo there is, and how little else was harmed, 1 to 5.
- *PESQ* (ITU-T P.862.2; PyPI's `pesq`): of the caller's speech, beside what was said without echo and noise.
"""

import numpy as np
import soxr
from echo_rooms import SAMPLERATE, Floats
from echo_scenes import Scene

AUDIBLE_DBFS = -60.0
LONGEST_MOS = 19.0  # seconds; AECMOS takes at most 20
WORST_PESQ = 1.0
BEST_ERLE = 90.0  # of exact zeros


def decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-14)))


def erle(scene: Scene, out: Floats, begin: float, end: float) -> float:
    part = slice(round(begin * scene.samplerate), round(end * scene.samplerate))
    went_in = float(np.mean(scene.echo[part].astype(float) ** 2))
    came_out = float(np.mean(out[part].astype(float) ** 2))
    return min(decibels(went_in) - decibels(came_out), BEST_ERLE)


def erle_by_second(scene: Scene, out: Floats) -> list[float]:
    return [erle(scene, out, second, second + 1) for second in range(int(scene.seconds))]


def onset(scene: Scene, after: float = 0.0) -> float:
    """Of the echo, in seconds."""
    frames = scene.samplerate // 50
    first = round(after * 50)
    echo = scene.echo[: len(scene.echo) // frames * frames].reshape(-1, frames)[first:]
    loud = np.mean(echo**2, axis=1) > 10 ** (AUDIBLE_DBFS / 10)
    return (first + int(np.argmax(loud))) / 50 if loud.any() else float("inf")


def time_to(level: float, scene: Scene, out: Floats, begin: float) -> float:
    """Seconds after `begin` from which ERLE is at least `level`; infinite where it never is."""
    step, rate = scene.samplerate // 50, scene.samplerate
    sums = [
        np.concatenate([[0.0], np.cumsum(sound.astype(float) ** 2)])[::step]
        for sound in (scene.echo, out)
    ]
    first, last = round(begin * rate / step), len(sums[0]) - 1
    for at in range(first, last - 50):
        spans = [min(at + steps, last) for steps in (50, 250)]
        if all(
            decibels(sums[0][end] - sums[0][at]) - decibels(sums[1][end] - sums[1][at]) >= level
            for end in spans
        ):
            return (at - first) / 50
    return float("inf")


def at_16k(sound: Floats, samplerate: int) -> Floats:
    if samplerate == SAMPLERATE:
        return sound
    return soxr.resample(sound, samplerate, SAMPLERATE).astype(np.float32)  # type: ignore[no-any-return]


def aecmos(
    scene: Scene, out: Floats, begin: float, end: float, talk: str = "dt"
) -> tuple[float, float]:
    """Of echo and of the rest. `talk` is "dt" where both talk, "st" for the agent alone, "nst" for the caller."""
    from speechmos import aecmos as model

    part = slice(
        round(begin * scene.samplerate),
        round(min(end, begin + LONGEST_MOS) * scene.samplerate),
    )
    heard = {
        name: np.clip(at_16k(sound[part], scene.samplerate), -1, 1)
        for name, sound in (("lpb", scene.played), ("mic", scene.microphone), ("enh", out))
    }
    found = model.run(heard, SAMPLERATE, talk)
    return float(found["echo_mos"]), float(found["deg_mos"])


def pesq(scene: Scene, out: Floats, begin: float, end: float) -> float:
    from pesq import PesqError
    from pesq import pesq as score

    part = slice(round(begin * scene.samplerate), round(end * scene.samplerate))
    said, heard = (at_16k(sound[part], scene.samplerate) for sound in (scene.near, out))
    found = score(SAMPLERATE, said, heard, "wb", on_error=PesqError.RETURN_VALUES)
    return (
        float(found) if found > WORST_PESQ else WORST_PESQ
    )  # -1 and NaN: there is no speech in it

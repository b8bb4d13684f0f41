"""A stream of float32 in 20 ms chunks, beside the resamplers that have a stream; and how late and how clean each is.

scipy's ``upfirdn`` keeps no state from chunk to chunk: its result clicks at every border, and it is here for its speed
only, with a filter of our length. Only sfaudio fills an array that is there already; the others allocate theirs.
"""

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sfaudio

pytestmark = pytest.mark.benchmark(max_time=0.06, min_rounds=5, warmup=True, warmup_iterations=10)

TAPS = 48  # of ours, for each frame of the result
PAIRS = [(48000, 16000), (16000, 48000), (44100, 48000)]
WHO = ["sfaudio", "sinc_fastest", "soxr LQ", "soxr MQ", "soxr HQ", "PyAV"]
MODULES = {"sinc_fastest": "samplerate", "soxr": "soxr", "PyAV": "av", "scipy upfirdn": "scipy"}


def ours(rate_in: int, rate_out: int) -> Callable[[Any], Any]:
    resampler = sfaudio.Resampler(rate_in, rate_out)
    out = np.zeros(resampler.output_frames(rate_in // 50) + 2, np.float32)
    return lambda chunk: out[: resampler.process_into(chunk, out)]


def stream(who: str, rate_in: int, rate_out: int) -> Callable[[Any], Any]:
    """A function from a chunk to the frames that come out."""
    if who == "sfaudio":
        return ours(rate_in, rate_out)
    name, _, quality = who.partition(" ")
    pytest.importorskip(MODULES.get(name) or MODULES[who])
    module = importlib.import_module(MODULES.get(name) or MODULES[who])
    if name == "sinc_fastest":
        converter, ratio = module.Resampler(name, channels=1), rate_out / rate_in
        return lambda chunk: converter.process(chunk, ratio)
    if name == "soxr":
        soxr = module.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality=quality)
        return lambda chunk: soxr.resample_chunk(chunk)
    if name == "scipy":
        upfirdn = importlib.import_module("scipy.signal").upfirdn
        common = math.gcd(rate_in, rate_out)
        up, down = rate_out // common, rate_in // common
        taps = np.ones(TAPS * max(up, down), np.float32) / TAPS
        return lambda chunk: upfirdn(taps, chunk, up, down)
    swr = module.AudioResampler(format="fltp", layout="mono", rate=rate_out)

    def run(chunk: Any) -> Any:
        frame = module.AudioFrame.from_ndarray(chunk[None], format="fltp", layout="mono")
        frame.sample_rate = rate_in
        done = [frame.to_ndarray()[0] for frame in swr.resample(frame)]
        return np.concatenate(done) if done else np.zeros(0, np.float32)

    return run


@pytest.mark.parametrize("who", [*WHO, "scipy upfirdn", "numpy"])
@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_resampling(measure: Callable[..., None], who: str, rate_in: int, rate_out: int) -> None:
    chunk = np.random.default_rng(1).uniform(-0.5, 0.5, rate_in // 50).astype(np.float32)
    group = f"resample 20 ms, {rate_in} to {rate_out}"
    if who == "numpy":
        padded = np.resize(chunk, rate_out // 50 + TAPS - 1)
        names = {"numpy": np, "chunk": padded, "taps": np.ones(TAPS, np.float32)}
        measure(group, who, "numpy.correlate(chunk, taps)", 20, **names)
        return
    process = stream(who, rate_in, rate_out)
    measure(group, who, "process(chunk)", 20, process=process, chunk=chunk)


def through(process: Callable[[Any], Any], src: Any, size: int) -> tuple[Any, list[int]]:
    """What comes out, and how many frames of it after each chunk."""
    parts = [np.array(process(chunk)) for chunk in np.split(src, len(src) // size)]
    return np.concatenate(parts), np.cumsum([len(part) for part in parts]).tolist()


def signal_to_noise(who: str, rate_in: int, rate_out: int) -> float:
    """The worst of some tones up to 0.4 of the lower rate, in dB: power of the tone over power of all else."""
    found = []
    for share in (0.02, 0.11, 0.23, 0.31, 0.40):
        hertz = share * min(rate_in, rate_out)
        src = 0.5 * np.sin(2 * np.pi * hertz / rate_in * np.arange(rate_in))
        out, _ = through(stream(who, rate_in, rate_out), src.astype(np.float32), rate_in // 50)
        middle = out[len(out) // 4 : len(out) * 3 // 4].astype(np.float64)
        angle = 2 * np.pi * hertz / rate_out * np.arange(len(middle))
        basis = np.column_stack([np.sin(angle), np.cos(angle)])
        tone = basis @ np.linalg.lstsq(basis, middle, rcond=None)[0]
        found.append(10 * math.log10((tone @ tone) / ((middle - tone) @ (middle - tone))))
    return min(found)


def lateness(who: str, rate_in: int, rate_out: int) -> tuple[float, float]:
    """Milliseconds by which sound comes out late: at least, and how much more after the worst chunk.

    A pulse tells by how much the frames of the result are shifted; what was given so far, how many are missing.
    """
    time = np.arange(rate_in) / rate_in
    pulse = np.exp(-(((time - 0.5) * 1000) ** 2)).astype(np.float32)
    out, given = through(stream(who, rate_in, rate_out), pulse, rate_in // 50)
    energy = out.astype(np.float64) ** 2
    shift = (np.arange(len(out)) / rate_out) @ energy / energy.sum() - 0.5
    late = [(i + 1) / 50 - frames / rate_out + shift for i, frames in enumerate(given)][10:]
    return 1000 * min(late), 1000 * (max(late) - min(late))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_quality(report: list[str], rate_in: int, rate_out: int) -> None:
    report.append(f"{rate_in} to {rate_out}: delay ms | held back in bursts, ms | SNR dB")
    for who in WHO:
        if importlib.util.find_spec(MODULES.get(who.split()[0], "sfaudio")):
            delay, burst = lateness(who, rate_in, rate_out)
            noise = signal_to_noise(who, rate_in, rate_out)
            report.append(f"    {who:14} {delay:6.2f} | {burst:6.2f} | {noise:6.1f}")

"""float32 <-> int16 beside what one would pick otherwise; one source, one result, both reused where that can be.

``memcpy`` is a memoryview's copy of 3 bytes for each sample: 3 read and 3 written, the traffic of a conversion; it
costs a call much like ours. PyAV and miniaudio allocate their results and cannot do otherwise. The numpy expressions:
``exact`` gives the same bits as we do; ``inexact`` is one multiplication in float32, without clamping, into a scratch
array that is there already.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sfaudio

pytestmark = pytest.mark.benchmark(max_time=0.06, min_rounds=5, warmup=True, warmup_iterations=10)

SIZES = [160, 320, 960, 8192, 1_048_576]


def floats(n: int) -> Any:
    return np.random.default_rng(1).uniform(-1, 1, n).astype(np.float32)


def numpy_exact(src: Any, out: Any) -> None:
    s = np.clip(np.nan_to_num(src.astype(np.float64)), -1, 1)
    out[:] = np.where(s < 0, s * 32768, s * 32767)


def numpy_inexact(src: Any, out: Any, scratch: Any) -> None:
    np.multiply(src, np.float32(32767), out=scratch)
    np.copyto(out, scratch, casting="unsafe")


def plain_loop(src: Any, out: Any) -> None:
    for i, s in enumerate(src):
        s = min(max(s, -1.0), 1.0)
        out[i] = int(s * 32768) if s < 0 else int(s * 32767)


def av_frame(src: Any, to: str) -> tuple[Any, Any]:
    av = importlib.import_module("av")
    frame = av.AudioFrame.from_ndarray(
        src[None], format={"s16": "flt", "flt": "s16"}[to], layout="mono"
    )
    frame.sample_rate = 48000
    return av.AudioResampler(format=to, layout="mono", rate=48000), frame


TO_INT16 = ["sfaudio", "memcpy", "numpy exact", "numpy inexact", "PyAV", "miniaudio", "plain loop"]
MODULES = {"PyAV": "av", "miniaudio": "miniaudio"}


@pytest.mark.parametrize("who", TO_INT16)
@pytest.mark.parametrize("n", SIZES)
def test_float32_to_int16(measure: Callable[..., None], n: int, who: str) -> None:
    if who == "plain loop" and n > 960:
        pytest.skip("too slow")
    rival = pytest.importorskip(MODULES[who]) if who in MODULES else None
    src, out = floats(n), np.zeros(n, np.int16)
    names: dict[str, Any] = {"src": src, "out": out}
    if who == "sfaudio":
        statement, names["convert"] = "convert(src, out)", sfaudio.float32_to_int16
    elif who == "memcpy":
        statement = "out[:] = src"
        names = {name: memoryview(np.ones(3 * n, np.uint8)) for name in names}
    elif who == "numpy exact":
        statement, names["convert"] = "convert(src, out)", numpy_exact
    elif who == "numpy inexact":
        statement, names["convert"] = "convert(src, out, scratch)", numpy_inexact
        names["scratch"] = np.zeros_like(src)
    elif who == "PyAV":
        resampler, names["frame"] = av_frame(src, "s16")
        statement, names["convert"] = "convert(frame)", resampler.resample
    elif who == "miniaudio":
        formats = rival.SampleFormat
        statement = "convert(wide, src, narrow)"
        names |= {"convert": rival.convert_sample_format, "src": src.tobytes()}
        names |= {"wide": formats.FLOAT32, "narrow": formats.SIGNED16}
    else:
        statement, names["convert"] = "convert(src, out)", plain_loop
        names |= {"src": src.tolist(), "out": [0] * n}
    measure(f"float32 to int16, {n}", who, statement, max(1, 20_000 // n), **names)


@pytest.mark.parametrize("who", ["sfaudio", "memcpy", "numpy", "PyAV", "miniaudio"])
@pytest.mark.parametrize("n", SIZES)
def test_int16_to_float32(measure: Callable[..., None], n: int, who: str) -> None:
    """numpy's multiplication by 1/32768 into `out` is exact as it is."""
    rival = pytest.importorskip(MODULES[who]) if who in MODULES else None
    src, out = (floats(n) * 32767).astype(np.int16), np.zeros(n, np.float32)
    names: dict[str, Any] = {"src": src, "out": out}
    if who == "sfaudio":
        statement, names["convert"] = "convert(src, out)", sfaudio.int16_to_float32
    elif who == "memcpy":
        statement = "out[:] = src"
        names = {name: memoryview(np.ones(3 * n, np.uint8)) for name in names}
    elif who == "numpy":
        statement = "multiply(src, scale, out=out)"
        names |= {"multiply": np.multiply, "scale": np.float32(1 / 32768)}
    elif who == "PyAV":
        resampler, names["frame"] = av_frame(src, "flt")
        statement, names["convert"] = "convert(frame)", resampler.resample
    else:
        formats = rival.SampleFormat
        statement = "convert(narrow, src, wide)"
        names |= {"convert": rival.convert_sample_format, "src": src.tobytes()}
        names |= {"wide": formats.FLOAT32, "narrow": formats.SIGNED16}
    measure(f"int16 to float32, {n}", who, statement, max(1, 20_000 // n), **names)

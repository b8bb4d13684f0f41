"""Work on int16 blocks in place of which one would use audioop or numpy; results reused where that can be."""

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sfaudio

pytestmark = pytest.mark.benchmark(max_time=0.06, min_rounds=5, warmup=True, warmup_iterations=10)

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        audioop: Any = importlib.import_module("audioop")  # audioop-lts from Python 3.13 on
except ImportError:
    audioop = None

# operation: who: the statement
STATEMENTS = {
    "byteswap": {
        "sfaudio": "sfaudio.byteswap_int16(src, out)",
        "audioop": "audioop.byteswap(raw, 2)",
        "numpy": "numpy.copyto(swapped, src)",
    },
    "stereo to mono": {
        "sfaudio": "sfaudio.to_mono(src, 2, out)",
        "audioop": "audioop.tomono(raw, 2, 0.5, 0.5)",
        "numpy": "numpy.mean(src.reshape(-1, 2), axis=1).astype(numpy.int16)",
    },
    "gain": {
        "sfaudio": "sfaudio.apply_gain(src, 1.5, out)",
        "audioop": "audioop.mul(raw, 2, 1.5)",
        "numpy": "numpy.clip(numpy.rint(src * one_and_a_half), -32768, 32767).astype(numpy.int16)",
    },
    "to mu-law": {
        "sfaudio": "sfaudio.int16_to_ulaw(src, codes)",
        "audioop": "audioop.lin2ulaw(raw, 2)",
        "numpy": "numpy.take(ulaw_codes, src.view(numpy.uint16), out=codes)",
    },
    "from mu-law": {
        "sfaudio": "sfaudio.ulaw_to_int16(raw_ulaw, out)",
        "audioop": "audioop.ulaw2lin(raw_ulaw, 2)",
        "numpy": "numpy.take(ulaw_values, ulaw, out=out)",
    },
    "to A-law": {
        "sfaudio": "sfaudio.int16_to_alaw(src, codes)",
        "audioop": "audioop.lin2alaw(raw, 2)",
        "numpy": "numpy.take(alaw_codes, src.view(numpy.uint16), out=codes)",
    },
    "from A-law": {
        "sfaudio": "sfaudio.alaw_to_int16(raw_alaw, out)",
        "audioop": "audioop.alaw2lin(raw_alaw, 2)",
        "numpy": "numpy.take(alaw_values, alaw, out=out)",
    },
    "level": {
        "sfaudio": "sfaudio.level(src)",
        "audioop": "audioop.max(raw, 2), audioop.rms(raw, 2)",
        "numpy": "numpy.abs(src.astype(float)).max(), numpy.sqrt(numpy.mean(src.astype(float) ** 2))",
    },
}


@pytest.mark.parametrize("who", ["sfaudio", "audioop", "numpy"])
@pytest.mark.parametrize("n", [320, 8192])
@pytest.mark.parametrize("operation", STATEMENTS)
def test_block(measure: Callable[..., None], operation: str, n: int, who: str) -> None:
    if who == "audioop" and audioop is None:
        pytest.skip("audioop-lts is not installed")
    src = np.random.default_rng(1).integers(-32768, 32767, n).astype(np.int16)
    names = {"src": src, "raw": src.tobytes(), "out": np.zeros_like(src)}
    names |= {"swapped": np.zeros(n, src.dtype.newbyteorder("S"))}
    names |= {"one_and_a_half": np.float32(1.5)}
    every_sample = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    names |= {"codes": np.zeros(n, np.uint8)}
    for law in ("ulaw", "alaw"):
        encode, decode = getattr(sfaudio, f"int16_to_{law}"), getattr(sfaudio, f"{law}_to_int16")
        names |= {law: encode(src), f"raw_{law}": encode(src).tobytes()}
        names |= {f"{law}_codes": encode(every_sample), f"{law}_values": decode(bytes(range(256)))}
    modules = {"sfaudio": sfaudio, "audioop": audioop, "numpy": np}
    statement = STATEMENTS[operation][who]
    measure(f"{operation}, {n}", who, statement, 20_000 // n, **names, **modules)

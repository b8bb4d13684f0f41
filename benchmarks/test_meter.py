"""What a meter costs for each block of a callback: beside a copy of the block, its level, and the same in numpy."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

import sfaudio

pytestmark = pytest.mark.benchmark(max_time=0.06, min_rounds=5, warmup=True, warmup_iterations=10)

STATEMENTS = {
    "sfaudio": "meter.hear(block, 1.0)",
    "memcpy": "copy[:] = raw",
    "sfaudio, level alone": "sfaudio.level(samples)",
    "numpy": "floats = block.astype(float); abs(floats).max(), (floats * floats).mean(), block.any()",
}


@pytest.mark.parametrize(
    ("n", "kind", "who"), [*product((160, 480), ("int16", "float32"), STATEMENTS)]
)
def test_meter(measure: Callable[..., None], n: int, kind: str, who: str) -> None:
    samples = np.random.default_rng(1).integers(-9999, 9999, n).astype(np.int16)
    block = samples if kind == "int16" else sfaudio.int16_to_float32(samples)
    names = {
        "meter": sfaudio.Meter(100 * n),
        "sfaudio": sfaudio,
        "samples": samples,
        "block": block,
    }
    names |= {"raw": memoryview(block), "copy": memoryview(block.copy())}
    measure(f"meter, 10 ms of {n} {kind}", who, STATEMENTS[who], 200, **names)

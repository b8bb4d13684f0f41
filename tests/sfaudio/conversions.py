"""What the tests of conversion share: the rules, samples to convert, and ways to convert them.

Nothing here asserts: pytest explains a failed assertion only where it collects tests.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sfaudio import float32_to_int16, int16_to_float32

ALL_INT16 = np.arange(-32768, 32768, dtype=np.int16)


# ---- the rules, once more, in numpy's double precision


def wire(samples: Any) -> Any:
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        s = np.clip(np.nan_to_num(samples.astype(np.float64)), -1, 1)
    return np.trunc(np.where(s < 0, s * 32768, s * 32767)).astype(np.int16)


def symmetric(samples: Any) -> Any:
    with np.errstate(invalid="ignore"):
        s = np.clip(np.nan_to_num(samples.astype(np.float64)), -2, 2)
    return np.clip(np.rint(s * 32768), -32768, 32767).astype(np.int16)


REFERENCE = {"wire": wire, "symmetric": symmetric}

# ---- samples

SPECIAL = np.concatenate(
    [
        np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, np.inf, -np.inf], np.float32),
        np.array([1e-45, -1e-45, 1e-38, -1e-38, 3.4e38, -3.4e38], np.float32),
        # NaNs of both signs, quiet and signalling, with the smallest and the largest payload.
        np.array(
            [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32
        ).view(np.float32),
    ]
)


def near(values: Any) -> Any:
    """The float32 nearest to each value, and the three on either side of it."""
    low = high = values.astype(np.float32)
    found = [low]
    for _ in range(3):
        low, high = np.nextafter(low, np.float32(-9)), np.nextafter(high, np.float32(9))
        found += [low, high]
    return np.concatenate(found)


def floats(count: int) -> Any:
    """Samples from the whole range, boundaries and special values, the same each time."""
    rng = np.random.default_rng(20260527)
    bits = rng.integers(0, 2**32, count, np.uint32).view(np.float32)
    return rng.choice(np.concatenate([SPECIAL, near(np.linspace(-1.1, 1.1, count)), bits]), count)


def same_bits(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


# ---- conversions


def to_int16(rule: str) -> Callable[..., Any]:
    return lambda src, out=None: float32_to_int16(src, out, rule=rule)


CONVERSIONS = {
    "wire": (to_int16("wire"), wire, np.float32, np.int16),
    "symmetric": (to_int16("symmetric"), symmetric, np.float32, np.int16),
    "to_float32": (
        int16_to_float32,
        lambda samples: samples / np.float32(32768),
        np.int16,
        np.float32,
    ),
}
every_conversion = pytest.mark.parametrize(
    ("convert", "expected", "source", "target"), CONVERSIONS.values(), ids=CONVERSIONS
)


def samples_of(source: Any, count: int) -> Any:
    if source is np.float32:
        return floats(count)
    return np.random.default_rng(7).choice(ALL_INT16, count)

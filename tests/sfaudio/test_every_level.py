"""Every level of kernels that this machine can run is exact: python3 dev.py test --slow -k every_level."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfaudio import _kernels, float32_to_int16, int16_to_float32

CONFORMANCE = json.loads(Path(__file__).with_name("float32_to_int16.json").read_text())
BLOCK = 1 << 24  # bit patterns per digest
ALL_INT16 = np.arange(-32768, 32768, dtype=np.int16)


@pytest.fixture(params=_kernels.kernel_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _kernels.kernel_level()
    _kernels.force_kernel_level(request.param)
    yield request.param
    _kernels.force_kernel_level(before)


def floats(block: int) -> Any:
    bits = np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.uint32)
    return bits.view(np.float32)


def test_the_best_level_is_in_use() -> None:
    levels = _kernels.kernel_levels()
    assert levels[0] == "c"
    assert _kernels.kernel_level() == levels[-1]


def test_an_unknown_level_is_refused() -> None:
    before = _kernels.kernel_level()
    for name in ("", "mmx", None):
        with pytest.raises(ValueError, match="the level must be one of c"):
            _kernels.force_kernel_level(name)  # type: ignore[arg-type]
    assert _kernels.kernel_level() == before


# 2^-15, the least that is heard; values near one; NaNs and infinity; and their negatives.
@pytest.mark.parametrize("block", [0x38, 0x3F, 0x7F, 0xBF, 0xFF], ids="{:02X}".format)
def test_at_every_level_some_blocks_give_the_bytes_of_a_browser(level: str, block: int) -> None:
    converted = float32_to_int16(floats(block)).astype("<i2", copy=False)
    assert hashlib.sha256(converted).hexdigest() == CONFORMANCE["sha256_per_block"][block]


def test_at_every_level_int16_is_divided_by_32768_and_comes_back(level: str) -> None:
    result = int16_to_float32(ALL_INT16)
    assert result.tobytes() == (ALL_INT16 / 32768).astype(np.float32).tobytes()
    assert np.array_equal(float32_to_int16(result, rule="symmetric"), ALL_INT16)


@pytest.mark.slow
def test_at_every_level_all_float32_give_the_bytes_of_a_browser(level: str) -> None:
    def wrong(block: int) -> bool:
        converted = float32_to_int16(floats(block)).astype("<i2", copy=False)
        digest = hashlib.sha256(converted).hexdigest()
        return digest != CONFORMANCE["sha256_per_block"][block]

    with ThreadPoolExecutor() as threads:  # conversion and digest give up the GIL
        found = list(threads.map(wrong, range(256)))
    assert [f"{block:02X}" for block in range(256) if found[block]] == []


@pytest.mark.slow
def test_at_every_level_all_float32_are_rounded_alike_under_the_symmetric_rule(level: str) -> None:
    piece = 1 << 18  # small enough to stay in the cache

    def wrong(start: int) -> bool:
        values = np.arange(start, start + piece, dtype=np.uint32).view(np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            expected = np.rint(np.clip(values * np.float32(32768), -32768, 32767))
            np.nan_to_num(expected, copy=False)
        return not np.array_equal(
            float32_to_int16(values, rule="symmetric"), expected.astype(np.int16)
        )

    with ThreadPoolExecutor() as threads:
        starts = range(0, 1 << 32, piece)
        found = threads.map(wrong, starts)
        assert [f"{start:08X}" for start, bad in zip(starts, found, strict=True) if bad] == []

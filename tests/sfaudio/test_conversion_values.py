"""float32 <-> int16: exact for every input."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfaudio import float32_to_int16, int16_to_float32

from .conversions import ALL_INT16, REFERENCE, SPECIAL, floats, near, same_bits, symmetric, wire

CONFORMANCE = json.loads(Path(__file__).with_name("float32_to_int16.json").read_text())
BLOCK = 1 << 24  # bit patterns per digest
every_rule = pytest.mark.parametrize("rule", REFERENCE)


def converted_block(block: int) -> Any:
    bits = np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.uint32)
    return float32_to_int16(bits.view(np.float32)).astype("<i2", copy=False)


# Zeros and denormals; 2^-15, the least that is heard; values near one; infinities and NaNs; and
# their negatives.
@pytest.mark.parametrize(
    "block", [0x00, 0x38, 0x3E, 0x3F, 0x7F, 0xBF, 0xFF], ids=lambda block: f"{block:02X}"
)
def test_wire_rule_gives_the_bytes_of_a_browser(block: int) -> None:
    digest = hashlib.sha256(converted_block(block)).hexdigest()
    assert digest == CONFORMANCE["sha256_per_block"][block]


@pytest.mark.slow
def test_wire_rule_gives_the_bytes_of_a_browser_for_all_float32() -> None:
    total = hashlib.sha256()
    wrong = []
    for block, digest in enumerate(CONFORMANCE["sha256_per_block"]):
        converted = converted_block(block)
        total.update(converted)
        if hashlib.sha256(converted).hexdigest() != digest:
            wrong.append(f"{block:02X}")
    assert (wrong, total.hexdigest()) == ([], CONFORMANCE["sha256_total"])


def test_wire_rule_is_right_on_either_side_of_every_step() -> None:
    steps = np.arange(-32769, 32770)
    values = np.concatenate([near(steps / 32768), near(steps / 32767), SPECIAL])
    assert same_bits(float32_to_int16(values), wire(values))


def test_symmetric_rule_is_right_on_either_side_of_every_step() -> None:
    steps = np.arange(-32770, 32770)
    values = np.concatenate([near(steps / 32768), near((steps + 0.5) / 32768), SPECIAL])
    assert same_bits(float32_to_int16(values, rule="symmetric"), symmetric(values))


@pytest.mark.slow
def test_symmetric_rule_is_right_for_all_float32() -> None:
    wrong = []
    piece = 1 << 18  # small enough to stay in the cache
    for start in range(0, 1 << 32, piece):
        values = np.arange(start, start + piece, dtype=np.uint32).view(np.float32)
        if not same_bits(float32_to_int16(values, rule="symmetric"), symmetric(values)):
            wrong.append(f"{start:08X}")
    assert wrong == []


@every_rule
@given(bits=st.lists(st.integers(0, 2**32 - 1), max_size=100))
def test_each_sample_is_converted_for_itself(rule: Any, bits: list[int]) -> None:
    values = np.array(bits, np.uint32).view(np.float32)
    assert same_bits(float32_to_int16(values, rule=rule), REFERENCE[rule](values))


def test_wire_is_the_default_rule() -> None:
    values = floats(1000)
    assert same_bits(float32_to_int16(values), float32_to_int16(values, rule="wire"))
    assert not same_bits(float32_to_int16(values), float32_to_int16(values, rule="symmetric"))


def test_int16_to_float32_divides_every_value_by_32768() -> None:
    expected = (np.arange(-32768, 32768) / 32768).astype(np.float32)
    assert same_bits(int16_to_float32(ALL_INT16), expected)


def test_round_trip_is_exact_under_the_symmetric_rule() -> None:
    assert same_bits(float32_to_int16(int16_to_float32(ALL_INT16), rule="symmetric"), ALL_INT16)


def test_round_trip_lowers_each_positive_sample_by_one_under_the_wire_rule() -> None:
    back = float32_to_int16(int16_to_float32(ALL_INT16), rule="wire")
    assert same_bits(back, ALL_INT16 - (ALL_INT16 > 0).astype(np.int16))

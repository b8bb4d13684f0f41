"""Counts and distributions that can be merged: what is told of two is as true as of one."""

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

with warnings.catch_warnings():
    # From Python 3.14 on, of the layout of one of its structures: not the business of who has warnings as errors.
    warnings.filterwarnings("ignore", "Due to '_pack_'", DeprecationWarning)
    from hdrh.histogram import HdrHistogram

# Of a distribution, in microseconds: one step is a thousandth of the value, and no time of a call is beyond an hour.
UNITS_A_SECOND = 1_000_000
LONGEST_UNITS = 3600 * UNITS_A_SECOND
DIGITS = 3
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 100.0)
# What calls end with, as they are counted: those of `Outcome`.
VERDICTS = "passed", "failed", "error", "cancelled"


class Distribution:
    """Of times in seconds, as an HDR histogram (G. Tene, hdrhistogram.org): percentiles to a thousandth, merged or not.

    A percentile is the value of that rank, rounded to the nearest: no mean of neighbours, and none of percentiles.
    """

    def __init__(self, encoded: bytes | None = None) -> None:
        """Empty, or what `encoded` gave."""
        self._histogram = HdrHistogram(1, LONGEST_UNITS, DIGITS)
        if encoded is not None:
            self._histogram.decode_and_add(encoded)

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def note(self, seconds: float) -> None:
        """One more; what is longer than an hour counts as an hour."""
        units = min(max(0, round(seconds * UNITS_A_SECOND)), LONGEST_UNITS)
        self._histogram.record_value(units)

    def merge(self, other: "Distribution") -> None:
        """All of the other too."""
        self._histogram.add(other._histogram)

    def encode(self) -> bytes:
        """In the form that the HDR histograms of all languages read (version 2, compressed, base64)."""
        return bytes(self._histogram.encode())

    def percentiles(self) -> dict[float, float]:
        """By `PERCENTILES`, in seconds; empty if there is nothing."""
        if not len(self):
            return {}
        found = self._histogram.get_percentile_to_value_dict(list(PERCENTILES))
        return {percent: found[percent] / UNITS_A_SECOND for percent in PERCENTILES}

    def __getstate__(self) -> bytes:
        return self.encode()

    def __setstate__(self, encoded: bytes) -> None:
        self.__init__(encoded)  # type: ignore[misc]


class Tally:
    """Distributions and counts by name. It can be pickled, and is short then."""

    def __init__(self) -> None:
        self.times: dict[str, Distribution] = {}
        self.counts: Counter[str] = Counter()

    def note(self, name: str, seconds: float | None = None) -> None:
        """A time of this name, or, without one, one more of what is counted."""
        if seconds is None:
            self.counts[name] += 1
        else:
            self.times.setdefault(name, Distribution()).note(seconds)

    def merge(self, other: "Tally") -> None:
        """All of the other too."""
        self.counts.update(other.counts)
        for name, times in other.times.items():
            self.times.setdefault(name, Distribution()).merge(times)

    def record(self) -> dict[str, Any]:
        """As plain values: counts, and of each distribution its count, percentiles in seconds, and encoded form."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "times": {name: _record(times) for name, times in sorted(self.times.items())},
        }


def _record(times: Distribution) -> Mapping[str, Any]:
    found = {named(percent): seconds for percent, seconds in times.percentiles().items()}
    return {"count": len(times), **found, "histogram": times.encode().decode()}


def named(percent: float) -> str:
    """``p95``; the greatest is ``max``."""
    return "max" if percent == PERCENTILES[-1] else f"p{percent:g}"

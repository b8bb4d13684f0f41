"""The figures of the laboratory of echo: what must hold of ours, and what the rivals get."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Sense = Literal["at least", "at most"]
NAME_WIDTH = 72


class Values(dict[str, list[float]]):
    """One a run, by who cancels: ours, and rivals."""

    def add(self, who: str, value: float) -> None:
        self.setdefault(who, []).append(value)


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)  # not NumPy's, which makes a NaN of two infinities
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else (low + high) / 2


def p95(values: Sequence[float]) -> float:
    """The least that 95 of 100 do not exceed."""
    return sorted(values)[int(np.ceil(0.95 * len(values))) - 1]


@dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    sense: Sense
    """Which way is good."""
    values: Mapping[str, Sequence[float]]
    limit: float | None = None
    """None is for what is only shown."""
    judged: Callable[[Sequence[float]], float] = field(default=median)

    @property
    def is_good(self) -> bool:
        if self.limit is None:
            return True
        value = self.judged(self.values["ours"])
        return value >= self.limit if self.sense == "at least" else value <= self.limit

    @property
    def limits(self) -> str:
        if self.limit is None:
            return ""
        return f"{'>=' if self.sense == 'at least' else '<='} {self.limit:g}"

    def of(self, who: str) -> str:
        """As it is judged, and the worst."""
        values = self.values.get(who)
        if not values:
            return "-"
        worst = min(values) if self.sense == "at least" else max(values)
        told = number(self.judged(values))
        return told if self.judged in (max, min, sum) else f"{told} ({number(worst)})"

    def row(self) -> dict[str, object]:
        """As it is told in JSON."""
        return {
            "figure": self.name,
            "unit": self.unit,
            "limit": self.limits,
            "judged": self.judged.__name__,
            "holds": self.is_good,
            "values": {
                who: [value if np.isfinite(value) else None for value in values]
                for who, values in self.values.items()
            },
        }


def number(value: float) -> str:
    if not np.isfinite(value):
        return "never"
    return f"{value:.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.2f}"


def table(figures: Iterable[Figure]) -> str:
    figures = list(figures)
    rivals = list(dict.fromkeys(who for one in figures for who in one.values if who != "ours"))
    lines = [
        f"{'':6}{'':{NAME_WIDTH}}{'limit':>9}{'ours':>16}" + "".join(f"{who:>16}" for who in rivals)
    ]
    for one in figures:
        verdict = "" if one.limit is None else "ok" if one.is_good else "FAULT"
        cells = "".join(f"{one.of(who):>16}" for who in ("ours", *rivals))
        lines.append(f"{verdict:6}{one.name + ', ' + one.unit:{NAME_WIDTH}}{one.limits:>9}{cells}")
    return "\n".join(lines)

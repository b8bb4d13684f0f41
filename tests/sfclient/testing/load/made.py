"""Loads, shares and outcomes for tests that place no real call."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio

from sfclient import CallStatistics, CallTimes
from sfclient.testing.load import Load, Span
from sfclient.testing.load import _placing as placing
from sfclient.testing.script import Figures, Hear, Outcome, Script

SCRIPT = Script("hears", [Hear(2)])
GOOD = Span(0.0, 1.0, cpu=0.1, lag_seconds=0.001, late_seconds=0.001, placed=0, held=0)


def load_of(calls: int = 4, seconds: float = 10.0, **other: Any) -> Load:
    """One of a script that is never read."""
    order = {"base_url": "http://127.0.0.1:1", **other.pop("order", {})}
    return Load(SCRIPT, "agent", calls=calls, seconds=seconds, order=order, **other)


def span(second: int, **other: Any) -> Span:
    """A good one, but for what is said."""
    return replace(GOOD, began=float(second), ended=second + 1.0, **other)


def outcome_of(verdict: Any = "passed", ready: float = 0.1, **figures: Any) -> Outcome:
    statistics = CallStatistics(times=CallTimes(ready=ready))
    return Outcome(SCRIPT, verdict, figures=Figures(**figures), statistics=statistics)


def hold_by(monkeypatch: pytest.MonkeyPatch, hold: Callable[[], Awaitable[Outcome]]) -> None:
    """Have conversations held by this, as `hold_conversation` does."""

    async def held(*_: Any, on_outcome: Callable[[Outcome], None], **__: Any) -> None:
        outcome = outcome_of("cancelled")
        try:
            outcome = await hold()
        finally:
            on_outcome(outcome)

    monkeypatch.setattr(placing, "hold_conversation", held)


async def lasting(seconds: float) -> Outcome:
    """A call that takes so long, and passes."""
    await trio.sleep(seconds)
    return outcome_of()

"""What is asked of a load, and each worker's share of it. No I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sfclient._errors import UsageError
from sfclient._session import look_at_order
from sfclient.testing.script import Script

KEY_VARIABLE = "SYNTHFLOW_API_KEY"
# What no machine places, and nobody pays for by mistake.
MOST_CALLS = 100_000
MOST_RATE = 1000.0
MOST_SECONDS = 86_400.0


@dataclass(frozen=True)
class Load:
    """Conversations by a script with one agent, many at once. Raises `UsageError` for what cannot be."""

    script: Script
    """What each caller does. It goes to the workers with its sounds."""
    assistant_id: str
    """Who is called."""
    calls: int
    """Held at once, at most. One that ends is replaced until `seconds` are over."""
    seconds: float
    """For which calls are placed; those that are held then are held to their end."""
    rate: float = 1.0
    """Calls placed a second, at most, by all workers together."""
    in_all: int | None = None
    """Calls placed at all, at most: each may cost money. None: as many as `seconds` and `rate` allow."""
    order: Mapping[str, Any] = field(default_factory=dict)
    """What else `request_session` takes, such as ``base_url`` and ``dialect``, but for the key."""
    key_variable: str = KEY_VARIABLE
    """The environment variable that has the API key, on each worker: it is never sent to one."""

    def __post_init__(self) -> None:
        _check_count("calls", self.calls)
        if self.in_all is not None:
            _check_count("in_all", self.in_all)
        _check_number("rate", self.rate, MOST_RATE, "a second")
        _check_number("seconds", self.seconds, MOST_SECONDS, "seconds")
        if not isinstance(self.script, Script):
            raise UsageError(f"script must be a Script, not {type(self.script).__name__}")
        if "api_key" in self.order:
            raise UsageError(
                f"the key is not sent to workers: have it in {self.key_variable}, on each of them"
            )
        order = {name: value for name, value in self.order.items() if value is not None}
        object.__setattr__(self, "order", order)
        usual = {"dialect": "widget", "codec": None, "framing": None, "region": None}
        asked = {name: value for name, value in order.items() if name != "allow_insecure"}
        look_at_order(self.assistant_id, **usual | asked)

    @property
    def most_at_once(self) -> int:
        """Calls that can be held at once."""
        return self.calls if self.in_all is None else min(self.calls, self.in_all)

    def shares(self, workers: int) -> "list[Share]":
        """Of so many workers, or of fewer where there are fewer calls: together they are the load, and never more."""
        most = self.most_at_once
        used = min(workers, most)
        return [
            Share(
                at_once=_part(most, used, index),
                first=index / self.rate,
                every=used / self.rate,
                in_all=None if self.in_all is None else _part(self.in_all, used, index),
            )
            for index in range(used)
        ]


@dataclass(frozen=True, slots=True)
class Share:
    """Of one worker."""

    at_once: int
    first: float
    """When its first call is placed, in seconds since the load began: workers take turns."""
    every: float
    """Seconds between two calls that it places, at least."""
    in_all: int | None


def _part(whole: int, parts: int, index: int) -> int:
    return whole // parts + (index < whole % parts)


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_CALLS:
        raise UsageError(f"{name}={value!r} cannot be: give a whole number from 1 to {MOST_CALLS}")


def _check_number(name: str, value: object, most: float, unit: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= most:  # type: ignore[arg-type,operator]
        raise UsageError(
            f"{name}={value!r} cannot be: give more than 0 {unit}, and at most {most:g}"
        )

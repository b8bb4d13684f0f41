"""Conversations that are not held: a way that does as it is told, for tests of what is around it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sfclient.testing.script import Failure, Figures, Hold, Outcome, Script
from sfclient.testing.script import Place as Place

FIGURES = Figures(
    connect_seconds=0.1,
    ready_seconds=0.2,
    response_seconds=(0.6, 0.7),
    response_p50=0.65,
    response_p95=0.7,
    agent_share=0.4,
    caller_share=0.3,
    seconds=12.3,
)
SLOW = Failure(
    "slow",
    "an answer within 0.8 s",
    "it came after 0.9 s, at 3.1 s",
    3.1,
    2,
    Place("a.toml", 7),
)


def script(name: str, path: str = "a.toml", **simulator: Any) -> Script:
    lines = {f"simulator.{key}": 6 + number for number, key in enumerate(simulator)}
    return Script(
        name, [Hold(1)], simulator=simulator, lines={"simulator": 5} | lines, place=Place(path, 1)
    )  # type: ignore[arg-type]


def passed(of: Script) -> Outcome:
    return Outcome(of, "passed", figures=FIGURES, heard_hash="ab" * 32, said_hash="cd" * 32)


def failed(of: Script) -> Outcome:
    return replace(passed(of), verdict="failed", failures=(SLOW,))


Act = Callable[[Script], Outcome]


@dataclass
class Acting:
    """A way on which each conversation goes as the function of its name does."""

    acts: dict[str, Act] = field(default_factory=dict)
    is_exact: bool = False
    folders: list[Path | None] = field(default_factory=list)

    def check(self, scripts: list[Script]) -> None:
        pass

    def hold(self, script: Script, folder: Path | None, tell: Callable[[Outcome], None]) -> None:
        self.folders.append(folder)
        tell(self.acts.get(script.name, passed)(script))

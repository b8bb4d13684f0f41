"""Whatever the far side or the network does: told by its name, in time, by whose fault it was, with nothing left."""

from pathlib import Path

import pytest

from .bench import Dialect, Outcome, Scenario, hold, run_command
from .scenarios import SCENARIOS

CALLS = [(scenario, dialect) for scenario in SCENARIOS for dialect in scenario.dialects]


def calls(chosen: list[tuple[Scenario, Dialect]]) -> pytest.MarkDecorator:
    ids = [f"{scenario.name}, {dialect}" for scenario, dialect in chosen]
    return pytest.mark.parametrize(("scenario", "dialect"), chosen, ids=ids)


def is_quick(scenario: Scenario) -> bool:
    return scenario.within <= 1 and not scenario.hang_up


QUICK = [call for call in CALLS if is_quick(call[0])][::3]
"""Every third, which is now the one dialect and now the other."""
OTHERS = [call for call in CALLS if call not in QUICK]


@calls(QUICK)
def test_fault_is_told(
    scenario: Scenario, dialect: Dialect, tmp_path: Path, outcomes: list[Outcome]
) -> None:
    outcomes.append(hold(scenario, dialect, tmp_path))
    assert outcomes[-1].wrong == []


@pytest.mark.slow
@calls(OTHERS)
def test_fault_is_told_or_survived(
    scenario: Scenario, dialect: Dialect, tmp_path: Path, outcomes: list[Outcome]
) -> None:
    outcomes.append(hold(scenario, dialect, tmp_path))
    assert outcomes[-1].wrong == []


@pytest.mark.slow
@calls([call for call in CALLS if call[0].command])
def test_command_tells_of_it(
    scenario: Scenario, dialect: Dialect, tmp_path: Path, outcomes: list[Outcome]
) -> None:
    outcomes.append(run_command(scenario, dialect, tmp_path))
    assert outcomes[-1].wrong == []

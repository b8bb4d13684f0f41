"""Prints the outcomes as a table when all have been seen, if asked for with --table."""

import pytest

from .bench import HEAD, Outcome

OUTCOMES = pytest.StashKey[list[Outcome]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = []


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return request.config.stash[OUTCOMES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes = terminalreporter.config.stash[OUTCOMES]
    if terminalreporter.config.getoption("--table") and outcomes:
        terminalreporter.section("scenarios")
        for line in (HEAD, *(outcome.row() for outcome in outcomes)):
            terminalreporter.line(line)
        scenarios = len({outcome.scenario for outcome in outcomes})
        wrong = sum(bool(outcome.wrong) for outcome in outcomes)
        terminalreporter.line(
            f"{scenarios} scenarios, {len(outcomes)} calls, {wrong} not as expected"
        )

"""The scripts in examples/conversations: a good agent passes, and each kind of regression is caught, and named."""

from pathlib import Path
from typing import Any

import pytest
import trio

from sfclient.simulator import ReplyAgent
from sfclient.testing.suite import OnVirtualClock, OverSocket, Result, Way, read_suite, run_suite
from sfclient.testing.suite._agents import SimulatedAgent

from ...conftest import UnhurriedClock

FOLDER = Path(__file__).parents[4] / "examples" / "conversations"
ANSWERS = [FOLDER / "when.wav", FOLDER / "booked.wav"]
PLANTED: dict[str, dict[str, Any]] = {
    "slow": {"delay": 0.9},
    "talks over": {"talks_over_after": 1.2},
    "gap": {"gap": 0.8},
    "ended early": {"hangs_up_after": 1},
}
GOOD: dict[str, Any] = {"hangs_up_after": 2}


def agent(**planted: Any) -> ReplyAgent:
    return ReplyAgent(ANSWERS, **GOOD | planted)


def result_of(name: str, way: Way) -> Result:
    [result] = run_suite(read_suite([FOLDER / name]), way)
    return result


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_example_passes(path: Path, dialect: str) -> None:
    result = result_of(path.name, OnVirtualClock(dialect))
    assert result.verdict == "passed", result


@pytest.mark.parametrize("kind", PLANTED)
def test_a_regression_is_caught_and_named(kind: str) -> None:
    result = result_of("books_a_table.toml", OnVirtualClock(agent=agent(**PLANTED[kind])))
    assert result.verdict == "failed"
    assert kind in [problem for problem, _ in result.problems], result
    assert "books_a_table.toml:" in result.problems[0][1]


def test_an_agent_that_is_never_ready_is_caught_and_named() -> None:
    result = result_of(
        "books_a_table.toml",
        OnVirtualClock(agent=SimulatedAgent(ReplyAgent([]), announce_ready=False)),
    )
    assert [kind for kind, _ in result.problems] == ["never ready"], result


def test_an_agent_that_never_says_a_word_is_caught_and_named() -> None:
    result = result_of("books_a_table.toml", OnVirtualClock(agent=ReplyAgent([])))
    assert [kind for kind, _ in result.problems] == ["not heard"], result


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_over_sockets_the_verdicts_are_the_same(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real seconds, but on a clock that waits for a machine that stalls: it is no slow agent."""

    def kinds_of(way: Way) -> set[str]:
        return {kind for kind, _ in result_of("books_a_table.toml", way).problems}

    def run(*args: Any) -> Any:
        return run_trio(*args, clock=UnhurriedClock(rate=4))

    run_trio = trio.run
    for planted in ({}, *PLANTED.values()):
        on_virtual_clock = kinds_of(OnVirtualClock(dialect, agent=agent(**planted)))
        with monkeypatch.context() as patch:
            patch.setattr(trio, "run", run)
            over_socket = kinds_of(OverSocket(dialect, agent=agent(**planted)))
        assert over_socket == on_virtual_clock
        assert bool(over_socket) == bool(planted)

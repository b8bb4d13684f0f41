"""The scripts in examples/conversations: a good agent passes, and each kind of regression is caught, and named."""

from pathlib import Path
from typing import Any

import pytest

from sfclient.simulator import ReplyAgent
from sfclient.testing.suite import OnVirtualClock, OverSocket, Result, Way, read_suite, run_suite
from sfclient.testing.suite._agents import SimulatedAgent

FOLDER = Path(__file__).parents[4] / "examples" / "conversations"
ANSWERS = [FOLDER / "when.wav", FOLDER / "booked.wav"]
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


@pytest.mark.parametrize(
    ("planted", "kind"),
    [
        ({"delay": 0.9}, "slow"),
        ({"talks_over_after": 0.8}, "talks over"),
        ({"gap": 0.8}, "gap"),
        ({"hangs_up_after": 1}, "ended early"),
    ],
    ids=lambda planted: planted if isinstance(planted, str) else "",
)
def test_a_regression_is_caught_and_named(planted: dict[str, Any], kind: str) -> None:
    result = result_of("books_a_table.toml", OnVirtualClock(agent=agent(**planted)))
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
@pytest.mark.parametrize(
    ("planted", "kinds"),
    [
        ({}, []),
        ({"delay": 0.9}, ["slow"]),
        ({"talks_over_after": 0.8}, ["talks over"]),
        ({"gap": 0.8}, ["gap"]),
        ({"hangs_up_after": 1}, ["ended early"]),
    ],
    ids=str,
)
def test_in_real_time_over_a_socket_the_verdicts_are_the_same(
    dialect: str, planted: dict[str, Any], kinds: list[str]
) -> None:
    """With real seconds."""
    results = [
        result_of("books_a_table.toml", way(dialect, agent=agent(**planted)))
        for way in (OverSocket, OnVirtualClock)
    ]
    for result in results:
        assert set(kinds) <= {kind for kind, _ in result.problems}, result
    assert results[0].verdict == results[1].verdict

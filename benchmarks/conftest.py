"""How everything is measured, and the table of ratios at the end, which is what the README quotes."""

import timeit
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

OURS, LIMIT = "sfaudio", "memcpy"
REPORT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = []


@pytest.fixture
def measure(benchmark: Any) -> Callable[..., None]:
    """Time a statement, in a plain loop; a round is `calls` turns of it."""

    def run(group: str, who: str, statement: str, calls: int = 1, **names: Any) -> None:
        benchmark.group, benchmark.name = group, who
        timer = timeit.Timer(statement, globals=names)
        timer.timeit(1)
        benchmark.extra_info["calls"] = calls
        benchmark(timer.timeit, calls)

    return run


@pytest.fixture
def report(request: pytest.FixtureRequest) -> list[str]:
    """Lines to print when all is done."""
    return request.config.stash[REPORT]


@pytest.hookimpl(trylast=True)  # below the long tables
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    session = getattr(config, "_benchmarksession", None)
    for bench in session.benchmarks if session else ():
        groups[bench.group][bench.name] = bench.stats.min / bench.extra_info["calls"]
    write = terminalreporter.write_line
    if groups:
        terminalreporter.section(f"times {OURS}, by the fastest round of each")
    for group, times in groups.items():
        one = OURS if OURS in times else min(times, key=lambda who: times[who])
        line = [
            f"{who} {t / times[one]:.3g}" for who, t in times.items() if who not in (one, LIMIT)
        ]
        if LIMIT in times:
            line.append(f"at {times[LIMIT] / times[one]:.0%} of the speed of memcpy")
        write(f"{group:<34} {one} {times[one] * 1e6:.3f} us   {', '.join(line)}")
    for line in config.stash[REPORT]:
        write(line)

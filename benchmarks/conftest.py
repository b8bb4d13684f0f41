"""How everything is measured, the table of ratios at the end, and `--save` and `--compare` of `dev.py bench`."""

import os
import sys
import timeit
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
import kept

LIMIT = "memcpy"
REPORT = pytest.StashKey[list[str]]()
LOAD = pytest.StashKey[list[float]]()
SAVED = pytest.StashKey[tuple[Path, dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kept figures")
    group.addoption("--turns", type=int, default=5, help="in which all is measured (default: 5)")
    group.addoption("--save", action="store_true", help=f"keep the figures in {kept.RESULTS}")
    group.addoption(
        "--compare",
        nargs="?",
        const="",
        metavar="VERSION",
        help="show this run beside the saved figures, as ratios; or give a FILE.json",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT], config.stash[LOAD] = [], load()
    if config.getoption("--turns") < 1:
        raise pytest.UsageError("--turns: there must be one at least")
    wants_figures = config.getoption("--save") or config.getoption("--compare") is not None
    if wants_figures and config.getoption("benchmark_disable"):
        raise pytest.UsageError("--save and --compare need what --benchmark-disable leaves out")
    try:  # What cannot be is told now, not after minutes.
        if config.getoption("--save"):
            kept.check_folder()
        if config.getoption("--compare") is not None:
            hook = config.hook.pytest_benchmark_generate_machine_info
            path = kept.saved(config.getoption("--compare"), kept.machine(hook(config=config)))
            config.stash[SAVED] = path, kept.read(path)
    except kept.FiguresError as error:
        raise pytest.UsageError(str(error)) from None


def load() -> list[float]:
    """How many processes ran or wanted to, in the mean of the last minute."""
    return [round(os.getloadavg()[0], 1)] if hasattr(os, "getloadavg") else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    turns = metafunc.config.getoption("--turns")
    if "measure" in metafunc.fixturenames and not metafunc.config.getoption("benchmark_disable"):
        metafunc.fixturenames.append("turn")
        metafunc.parametrize("turn", range(turns))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one turn, then in the next: what is compared is measured together, and each turn at another time."""
    callspecs = {item: getattr(item, "callspec", None) for item in items}
    items.sort(key=lambda item: callspecs[item].params.get("turn", 0) if callspecs[item] else 0)


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


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    facts = kept.machine(machine_info)
    machine_info.clear()  # It has the host's name, and more.
    machine_info.update(facts)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    for name in commit_info.keys() - {"id", "dirty"}:
        del commit_info[name]


def figures_of(config: pytest.Config) -> dict[str, Any]:
    """This run's, as they are kept."""
    session = config._benchmarksession  # type: ignore[attr-defined]
    commit = config.hook.pytest_benchmark_generate_commit_info(config=config)
    config.hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
    told: dict[str, Any] = config.hook.pytest_benchmark_generate_json(
        config=config,
        benchmarks=session.benchmarks,
        include_data=False,
        machine_info=session.get_machine_info(),
        commit_info=commit,
    )
    told["benchmarks"] = kept.merged(told["benchmarks"])
    told["machine_info"]["load"] = [*config.stash[LOAD], *load()]
    return told


def is_whole(arguments: list[str], status: int) -> bool:
    """Whether all was asked for, and was measured: no benchmark has failed, nobody has broken it off."""
    folders = [Path(argument).resolve() for argument in arguments]
    return status == pytest.ExitCode.OK and folders == [Path(__file__).parent]


def kept_lines(config: pytest.Config, whole: bool) -> Iterator[str]:
    """What `--save` and `--compare` have to say."""
    if SAVED in config.stash:
        path, then = config.stash[SAVED]
        yield from kept.compared(figures_of(config), then, path, whole)
    if config.getoption("--save"):
        if not whole:
            yield "NOT SAVED: only what was measured as a whole, and without a failure, is"
            return
        told = figures_of(config)
        path = kept.file_of(told["machine_info"])
        kept.write(path, told)
        yield f"saved in {path}"


@pytest.hookimpl(trylast=True)  # below the long tables
def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    session = getattr(config, "_benchmarksession", None)
    for bench in session.benchmarks if session else ():
        took = bench.stats.min / bench.extra_info["calls"]
        groups[bench.group][bench.name] = min(took, groups[bench.group].get(bench.name, took))
    write = terminalreporter.write_line
    if groups:
        terminalreporter.section(f"times {kept.OURS}, by the fastest round of each")
    for group, times in groups.items():
        one = kept.OURS if kept.OURS in times else min(times, key=lambda who: times[who])
        line = [
            f"{who} {t / times[one]:.3g}" for who, t in times.items() if who not in (one, LIMIT)
        ]
        if LIMIT in times:
            line.append(f"at {times[LIMIT] / times[one]:.0%} of the speed of memcpy")
        write(f"{group:<34} {one} {times[one] * 1e6:.3f} us   {', '.join(line)}")
    for line in config.stash[REPORT]:
        write(line)
    if groups:
        is_all = not terminalreporter.stats.get("deselected")
        told = list(kept_lines(config, is_all and is_whole(config.args, exitstatus)))
        if told:
            terminalreporter.section("kept figures")
        for line in told:
            write(line)

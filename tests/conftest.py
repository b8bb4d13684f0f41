"""Tests marked ``slow`` run only with --slow, those marked ``browser`` only with --browser.

With --skip-lacking, what fails because a module of others is not installed is told as skipped: for a Python that not
all of them have a wheel for.
"""

from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest

_Report = TypeVar("_Report", pytest.CollectReport, pytest.TestReport)

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--browser", action="store_true", help="run the tests in a browser as well")
    parser.addoption(
        "--skip-lacking", action="store_true", help="skip what needs modules that are not installed"
    )
    parser.addoption(
        "--streams", type=int, default=50, help="how many fuzzed streams to send in each dialect"
    )
    parser.addoption(
        "--misuse-seconds", type=float, default=0.2, help="for how long threads misuse each object"
    )
    parser.addoption("--table", action="store_true", help="print the outcomes of the fault bench")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unwanted = [mark for mark in ("slow", "browser") if not config.getoption(f"--{mark}")]
    left_out = [item for item in items if any(map(item.get_closest_marker, unwanted))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _skipped_if_lacking(report, collector, report.__dict__.get("call"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _skipped_if_lacking(report, item, call)


def _skipped_if_lacking(
    report: _Report, node: pytest.Collector | pytest.Item, call: pytest.CallInfo[object] | None
) -> _Report:
    if report.failed and call and call.excinfo and node.config.getoption("--skip-lacking"):
        for error in _with_causes(call.excinfo.value):
            if lacks := _lacking_module(error):
                report.outcome = "skipped"
                report.longrepr = (f"{node.path}", 0, f"Skipped: there is no {lacks} here")
    return report


def _lacking_module(error: BaseException) -> str | None:
    """Which module of others was not found."""
    name = error.name if isinstance(error, ImportError) else None
    return name if name and name.partition(".")[0] not in ("sfaudio", "sfclient", "tests") else None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        yield error
        yield from _with_causes(error.__cause__ or error.__context__)
        for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _with_causes(part)

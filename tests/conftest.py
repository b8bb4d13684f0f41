"""Tests marked ``slow`` run only with --slow, those marked ``browser`` only with --browser."""

import pytest

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--browser", action="store_true", help="run the tests in a browser as well")
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

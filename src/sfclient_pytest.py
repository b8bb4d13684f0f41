"""The pytest plugin: ``test_*.toml`` files with scripted conversations are tests; `conversation` holds one in a test.

Each session of pytest imports this, so it imports nothing of `sfclient` until there is a conversation to hold.
"""

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from sfclient.simulator import Agent
    from sfclient.testing.script import Outcome, Script
    from sfclient.testing.suite import Result, Way

KEY_VARIABLE = "SYNTHFLOW_API_KEY"
IS_OURS = re.compile(r"^\s*\[\[\s*step\s*\]\]", re.M)
TAKEN = pytest.StashKey[set[str]]()  # names of folders, in this session
# Name, whether it is a switch, and what it is for: each is an option, and a setting of the same name with underscores.
OPTIONS = (
    ("assistant", False, "hold conversations with this agent of the service, in real time"),
    ("base-url", False, "of the service, if it is elsewhere"),
    ("dialect", False, "widget or ws-media (widget)"),
    ("from", False, "who calls, in the ws-media dialect"),
    ("to", False, "who is called, in the ws-media dialect"),
    ("network", False, "put a network in between, as of `sfclient test --network`"),
    ("folder", False, "keep recording, figures and report of each conversation here"),
    ("real-time", True, "hold simulated conversations over sockets, not on the virtual clock"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sfclient", "scripted conversations with voice agents (sfclient)")
    for name, is_switch, text in OPTIONS:
        action: dict[str, Any] = {"action": "store_true"} if is_switch else {"metavar": "VALUE"}
        group.addoption(f"--sfclient-{name}", default=None, help=text, **action)
        kind: Any = "bool" if is_switch else "string"
        parser.addini(_setting(name), text, kind)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A TOML file with steps is ours; all others are somebody else's."""
    if file_path.suffix != ".toml" or not file_path.name.startswith("test_"):
        return None
    text = file_path.read_text(encoding="utf-8", errors="replace")
    if not IS_OURS.search(text):
        return None
    file: ScriptFile = ScriptFile.from_parent(parent, path=file_path)
    return file


class ScriptFile(pytest.File):
    """A file of scripted conversations."""

    def collect(self) -> Iterator["Conversation"]:
        from sfclient._errors import UsageError
        from sfclient.testing.suite import read_suite

        try:
            scripts = read_suite([self.path])
            _way(self.config).check(scripts)
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        for script in scripts:
            yield Conversation.from_parent(self, name=script.name, script=script)


class Conversation(pytest.Item):
    """One of them."""

    def __init__(self, *, script: "Script", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.script = script

    def runtest(self) -> None:
        _check(_held(self.script, _way(self.config), self))

    def reportinfo(self) -> tuple[Path, int, str]:
        place = self.script.place
        return self.path, (place.line if place else 1) - 1, f"conversation: {self.name}"


class Hold(Protocol):
    """What the fixture `conversation` is."""

    def __call__(
        self, script: "Script", agent: "Agent | str | None" = None, *, check: bool = True
    ) -> "Outcome":
        """Hold it with `agent`: simulated, None for that of the script; or with that of the service, if pytest was
        told of one. Fails the test if it did not go as it should, but for `check` False."""


@pytest.fixture
def conversation(request: pytest.FixtureRequest) -> Hold:
    """Holds a scripted conversation, in a test that is an ordinary function: see `Hold`."""
    if inspect.iscoroutinefunction(request.function):
        pytest.fail(
            "the fixture conversation runs trio itself: make the test an ordinary function, or await "
            "sfclient.testing.script.hold_conversation",
            pytrace=False,
        )

    def hold(
        script: "Script", agent: "Agent | str | None" = None, *, check: bool = True
    ) -> "Outcome":
        from sfclient._errors import UsageError

        way = _way(request.config, agent)
        try:
            way.check([script])
        except UsageError as error:
            # None: or pytest would show it twice.
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        result = _held(script, way, request.node)
        if check or result.outcome is None:
            _check(result)
        assert result.outcome is not None, "checked"
        return result.outcome

    return hold


def _held(script: "Script", way: "Way", node: pytest.Item) -> "Result":
    """Its figures go into the JUnit XML of pytest, and what is kept into a folder with the name of the test."""
    from sfclient.testing.suite import figures_of, free_name, hold

    folder = _option(node.config, "folder")
    taken = node.config.stash.setdefault(TAKEN, set())
    place = Path(folder) / free_name(node.nodeid, taken) if folder else None
    result = hold(script, way, folder=place)
    node.user_properties += figures_of(result).items()
    if result.was_interrupted:
        raise KeyboardInterrupt
    return result


def _check(result: "Result") -> None:
    if result.verdict != "passed":
        pytest.fail("\n".join(text for _, text in result.problems), pytrace=False)


def _way(config: pytest.Config, agent: "Agent | str | None" = None) -> "Way":
    """As the options say, or the settings. `agent` is for where no agent of the service was named."""
    from sfclient.testing.suite import AtService, OnVirtualClock, OverSocket

    dialect = _option(config, "dialect") or "widget"
    assistant = _option(config, "assistant")
    if not assistant:
        kind = OverSocket if _option(config, "real-time") else OnVirtualClock
        return kind(dialect, _option(config, "network") or None, agent=agent)
    order = {
        "from_number": _option(config, "from") or None,
        "to_number": _option(config, "to") or None,
        "base_url": _option(config, "base-url") or None,
    }
    return AtService(assistant, os.environ.get(KEY_VARIABLE, ""), dialect, order=order)


def _option(config: pytest.Config, name: str) -> Any:
    given = config.getoption(f"--sfclient-{name}")
    return given if given is not None else config.getini(_setting(name))


def _setting(name: str) -> str:
    return f"sfclient_{name}".replace("-", "_")

"""The README of the website does what it says."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import website
from website import answers

from .conftest import Visited, visit

FOLDER = Path(website.__file__).parent
README = (FOLDER / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)
ENVIRONMENT = {"SYNTHFLOW_API_KEY": "key", "SYNTHFLOW_AGENT_ID": "agent"}


async def test_it_is_mounted_as_the_readme_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = PROGRAMS
    async with visit() as alone:
        monkeypatch.setenv("SYNTHFLOW_API_KEY", alone.simulator.key)
        names: dict[str, Any] = {}
        exec(program, names)
        mounted = Visited(names["app"])
        assert (await mounted.ask("GET", "/talk")).headers["Location"].endswith("/talk/")
        assert (await mounted.ask("GET", "/talk/")).text == (await alone.ask("GET", "/")).text
        told = await mounted.post("/talk/start", {"handle": "x", "server_name": "x"})
        assert told.json()["error"] == "handle_used"


def test_it_tells_of_every_answer() -> None:
    for code, (status, _) in answers.REFUSALS.items():
        assert f"`{code}`" in README
        assert str(status) in README


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that servers are given, in an environment that has what it needs."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("website.main", None)
    return importlib.import_module("website.main")


def test_it_tells_of_all_that_the_environment_may_say(main: ModuleType) -> None:
    asked = set(re.findall(r"(?:SYNTHFLOW|WEBSITE)_[A-Z_]+", (FOLDER / "main.py").read_text()))
    assert asked == set(re.findall(r"(?:SYNTHFLOW|WEBSITE)_[A-Z_]+", README))
    assert callable(main.app)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_what_the_environment_lacks_is_named(main: ModuleType, name: str) -> None:
    with pytest.raises(SystemExit, match=f"{name} is not set"):
        main.from_environment({**ENVIRONMENT, name: ""})


async def test_the_environment_says_who_may_ask(main: ModuleType) -> None:
    origins = "https://example.org https://www.example.org"
    async with visit() as visited:
        given = {"SYNTHFLOW_BASE_URL": visited.simulator.base_url, "WEBSITE_ORIGINS": origins}
        key = {"SYNTHFLOW_API_KEY": visited.simulator.key}
        visited.app = main.from_environment({**ENVIRONMENT, **given, **key})
        for origin, status in (("https://www.example.org", 200), ("https://site.example", 403)):
            answered = await visited.post("/session", headers={"Origin": origin})
            assert answered.status_code == status

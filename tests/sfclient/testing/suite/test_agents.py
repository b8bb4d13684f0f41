"""The table ``[simulator]``: what it makes, and what is wrong in it, with file and line."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from sfclient import UsageError
from sfclient.simulator import EchoAgent, ReplyAgent
from sfclient.testing.script import ScriptError
from sfclient.testing.suite._agents import ECHO, REPLY, check_agents, simulated_agent

from ...conftest import write_wav
from .suites import script

MODULE = """
class Waiter:
    def __init__(self, patience=1):
        self.patience = patience
    async def __call__(self, call): ...
async def listen(call): ...
class Nobody: ...
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wav(tmp_path / "a.wav", b"ab" * 800, 16_000)
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("1 / 0")
    return tmp_path


def agent_of(folder: Path, **table: Any) -> Any:
    return simulated_agent(script("a", str(folder / "a.toml"), **table)).agent


def faults_of(folder: Path, **table: Any) -> list[str]:
    with pytest.raises(ScriptError) as caught:
        agent_of(folder, **table)
    return str(caught.value).splitlines()


def test_each_argument_of_an_agent_is_a_key() -> None:
    assert list(REPLY) == list(inspect.signature(ReplyAgent).parameters)
    assert list(ECHO) == list(inspect.signature(EchoAgent).parameters)


def test_ours_are_made_with_files_beside_the_script(folder: Path) -> None:
    made = agent_of(folder, agent="reply", answers=["a.wav"], greeting="a.wav", delay=1, code=4000)
    wav = folder / "a.wav"
    assert vars(made) == vars(ReplyAgent([wav], greeting=wav, delay=1, code=4000))
    assert agent_of(folder, agent="echo", delay=0.5) == EchoAgent(0.5)


def test_one_may_be_never_ready(folder: Path) -> None:
    assert simulated_agent(script("a", agent="echo")).announce_ready
    assert not simulated_agent(script("a", agent="echo", ready=False)).announce_ready


def test_in_a_dialect_without_that_word_none_is_never_ready() -> None:
    with pytest.raises(ScriptError, match=r"a\.toml:7: in the ws-media dialect nobody says"):
        simulated_agent(script("a", agent="echo", ready=False), dialect="ws-media")


def test_calls_are_kept_for_agents_that_may_ask_them(folder: Path) -> None:
    """Half a gigabyte an hour."""
    for name, keep in (("echo", False), ("mine.py:listen", True)):
        of = script("a", str(folder / "a.toml"), agent=name)
        assert simulated_agent(of).options["keep"] is keep


def test_a_file_beside_the_script_may_have_one(folder: Path) -> None:
    assert agent_of(folder, agent="mine.py:listen").__name__ == "listen"
    assert agent_of(folder, agent="mine.py:Waiter").patience == 1
    assert agent_of(folder, agent="mine.py:Waiter", patience=3).patience == 3


def test_what_an_agents_file_imports_may_lie_beside_it(folder: Path) -> None:
    (folder / "words_of_mine.py").write_text("async def say(call): ...")
    (folder / "importer.py").write_text("from words_of_mine import say")
    before = list(sys.path)
    assert agent_of(folder, agent="importer.py:say").__name__ == "say"
    assert sys.path == before


def test_a_module_may_have_one() -> None:
    assert isinstance(agent_of(Path(), agent="sfclient.simulator:EchoAgent"), EchoAgent)


def test_another_is_taken_instead_of_all_of_them(folder: Path) -> None:
    mute = ReplyAgent([])
    assert simulated_agent(script("a"), mute).agent is mute
    named = f"{folder / 'mine.py'}:listen"
    assert simulated_agent(script("a", agent="echo", delays=3), named).agent.__name__ == "listen"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, ["5: there is no agent"]),
        ({"agent": 3}, ["6: agent must be"]),
        ({"agent": "replay"}, ["6: 'replay' is no agent"]),
        ({"agent": "echo", "ready": 1}, ["7: ready must be"]),
        ({"agent": "echo", "dely": 1, "delay": "1"}, ["7: dely .* mean delay", "8: delay must be"]),
        ({"agent": "echo", "delay": -1}, ["7: no such agent: delay is -1"]),
        ({"agent": "reply", "answers": "a.wav"}, ["7: answers must be a list"]),
        ({"agent": "reply", "answers": [3]}, ["7: answers must be the path"]),
        ({"agent": "reply", "answers": ["b.wav"]}, [r"b\.wav"]),
        ({"agent": "reply", "greeting": "a.wav"}, [r"6: what .* is missing: answers = \["]),
        ({"agent": "reply", "answers": [], "code": True}, ["8: code must be a whole"]),
        ({"agent": "reply", "answers": [], "hangs_up_after": 1.5}, ["8: hangs_up_after must be"]),
        ({"agent": "reply", "answers": [], "gap": float("nan")}, ["8: no such agent: gap is nan"]),
        ({"agent": "reply", "answer": []}, ["6: what .* is missing", "7: answer .* mean answers"]),
        ({"agent": "mine.py:Nobody"}, ["6: 'mine.py:Nobody' makes no agent"]),
        ({"agent": "none.py:listen"}, ["6: cannot import .*FileNotFound"]),
        ({"agent": "broken.py:listen"}, ["6: cannot import .*ZeroDivisionError"]),
        ({"agent": "no_such_module:listen"}, ["6: cannot import .*ModuleNotFound"]),
        ({"agent": "mine.py:listens"}, ["6: mine.py has no agent 'listens'"]),
        ({"agent": "mine.py:number"}, ["6: mine.py has no agent 'number'"]),
        ({"agent": "mine.py:Waiter", "patients": 3}, ["6: no such agent: .*patients"]),
    ],
)
def test_what_is_wrong_in_it_is_told_with_its_line(
    folder: Path, table: dict[str, Any], told: list[str]
) -> None:
    faults = faults_of(folder, **table)
    assert len(faults) == len(told)
    for fault, pattern in zip(faults, told, strict=True):
        assert re.match(re.escape(f"{folder / 'a.toml'}:") + f".*{pattern}", fault), fault


def test_the_faults_of_all_scripts_are_told_at_once(folder: Path) -> None:
    scripts = [script("a", agent="replay"), script("b", "b.toml", agent="mime.py:x")]
    with pytest.raises(UsageError) as caught:
        check_agents(scripts)
    assert str(caught.value).startswith("a.toml:6: ")
    assert "\nb.toml:6: " in str(caught.value)

"""The agent of a script's table ``[simulator]``, checked before any call."""

import runpy
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from sfclient._errors import UsageError, printable
from sfclient.testing.script import Fault, Script, ScriptError

if TYPE_CHECKING:
    from sfclient.simulator import Agent

Instead = Union[str, "Agent", "SimulatedAgent", None]
OURS = ("reply", "echo")
AGENTS = 'an agent is "reply", "echo", "module:name" or "file.py:name"'


@dataclass(frozen=True, slots=True)
class SimulatedAgent:
    """Whom a script talks to where there is no service."""

    agent: "Agent"
    announce_ready: bool = True
    """False: it is never ready."""
    keep: bool = True
    """Whether it may ask its call for what was said so far; ours do not, and an hour of it is half a gigabyte."""

    @property
    def options(self) -> dict[str, Any]:
        """As `open_simulator` and `open_memory_agent` take them."""
        return {"agent": self.agent, "announce_ready": self.announce_ready, "keep": self.keep}


def simulated_agent(
    script: Script, instead: Instead = None, dialect: str = "widget"
) -> SimulatedAgent:
    """A new one for `script`: that of its table, or `instead` of the whole table, a text as in there.

    It may block: it reads WAV files, and imports what is named. Raises `ScriptError` for what cannot be meant, with
    file and line, and `UsageError` where the simulator is not installed.
    """
    if instead is None:
        return _Table(script, script.simulator, script.path and script.path.parent).agent(dialect)
    if isinstance(instead, str):
        return _Table(script, {"agent": instead}, None).agent(dialect)
    return instead if isinstance(instead, SimulatedAgent) else SimulatedAgent(instead)


def check_agents(
    scripts: Iterable[Script], instead: Instead = None, dialect: str = "widget"
) -> None:
    """Raise `ScriptError` with all that is wrong with those of all scripts."""
    faults: list[Fault] = []
    for script in scripts:
        try:
            simulated_agent(script, instead, dialect)
        except ScriptError as error:
            faults += error.faults
    if faults:
        raise ScriptError(faults)


class _Table:
    """A table ``[simulator]`` as an agent is made of it; `folder`: where relative paths begin, None for here."""

    def __init__(self, script: Script, table: Mapping[str, Any], folder: Path | None) -> None:
        self._script = script
        self._table = dict(table)
        self._folder = folder or Path()
        self._faults: list[Fault] = []

    def agent(self, dialect: str) -> SimulatedAgent:
        name, is_ready = self._table.pop("agent", None), self._table.pop("ready", True)
        if name is None:
            self._wrong(
                "", f"there is no agent to talk to: name one in [simulator], or give it; {AGENTS}"
            )
        elif not isinstance(name, str):
            self._wrong("agent", f"agent must be a text, not {name!r}; {AGENTS}")
        if not isinstance(is_ready, bool):
            self._wrong("ready", f"ready must be true or false, not {is_ready!r}")
        elif not is_ready and dialect != "widget":
            self._wrong("ready", f"in the {dialect} dialect nobody says that the agent is ready")
        self._end_if_wrong()
        agent = self._made(name)
        if not self._faults and not callable(agent):
            self._wrong("agent", f"{name!r} makes no agent, but {agent!r}, which cannot be called")
        self._end_if_wrong()
        return SimulatedAgent(agent, is_ready, keep=name not in OURS)

    def _made(self, name: str) -> Any:
        try:
            from sfclient.simulator import EchoAgent, ReplyAgent
        except ImportError as error:
            raise UsageError(str(error)) from None
        match name:
            case "reply":
                return self._with_options(ReplyAgent, REPLY)
            case "echo":
                return self._with_options(EchoAgent, ECHO)
        found = self._found(name)
        if found is None or not (isinstance(found, type) or self._table):
            return found
        return self._call(found, self._table)

    def _with_options(self, kind: Callable[..., Any], options: "Mapping[str, Option]") -> Any:
        """One of ours, whose options are known."""
        values = {}
        if "answers" in options and "answers" not in self._table:
            self._wrong("agent", 'what the agent says is missing: answers = ["FILE.wav"]')
        for key, value in self._table.items():
            if key not in options:
                near = get_close_matches(key, [*options, "agent", "ready"], 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(options)}"
                self._wrong(key, f"{printable(key)} is nothing that the agent knows: {hint}")
                continue
            try:
                values[key] = options[key](value, self._folder)
            except ValueError as error:
                self._wrong(key, f"{key} {error}")
        return None if self._faults else self._call(kind, values)

    def _found(self, name: str) -> Any:
        """What a module has by this name."""
        where, _, attribute = name.rpartition(":")
        if not where or not attribute:
            self._wrong("agent", f"{name!r} is no agent: {AGENTS}")
            return None
        try:
            is_file = where.endswith(".py")
            members = _run(self._folder / where) if is_file else vars(import_module(where))
        except (Exception, SystemExit) as error:  # whatever a module may raise
            told = f"{type(error).__name__}: {error}"
            self._wrong("agent", f"cannot import the agent {name!r}: {told}")
            return None
        if not callable(members.get(attribute)):
            self._wrong("agent", f"{where} has no agent {attribute!r}: nothing to call")
            return None
        return members[attribute]

    def _call(self, kind: Callable[..., Any], options: Mapping[str, Any]) -> Any:
        try:
            return kind(**options)
        except Exception as error:  # a constructor may raise what it likes
            text = str(error) or type(error).__name__
            first = text.split(maxsplit=1)[0]
            self._wrong(first if first in options else "agent", f"no such agent: {text}")

    def _wrong(self, key: str, text: str) -> None:
        place = self._script.place_of(f"simulator.{key}" if key else "simulator")
        self._faults.append(Fault(place, text))

    def _end_if_wrong(self) -> None:
        if self._faults:
            raise ScriptError(self._faults)


def _run(path: Path) -> dict[str, Any]:
    """The names in a file. What it imports may lie beside it, as of a program that is run."""
    beside = str(path.parent.absolute())
    sys.path.insert(0, beside)
    try:
        return runpy.run_path(str(path))
    finally:
        sys.path.remove(beside)


Option = Callable[[Any, Path], Any]


def _number(value: Any, folder: Path) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {value!r}")
    return value


def _whole(value: Any, folder: Path) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, not {value!r}")
    return value


def _wav(value: Any, folder: Path) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"must be the path of a WAV file, not {value!r}")
    return folder / value


def _wavs(value: Any, folder: Path) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of WAV files, not {value!r}")
    return [_wav(each, folder) for each in value]


REPLY: Mapping[str, Option] = {
    "answers": _wavs,
    "greeting": _wav,
    "delay": _number,
    "stops_after": _number,
    "hangs_up_after": _whole,
    "code": _whole,
    "talks_over_after": _number,
    "gap": _number,
}
ECHO: Mapping[str, Option] = {"delay": _number}

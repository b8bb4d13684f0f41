"""A script from a TOML file: all that is wrong in it is told at once, each with its line."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from sfclient.testing.script._lines import Key, lines_of
from sfclient.testing.script._model import (
    STEPS,
    Limits,
    Script,
    Step,
    sound_faults,
)
from sfclient.testing.script._written import Fault, Place, ScriptError, Written

TOP = ("name", "step", "limits", "simulator")
Made = TypeVar("Made", bound=Written)
OWN = {field.name for field in fields(Written)}


def script_of(text: str, path: Path) -> Script:
    """What the text says, which is of a file of this path; its WAV files are read too. Raises `ScriptError`."""
    try:
        document, lines = tomllib.loads(text), lines_of(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        line = re.search(r"\(at line (\d+)", told)
        number = int(line[1]) if line else text.count("\n") + 1
        raise ScriptError([Fault(Place(str(path), number), f"it is no TOML: {told}")]) from None
    return _Reader(document, lines, path).read()


def options_of(kind: type[Written]) -> list[str]:
    """The keys of its values."""
    return [field.name for field in fields(kind) if field.name not in OWN and field.init]


class _Reader:
    def __init__(self, document: dict[str, Any], lines: dict[Key, int], path: Path) -> None:
        self._document = document
        self._lines = lines
        self._path = str(path)
        self._faults: list[Fault] = []

    def read(self) -> Script:
        for name in self._document:
            if name not in TOP:
                self._fault((name,), f"there is no {name} in a script{_meant(name, TOP)}")
        limits = self._limits()
        steps = self._steps()
        simulator = self._table(("simulator",))
        if self._faults:
            folder = Path(self._path).parent
            raise ScriptError(sorted([*self._faults, *sound_faults(steps, folder)]))
        lines = {
            ".".join(map(str, key)): line
            for key, line in self._lines.items()
            if key[0] in ("simulator", "name")
        }
        name = self._document.get("name", Path(self._path).stem)
        place = Place(self._path, 0)
        script = Script(name, steps, limits, simulator, place=place, lines=lines)
        script.read_sounds()
        return script

    def _place(self, key: Key) -> Place:
        return Place(self._path, self._lines.get(key, 0))

    def _fault(self, key: Key, text: str) -> None:
        self._faults.append(Fault(self._place(key), text))

    def _table(self, key: Key) -> dict[str, Any]:
        value = self._document.get(str(key[0]), {})
        if isinstance(value, dict):
            return value
        self._fault(key, f"{key[0]} must be a table, as by a line [{key[0]}], not {value!r}")
        return {}

    def _limits(self) -> Limits:
        made = self._made(Limits, ("limits",), self._table(("limits",)))
        return made or Limits(place=self._place(("limits",)))

    def _steps(self) -> list[Step]:
        tables = self._document.get("step", [])
        if not isinstance(tables, list):
            self._fault(("step",), "steps are written as [[step]], with two brackets")
            return []
        steps = [self._step(("step", number), table) for number, table in enumerate(tables)]
        return [step for step in steps if step is not None]

    def _step(self, key: Key, table: object) -> Step | None:
        if not isinstance(table, dict):
            self._fault(key, f"a step must be a table, not {table!r}")
            return None
        verbs = [name for name in table if name in STEPS]
        if len(verbs) > 1:
            told = f"{' and '.join(verbs)} cannot be one step: write [[step]] before each of them"
            self._fault((*key, verbs[1]), told)
            return None
        if not verbs:
            meant = "".join(_meant(name, STEPS) for name in table)
            self._fault(key, f"a step has one of {', '.join(STEPS)}{meant}")
            return None
        (verb,) = verbs
        values = dict(table)
        if verb == "hang_up" and values.pop(verb) is not True:
            self._fault((*key, verb), "hang_up must be true, or be left out")
            return None
        return self._made(STEPS[verb], key, values)

    def _made(self, kind: type[Made], key: Key, values: Mapping[str, Any]) -> Made | None:
        known = options_of(kind)
        for name in values:
            if name not in known:
                self._fault((*key, name), self._unknown(name, key, kind, known))
        lines = {name: self._place((*key, name)).line for name in values}
        given = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }
        try:
            return kind(**given, place=self._place(key), lines=lines)
        except ScriptError as error:
            self._faults += error.faults
            return None

    def _unknown(self, name: str, key: Key, kind: type[Written], known: list[str]) -> str:
        what = kind.verb if issubclass(kind, Step) else str(key[0])
        others = [verb for verb, step in STEPS.items() if name in options_of(step)]
        if others and issubclass(kind, Step):
            return f"{name} is for {' and '.join(others)}, not for {what}"
        return f"there is no {name} in {what}{_meant(name, known)}"


def _meant(name: str, known: Iterable[str]) -> str:
    """A remedy, at the end of a sentence."""
    names = list(known)
    if close := get_close_matches(name, names, 1):
        return f": did you mean {close[0]}?"
    return f": it has {', '.join(names)}" if names else ""

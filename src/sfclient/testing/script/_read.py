"""Scripts from files."""

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from sfclient.testing.script._model import Script
from sfclient.testing.script._toml import script_of
from sfclient.testing.script._written import Fault, Place, ScriptError

MOST_BYTES = 1 << 20  # of a script; more is another kind of file


def read_scripts(path: str | Path) -> list[Script]:
    """The conversations of a file: of a TOML file one; of a Python file each `Script` that it makes at its top level,
    or that is in a list there.

    All its WAV files are read too, once for all calls. It may block, and runs what is in a Python file. Raises
    `ScriptError`, with all that is wrong and the line of each, as far as a file can be read on.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".toml", ".py"):
        raise _wrong(path, 0, "a script is a file .toml or .py: name it so")
    text = _text_of(path)
    if kind == ".toml":
        return [script_of(text, path)]
    scripts = list(_scripts_in(_run(text, path)))
    if not scripts:
        raise _wrong(path, 0, "it makes no Script at its top level, and no list of them")
    faults: list[Fault] = []
    for script in scripts:
        try:
            script.read_sounds()
        except ScriptError as error:
            faults += error.faults
    if faults:
        raise ScriptError(faults)
    return scripts


def _wrong(path: Path, line: int, text: str) -> ScriptError:
    return ScriptError([Fault(Place(str(path), line), text)])


def _text_of(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise _wrong(path, 0, "it is not a file: give the name of one")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        why = getattr(error, "strerror", None) or error
        raise _wrong(path, 0, f"it cannot be read: {why}") from None
    if len(data) > MOST_BYTES:
        raise _wrong(path, 0, f"it has more than {MOST_BYTES >> 20} MiB: is it a script?")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(path, line, "it is not in UTF-8: save it as that") from None


def _run(text: str, path: Path) -> dict[str, object]:
    """The names in a Python file. What it imports may lie beside it, as of a program that is run."""
    names: dict[str, object] = {"__name__": path.stem, "__file__": str(path)}
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        exec(compile(text, path, "exec"), names)  # noqa: S102 -- it is what the user asks for
    except ScriptError:
        raise
    except SyntaxError as error:
        raise _wrong(path, error.lineno or 0, f"it is no Python: {error.msg}") from None
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        told = f"{type(error).__name__}: {error}"
        raise _wrong(path, (lines or [0])[-1] or 0, f"it raised {told}") from None
    finally:
        sys.path.remove(str(path.parent.absolute()))
    return names


def _scripts_in(names: dict[str, object]) -> Iterator[Script]:
    """Each once, in their order."""
    seen: set[int] = set()
    for value in names.values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, Script) and id(each) not in seen:
                seen.add(id(each))
                yield each

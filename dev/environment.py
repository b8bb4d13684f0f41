"""The .venv beside dev.py, and the project in it."""

import hashlib
import shutil
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dev.processes import ROOT, VENV, in_venv, quietly
from dev.system import BROWSER, NODE, browser, lacking, system_install

PYPROJECT = ROOT / "pyproject.toml"
SETTINGS = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
BUILD, PROJECT = SETTINGS["build-system"], SETTINGS["project"]
GROUPS: dict[str, list[str | dict[str, str]]] = SETTINGS["dependency-groups"]
# All that users can ask for, but "vad": the group `test` asks for that where there is a wheel of it.
EXTRAS = ",".join(extra for extra in PROJECT["optional-dependencies"] if extra != "vad")
BUILT = (
    *(
        ".venv",
        ".freethreaded",
        "build",
        "dist",
        "wheelhouse",
        "src/sfaudio.egg-info",
        "docs/_build",
    ),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".benchmarks"),
)


def clean(arguments: list[str]) -> int:
    """remove .venv and all that was built"""
    for folder in BUILT:
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    return 0


def install(*groups: str, sound: bool = False) -> None:
    """Have the project as it is now in .venv, with these groups of pyproject.toml, and all that were asked for before.

    Without groups it is what the demo takes.
    """
    prepare(sound=sound)
    mark, digest = VENV / "groups", digest_of_sources()
    old_digest, *old_groups = mark.read_text().split() if mark.exists() else ["none"]
    wanted = sorted({*with_included(groups), *old_groups})
    # Only what has changed is built anew: another command may be building, or testing, what is there.
    if digest != old_digest or (wanted and not old_groups):
        for leftover in (ROOT / "build").glob("lib*"):
            shutil.rmtree(leftover)  # It would bring back modules that are gone.
        extras = EXTRAS if wanted else "simulator,screen"
        pip_install(VENV, f"{ROOT}[{extras}]", groups=wanted)
    elif wanted != old_groups:
        pip_install(VENV, groups=wanted)
    mark.write_text(" ".join([digest, *wanted]))


def with_included(groups: Iterable[str]) -> Iterator[str]:
    """These groups, and those in them."""
    for group in groups:
        yield group
        members = (member for member in GROUPS[group] if isinstance(member, dict))
        yield from with_included(member["include-group"] for member in members)


def install_browser() -> None:
    """Have a browser, what drives it, and Node.js for the page's modules, beside what `install` installs."""
    there = {BROWSER: browser(), NODE: shutil.which("node")}
    if missing := [name for name, program in there.items() if program is None]:
        system_install(missing)
    if not in_venv("playwright").exists():
        pip_install(VENV, groups=["browser"])


def digest_of_sources() -> str:
    digest = hashlib.sha256()
    in_src = (path for path in (ROOT / "src").rglob("*.*") if path.is_file())
    for path in sorted([PYPROJECT, ROOT / "setup.py", *in_src]):
        if path.suffix != ".pyc" and path.parent.suffix != ".egg-info":
            digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare(*, sound: bool = False) -> None:
    """Have what the system must give, and a .venv made here by this Python."""
    if missing := lacking(sound=sound):
        system_install(missing)
    mark, here = VENV / "made-by-dev.py", f"{sys.base_prefix} {sys.version} {ROOT}"
    if VENV.exists() and not mark.exists():
        sys.exit("dev.py: there is a .venv that dev.py did not make; remove it first")
    if not mark.exists() or mark.read_text() != here:
        shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir()
        mark.write_text("unfinished")
        make_venv(VENV)
        mark.write_text(here)


def make_venv(folder: Path, python: str = sys.executable) -> None:
    quietly(f"making {folder}", python, "-m", "venv", folder)


def pip_install(venv: Path, *arguments: str, groups: Sequence[str] = ()) -> None:
    """Install what the arguments say, and these groups of pyproject.toml."""
    pip = (in_venv("python", venv), "-m", "pip", "install")
    if groups:  # The pip of a fresh Python 3.11 does not know them.
        quietly("looking for a pip that knows groups", *pip, "pip>=25.1")
    named = [f"--group={PYPROJECT}:{group}" for group in groups]
    quietly(f"installing {' '.join([*arguments[-1:], *groups])}", *pip, *named, *arguments)

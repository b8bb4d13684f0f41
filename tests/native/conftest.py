"""The Cython modules as object files, for programs in C that use them without Python."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy
import pytest

T = TypeVar("T")
HERE = Path(__file__).parent
SFAUDIO = HERE.parents[1] / "src" / "sfaudio"
MODULES = (
    *("kernels", "pcm", "capture", "meter", "callback"),
    *("reader", "resample", "playout_law", "stretch", "engine", "playout"),
)
# A C array or number that a module sets as it is imported, in capitals.
CONSTANT = re.compile(
    r"^cdef (?:double|\w+\[[^=]+\]) ([A-Z_]+) = (\[.*?^\]|.+?)$", re.MULTILINE | re.DOTALL
)


def lacking(what: str) -> None:
    """Skip; but where the proof is asked for, what it needs must be there."""
    if "SFAUDIO_PROVE" in os.environ:
        pytest.fail(f"lacking: {what}")
    pytest.skip(f"needs {what}")


def constants(name: str, source: str) -> str:
    """C that sets what the module of this name sets so, from its source; it needs no Python."""
    statements = []
    for constant, value in CONSTANT.findall(source):
        variable = f"__pyx_v_7sfaudio_{len(name) + 1}_{name}_{constant}"
        text = re.sub("#.*", "", value)
        if text.startswith("["):
            text = re.sub(r"\b[A-Z]+\b", rf"__pyx_e_7sfaudio_{len(name) + 1}_{name}_\g<0>", text)
            braces = text.replace("[", "{").replace("]", "}")
            text = f"const __typeof__({variable}) values = {braces};"
            statements.append(f"{{ {text} memcpy({variable}, values, sizeof values); }}")
        elif "**" in text:
            statements.append(f"{variable} = {eval(text)!r};")
        else:
            statements.append(f"{variable} = {text};")
    return "\n".join(statements)


def at_once(do: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """On every core."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(do, names))


class Workshop:
    """A folder in which things are translated, compiled and linked with one compiler."""

    def __init__(self, folder: Path, compiler: str, other: "Workshop | None" = None) -> None:
        self.folder = folder
        self.compiler = compiler
        # Where to look for a module as C: what was not translated here is the other's.
        self.translations = [folder, *(other.translations if other else ())]
        self.objects = itertools.count()

    def translate(self, sources: Path, modules: tuple[str, ...] = MODULES) -> None:
        """Cython's part."""
        folder = ["-I", sources.parent]

        def translate(name: str) -> None:
            source, target = sources / f"_{name}.pyx", self.folder / f"_{name}.c"
            command = [sys.executable, "-m", "cython", *folder, source, "-o", target]
            subprocess.run(command, check=True)
            set_constants = constants(name, source.read_text())
            target.with_name(f"_{name}_constants.h").write_text(set_constants)

        at_once(translate, modules)

    def spoiled(self, modules: tuple[str, ...], *faults: tuple[str, str, str]) -> "Workshop":
        """One with planted faults in these modules: the file, what stands there once, and what now."""
        spoiled = Workshop(Path(tempfile.mkdtemp(dir=self.folder)), self.compiler, self)
        sources = spoiled.folder / "sfaudio"
        shutil.copytree(SFAUDIO, sources)
        for name, right, wrong in faults:
            text = (sources / name).read_text()
            assert text.count(right) == 1
            (sources / name).write_text(text.replace(right, wrong))
        spoiled.translate(sources, modules)
        return spoiled

    def compile(self, source: str, *flags: str) -> Path:
        """A file of this folder; each function in a section of its own, for the linker to pick."""
        target = self.folder / f"{next(self.objects)}.o"
        hidden = ["-fvisibility=hidden", "-DCYTHON_NO_PYINIT_EXPORT"]
        sections = ["-ffunction-sections", "-fdata-sections", *hidden]
        self.run(*sections, *flags, "-c", HERE / source, "-o", target)
        return target

    def shared(self, source: Path, target: Path, *flags: str | Path) -> None:
        """A shared library, such as a module for Python to import."""
        self.run("-fPIC", "-shared", "-fvisibility=hidden", *flags, source, "-o", target)

    def run(self, *arguments: str | Path) -> None:
        system = (sysconfig.get_path("include"), numpy.get_include())
        folders = (*self.translations, SFAUDIO, HERE, *system)
        include = [f"-I{folder}" for folder in folders]
        subprocess.run([self.compiler, "-w", *include, *arguments], check=True)

    def module(self, name: str, *flags: str) -> Path:
        return self.compile("modules.c", f"-DMODULE_{name.upper()}", *flags)

    def modules(self, *flags: str) -> dict[str, Path]:
        """All of them."""
        found = at_once(lambda name: self.module(name, *flags), MODULES)
        return dict(zip(MODULES, found, strict=True))

    def link(self, *objects: Path, flags: tuple[str, ...] = ()) -> Path:
        """A program. Were Python needed by what is used of the objects, this would fail."""
        program = self.folder / f"program{next(self.objects)}"
        command = [
            self.compiler,
            *objects,
            "-Wl,--gc-sections",
            *flags,
            "-lm",
            "-pthread",
            "-o",
            program,
        ]
        subprocess.run(command, check=True)
        return program


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        lacking("Linux, and gcc or a compiler named cc")
    made = Workshop(tmp_path_factory.mktemp("workshop"), compiler)
    made.translate(SFAUDIO)
    return made

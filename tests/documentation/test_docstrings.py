"""The examples in the docstrings of the reference are run, and the reference is of all that is public."""

import importlib
import inspect
import os
import re
import runpy
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..test_public_names import MODULES as TOLD
from .pages import MARKS, ROOT, Block
from .shell import Reader, run_pieces

PUBLIC: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "_extensions" / "public.py"))
# By where it is: what the example takes from the rest of a program.
GIVEN = {
    "sfaudio.stream": "pieces.stream",
    "sfclient.open_call": "docstrings.call",
    "sfclient.blocking": "docstrings.blocking",
    "sfclient.simulator": "docstrings.simulator",
    "sfclient.testing": "docstrings.network",
    "sfclient.testing.load": "docstrings.load",
    "sfclient.testing.virtual.open_memory_agent": "docstrings.memory",
}
MARKED = {"sfaudio.stream": "jack", "sfclient.testing.load": "slow"}


def examples() -> Iterator[tuple[str, str]]:
    """Each by the name of what has it, once."""
    for module in PUBLIC["MODULES"]:
        there = importlib.import_module(module)
        own = {name for home, name in PUBLIC["homes"]().items() if home.startswith("sf")}
        things = {f"{module}.{name}": getattr(there, name) for name in there.__all__}
        yield from examples_in(module, there)
        for name, thing in things.items():
            if name in own and callable(thing):
                yield from examples_in(name, thing)
                for member in vars(thing).values() if inspect.isclass(thing) else ():
                    yield from examples_in(name, member)


def examples_in(name: str, thing: object) -> Iterator[tuple[str, str]]:
    documented = inspect.ismodule(thing) or callable(thing)
    told = inspect.getdoc(thing) if documented else None
    for block in re.findall(r"::\n\n((?: {4}.*\n|\n)+)", f"{told}\n"):
        yield name, textwrap.dedent(block).strip()


# The first that has it: a class and its module may.
EXAMPLES = [
    (name, text) for text, name in {text: name for name, text in [*examples()][::-1]}.items()
]


def test_each_example_is_run() -> None:
    assert sorted(name for name, _ in EXAMPLES) == sorted(GIVEN)


@pytest.mark.skipif(os.name == "nt", reason="run as the pages are, by a POSIX shell")
@pytest.mark.parametrize(
    "mark", ["", *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in MARKS)]
)
def test_the_examples_run(mark: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    is_jack = mark == "jack"
    env = request.getfixturevalue("jack").env if is_jack else dict(os.environ)
    with Reader(tmp_path, env, **({"rate": 1} if is_jack else {})) as reader:
        pieces = [
            Block(ROOT / "src", line, "python", text, {"given": GIVEN[name], "agent": "speak"})
            for line, (name, text) in enumerate(EXAMPLES)
            if MARKED.get(name, "") == mark
        ]
        run_pieces(reader, [(piece, reader.write(piece)) for piece in pieces])


def test_the_reference_is_of_all_that_is_public() -> None:
    """The build fails for a name that is on no page, or on two."""
    assert {module.__name__ for module in TOLD} <= {*PUBLIC["MODULES"]}
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("sf*.md")}
    assert pages == {*PUBLIC["MODULES"]}

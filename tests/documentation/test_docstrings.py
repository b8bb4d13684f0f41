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
from .pages import ROOT, Block
from .shell import Reader, use

PUBLIC: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "_extensions" / "public.py"))
# By where it is: what the example takes from the rest of a program.
GIVEN = {
    "sfaudio.stream": "pieces.stream",
    "sfclient.open_call": "docstrings.call",
    "sfclient.aio": "docstrings.call",
    "sfclient.aio.open_call": "docstrings.call",
    "sfclient.blocking": "docstrings.blocking",
    "sfclient.blocking.open_call": "docstrings.blocking",
    "sfclient.simulator": "docstrings.simulator",
    "sfclient.testing": "docstrings.network",
    "sfclient.testing.load": "docstrings.load",
    "sfclient.testing.virtual.open_memory_agent": "docstrings.memory",
}
MARKS = {"sfaudio.stream": pytest.mark.jack, "sfclient.testing.load": pytest.mark.slow}


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


EXAMPLES = sorted(set(examples()))


def test_each_example_is_run() -> None:
    assert sorted(name for name, _ in EXAMPLES) == sorted(GIVEN)


@pytest.mark.skipif(os.name == "nt", reason="run as the pages are, by a POSIX shell")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(*example, id=example[0], marks=MARKS.get(example[0], ()))
        for example in EXAMPLES
    ],
)
def test_the_example_runs(
    name: str, text: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_jack = MARKS.get(name) == pytest.mark.jack
    env = request.getfixturevalue("jack").env if is_jack else dict(os.environ)
    words = {"given": GIVEN[name], "agent": "speak"}
    block = Block(ROOT / "src", 0, "python", text, words)
    with Reader(tmp_path, env, **({"rate": 1} if is_jack else {})) as reader:
        use(reader, block, reader.write(block))


def test_the_reference_is_of_all_that_is_public() -> None:
    """The build fails for a name that is on no page, or on two."""
    assert {module.__name__ for module in TOLD} <= {*PUBLIC["MODULES"]}
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("sf*.md")}
    assert pages == {*PUBLIC["MODULES"]}

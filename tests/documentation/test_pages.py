"""Each block on each page is run, as its reader would: see `pages` for how a page says what becomes of one."""

import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, Block, blocks_of
from .shell import RATE, Reader, read_page

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the pages' commands are for Linux")

BLOCKS = {page: blocks_of(page) for page in PAGES}
RUNS = [
    pytest.param(
        page,
        marks,
        id="-".join((f"{page.relative_to(ROOT)}", *marks)),
        marks=[getattr(pytest.mark, mark) for mark in marks],
    )
    for page, blocks in BLOCKS.items()
    for marks in sorted({block.marks for block in blocks})
]


@pytest.mark.parametrize(
    "block", [block for blocks in BLOCKS.values() for block in blocks], ids=str
)
def test_each_block_is_of_a_kind_that_is_run(block: Block) -> None:
    assert block.problems() == []


@pytest.mark.parametrize(("page", "marks"), RUNS)
def test_what_a_page_says_is_done(
    page: Path, marks: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = request.getfixturevalue("jack").env if "jack" in marks else dict(os.environ)
    with Reader(tmp_path, environment, rate=1 if marks else RATE) as reader:
        assert read_page(reader, BLOCKS[page], marks)


def test_the_extras_are_those_of_the_package() -> None:
    page = (ROOT / "docs" / "reference" / "extras.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"^\| `(\w+)` ", page, re.M)) == {*project["optional-dependencies"]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_it_links_to_in_the_repository_is_there(page: Path) -> None:
    """Sphinx does so for links within the site."""
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"github\.com/sfaudio/sfaudio/(?:tree|blob|raw)/main/([^)#\s]+)", text):
        assert (ROOT / path).exists()
    if page.name == "README.md":  # PyPI shows it, too, where no other file is.
        assert re.findall(r"\]\((?!https://)", text) == []

"""What is wrong on a page is found: the reader of pages can fail."""

import os
from pathlib import Path

import pytest

from .pages import blocks_of
from .shell import Reader, matches, read_page

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the pages' commands are for a POSIX shell")

CANNOT_BE_RUN = {
    "another language": "```fortran\nEND\n```",
    "no language": "```\nwords\n```",
    "indented": "words\n\n    print()\n",
    "of a directive": "```{code-block} python\nprint()\n```",
    "in a note": "````{note}\n```perl\n1\n```\n````",
    "an unknown word": "<!-- run: never -->\n```python\nprint()\n```",
    "a file without a name": "```toml\na = 1\n```",
    "no command": "```console\nsfclient demo\n```",
    "a line before the first command": "```console\nsfclient demo\n$ true\n```",
    "of another directive": "```{prompt} bash\nsfclient demo\n```",
}
GOES_WRONG = {
    "a program": "```python\nimport trio\nraise SystemExit(trio.nothing)\n```",
    "a named program": "```python\n# a.py\nraise SystemExit(3)\n```\n\n```sh\npython a.py\n```",
    "a program that names itself": "```python\n# a.py\nraise SystemExit('use: a.py')\n```",
    "an error in passing": "```python\nfrom threading import *\nThread(target=lambda: 1 / 0).start()\n```",
    "what ends behind it": '<!-- run: background ready="up" -->\n```sh\necho up\n```\n\n```sh\nsleep 0.2\n```',
    "an unused file": "```toml\n# a.toml\na = 1\n```",
    "no TOML": "```toml\n# pyproject.toml\na = b\n```",
    "a unit": "```ini\n# a.service\n[Service]\nExecStrat=/bin/true\n```",
    "another output": "```console\n$ echo one\ntwo\n```",
    "no such command": "```console\n$ sfcliend call\n```",
    "another status": "<!-- run: exits=1 -->\n```console\n$ true\n```",
    "no such extra": "```console\n$ pip install 'sfaudio[screens]'\n```",
    "not of the file": "<!-- run: of=dev.py -->\n```python\nnowhere\n```",
    "another service": '<!-- run: background ready="up" -->\n```console\n$ echo down\n```',
    "what is not given": "<!-- run: given=pieces.call -->\n```python\nnothing\n```",
}


def write(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text)
    return page


@pytest.mark.parametrize("text", CANNOT_BE_RUN.values(), ids=CANNOT_BE_RUN)
def test_a_block_that_nothing_runs_is_told(text: str, tmp_path: Path) -> None:
    [block] = blocks_of(write(tmp_path, text))
    assert block.problems()


@pytest.mark.parametrize("text", GOES_WRONG.values(), ids=GOES_WRONG)
def test_a_block_that_goes_wrong_fails(text: str, tmp_path: Path) -> None:
    blocks = blocks_of(write(tmp_path, text))
    assert [problem for block in blocks for problem in block.problems()] == []
    with pytest.raises((AssertionError, ValueError)), Reader(tmp_path, dict(os.environ)) as reader:
        read_page(reader, blocks, ())


def test_the_words_around_figures_are_compared() -> None:
    assert matches("after 0.12 s\n", "after 1.5 s\n")
    assert matches("one\n...\nend 7\n", "one\ntwo\nthree\nend 8\n")
    assert not matches("after 0.12 s\n", "before 0.12 s\n")
    assert not matches("one\n...\nend\n", "one\nmore\n")

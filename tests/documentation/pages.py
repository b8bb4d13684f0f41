"""The pages, and the blocks of code on them.

What becomes of a block is told by its language, by its first line where that is a comment with the name of a file,
and by a comment before it, which readers do not see::

    <!-- run: background ready="listens" -->

The words are those of `WORDS`; there is none for a block that is not run.
"""

import re
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]
SHELLS = ("console", "sh")
FILES = ("toml", "ini", "json", "yaml")
LANGUAGES = (*SHELLS, *FILES, "python", "cython")
WORDS = {
    "background": "a command that goes on while the rest of the page is run",
    "ready": "what it prints when the rest may begin",
    "until": "what a command prints when its reader presses Ctrl-C",
    "exits": "with which status a command ends, if not with 0",
    "agent": "who answers where the page calls the service, one of `service.AGENTS`",
    "given": "what a piece of a program takes from the rest of it: MODULE.FUNCTION in `reader/given`",
    "file": "the name of a file that cannot begin with a comment",
    "of": "the file in the repository that the block is a piece of",
    "jack": "needs a sound device",
    "slow": "takes long",
}
MARKS = ("jack", "slow")
# Those that hold no code; what is in them is read as Markdown again.
DIRECTIVES = ("toctree", "rubric", "note", "eval-rst", "cimports")
OPTIONS = re.compile(r"<!-- run: (.*?) -->\s*", re.S)
NAME = re.compile(r"(?:#|//|;) (\S+\.\w+)(?:: .*)?")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    words: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        inside = self.page.is_relative_to(ROOT)
        return f"{self.page.relative_to(ROOT) if inside else self.page.name}:{self.line}"

    @cached_property
    def name(self) -> str | None:
        """Of the file that it is."""
        if self.language in SHELLS:
            return None
        if "file" in self.words:
            return self.words["file"]
        first = NAME.fullmatch(self.text.partition("\n")[0])
        return first[1] if first else None

    @cached_property
    def marks(self) -> tuple[str, ...]:
        return tuple(mark for mark in MARKS if mark in self.words)

    @cached_property
    def commands(self) -> list[tuple[str, str]]:
        """Each with what it prints; in ``sh`` none prints anything that is shown."""
        if self.language == "sh":
            lines = self.text.replace("\\\n", " ").splitlines()
            return [(line, "") for line in lines if line.strip() and not line.startswith("#")]
        found = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", self.text, re.M)
        return [(command.replace("\\\n", " "), output) for command, output in found]

    def problems(self) -> list[str]:
        """Why it could not be run."""
        told = [
            f"there is no {word!r}: use {', '.join(WORDS)}" for word in self.words.keys() - WORDS
        ]
        if "of" in self.words:
            return told
        if self.language not in LANGUAGES:
            told.append(f"nothing runs {self.language or 'a block without a language'}")
        if self.language in ("cython", *FILES) and not self.name:
            told.append("it needs the name of a file as a comment in its first line")
        if self.language in SHELLS and not self.commands:
            told.append("it has no command")
        if self.language == "console" and not self.text.startswith("$ "):
            told.append("its first line is no command: those begin with $")
        return told


def blocks_of(page: Path) -> list[Block]:
    return _blocks(page, page.read_text(encoding="utf-8"), 0)


def _blocks(page: Path, text: str, line: int) -> list[Block]:
    tokens = MarkdownIt("commonmark", {"html": True}).parse(text)
    found: list[Block] = []
    for token, before in zip(tokens, [None, *tokens], strict=False):
        if token.type not in ("fence", "code_block"):
            continue
        assert token.map
        at = line + token.map[0] + 1
        language, *rest = token.info.split() or [""]
        if language.startswith("{") and language.strip("{}") in DIRECTIVES:
            found += _blocks(page, token.content, at)
            continue
        found.append(Block(page, at, " ".join((language, *rest)), token.content, _words(before)))
    return found


def _words(before: Token | None) -> dict[str, str]:
    told = OPTIONS.fullmatch(before.content) if before and before.type == "html_block" else None
    pairs = (word.partition("=") for word in shlex.split(told[1])) if told else ()
    return {name: value for name, _, value in pairs}

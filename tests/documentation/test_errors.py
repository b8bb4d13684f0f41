"""The table of errors tells of texts that there are, and of all whose cause is not the reader's own program."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache

import pytest

import sfaudio
import sfclient
from sfclient import RemoteError, SfclientError

from .pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
SOURCES = ROOT / "src"
# Of these the reader learns what the far side, or the machine, has done.
NOT_OF_THE_PROGRAM = (
    *("AgentNotFoundError", "AuthenticationError", "InsecureURLError"),
    *("DeviceError", "NetworkError", "ServiceError"),
)
LITERAL = r'f?"(?:[^"\\\n]|\\.)*"'


def rows(heading: str) -> list[list[str]]:
    """Of the tables below it."""
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return cells[2:]


TEXTS = [row[0] for name in re.findall(r"^## (`\w+Error`)$", PAGE, re.M) for row in rows(name)]
TEXTS += [row[1] for row in rows("Of `sfaudio`")]


def texts_in(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be, `…` for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield "".join(next(texts_in(value), "…") for value in node.values)
        case ast.IfExp():
            yield from (*texts_in(node.body), *texts_in(node.orelse))
        case ast.BinOp():
            yield from (*texts_in(node.left), *texts_in(node.right))


@cache
def nodes() -> tuple[ast.AST, ...]:
    """Of all modules in Python."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES.rglob("*.py"))
    return tuple(node for tree in trees for node in ast.walk(tree))


@cache
def raised() -> dict[str, set[str]]:
    """By class: the texts that it is made of, or listed with, in Python; in a tuple its second is the text."""
    found: dict[str, set[str]] = {}
    for node in nodes():
        match node:
            case ast.Call(func=ast.Name(id=name), args=[text, *_]):
                found.setdefault(name, set()).update(texts_in(text))
            case ast.Tuple(elts=[ast.Name(id=name), text, _]):
                found.setdefault(name, set()).update(texts_in(text))
    return found


@cache
def written() -> str:
    """All texts in the sources, as they are told: pieces joined, `…` for what is filled in."""
    lines = []
    for node in nodes():
        if isinstance(node, ast.expr):
            lines += texts_in(node)
    for suffix in ("pyx", "pxd"):
        for path in SOURCES.rglob(f"*.{suffix}"):
            for literals in re.findall(
                rf"{LITERAL}(?:\s+{LITERAL})*", path.read_text(encoding="utf-8")
            ):
                text = "".join(
                    literal[:-1].partition('"')[2] for literal in re.findall(LITERAL, literals)
                )
                lines.append(re.sub(r"\{[^}]*\}", "…", text))
    return "\n".join(lines)


def test_there_are_texts() -> None:
    assert len(TEXTS) > 60


@pytest.mark.parametrize("text", TEXTS)
def test_each_text_is_one_that_is_told(text: str) -> None:
    assert text in written()


@pytest.mark.parametrize("name", NOT_OF_THE_PROGRAM)
def test_no_text_is_missing_whose_cause_is_elsewhere(name: str) -> None:
    """But for those that begin with what somebody else says, of which only the end is known."""
    known = [row[0] for row in rows(f"`{name}`")]
    missing = [
        text
        for text in raised()[name]
        if not any(each in text for each in known) and text.strip("… :")
    ]
    assert missing == []


def test_each_class_is_there_with_what_it_does() -> None:
    table = PAGE[: PAGE.index("\n## ")]
    shown = dict(re.findall(r"^\| \{py:obj\}`~sfclient\.(\w+)` \| .*? \| (.*)$", table, re.M))
    errors = {
        name: value
        for name in sfclient.__all__
        if inspect.isclass(value := getattr(sfclient, name)) and issubclass(value, SfclientError)
    }
    assert shown.keys() == errors.keys()
    for name, error in errors.items():
        if error not in (SfclientError, RemoteError):
            redialled = "if asked for" if issubclass(error, RemoteError) else "never"
            assert shown[name] == f"`{error.party}` | {error.exit_status} | {redialled} |"
    assert sfaudio.StreamError.__name__ in table

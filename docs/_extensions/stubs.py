"""Signatures of what is compiled, with the types of its stub: its docstrings are in the .pyx, its types in the .pyi."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.addnodes import desc_annotation, desc_content, desc_signature
from sphinx.application import Sphinx

import sfaudio

FOLDER = Path(sfaudio.__file__).parent
# The names of stubs that readers cannot look up: as they are told of them.
ALIASES = {"_Samples": "Buffer", "_Out": "Buffer", "_Whole": "int", "_Level": "str"}


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-signature", signature, priority=100)  # before numpydoc's
    app.connect("autodoc-process-bases", leave_out_private_bases)
    app.connect("object-description-transform", add_type)
    return {"parallel_read_safe": True}


def signature(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    args: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Of all overloads, one a line, as autodoc writes them; None for what has no stub."""
    owner = thing if what in ("class", "function") else getattr(thing, "__objclass__", None)
    module = getattr(owner, "__module__", None) or ""
    found = functions_of(module).get(thing.__qualname__) if module.startswith("sfaudio.") else None
    if not found or what not in ("class", "function", "method"):
        return None
    *first, last = (parts(function, what, module) for function in found)
    lines = [arguments + (f" -> {told}" if told else "") for arguments, told in first]
    return f"\n{thing.__name__}".join([*lines, last[0]]), last[1]


def add_type(app: Sphinx, domain: str, what: str, content: desc_content) -> None:
    """What a property is, which autodoc cannot know."""
    shown = content.parent[0]
    assert isinstance(shown, desc_signature)
    if content.children and content[0].astext().strip() == "Bases:":
        del content[0]
    if what not in ("attribute", "property") or any(shown.findall(desc_annotation)):
        return
    for module in (path.stem for path in FOLDER.glob("*.pyi")):
        functions = functions_of(f"sfaudio.{module}").get(shown["fullname"], ())
        if functions and functions[0].returns:
            told = f": {ast.unparse(functions[0].returns)}"
            shown += desc_annotation(told, told)


def leave_out_private_bases(
    app: Sphinx, name: str, thing: Any, options: Any, bases: list[Any]
) -> None:
    """Their own are told instead of them; and nothing, where there are none."""
    bases[:] = [base for each in bases for base in public_bases(each)]


def public_bases(base: Any) -> list[Any]:
    if not getattr(base, "__name__", "").startswith("_"):
        return [] if base is object else [base]
    return [found for each in base.__bases__ for found in public_bases(each)]


def parts(function: ast.FunctionDef, what: str, module: str) -> tuple[str, str | None]:
    arguments = function.args
    if what != "function" and not any(
        is_named(each, "staticmethod") for each in function.decorator_list
    ):
        ordered = arguments.posonlyargs or arguments.args
        arguments = ast.arguments(
            posonlyargs=arguments.posonlyargs[1:],
            args=arguments.args if arguments.posonlyargs else ordered[1:],
            vararg=arguments.vararg,
            kwonlyargs=arguments.kwonlyargs,
            kw_defaults=arguments.kw_defaults,
            kwarg=arguments.kwarg,
            defaults=arguments.defaults,
        )
    readable = Readable(aliases_of(module))
    shown = f"({ast.unparse(readable.visit(arguments))})"
    if what == "class" or function.returns is None:
        return shown, None
    return shown, ast.unparse(readable.visit(function.returns))


class Readable(ast.NodeTransformer):
    """Puts what is meant in the place of private names."""

    def __init__(self, aliases: dict[str, ast.expr]) -> None:
        self.aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in ALIASES:
            return ast.Name(ALIASES[node.id])
        return self.aliases.get(node.id, node)


@cache
def stub_of(module: str) -> ast.Module | None:
    path = FOLDER / f"{module.rpartition('.')[2]}.pyi"
    return ast.parse(path.read_text(encoding="utf-8")) if path.exists() else None


@cache
def functions_of(module: str) -> dict[str, list[ast.FunctionDef]]:
    """By qualified name, a class by its constructor."""
    found: dict[str, list[ast.FunctionDef]] = {}
    stub = stub_of(module)
    for node in stub.body if stub else ():
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inside:
            if isinstance(function, ast.FunctionDef):
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                name = f"{owner}{function.name}".removesuffix(".__new__")
                found.setdefault(name, []).append(function)
    return found


@cache
def aliases_of(module: str) -> dict[str, ast.expr]:
    stub = stub_of(module)
    return {
        node.target.id: node.value
        for node in (stub.body if stub else ())
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
        if is_named(node.annotation, "TypeAlias")
    }


def is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name

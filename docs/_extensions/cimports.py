"""What `sfaudio/__init__.pxd` gives to Cython, as it is declared, with the comments there."""

import ast
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import sfaudio

FOLDER = Path(sfaudio.__file__).parent


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("cimports", Cimports)
    return {"parallel_read_safe": True}


def names_by_module() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    door = (FOLDER / "__init__.pxd").read_text(encoding="utf-8")
    for module, names in re.findall(r"^from sfaudio\.(\w+) cimport (.+)$", door, re.M):
        found.setdefault(module, []).extend(re.findall(r"\w+", names))
    return found


def declarations(module: str, names: list[str]) -> tuple[str, str]:
    """The docstring of the .pxd, and those of its paragraphs that declare one of the names."""
    text = (FOLDER / f"{module}.pxd").read_text(encoding="utf-8")
    docstring = re.match(r'""".*?"""', text, re.S)
    told = ast.literal_eval(docstring[0]) if docstring else ""
    any_name = "|".join(names)
    declares = (
        rf"^c(?:p|type)?def (?:.*(?:struct|class|enum) (?:{any_name})\b|[^(\n]*\b(?:{any_name})\()"
    )
    paragraphs = re.split(r"\n\n+", text[docstring.end() if docstring else 0 :])
    return told, "\n\n".join(
        each.strip("\n") for each in paragraphs if re.search(declares, each, re.M)
    )


class Cimports(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for module, names in names_by_module().items():
            told, code = declarations(module, names)
            missing = [name for name in names if not re.search(rf"\b{name}\b", code)]
            if missing:
                raise self.error(f"{module}.pxd declares no {', '.join(missing)}")
            found += self.parse_text_to_nodes("\n\n".join(told.split("\n\n")))
            found.append(nodes.literal_block(code, code, language="cython"))
        return found

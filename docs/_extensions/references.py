"""What a name in single backticks leads to: the public thing of that name, or it is code.

In a docstring a name may be that of a room (`_pcm`), of a parameter, of a field of another class. What is written
nowhere in the sources is a mistake.
"""

import re
from functools import cache
from pathlib import Path

from docutils.nodes import Element, TextElement
from public import MODULES, home_of
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)
SOURCES = Path(__file__).parents[2] / "src"
# Of other packages, in signatures and docstrings; links need no network, so there are none to them.
OTHERS = (
    "numpy",
    "np",
    "trio",
    "asyncio",
    "collections",
    "typing",
    "pathlib",
    "os",
    "ssl",
    "queue",
    "logging",
)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: TextElement
) -> Element | None:
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"])
    python = env.domains.python_domain
    document = str(node.get("refdoc", ""))
    for name in candidates(target, node):
        if name in python.objects:
            return python.resolve_xref(env, document, app.builder, "obj", name, node, content)
    if not is_in_sources(target):
        return None
    return content


def candidates(target: str, node: pending_xref) -> list[str]:
    """The names under which it may be known."""
    module, owner = node.get("py:module") or "", node.get("py:class") or ""
    names = [target, f"{module}.{owner}.{target}", f"{module}.{target}", home_of(target)]
    first, _, rest = target.partition(".")
    for public in MODULES:
        names += [f"{public}.{target}"]
    if rest:
        names += [f"{home_of(first)}.{rest}"]
    return names


@cache
def words() -> frozenset[str]:
    texts = (
        path.read_text(encoding="utf-8")
        for path in SOURCES.rglob("*.*")
        if path.suffix in (".py", ".pyx", ".pyi", ".pxd")
    )
    code = (re.sub(r'"""[\s\S]*?"""', "", text) for text in texts)
    return frozenset(word for text in code for word in re.findall(r"\w+", text))


def is_in_sources(target: str) -> bool:
    return all(word in words() for word in re.findall(r"\w+", target))

"""The public names, and where each is told of."""

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# In the order in which a name that several have is at home.
MODULES = (
    "sfaudio",
    "sfaudio.stream",
    "sfaudio.checkup",
    "sfclient",
    "sfclient.aio",
    "sfclient.blocking",
    "sfclient.report",
    "sfclient.simulator",
    "sfclient.testing.script",
    "sfclient.testing.suite",
    "sfclient.testing.virtual",
    "sfclient.testing.load",
    "sfclient.testing",
)


@cache
def homes() -> dict[str, str]:
    """By where a thing is defined: where it is public."""
    found: dict[str, str] = {}
    for module in MODULES:
        there = importlib.import_module(module)
        for name in there.__all__:
            thing: Any = getattr(there, name)
            defined = (
                f"{getattr(thing, '__module__', module)}.{getattr(thing, '__qualname__', name)}"
            )
            found.setdefault(defined, f"{module}.{name}")
    return found


def home_of(name: str) -> str:
    return homes().get(name, name)


def borrowed(module: str) -> list[str]:
    """What a module has in `__all__` that is at home in another."""
    there = importlib.import_module(module)
    return [name for name in there.__all__ if f"{module}.{name}" not in homes().values()]


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("autodoc-skip-member", leave_to_home)
    app.connect("env-check-consistency", miss)
    return {"parallel_read_safe": True}


def leave_to_home(
    app: "Sphinx", what: str, name: str, thing: Any, skip: bool, options: Any
) -> bool | None:
    """A page leaves out what is told of on another."""
    module = app.env.current_document.autodoc_module
    return True if what == "module" and name in borrowed(module) else None


def miss(app: "Sphinx", env: Any) -> None:
    """A name that is nowhere fails the build; one that is twice does anyway."""
    from sphinx.util import logging

    for name in homes().values():
        if name not in env.domains.python_domain.objects:
            logging.getLogger(__name__).warning("%s is public, and on no page", name)

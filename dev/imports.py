"""Run by a CPython without the GIL, where the packages are installed: which import turns the GIL on.

Imports every module of ours, and of others those that are named as arguments; tells as JSON what came of each: null,
or what it lacks, or the extension that turned the GIL on. That happens once in a process, so all later ones are left
out, to be asked for in another process, without those named after ``--without``.
"""

import importlib
import json
import pkgutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain

OURS = ("sfaudio", "sfclient")


def main(arguments: list[str]) -> None:
    cut = arguments.index("--without")
    others, without = arguments[:cut], arguments[cut + 1 :]
    told: dict[str, str | None] = {}
    for module in [*chain.from_iterable(map(modules_of, OURS)), *others]:
        if module not in without and not module.endswith("__main__"):
            told[module] = outcome(module)
            if sys._is_gil_enabled():  # type: ignore[attr-defined]  # Since Python 3.13.
                break
    print(json.dumps(told))


def modules_of(package: str) -> Iterator[str]:
    """It, and all in it; without importing any, as `pkgutil.walk_packages` would."""
    spec = find_spec(package)
    assert spec is not None
    yield from _in_folder(package, spec.submodule_search_locations or ())


def _in_folder(package: str, path: Iterable[str]) -> Iterator[str]:
    yield package
    for found in pkgutil.iter_modules(path):
        name = f"{package}.{found.name}"
        inside = [f"{folder}/{found.name}" for folder in path]
        yield from _in_folder(name, inside) if found.ispkg else [name]


def outcome(module: str) -> str | None:
    lack = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            importlib.import_module(module)
        except ImportError as error:
            lack = f"lacks {error.name or error}"
    return " ".join(str(each.message) for each in caught if "GIL" in str(each.message)) or lack


if __name__ == "__main__":
    main(sys.argv[1:])

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

OURS = ("sfaudio", "sfclient")


def main(arguments: list[str]) -> None:
    cut = arguments.index("--without")
    others, without = arguments[:cut], arguments[cut + 1 :]
    modules = [*OURS]
    for package in OURS:
        path = importlib.import_module(package).__path__
        modules += [found.name for found in pkgutil.walk_packages(path, f"{package}.", str)]
    told: dict[str, str | None] = {}
    for module in [*modules, *others]:
        if module not in without and not module.endswith("__main__"):
            told[module] = outcome(module)
            if sys._is_gil_enabled():  # type: ignore[attr-defined]  # Since Python 3.13.
                break
    print(json.dumps(told))


def outcome(module: str) -> str | None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            importlib.import_module(module)
        except ImportError as error:
            return f"lacks {error.name or error}"
    return " ".join(str(each.message) for each in caught if "GIL" in str(each.message)) or None


if __name__ == "__main__":
    main(sys.argv[1:])

"""What is compiled in sfaudio: each function, class, method and property, and the names of what it takes."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader
from types import GetSetDescriptorType
from typing import Any

import sfaudio


@dataclass(frozen=True)
class Target:
    """Something to call; with an owner, on an object of it."""

    name: str
    function: Callable[..., Any]
    owner: type | None = None
    positional: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def makes(self) -> bool:
        return isinstance(self.function, type)


def compiled_modules() -> Iterable[Any]:
    for info in pkgutil.iter_modules(sfaudio.__path__, "sfaudio."):
        spec = info.module_finder.find_spec(info.name, None)
        if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
            yield importlib.import_module(info.name)


def parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    named = tuple(p.name for p in found if p.kind is p.KEYWORD_ONLY)
    return tuple(p.name for p in found if p.name not in named), named


def targets_of(cls: type) -> Iterable[Target]:
    yield Target(cls.__name__, cls, None, *parameters(cls))
    for name, member in vars(cls).items():
        if isinstance(member, GetSetDescriptorType):
            yield Target(f"{cls.__name__}.{name}", member.__get__, cls)
        elif callable(member) and (not name.startswith("_") or name in ("__enter__", "__exit__")):
            yield Target(f"{cls.__name__}.{name}", member, cls, *parameters(member))


@functools.cache
def all_targets() -> tuple[Target, ...]:
    """Every public function, class, method and property of the compiled modules."""
    targets: list[Target] = []
    for module in compiled_modules():
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            if isinstance(value, type):
                targets += targets_of(value)
            else:
                targets.append(Target(name, value, None, *parameters(value)))
    return tuple(targets)

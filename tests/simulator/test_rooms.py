"""What the simulator's rooms say of themselves."""

import ast
from pathlib import Path

import sfclient.simulator

ROOMS = sorted(Path(sfclient.simulator.__file__).parent.glob("_[a-z]*.py"))
OUTSIDE = {"trio", "time", "datetime", "asyncio", "socket", "websockets", "h11"}


def imported(tree: ast.Module) -> set[str]:
    """The top-level packages that a module imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_what_says_without_io_knows_no_socket_and_no_clock() -> None:
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in ROOMS}
    claims = {
        room: tree
        for room, tree in trees.items()
        if "without I/O" in (ast.get_docstring(tree) or "")
    }
    assert claims.keys() == {"_orders", "_routes"}
    assert {room: imported(tree) & OUTSIDE for room, tree in claims.items()} == {
        room: set() for room in claims
    }


def test_the_map_names_every_room() -> None:
    lines = (sfclient.simulator.__doc__ or "").splitlines()
    named = [line.split()[0] for line in lines if line.startswith("    _")]
    assert sorted(named) == [path.name for path in ROOMS]

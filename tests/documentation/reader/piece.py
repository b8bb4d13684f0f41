"""Runs a piece of a program with what it takes from the rest of it: piece.py MODULE.FUNCTION FILE.

The function is an async context manager: it gives the piece its names, and goes on with those that there are then.
`await` may stand anywhere in the piece.
"""

import ast
import inspect
import pkgutil
import sys
from pathlib import Path

import trio


async def main(given: str, path: str, text: str) -> None:
    code = compile(text, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    module, _, function = given.rpartition(".")
    async with pkgutil.resolve_name(f"given.{module}:{function}")() as names:
        waits = eval(code, names)
        if inspect.isawaitable(waits):
            await waits


if __name__ == "__main__":
    _, given, path = sys.argv
    trio.run(main, given, path, Path(path).read_text())

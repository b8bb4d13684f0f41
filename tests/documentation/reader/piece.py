"""Runs pieces of programs with what they take from the rest of them: piece.py MODULE.FUNCTION FILE ...

For - instead of the function the file is a whole program.

The function is an async context manager: it gives its piece the names, and goes on with those that there are then.
`await` may stand anywhere in a piece.
"""

import ast
import inspect
import pkgutil
import runpy
import sys
from pathlib import Path

import trio


async def main(pieces: list[tuple[str, str, str]]) -> None:
    for given, path, text in pieces:
        code = compile(text, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        module, _, function = given.rpartition(".")
        async with pkgutil.resolve_name(f"given.{module}:{function}")() as names:
            waits = eval(code, names)
            if inspect.isawaitable(waits):
                await waits


if __name__ == "__main__":
    _, *words = sys.argv
    asked = [*zip(words[::2], words[1::2], strict=True)]
    pieces = [(given, path, Path(path).read_text()) for given, path in asked if given != "-"]
    for given, path in asked:
        if given == "-":
            runpy.run_path(path, run_name="__main__")
    trio.run(main, pieces)

"""Files that are there as a whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sfclient._errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """Write a file that is private to the user (0600), in the place of an older one. It may block.

    Raises `UsageError` if it cannot be written; then the older one is as it was.
    """
    with _beside(path) as (fd, name, target):
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, target)


def check_place(path: Path) -> None:
    """Raise `UsageError` if no file could be written there, and leave it as it is. It may block."""
    with _beside(path) as (fd, name, _):
        os.close(fd)
        os.unlink(name)


@contextmanager
def _beside(path: Path) -> Iterator[tuple[int, str, Path]]:
    """A new file, open and by name, in the folder of the one that is meant by the path."""
    try:
        target = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(target.stat().st_mode):
                raise UsageError(f"cannot write {path}: it is not a file: give the name of one")
        fd, name = tempfile.mkstemp(prefix=".sfclient.", dir=target.parent)
        try:
            yield fd, name, target
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write {path}: {told}") from None

"""Files that are there as a whole or not at all."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from sfclient._errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """Write a file that is private to the user (0600), in the place of an older one. It may block.

    Raises `UsageError` if it cannot be written; then the older one is as it was.
    """
    try:
        target = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(target.stat().st_mode):
                raise UsageError(f"cannot write {path}: it is not a file: give the name of one")
        fd, name = tempfile.mkstemp(prefix=".sfclient.", dir=target.parent)
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write {path}: {told}") from None

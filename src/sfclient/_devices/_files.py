"""Files of a call: regular ones, looked at before they are opened, and private to the user where we write them.

All of it may block, so it is for threads.
"""

import os
import stat
import threading
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from sfclient._errors import AudioFileError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
}
REMEDIES = {
    "read": "save what comes from it as a WAV file first",
    "write": 'give the name of a file, or "none"',
}
# A pipe that came into the place of a file meanwhile must not block, nor a terminal take us over.
FLAGS = (
    getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)

_being_written: set[tuple[int, int]] = set()  # by device and inode
_released = threading.Condition()  # and the lock of that set
CLAIM_SECONDS = 0.5  # for one that is just being closed, as by a call that was cancelled


def cannot(verb: str, path: Path, error: Exception | str) -> AudioFileError:
    """It cannot be read or written; some errors of the system need a word more."""
    told = str(getattr(error, "strerror", None) or error)
    if isinstance(error, FileNotFoundError) and verb == "write":
        told += ": is its folder there?"
    return AudioFileError(f"cannot {verb} {path}: {told}")


def check_regular(verb: str, path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise cannot(verb, path, f"it is {kind}, not a file: {REMEDIES[verb]}")


def open_input(path: Path) -> BinaryIO:
    """Raises `AudioFileError`."""
    try:
        check_regular("read", path, path.stat().st_mode)
        file = os.fdopen(os.open(path, os.O_RDONLY | FLAGS), "rb")
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        raise cannot("read", path, error) from None
    try:
        check_regular("read", path, os.fstat(file.fileno()).st_mode)
    except AudioFileError:
        file.close()
        raise
    return file


class OutputFile(FileIO):
    """A file to be written, which nobody else in this process writes.

    Until `begin` an older one of the name stays as it is. If it was never begun, nothing is left of it. Raises
    `AudioFileError`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        self._is_new = False
        self._begun = False
        try:
            self._take()
            if not os.fstat(self.fileno()).st_nlink:  # who had it before has just removed it
                self.close()
                self._take()
        except (OSError, ValueError) as error:
            raise cannot("write", path, error) from None

    def _take(self) -> None:
        super().__init__(self._open(), "wb")
        try:
            found = os.fstat(self.fileno())
            check_regular("write", self._path, found.st_mode)
            self._claim((found.st_dev, found.st_ino))
        except BaseException:
            super().close()
            raise

    def _open(self) -> int:
        with suppress(FileNotFoundError):
            check_regular("write", self._path, self._path.stat().st_mode)
        with suppress(FileExistsError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS, 0o600)
            self._is_new = True
            return fd
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | FLAGS, 0o600)

    def _claim(self, identity: tuple[int, int]) -> None:
        with _released:
            if not _released.wait_for(lambda: identity not in _being_written, CLAIM_SECONDS):
                told = "it is being written already: give each output a file of its own"
                raise cannot("write", self._path, told)
            _being_written.add(identity)
        self._identity = identity

    def begin(self) -> None:
        """Make it empty, and private to the user, as far as the file is theirs and the system knows of such."""
        self._begun = True
        with suppress(AttributeError, OSError):
            os.fchmod(self.fileno(), 0o600)
        self.truncate(0)

    def close(self) -> None:
        if self._identity is not None:
            if self._is_new and not self._begun:
                self._remove()
            with _released:
                _being_written.discard(self._identity)
                _released.notify_all()
            self._identity = None
        super().close()

    def _remove(self) -> None:
        with suppress(OSError):
            found = self._path.stat()
            if (found.st_dev, found.st_ino) == self._identity:
                self._path.unlink()


def check_distinct(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Raise `AudioFileError` if one that is written is one that is read, under whatever name."""
    read = list(inputs)
    for path in outputs:
        for other in read:
            with suppress(OSError, ValueError):  # it cannot be opened, and that is told then
                if path.samefile(other):
                    raise cannot("write", path, f"it is the input {other}: give another name")

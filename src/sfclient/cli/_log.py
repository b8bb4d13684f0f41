"""``--log``: what the loggers of this package tell, in a file, line by line; for programs that nobody watches."""

import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from sfclient._errors import UsageError
from sfclient._spool import Spool, in_time
from sfclient.cli._telling import complain

MOST_BYTES = 1 << 20  # wait for a disk that stalls
EVERY_SECONDS = 0.5  # the file is behind at most


class _Handler(logging.Handler):
    """Never waits for the disk. `logging` sees to it that threads come one by one."""

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool
        formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        formatter.converter = time.gmtime
        formatter.default_time_format, formatter.default_msec_format = (
            "%Y-%m-%dT%H:%M:%S",
            "%s.%03dZ",
        )
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self._spool.put(f"{self.format(record)}\n".encode(errors="backslashreplace"))


@asynccontextmanager
async def open_log(path: Path | None) -> AsyncIterator[None]:
    """Append to the file meanwhile. What cannot be written is told at the end, and harms nothing else."""
    if path is None:
        yield
        return
    spool = Spool(partial(append, path), every=EVERY_SECONDS, most_bytes=MOST_BYTES)
    handler, logger = _Handler(spool), logging.getLogger("sfclient")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        try:
            await in_time(spool.close)
        except TimeoutError as error:
            complain(f"sfclient: cannot write {path}: {error}")
        else:
            if spool.error is not None:
                complain(f"sfclient: {spool.error}")


def append(path: Path, data: bytes = b"") -> None:
    """To a file that is private to the user, each time anew: it may be renamed meanwhile, as logs are. It may block.

    Raises `UsageError`.
    """
    try:
        if path.exists() and not path.is_file():  # to open a pipe would wait for its reader
            raise UsageError(f"cannot write {path}: it is not a file: give the name of one")
        with open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write {path}: {told}") from None

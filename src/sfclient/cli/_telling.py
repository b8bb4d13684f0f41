"""What the command prints. Nobody who does not read it, and no full disk behind it, ends or holds up a call."""

import io
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TextIO

from sfclient._errors import UsageError
from sfclient._spool import Spool, in_time

TELL_SECONDS = 1.0  # for a reader who is slow at the end
MOST_BYTES = 1 << 20  # wait to be read


def fill_standard_streams() -> None:
    """Where one is closed (``2>&-``), a file of ours would take its place, and libraries complain into it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def keep_standard_error() -> None:
    """PortAudio's descriptor 2 leads to nowhere while it looks for devices: for good when that hangs. Ours does not."""
    stream = sys.stderr
    if isinstance(stream, io.TextIOWrapper) and stream is sys.__stderr__:
        settings: Any = {"encoding": stream.encoding, "buffering": 1, "closefd": False}
        sys.stderr = open(os.dup(stream.fileno()), "w", **settings)  # noqa: SIM115 -- used until the very end


def survive_any_letter() -> None:
    """What a terminal lacks is told in another way."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@asynccontextmanager
async def open_teller(out: TextIO | None) -> AsyncIterator[Callable[[str], object]]:
    """A function that prints lines, and never waits or fails; on leaving, they are there if somebody reads."""

    def write(data: bytes) -> None:
        print(data.decode(errors="surrogatepass"), end="", flush=True, file=out)

    spool = Spool(write, most_bytes=MOST_BYTES)
    try:
        yield lambda line: spool.put(f"{line}\n".encode(errors="surrogatepass"))
    finally:
        with suppress(TimeoutError):
            await in_time(spool.close, TELL_SECONDS)


def say(line: str) -> None:
    """Print it, if that can be."""
    with suppress(OSError, ValueError):
        print(line, flush=True)


def give_out(lines: Iterable[str]) -> None:
    """Print what was asked for. Raises `UsageError` if that cannot be, SystemExit if nobody reads."""
    try:
        for line in lines:
            print(line)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise SystemExit(1) from None
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write to standard output: {told}") from None


def complain(line: str) -> None:
    """Say it on standard error, if that can be."""
    if sys.stderr is not None:  # print would take it for standard output
        _finishes(partial(_try, partial(print, line, file=sys.stderr, flush=True), sys.stderr))


def flush_all() -> bool:
    """Bring out what is still to be told, for Python would try again at exit; whether that came to an end."""
    ended = [
        _finishes(partial(_try, stream.flush, stream))
        for stream in (sys.stdout, sys.stderr)
        if stream is not None
    ]
    return all(ended)


def _try(work: Callable[[], object], stream: TextIO) -> None:
    try:
        work()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _finishes(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, name="sfclient telling", daemon=True)
    thread.start()
    thread.join(TELL_SECONDS)
    return not thread.is_alive()

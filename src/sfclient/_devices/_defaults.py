"""Which devices are the default ones, watched while streams are open.

PortAudio knows those of when it was initialised, and cannot be initialised anew while it has a stream open. So it is
asked in another process, which runs this file and has none: `watch_defaults` here, `_tell_defaults` there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from sfclient._devices._choice import Kind

LOOK_SECONDS = 2.0  # between looks, each of which takes PortAudio up to a tenth of a second
AGAIN_SECONDS = 5.0  # until another process is tried, where one has failed


async def watch_defaults(tell: Callable[[dict[Kind, str]], Awaitable[None]]) -> NoReturn:
    """Call `tell` with the names of the default devices at first and whenever they have changed, until cancelled.

    Raises OSError if no other process can be started.
    """
    while True:
        async with trio.open_nursery() as nursery:
            run = partial(
                trio.run_process,
                [sys.executable, "-P", __file__],
                stdin=subprocess.PIPE,  # it ends when that is closed, whatever becomes of us
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            process: trio.Process = await nursery.start(run)
            assert process.stdout is not None
            told = b""
            async for data in process.stdout:
                *lines, told = (told + data).split(b"\n")
                for line in lines:
                    await tell(json.loads(line))
            nursery.cancel_scope.cancel()
        await trio.sleep(AGAIN_SECONDS)


def _tell_defaults() -> NoReturn:
    """Print their names whenever they have changed, as JSON, a line each time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import sounddevice

    from sfaudio.stream import refresh_devices

    told = ""
    while True:
        defaults = {}
        for kind in ("input", "output"):
            with suppress(sounddevice.PortAudioError, ValueError):  # there is none
                defaults[kind] = sounddevice.query_devices(kind=kind)["name"]
        if (line := json.dumps(defaults)) != told:
            print(line, file=out, flush=True)
            told = line
        time.sleep(LOOK_SECONDS)
        refresh_devices()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _tell_defaults()

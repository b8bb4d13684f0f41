"""Another PortAudio beside one that hangs: a copy of its library, with a state of its own.

A stream is closed by the functions that it has from the PortAudio that opened it (``PaUtilStreamInterface``), whichever
is asked to, so those that are open go on and can be closed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

# Those that were in use before: never unloaded, for a thread hangs in each, and a callback may return to it.
_before: list[Any] = []


def use_another_portaudio(sounddevice: Any) -> bool:
    """Have sounddevice use a copy of its PortAudio, which is still to be initialised; whether that could be done."""
    if sys.platform != "linux":  # where no PortAudio was seen to hang, nor could this be tried
        return False
    loaded = re.search(rf"/.*{re.escape(Path(sounddevice._libname).name)}.*", _memory_map())
    if loaded is None:
        return False
    try:
        with tempfile.NamedTemporaryFile(suffix=".so") as copy:
            copy.write(Path(loaded[0]).read_bytes())
            copy.flush()
            another = sounddevice._ffi.dlopen(copy.name)
    except OSError:
        return False
    _before.append(sounddevice._lib)
    sounddevice._lib, sounddevice._initialized = another, 0
    return True


def _memory_map() -> str:
    """With the path of each library that is loaded."""
    return Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")

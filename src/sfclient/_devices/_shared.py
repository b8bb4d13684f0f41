"""Samples of a file that several calls play at the same time: decoded once, and gone with the last of these calls."""

import os
import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

Version = tuple[int, ...]  # of a file: another when it is written again, whatever its name

_samples: WeakValueDictionary[Version, NDArray[np.int16]] = WeakValueDictionary()
_decoding: WeakValueDictionary[Version, threading.Lock] = WeakValueDictionary()
_lock = threading.Lock()  # of `_decoding`


def version_of(found: os.stat_result) -> Version:
    """Of an open file. Ask before the first look into it: what is read afterwards is of this version, or of none."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def decoded_once(version: Version, decode: Callable[[], NDArray[np.int16]]) -> NDArray[np.int16]:
    """What `decode` makes of this file, read-only. It may block, but only who wants the same file."""
    with _lock:
        # Of this process: nobody is left in a forked child to let go of a lock of its parent's.
        alone = _decoding.setdefault((os.getpid(), *version), threading.Lock())
    with alone:
        samples = _samples.get(version)
        if samples is None:
            samples = decode()
            samples.flags.writeable = False
            _samples[version] = samples
        return samples

"""float32 <-> int16: a long conversion gives up the GIL."""

import threading
from typing import Any

import numpy as np

from .conversions import every_conversion
from .threads import switch_interval


@every_conversion
def test_other_python_threads_run_during_a_long_conversion(
    convert: Any, expected: Any, source: Any, target: Any
) -> None:
    samples = np.zeros(1 << 22, source)
    out = np.zeros(1 << 22, target)
    go = threading.Lock()
    ran = threading.Event()

    def other() -> None:
        with go:
            ran.set()

    thread = threading.Thread(target=other)
    go.acquire()
    thread.start()
    try:
        with switch_interval(1000):  # the GIL changes hands only where it is given up
            go.release()
            for _ in range(200):
                convert(samples, out)
                if ran.is_set():
                    break
            released = ran.is_set()
    finally:
        thread.join()
    assert released

"""Python calls every method of queues that a native callback is using at that time, in its own thread.

    python -m tests.native.misuse_beside_callback LIBRARY queue|engine SECONDS

The library is callback_thread.c, which plays a queue as it is, or by an engine. Prints figures as JSON.
"""

import ctypes
import json
import random
import sys
import time
from collections import Counter

import numpy as np

from sfaudio import CaptureQueue, JitterBuffer, Meter, PlayoutEngine
from sfaudio._callback import StreamCallback

from ..sfaudio.hostile_calls import Fuzzer, check_books
from ..sfaudio.misuse import CALLS, prepare, repeat, targets


def main(library: str, what: str, seconds: float) -> None:
    native = ctypes.CDLL(library)
    native.start_calling.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    native.stop_calling.restype = ctypes.c_uint64
    playout = JitterBuffer(500, fade=20)
    meters = Meter(48_000), Meter(48_000)
    queues: list[CaptureQueue | JitterBuffer | PlayoutEngine] = [playout]
    if what == "engine":
        engine = PlayoutEngine(playout, samplerate=8000, output_samplerate=12_000, log_pieces=100)
        callback = StreamCallback(None, engine, playout_meter=meters[1])
        queues.append(engine)
    else:
        capture, played = CaptureQueue(500), CaptureQueue(500)
        callback = StreamCallback(
            capture, playout, played, capture_meter=meters[0], playout_meter=meters[1]
        )
        queues += [capture, played]
    things = [*queues, *meters, callback]
    fuzzer = Fuzzer(random.Random(1), targets(things, with_endings=False), 0.0, things=things)
    shared = [np.zeros(2000, np.int16), np.zeros(480, np.float32)]
    outcomes: Counter[str] = Counter()
    native.start_calling(callback.address, callback.userdata)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        repeat([prepare(fuzzer, shared) for _ in range(CALLS)], time.monotonic() + 0.01, outcomes)
    callbacks = native.stop_calling()
    for queue in queues:
        check_books(queue)
    assert callback.statistics().callbacks == callbacks
    callback.close()
    print(json.dumps({"callbacks": callbacks, **outcomes}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))

"""Threads that use the same object at the same time, every method against every method, with arguments of any kind.

This breaks the thread rules of sfaudio, on purpose: a refusal (`RuntimeError`) or an answer are right,
anything else is not. Objects are new every `ROUND` seconds; when the threads have ended, the books must balance.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sfaudio import (
    CaptureQueue,
    EchoCanceller,
    EchoGate,
    JitterBuffer,
    Meter,
    PlayoutEngine,
    Resampler,
)
from sfaudio._callback import StreamCallback
from sfaudio._echo_filter import EchoFilter
from sfaudio._playout_law import PlayoutLaw
from sfaudio._stretch import Stretcher

from .hostile_calls import OF_METHODS, Fuzzer, check_books
from .hostile_targets import Target, all_targets

ROUND = 0.25
CALLS = 64  # Prepared for each thread of a round, which makes them over and over, without a pause.


def queues(rng: random.Random) -> list[Any]:
    capacity = rng.choice((1, 7, 64, 1000))
    return [
        JitterBuffer(capacity, prefill=capacity // 3, fade=capacity // 2),
        CaptureQueue(capacity),
    ]


def callback(rng: random.Random) -> list[Any]:
    playout, capture, played, reference = *queues(rng), CaptureQueue(100), CaptureQueue(100)
    meters = Meter(48_000), Meter(48_000)
    stream = StreamCallback(
        capture,
        playout,
        played,
        reference=reference,
        capture_meter=meters[0],
        playout_meter=meters[1],
    )
    return [playout, capture, played, reference, *meters, stream]


def engine(rng: random.Random) -> list[Any]:
    """Beside what writes to its queue; small blocks run it dry, large ones fill it."""
    playout = JitterBuffer(rng.choice((80, 1000, 48_000)))
    output_samplerate = rng.choice((8000, 44_100))
    return [
        playout,
        PlayoutEngine(
            playout, samplerate=8000, output_samplerate=output_samplerate, log_pieces=1000
        ),
    ]


OBJECTS: dict[str, Callable[[random.Random], list[Any]]] = {
    "JitterBuffer": lambda rng: queues(rng)[:1],
    "CaptureQueue": lambda rng: queues(rng)[1:],
    "Resampler": lambda rng: [Resampler(*rng.choice(((8000, 48000), (44100, 16000))))],
    "PlayoutEngine": engine,
    "Meter": lambda rng: [Meter(rng.choice((1000, 8000, 48_000)))],
    "EchoCanceller": lambda rng: [EchoCanceller(rng.choice((8000, 48_000)))],
    "EchoFilter": lambda rng: [EchoFilter(rng.choice((8000, 16_000)))],
    "EchoGate": lambda rng: [EchoGate(rng.choice((8000, 48_000)))],
    "PlayoutLaw": lambda rng: [PlayoutLaw()],
    "Stretcher": lambda rng: [Stretcher(rng.choice((8000, 48_000)))],
    "StreamCallback": callback,
    # Shared are only the buffers.
    "functions": lambda rng: [],
}
# After these nothing more happens to a callback: only in every other round. Then callbacks are made, too.
ENDINGS = {
    "StreamCallback.detach",
    "StreamCallback.close",
    "StreamCallback.userdata",
    "StreamCallback",
}
UNDOCUMENTED = "not documented"


def targets(things: list[Any], *, with_endings: bool) -> list[Target]:
    """What can be called on these objects; without any, the functions."""
    owners = {type(thing) for thing in things}
    return [
        target
        for target in all_targets()
        if (with_endings if target.name in ENDINGS else not target.makes)
        and (target.owner in owners or target.function in owners or not (things or target.owner))
    ]


def prepare(fuzzer: Fuzzer, shared: list[Any]) -> Callable[[], Any]:
    target = fuzzer.rng.choice(fuzzer.targets)
    arguments, named = fuzzer.arguments(target)
    for at, argument in enumerate(arguments):
        if not isinstance(argument, (int, float)) and fuzzer.rng.random() < 0.3:
            arguments[at] = fuzzer.rng.choice(shared)
    thing = [fuzzer.live(target.owner)] if target.owner else []
    return partial(target.function, *thing, *arguments, **named)


def repeat(calls: list[Callable[[], Any]], until: float, outcomes: Counter[str]) -> None:
    while True:
        for call in calls:
            try:
                call()
                outcomes["returned"] += 1
            except OF_METHODS as error:
                outcomes[type(error).__name__] += 1
            except Exception as error:
                outcomes[f"{UNDOCUMENTED}: {error!r}"] += 1
        if time.monotonic() > until:
            return


def play_round(name: str, threads: int, seed: int, seconds: float) -> Counter[str]:
    rng = random.Random(seed)
    things = OBJECTS[name](rng)
    shared = [np.zeros(n, kind) for n in (64, 480, 20_000) for kind in (np.int16, np.float32)]
    callable_now = targets(things, with_endings=seed % 2 > 0)
    programs = []
    for _ in range(threads):
        fuzzer = Fuzzer(random.Random(rng.random()), callable_now, 0.0, things=list(things))
        programs.append([prepare(fuzzer, shared) for _ in range(CALLS)])
    outcomes = [Counter[str]() for _ in range(threads)]
    until = time.monotonic() + seconds
    running = [
        threading.Thread(target=repeat, args=(program, until, outcome))
        for program, outcome in zip(programs, outcomes, strict=True)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for thing in things:
        if isinstance(thing, StreamCallback):
            thing.close()
        check_books(thing)
    return sum(outcomes, Counter())

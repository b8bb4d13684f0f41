"""Calls of every compiled function, method and property of sfaudio with arguments out to break it.

    python -m tests.sfaudio.hostile_calls [--first BATCH] [--batches N] [--tell]

A batch is `CALLS` calls from a seed of its own, its number, so that a fault found in one is found
again in it alone; `--tell` prints each call before it is made. After each call are looked at: what
was raised, the margins of the buffers, and whether a buffer is still held.
"""

import argparse
import copy
import faulthandler
import functools
import gc
import json
import mmap
import pickle
import random
import reprlib
import sys
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import GetSetDescriptorType
from typing import Any

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
from sfaudio._playout_law import PlayoutLaw
from sfaudio._stretch import Stretcher

from .hostile_targets import Target, all_targets
from .hostile_values import (
    COUNTS,
    NUMBERS,
    READ_ONLY,
    Lie,
    Planted,
    count,
    fitting,
    guarded,
    hostile,
    margins_are_whole,
)

CALLS = 500
HUNG_SECONDS = 120  # for a batch
MOST_THINGS = 16

# How each parameter is made so that it may fit, by its name. A new name needs an entry here.
RATES = (8000, 11025, 16000, 22050, 24000, 44100, 48000, 1000, 64000)
PARAMETERS: dict[str, Callable[["Fuzzer"], Any]] = {
    **dict.fromkeys(("src", "data", "block"), lambda fuzzer: fuzzer.buffer()),
    **dict.fromkeys(("out", "indata", "outdata"), lambda fuzzer: fuzzer.buffer()),
    **dict.fromkeys(("capacity", "prefill", "fade", "frames"), lambda fuzzer: count(fuzzer.rng)),
    **dict.fromkeys(("lag", "step", "log_pieces"), lambda fuzzer: count(fuzzer.rng)),
    **dict.fromkeys(("samplerate_in", "samplerate_out"), lambda fuzzer: fuzzer.rng.choice(RATES)),
    **dict.fromkeys(("samplerate", "output_samplerate"), lambda fuzzer: fuzzer.rng.choice(RATES)),
    **dict.fromkeys(
        ("channels", "input_channels", "input_channel"), lambda fuzzer: fuzzer.rng.randint(1, 8)
    ),
    "taps": lambda fuzzer: fuzzer.rng.choice((None, 16, 96, 512)),
    "output_channels": lambda fuzzer: fuzzer.rng.choice((1, 2, 64)),
    **dict.fromkeys(
        ("pad", "measure_cpu", "comfort_noise"), lambda fuzzer: fuzzer.rng.random() < 0.5
    ),
    "speech": lambda fuzzer: fuzzer.rng.random() < 0.5,
    **dict.fromkeys(("can_stretch", "draining"), lambda fuzzer: fuzzer.rng.random() < 0.5),
    **dict.fromkeys(("now", "head", "position"), lambda fuzzer: 10.0 * count(fuzzer.rng)),
    **dict.fromkeys(("period", "assumed", "really"), lambda fuzzer: fuzzer.rng.uniform(-20, 20)),
    "pause_left": lambda fuzzer: lambda limit: (limit, fuzzer.mischief()),
    # In whole blocks of 10 ms, at some rates.
    "captured": lambda fuzzer: fuzzer.rng.choice(
        (fuzzer.buffer(), fuzzer.rng.randbytes(160 * fuzzer.rng.randrange(7)))
    ),
    **dict.fromkeys(("capture", "reference"), lambda fuzzer: fuzzer.live(CaptureQueue)),
    # Of a callback it is a queue, of what takes two streams a block beside another.
    "played": lambda fuzzer: fuzzer.rng.choice(
        (fuzzer.live(CaptureQueue), fuzzer.buffer(), *fuzzer.under_way[:1])
    ),
    **dict.fromkeys(("capture_meter", "playout_meter"), lambda fuzzer: fuzzer.live(Meter)),
    "playout": lambda fuzzer: fuzzer.live(fuzzer.rng.choice((JitterBuffer, PlayoutEngine))),
    "queue": lambda fuzzer: fuzzer.live(JitterBuffer),
    "policy": lambda fuzzer: fuzzer.rng.choice(("adaptive", "adaptive", "lossless")),
    "value": lambda fuzzer: fuzzer.rng.choice((1, 2.0, 3.5, 10**30, "4")),
    "unit": lambda fuzzer: "frames",
    **dict.fromkeys(
        ("gain", "output_gain", "fraction", "seconds", "delay_seconds"),
        lambda fuzzer: fuzzer.rng.uniform(-0.5, 2),
    ),
    "flags": lambda fuzzer: fuzzer.rng.randrange(64),
    "rule": lambda fuzzer: fuzzer.rng.choice(("wire", "symmetric")),
    "dtype": lambda fuzzer: fuzzer.rng.choice(("int16", "float32", "int32")),
    "name": lambda fuzzer: fuzzer.rng.choice(("c", "sse2", "avx2", "avx512", "neon")),
}

# What can be done with an object of any class; a refusal is as good as an answer.
RITES: tuple[Callable[[Any, "Fuzzer"], Any], ...] = (
    lambda thing, fuzzer: thing.__init__(*fuzzer.anything()),
    lambda thing, fuzzer: type(thing).__new__(type(thing), *fuzzer.anything()),
    lambda thing, fuzzer: object.__new__(type(thing)),
    lambda thing, fuzzer: copy.copy(thing),
    lambda thing, fuzzer: copy.deepcopy(thing),
    lambda thing, fuzzer: pickle.dumps(thing, fuzzer.rng.randrange(6)),
    lambda thing, fuzzer: thing.__reduce__(),
    lambda thing, fuzzer: thing.__reduce_ex__(*fuzzer.anything()),
    lambda thing, fuzzer: thing.__setstate__(*fuzzer.anything()),
    lambda thing, fuzzer: weakref.ref(thing),
    lambda thing, fuzzer: (repr(thing), hash(thing), dir(thing), sys.getsizeof(thing)),
    lambda thing, fuzzer: gc.get_referents(thing),
    lambda thing, fuzzer: setattr(thing, "capacity", 10**6),
    lambda thing, fuzzer: delattr(thing, "capacity"),
    lambda thing, fuzzer: setattr(thing, "__class__", CaptureQueue),
    lambda thing, fuzzer: memoryview(thing),
    lambda thing, fuzzer: fuzzer.rng.choice(fuzzer.methods).function(*fuzzer.anything()),
    lambda thing, fuzzer: fuzzer.rng.choice(fuzzer.methods).function(thing, *fuzzer.anything()),
)
DOCUMENTED = (TypeError, ValueError, MemoryError, Planted)
OF_METHODS = (*DOCUMENTED, RuntimeError)
OF_RITES = (*OF_METHODS, AttributeError, OverflowError, pickle.PicklingError)


class Fault(AssertionError):  # noqa: N818
    """What no call may do."""


class Grave:
    """Garbage that meddles when it is collected, which is at the next allocation."""

    def __init__(self, fuzzer: "Fuzzer") -> None:
        self.fuzzer, self.me = fuzzer, self

    def __del__(self) -> None:
        try:
            self.fuzzer.mischief()
        except Planted:
            pass
        except Fault as fault:  # Which nobody could catch here.
            self.fuzzer.faults.append(fault)


@dataclass
class Fuzzer:
    """Calls targets with arguments that fit, or, as often as `hostility` says, with anything."""

    rng: random.Random
    targets: Sequence[Target]
    hostility: float = 0.25
    tell: Callable[[str], object] | None = None
    things: list[Any] = field(default_factory=list)
    """The objects alive."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """How many calls returned, and how many raised what."""
    faults: list[Fault] = field(default_factory=list)
    to_close: list[StreamCallback] = field(default_factory=list)
    """They are kept for ever, as native code may have them, if they are not closed."""

    def __post_init__(self) -> None:
        self.methods = [target for target in self.targets if target.owner is not None]
        self.margins: list[tuple[memoryview, int]] = []
        self.under_way: list[Any] = []
        self.overlap = False

    # ---- arguments

    def buffer(self) -> Any:
        """One that may fit, now and then one that overlaps another argument."""
        chance, code = self.rng.random(), self.rng.choice("fhB")
        if chance < 0.3:
            offset = self.rng.randrange(64)
            view = guarded(self.rng.randbytes(count(self.rng) * 4), offset)
            self.margins.append((view, offset))
            return view if chance < 0.1 else view.cast(code)
        if chance < 0.4 and self.under_way:
            return self.overlapping(self.rng.choice(self.under_way))
        return fitting(self.rng, code)

    def overlapping(self, other: Any) -> Any:
        self.overlap = True
        try:
            view = memoryview(other).cast("B")
            begin, cut = self.rng.choice((0, 0, 1, 2, 4)), self.rng.choice((0, 0, 1, 2))
            return view[begin : len(view) - cut].cast(self.rng.choice("BBhf"))
        except (TypeError, ValueError, BufferError, Planted):
            return other

    def live(self, cls: type) -> Any:
        return self.rng.choice([thing for thing in self.things if isinstance(thing, cls)] or [None])

    def anything(self) -> list[Any]:
        return [hostile(self.rng, self.mischief) for _ in range(self.rng.randrange(4))]

    def argument(self, name: str) -> Any:
        if self.rng.random() < self.hostility:
            return hostile(self.rng, self.mischief)
        return PARAMETERS[name](self)

    def mischief(self) -> None:
        """What a meddler does while a call is under way."""
        chance = self.rng.random()
        if chance < 0.1:
            raise Planted
        if chance < 0.4:
            for argument in self.under_way:
                if isinstance(argument, bytearray):
                    with suppress(BufferError):  # It is held, as it should be.
                        argument.clear()
        elif chance < 0.5 and self.things:
            del self.things[self.rng.randrange(len(self.things))]
        else:
            inner = Fuzzer(self.rng, self.methods, 0.0, self.tell, self.things)
            inner.to_close = self.to_close
            inner.call()

    # ---- calls

    def call(self) -> None:
        if self.hostility and self.rng.random() < 0.02:
            Grave(self)
        target = self.rng.choice(self.targets)
        if target.owner is None:
            self.attempt(target)
        elif (thing := self.live(target.owner)) is None:
            return
        elif target.name == "StreamCallback.userdata":
            self.to_close.append(thing)
            self.attempt(target, thing)
        elif self.rng.random() < 0.1 * self.hostility:
            rite = self.rng.choice(RITES)
            self.guard(
                lambda: rite(thing, self), (), {}, OF_RITES, f"rite {RITES.index(rite)} of {thing}"
            )
        else:
            self.attempt(target, thing)

    def attempt(self, target: Target, *thing: Any) -> None:
        arguments, named = self.arguments(target)
        may_be_held = thing or "RuntimeError" in (target.function.__doc__ or "")
        allowed = OF_METHODS if may_be_held else DOCUMENTED
        made = self.guard(target.function, (*thing, *arguments), named, allowed, target.name)
        if target.makes and made is not None:
            self.things.append(made)
            del self.things[: len(self.things) - MOST_THINGS]
        for view, offset in self.margins:
            if not margins_are_whole(view, offset):
                raise Fault(f"{target.name} wrote beyond a buffer")
        if not self.overlap and any(map(is_held, arguments)):
            raise Fault(f"{target.name} still holds a buffer")

    def arguments(self, target: Target) -> tuple[list[Any], dict[str, Any]]:
        self.under_way, self.margins, self.overlap = [], [], False
        names = list(target.positional)
        if self.rng.random() < 0.1:
            del names[-1:]
        for name in names:
            self.under_way.append(self.argument(name))
        if self.rng.random() < 0.1 * self.hostility:
            self.under_way.append(hostile(self.rng, self.mischief))
        named = {n: self.argument(n) for n in target.named if self.rng.random() < 0.5}
        return self.under_way, named

    def guard(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        allowed: tuple[type[BaseException], ...],
        name: str,
    ) -> Any:
        if self.tell:
            self.tell(f"{name} {reprlib.repr([*arguments, named])}")
        try:
            result = function(*arguments, **named)
        except allowed as error:
            self.outcomes[type(error).__name__] += 1
            return None
        except Exception as error:
            said = reprlib.repr([*arguments, named])
            raise Fault(f"{name} {said} raised {error!r}") from error
        self.outcomes["returned"] += 1
        return result


def is_held(buffer: Any) -> bool:
    """Whether somebody has not released it."""
    try:
        if isinstance(buffer, bytearray):
            buffer.append(0)
        elif isinstance(buffer, memoryview):
            buffer.release()
        elif isinstance(buffer, mmap.mmap) and buffer is not READ_ONLY:
            buffer.close()
    except BufferError:
        return True
    return False


def lying_subclass(cls: type, rng: random.Random) -> type:
    """Each property is overridden by one that says anything."""
    properties = [name for name in vars(cls) if isinstance(vars(cls)[name], GetSetDescriptorType)]
    lie = property(lambda self: rng.choice((*NUMBERS, Lie(2**63 + 1))))
    return type(f"Lying{cls.__name__}", (cls,), dict.fromkeys(properties, lie))


def check_books(thing: Any) -> None:
    """Where the class has any that must balance. Nobody may be using it."""
    if isinstance(thing, CaptureQueue | JitterBuffer):
        said = thing.statistics()
        balance = said.written_frames == said.read_frames + said.queued_frames + said.dropped_frames
    elif isinstance(thing, PlayoutEngine):
        said = thing.statistics()
        stretched = said.removed_frames - said.inserted_frames
        kept = said.read_frames + said.queued_frames + said.dropped_frames
        balance = said.written_frames == kept + stretched
    elif type(thing) is Resampler:  # A subclass may lie about the rates.
        said = thing.statistics()
        due = said.input_frames * thing.samplerate_out + said.ahead_ticks
        balance = said.output_frames * thing.samplerate_in == due
    elif isinstance(thing, EchoCanceller):
        said = thing.statistics()
        balance = said.frames == said.passed_frames + said.silenced_frames + said.cancelled_frames
    elif isinstance(thing, EchoGate):
        said = thing.statistics()
        balance = said.frames == said.passed_frames + said.silenced_frames + said.waiting_frames
    else:
        return
    if not balance:
        raise Fault(f"the books do not balance: {said}")


def things(rng: random.Random) -> list[Any]:
    """One object of each class, with a subclass that lies."""
    capture, playout = CaptureQueue(rng.choice(COUNTS[1:])), JitterBuffer(rng.choice(COUNTS[1:]))
    return [
        *(capture, lying_subclass(CaptureQueue, rng)(100)),
        *(playout, lying_subclass(JitterBuffer, rng)(100, prefill=10, fade=20)),
        *(Resampler(16000, 24000), lying_subclass(Resampler, rng)(8000, 16000)),
        *(PlayoutEngine(JitterBuffer(48_000), log_pieces=100), PlayoutLaw(), Stretcher(16_000)),
        *(Meter(16_000), lying_subclass(Meter, rng)(8000)),
        *(EchoCanceller(8000), lying_subclass(EchoCanceller, rng)(32_000)),
        *(EchoGate(8000), lying_subclass(EchoGate, rng)(16_000, delay_seconds=0.1)),
        *(StreamCallback(capture, playout), lying_subclass(StreamCallback, rng)()),
    ]


def run_batch(number: int, tell: Callable[[str], object] | None = None) -> Counter[str]:
    """Make `CALLS` calls. Returns how many there were of each outcome; raises `Fault`."""
    rng = random.Random(number)
    fuzzer = Fuzzer(rng, all_targets(), tell=tell, things=things(rng))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of what the values are, which is bad enough.
            while fuzzer.outcomes.total() < CALLS:
                fuzzer.call()
                if fuzzer.faults:
                    raise fuzzer.faults[0]
        for thing in fuzzer.things:
            check_books(thing)
    finally:
        for callback in fuzzer.to_close:
            callback.close()
    return fuzzer.outcomes


def resident_mib() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * mmap.PAGESIZE / 2**20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--tell", action="store_true")
    options = parser.parse_args()
    tell = functools.partial(print, flush=True) if options.tell else None
    gc.set_threshold(50)  # Garbage meddles when it is collected.
    outcomes: Counter[str] = Counter()
    faults = []
    for done in range(options.batches):
        batch = options.first + done
        print(f"batch {batch}", flush=True)  # The last one, should it end the process.
        faulthandler.dump_traceback_later(HUNG_SECONDS, exit=True)
        try:
            outcomes += run_batch(batch, tell)
        except Fault as fault:
            faults.append(f"{fault}, in batch {batch}")
        if done == options.batches // 2:
            warm = resident_mib()
    faulthandler.cancel_dump_traceback_later()
    print(*faults, sep="\n")
    figures = {"calls": outcomes.total(), "warm": warm, "end": resident_mib(), **outcomes}
    print(json.dumps(figures))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

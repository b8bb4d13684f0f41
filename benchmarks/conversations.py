"""What a conversation on the virtual clock costs beside a bare loop. Run by `python3 dev.py conversations`.

A scripted caller and an agent that replies talk for an hour in memory, both in this process; nothing is kept but
figures and hashes. The bare loop has as many wake-ups, at as many moments, as are counted in a conversation that is
watched: tasks that sleep, or are woken by one another, and do nothing. Both are measured in turn, for some minutes of
virtual time; shown are medians. An absolute time means nothing on a shared machine: read the ratio, which is to be 3 at
most.

Then the hour is held in two processes with hash seeds of their own, and must have the same hash. Exits with 1 if a
ratio or a hash is not as it should be.
"""

import argparse
import os
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import trio

from sfclient._clock import Bell
from sfclient.simulator import ReplyAgent
from sfclient.testing import open_memory_agent, run_virtually
from sfclient.testing.script import Hear, Hold, Limits, Say, Script, hold_conversation

BLOCK_SECONDS = 0.02
TURN_SECONDS = 9.0  # about: a question of 2 s, an answer of 3 s, and what is between
MOST_RATIO = 3.0
AIM_SECONDS = BLOCK_SECONDS * 20 / 3600  # an hour in 20 s
ROUNDS = 5
ROUND_SECONDS = 120.0


def voice(seconds: float, samplerate: int, hertz: float) -> np.ndarray:
    """Loud enough for a gate, and no two moments of it alike."""
    moments = np.arange(round(seconds * samplerate)) / samplerate
    return (9000 * np.sin(2 * np.pi * (hertz + 20 * moments) * moments)).astype(np.int16)


def script_of(folder: Path, seconds: float) -> Script:
    """Of so many turns."""
    question = folder / "question.wav"
    with wave.open(str(question), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(voice(2, 48_000, 300).tobytes())
    turn = [Say(question, after_silence=0.6), Hear(2.0), Hold(6.3)]
    return Script("an hour", turn * round(seconds / TURN_SECONDS), Limits(response=1.5, gap=0.5))


async def converse(folder: Path, dialect: str, seconds: float) -> tuple[str, float]:
    """Its hash, and how many seconds it lasted."""
    answers = [voice(3, 16_000, 200).tobytes(), voice(2.5, 16_000, 150).tobytes()]
    async with open_memory_agent(ReplyAgent(answers), dialect=dialect, keep=False) as there:
        outcome = await hold_conversation(script_of(folder, seconds), there.session())
    if not outcome.passed:
        sys.exit(f"the conversation did not pass: {outcome}")
    return f"{outcome.heard_hash[:16]} {outcome.said_hash[:16]}", trio.current_time()


class Watch(trio.abc.Instrument):
    """Counts how often a task was woken, and how often time went on."""

    def __init__(self) -> None:
        self.wake_ups = self.moments = 0
        self._now = 0.0

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.wake_ups += 1

    def after_io_wait(self, _timeout: float) -> None:
        now = trio.current_time()
        self.moments += now != self._now
        self._now = now


async def watch(folder: Path, dialect: str) -> tuple[float, float]:
    """How often both are in each 20 ms of a conversation."""
    seen = Watch()
    trio.lowlevel.add_instrument(seen)
    _, seconds = await converse(folder, dialect, 60)
    trio.lowlevel.remove_instrument(seen)
    return seen.wake_ups * BLOCK_SECONDS / seconds, seen.moments * BLOCK_SECONDS / seconds


async def wake(times: float, moments: float, seconds: float) -> None:
    """The bare loop: so many wake-ups in so many moments of each 20 ms. In each moment one task is woken by the clock,
    and each other by the one before it."""
    bells = [Bell() for _ in range(int(times))]
    left = 0

    async def link(own: Bell, following: Bell) -> None:
        nonlocal left
        while True:
            await own.wait()
            left -= 1
            if left > 0:
                following.ring()

    async with trio.open_nursery() as nursery:
        for number, bell in enumerate(bells):
            nursery.start_soon(link, bell, bells[(number + 1) % len(bells)])
        period = BLOCK_SECONDS / moments
        await trio.sleep(period)
        began, owed = trio.current_time(), 0.0
        for number in range(round(seconds / period)):
            await trio.sleep_until(began + number * period)
            owed += times / moments - 1
            left = int(owed)
            owed -= left
            if left:
                bells[0].ring()
        nursery.cancel_scope.cancel()


def took(work: Callable[[], object]) -> float:
    """CPU time of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(folder: Path, dialect: str, rounds: int, round_seconds: float) -> float:
    """Print what both cost in each 20 ms; their ratio."""
    times, moments = run_virtually(watch, folder, dialect)
    bare, ours = [], []
    for _ in range(rounds):
        bare_seconds = took(lambda: run_virtually(wake, times, moments, round_seconds))
        bare.append(bare_seconds / round_seconds * BLOCK_SECONDS)
        seconds = [0.0]

        def held() -> None:
            seconds[0] = run_virtually(converse, folder, dialect, round_seconds)[1]  # noqa: B023

        ours.append(took(held) / seconds[0] * BLOCK_SECONDS)
    ratio = median(o / b for o, b in zip(ours, bare, strict=True))
    print(
        f"{dialect:9} {times:.1f} wake-ups in {moments:.1f} moments of each 20 ms: bare {1e6 * median(bare):4.0f} us, "
        f"a conversation {1e6 * median(ours):4.0f} us (aim {1e6 * AIM_SECONDS:.0f}), ratio {ratio:.2f}"
    )
    return ratio


def hours(dialect: str, minutes: float) -> set[str]:
    """Its hashes, in two processes."""
    hashes = set()
    for seed in ("1", "2"):
        command = [sys.executable, __file__, "--one", dialect, "--minutes", f"{minutes}"]
        env = os.environ | {"PYTHONHASHSEED": seed}
        began = time.monotonic()
        told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
        print(f"{dialect:9} {told.strip()}, in {time.monotonic() - began:.1f} s with its imports")
        hashes.add(told)
    return hashes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialect", choices=("widget", "ws-media"), action="append")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the long one")
    parser.add_argument("--once", action="store_true", help="the shortest run of all its code")
    parser.add_argument("--one", metavar="DIALECT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        if args.one:
            told, seconds = run_virtually(converse, folder, args.one, 60 * args.minutes)
            print(f"{seconds / 60:.1f} min: {told}")
            return 0
        is_good = True
        for dialect in args.dialect or ("widget", "ws-media"):
            rounds, seconds = (1, 10.0) if args.once else (ROUNDS, ROUND_SECONDS)
            is_good &= measure(folder, dialect, rounds, seconds) <= MOST_RATIO or args.once
            is_good &= len(hours(dialect, 0.3 if args.once else args.minutes)) == 1
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())

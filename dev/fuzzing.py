"""Misuse by the million: hostile arguments, and threads that do what they must not."""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from dev.environment import BUILD, make_venv, pip_install
from dev.packaging import pythons
from dev.processes import ROOT, in_venv, say
from dev.proofs import print_reports, sanitized

CALLS = 1_000_000
BATCH = 500  # As `CALLS` of tests/sfaudio/hostile_calls.py.
GROWTH = 16.0  # MiB that a process may grow by once it is warm.
MISUSED = (
    "JitterBuffer",
    "CaptureQueue",
    "Resampler",
    "PlayoutEngine",
    "StreamCallback",
    "functions",
)


def fuzz(arguments: list[str]) -> int:
    """call every compiled function with hostile arguments, a million times, under both sanitizers"""
    calls = int(arguments[0]) if arguments else CALLS
    with tempfile.TemporaryDirectory() as name:
        folder, venv = Path(name), Path(name, "venv")
        wheel, env = sanitized(folder)
        make_venv(venv)
        pip_install(venv, "--only-binary=:all:", "numpy")
        pip_install(venv, "--no-deps", f"{wheel}")
        workers = os.cpu_count() or 1
        batches = -(-calls // (BATCH * workers))
        say(f"{workers} processes make {batches} batches of {BATCH} calls each")
        command = [f"{in_venv('python', venv)}", "-m", "tests.sfaudio.hostile_calls"]
        running = []
        for worker in range(workers):
            share = ["--first", f"{worker * batches}", "--batches", f"{batches}"]
            log = (folder / f"worker{worker}").open("w+")
            process = subprocess.Popen(
                [*command, *share], cwd=ROOT, env=os.environ | env, stdout=log, stderr=log
            )
            running.append((process, log))
        made = [calls_made(process.wait(), log) for process, log in running]
        failed = print_reports(folder) > 0 or 0 in made
        say(f"{sum(made):,} hostile calls: {'FAILED' if failed else 'no report, memory flat'}")
        return int(failed)


def calls_made(status: int, log: TextIO) -> int:
    """How many calls a worker made; 0 if it has failed, which is told."""
    log.seek(0)
    said = log.read().splitlines()
    log.close()
    if status != 0:
        print(*said[-20:], f"a worker ended with status {status}", sep="\n")
        return 0
    figures = json.loads(said[-1])
    print(figures)
    return int(figures["calls"]) if figures["end"] - figures["warm"] < GROWTH else 0


def misuse(arguments: list[str]) -> int:
    """let two threads, then four, misuse each compiled object, on a CPython without the GIL"""
    parser = argparse.ArgumentParser(prog="dev.py misuse")
    parser.add_argument("--python", help="a CPython without the GIL; else one that is found here")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each object and count")
    options = parser.parse_args(arguments)
    found = [python for name, python in pythons().items() if "free-threaded" in name]
    python = options.python or next(iter(found), None)
    if python is None:
        sys.exit("dev.py: there is no free-threaded CPython here: CONTRIBUTING says how to get one")
    row = "{:15} {:>7} {:>13} {:>13} {:>8} {:>8}  {}".format
    with tempfile.TemporaryDirectory() as name:
        venv = Path(name, "venv")
        make_venv(venv, python)
        # Not in an isolated build, which would compile a numpy that has no wheel for this Python.
        pip_install(venv, "--only-binary=:all:", *BUILD["requires"])
        pip_install(venv, "--no-deps", "--no-build-isolation", f"{ROOT}")
        print(
            row("object", "threads", "calls", "RuntimeErrors", "MiB", "at end", "outcome"),
            flush=True,
        )
        outcomes = []
        for thing, threads in itertools.product(MISUSED, (2, 4)):
            *figures, outcome = misused(venv, thing, threads, options.seconds)
            print(row(thing, threads, *figures, outcome), flush=True)
            outcomes.append(outcome)
        return int(any(outcome != "right" for outcome in outcomes))


def misused(venv: Path, thing: str, threads: int, seconds: float) -> tuple[str, str, str, str, str]:
    """Calls, RuntimeErrors, memory early and at the end, outcome."""
    python = f"{in_venv('python', venv)}"
    command = [python, "-m", "tests.sfaudio.misuse", thing, f"{threads}", f"{seconds}"]
    env = os.environ | {"PYTHON_GIL": "0"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds + 60
        )
    except subprocess.TimeoutExpired:
        return "", "", "", "", "HUNG"
    *_, last = done.stdout.splitlines() or ["nothing"]
    if done.returncode != 0:
        print(done.stderr[-2000:])
        return "", "", "", "", f"ended with status {done.returncode}; last said: {last}"
    figures = json.loads(last)
    errors = figures.get("RuntimeError", 0)
    outcome = "right" if figures["end"] - figures["warm"] < GROWTH else "memory GROWS"
    memory = f"{figures['warm']:.1f}", f"{figures['end']:.1f}"
    return f"{figures['calls']:,}", f"{errors:,}", *memory, outcome

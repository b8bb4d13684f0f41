"""Misuse by the million: hostile arguments."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TextIO

from dev.environment import make_venv, pip_install
from dev.processes import ROOT, in_venv, say
from dev.proofs import print_reports, sanitized

CALLS = 1_000_000
BATCH = 500  # As `CALLS` of tests/sfaudio/hostile_calls.py.
GROWTH = 16.0  # MiB that a process may grow by once it is warm.


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

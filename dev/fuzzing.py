"""Misuse by the million: hostile arguments, and threads that do what they must not."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from dev.environment import make_venv, pip_install
from dev.processes import ROOT, in_venv, say
from dev.proofs import print_reports, sanitized

CALLS = 1_000_000
BATCH = 500  # As `CALLS` of tests/sfaudio/hostile_calls.py.
GROWTH = 16.0  # MiB that a process may grow by in its second half.


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
        say(f"{workers} processes with {batches} batches of {BATCH} calls each")
        logs = [folder / f"worker{worker}" for worker in range(workers)]
        running = []
        for worker, log in enumerate(logs):
            command = [in_venv("python", venv), "-m", "tests.sfaudio.hostile_calls"]
            command += ["--first", f"{worker * batches}", "--batches", f"{batches}"]
            with log.open("wb") as to:
                running.append(
                    subprocess.Popen(
                        command, cwd=ROOT, env=os.environ | env, stdout=to, stderr=subprocess.STDOUT
                    )
                )
        statuses = [process.wait() for process in running]
        failed = print_reports(folder) > 0
        total = 0
        for status, log in zip(statuses, logs, strict=True):
            *lines, last = log.read_text(errors="replace").splitlines() or [""]
            if status != 0:
                print("\n".join([*lines[-20:], last, f"ended with status {status}"]))
                failed = True
                continue
            figures = json.loads(last)
            print(figures)
            total += figures["calls"]
            failed |= figures["end"] - figures["warm"] > GROWTH
        say(f"{total:,} hostile calls: {'FAILED' if failed else 'no report, memory flat'}")
        return int(failed)

"""Every program of this folder in its shortest form, so that none rots. Run by `python3 dev.py bench --once`.

Each must run all its code and end well; nothing is measured, and no time is judged. By default those that are quick and
need nothing but the tests' packages; with `--all` every one: some minutes, and all that they are measured against.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
AT_ONCE = 2
MOST_SECONDS = 600  # of one; it hangs
FOLDER = "FOLDER"  # in the arguments: one that is thrown away

Runs = dict[str, list[str]]  # by name, as it is told: the program and its arguments

QUICK: Runs = {
    "pacing": ["pacing.py", "--seconds", "0.5"],
    "playout": ["playout.py", "--only", "begin-1000", "--phases", "0"],
    "playout-cost": ["playout_cost.py", "--times", "2"],
    "conversations": ["conversations.py", "--once"],
}
PICTURES = ["--json", f"{FOLDER}/figures.json", "--plots", FOLDER]
SCALE = ["scale.py", "--calls", "2", "--seconds", "1", "--rounds", "1"]
SLOW: Runs = {
    "playout, pictures": ["playout.py", "--only", "stall-1000", "--noise", "-45", *PICTURES],
    "playout-quality": ["playout_quality.py", "--only", "wifilike-0", "--seconds", "20"],
    "realtime": ["realtime.py", "--once"],
    "echo": ["echo.py", "--once", *PICTURES],
    "doors": ["doors.py", "--once"],
    "scale": SCALE,
    "scale, memory": [*SCALE, "--memory-minutes", "0.05", "--burst"],
    "scale, profile": [*SCALE, "--profile"],
    "load": ["load.py", "--calls", "4", "--in-all", "8"],
    "soak": ["soak.py", "--minutes", "0.1", "--calls", "60", "--flood", "0.5"],
}


def run(name: str, command: list[str]) -> bool:
    """Whether it ended well; if not, what it printed is shown."""
    program, *arguments = command
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        arguments = [argument.replace(FOLDER, folder) for argument in arguments]
        try:
            done = subprocess.run(
                [sys.executable, str(HERE / program), *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=MOST_SECONDS,
            )
            status, told = f"exit status {done.returncode}", done.stdout
            is_good = done.returncode == 0
        except subprocess.TimeoutExpired as error:
            status, told, is_good = f"not done in {MOST_SECONDS} s", error.stdout or b"", False
    took = time.monotonic() - began
    text = "" if is_good else f": {status}\n{told.decode(errors='replace')}"
    print(f"{'ok    ' if is_good else 'BROKEN'} {name} ({took:.0f} s){text}", flush=True)
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*QUICK, *SLOW])
    args = parser.parse_args()
    runs = QUICK | SLOW if args.all or args.only else QUICK
    names = args.only or list(runs)
    with ThreadPoolExecutor(AT_ONCE) as pool:  # they wait a lot
        ended = list(pool.map(lambda name: run(name, runs[name]), names))
    print(f"{sum(ended)} of {len(names)} programs ran once")
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())

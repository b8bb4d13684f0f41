"""The laboratory of echo: canceller, gate and barge-in beside others, in simulated rooms. `python3 dev.py echo`.

An agent and three callers are recorded voices (see `recorded_speech.py`); the echo is 10 dB below the agent, the
noise -70 dBFS, and nobody tells the delay, if nothing else is said. Each row is a figure: the median of its runs (or
what its name says) and the worst; with a limit, it must hold of ours, or the exit status is 1. What is counted is told
in `echo_score.py`, who the others are in `echo_rivals.py`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import echo_alone
import echo_cost
import echo_interruptions
import echo_near
from echo_figures import Figure, table
from echo_scenes import AGENT, CALLERS, voice

# Runs of each part, and of each where it is to be quick.
PARTS: dict[str, tuple[Callable[[int], Iterator[Figure]], int, int]] = {
    "delay": (echo_alone.delay_and_erle, 100, 12),
    "changes": (echo_alone.changes, 12, 3),
    "ways": (echo_alone.ways, 6, 2),
    "double-talk": (echo_near.double_talk, 8, 2),
    "near": (echo_near.near_alone, 6, 2),
    "gate": (echo_near.gated, 30, 6),
    "interruptions": (echo_interruptions.barge_in, 24, 2),
    "cost": (echo_cost.cost, 3, 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="few runs of each: two minutes")
    parser.add_argument(
        "--once", action="store_true", help="the shortest run of all its code: nothing is judged"
    )
    parser.add_argument("--runs", type=int, metavar="N", help="of each part")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="pictures")
    args = parser.parse_args()
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"there is no folder {args.json.parent} to write {args.json.name} to")
    if args.runs is not None and args.runs < 1:
        parser.error(f"--runs {args.runs}: there must be one at least")
    runs = 1 if args.once else args.runs
    for language in (AGENT, *CALLERS):
        voice(language)  # fetched before anything is measured

    figures: list[Figure] = []
    for name in args.only or PARTS:
        part, many, few = PARTS[name]
        begin = time.monotonic()
        measured = list(part(runs or (few if args.quick else many)))
        figures += measured
        print(f"{name} ({time.monotonic() - begin:.0f} s)")
        print(table(measured), end="\n\n", flush=True)
    if args.json:
        args.json.write_text(json.dumps([one.row() for one in figures], indent=1) + "\n")
    if args.plots:
        from echo_plots import plot

        plot(args.plots, figures)
    faults = [one.name for one in figures if not one.is_good]
    judged = sum(one.limit is not None for one in figures)
    print(f"{judged - len(faults)} of {judged} hold" + "".join(f"\nFAULT {it}" for it in faults))
    sys.exit(bool(faults) and not args.once)


if __name__ == "__main__":
    main()

"""A load against the simulator, in a process of its own, on loopback. Run by `python3 dev.py load`.

Two workers hold at most 40 calls at once, 200 in all, by a script of two turns.

1. The percentiles of the merged report beside those of all single samples, which each worker has written into a file.
2. Once more, and one worker is killed in the middle: what its calls were, what became of the others, and how many calls
   have reached the far side.

It fails where the two differ by more than 1 %, where a call was placed twice, or where the kill cost calls of others.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dask.config
import psutil
import trio

from sfclient.simulator import ReplyAgent, open_simulator
from sfclient.testing.load import Load, LoadReport, Progress, hold_load, lines_of
from sfclient.testing.script import read_scripts

HERE = Path(__file__).parent
SCRIPT = HERE.parent / "examples" / "conversations" / "books_a_table.toml"
ANSWERS = [SCRIPT.parent / name for name in ("when.wav", "booked.wav")]
KEY_VARIABLE = "SYNTHFLOW_API_KEY"
WORKERS = 2
MOST_APART = 0.01


async def serve() -> None:
    """The far side: tells where it is, and, when its input is closed, how many calls there were."""
    agent = ReplyAgent(ANSWERS, hangs_up_after=len(ANSWERS))
    async with open_simulator(agent, keep=False) as simulator:
        print(json.dumps([simulator.base_url, simulator.key]), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        print(len(simulator.calls), flush=True)


@contextmanager
def far_side() -> Iterator[tuple[str, Callable[[], int]]]:
    """Its URL, and what ends it and says how many calls it has got."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, os.environ[KEY_VARIABLE] = json.loads(process.stdout.readline())
        yield url, lambda: int(process.communicate()[0])
        process.kill()


async def held(calls: int, in_all: int, on_progress: Callable[[Progress], object]) -> LoadReport:
    """Such a load; tells it, and how many calls came."""
    with far_side() as (url, count):
        (script,) = read_scripts(SCRIPT)
        order = {"base_url": url}
        load = Load(script, "agent", calls, seconds=300, rate=10, in_all=in_all, order=order)
        report = await hold_load(load, workers=WORKERS, on_progress=on_progress)
        came = count()
    print(*lines_of(report), f"{came} calls reached the far side", sep="\n", flush=True)
    if came != in_all:
        sys.exit(f"{came} calls were placed, not {in_all}")
    return report


def ranked(samples: list[float], percent: float) -> float:
    """The sample of the nearest rank."""
    return sorted(samples)[max(1, int(percent / 100 * len(samples) + 0.5)) - 1]


def samples_in(folder: Path) -> dict[str, list[float]]:
    """By what was measured."""
    samples: dict[str, list[float]] = {}
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            name, seconds = json.loads(line)
            samples.setdefault(name, []).append(seconds)
    return samples


async def compare(calls: int, in_all: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LOAD_SAMPLES"] = folder
        preload = {"distributed.worker.preload": [str(HERE / "load_samples.py")]}
        with dask.config.set(preload):
            report = await held(calls, in_all, lambda _: None)
        samples = samples_in(Path(folder))
    if report.all.counts["passed"] != in_all:
        print("not all calls passed: see above")
    print("\nseconds: the merged report's percentile, and that of all single samples")
    worst = 0.0
    for name, raw in sorted(samples.items()):
        times = report.all.times[name]
        assert len(times) == len(raw)
        for percent, merged in times.percentiles().items():
            apart = merged / ranked(raw, percent) - 1
            worst = max(worst, abs(apart))
            print(f"{name:12}{percent:6g} %{merged:10.4f}{ranked(raw, percent):10.4f}{apart:+9.2%}")
    if worst > MOST_APART:
        sys.exit(f"they differ by {worst:.1%}")
    print(f"at most {worst:.2%} apart\n", flush=True)


async def lose(calls: int, in_all: int) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.placed >= in_all // 2 and not killed:
            children = psutil.Process().children(recursive=True)
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
            killed.append(workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    # Of the killed worker's share, what it had not placed is never placed.
    with far_side() as (url, count):
        (script,) = read_scripts(SCRIPT)
        load = Load(script, "agent", calls, 300, 10, in_all, {"base_url": url})
        report = await hold_load(load, workers=WORKERS, on_progress=kill)
        came = count()
    print(*lines_of(report), f"{came} calls reached the far side", sep="\n", flush=True)
    others = [worker for worker in report.workers if worker.lost is None]
    if len(others) != WORKERS - 1 or sum(each.lost_calls for each in others):
        sys.exit("the loss of one worker has cost another's calls")
    ended = sum(worker.ended for worker in others)
    if ended != in_all // WORKERS:
        sys.exit(f"the other worker has held {ended} calls to their end, not {in_all // WORKERS}")
    # What the killed worker placed in its last second has reached the far side, and was not told.
    if not report.placed <= came <= report.placed + 10:
        sys.exit(f"{came} calls were placed, and {report.placed} told")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=40, help="at once")
    parser.add_argument("--in-all", type=int, default=200)
    parser.add_argument("--only", choices=["compare", "lose"], help="that part")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        trio.run(serve)
        return
    for part in (compare, lose):
        if args.only in (None, part.__name__):
            trio.run(part, args.calls, args.in_all)


if __name__ == "__main__":
    main()

"""What a headless call costs beside bare loops. Run by `python3 dev.py scale`, on Linux.

Of each client a process holds so many calls at once, in which both sides speak all the time: every 20 ms 1,920 bytes
go up (ws-media: 640) and 640 come down. It is pinned to one core, `scale_far_side.py` to another. The clients are
measured in turn, after a warm-up, three times; shown are medians. An absolute time means nothing on a shared machine:
read the ratios, within one run.

- of asyncio, of floor: CPU time beside that of `asyncio`, a plain loop; and of `trio-websocket-tick`, the least that
  can be had of our websocket library. ms/s: the same in milliseconds a second a call.
- RSS, USS: memory more than before the first call, divided by the calls: resident, and of it this process's alone.
- spacing: milliseconds between two chunks of a call when they reach the far side. joined: the share of chunks that it
  got together with the one before. chunks/s: how many of a call came; a client that sends fewer than 50 is overloaded.
- waited: how long the client's core was busy with others (`threads`: or one waited for another); from some percent on,
  spacing and chunks/s tell of those. far side: how busy its core was.

In `ours-stuck` the far side of one more call does not read; the spacing is that of the others. With
`--memory-minutes`, received and played are the least of all calls, in seconds; dropped frames and underruns the sum.
With `--profile`, a function is charged with the functions in C and the system calls that it calls.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from types import FrameType

from scale_clients import APART_SECONDS, CLIENTS, FLOOR, REFERENCE, STUCK, Urls, held

from sfclient import CaptureStatistics

Figures = dict[str, float]

WARM_UP_SECONDS = 3
BUSY = 0.7  # of a core
BURST_MESSAGES = 3000  # a minute
MOMENTS = 6.0, 60.0, 300.0, 600.0  # at which memory is looked at, in seconds
SAMPLE_SECONDS = 0.001  # of CPU time; the kernel may take four times that
# A core that falls asleep in between does the same work in more time, so that a client pays for being idle.
COMPUTE = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
FAR_SIDE = Path(__file__).with_name("scale_far_side.py")

# Head, key and format of each column.
MEMORY = {"ms/s": ("cpu", ".2f"), "RSS, KiB": ("rss", ".0f"), "USS, KiB": ("uss", ".0f")}
COMPARED = {
    "of asyncio": (f"of {REFERENCE}", ".2f"),
    "of floor": (f"of {FLOOR}", ".2f"),
    **MEMORY,
    "p1, ms": ("p1", ".1f"),
    "p50": ("p50", ".1f"),
    "p99": ("p99", ".1f"),
    "most": ("most", ".1f"),
    "joined": ("joined", ".1%"),
    "chunks/s": ("messages", ".2f"),
    "waited": ("waited", ".0%"),
    "far side": ("far_side", ".0%"),
}
REMEMBERED = {
    **MEMORY,
    "received": ("received", ".1f"),
    "played": ("played", ".1f"),
    "dropped": ("dropped", ".0f"),
    "underruns": ("underruns", ".0f"),
}


# In a client's process.


def look() -> Figures:
    """What this process has used, and what our calls have done: the least or most of them."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    kib = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", rollup, re.M)}
    counts = [call.statistics() for call in held]
    return {
        "at": time.perf_counter(),
        "cpu": time.process_time(),
        "kernel": os.times().system,
        "waited": sum(waited_seconds(task) for task in Path("/proc/self/task").iterdir()),
        "rss": kib["Rss"],
        "uss": kib["Private_Dirty"] + kib["Private_Clean"],
        "received": min((each.playout.received_frames / 16_000 for each in counts), default=0),
        "played": min((each.playout.played_frames / 16_000 for each in counts), default=0),
        "dropped": sum(each.playout.dropped_frames for each in counts),
        "underruns": sum(each.playout.underruns for each in counts),
        "unsaid": max((unsaid_seconds(each.capture) for each in counts), default=0),
    }


def waited_seconds(task: Path) -> float:
    """For a core, when it could have run."""
    return 1e-9 * int((task / "schedstat").read_text().split()[1])


def unsaid_seconds(counts: CaptureStatistics) -> float:
    return (counts.in_hand_frames + counts.queued_frames + counts.dropped_frames) / 48_000


def run_client(name: str, urls: Urls, moments: Sequence[float], is_sampled: bool) -> None:
    """Hold the calls. Print a look before the first, when all are under way, and at each moment after that; and last,
    how often which function was found to be running, in between."""
    samples = Counter[str]()

    def sample(_signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            samples[spelled(frame)] += 1

    def watch() -> None:
        time.sleep(len(urls) * APART_SECONDS + WARM_UP_SECONDS)
        began = time.perf_counter()
        samples.clear()
        for moment in (0.0, *moments):
            time.sleep(max(0.0, began + moment - time.perf_counter()))
            print(json.dumps(look()), flush=True)
        print(json.dumps(samples), flush=True)
        os._exit(0)

    print(json.dumps(look()), flush=True)
    threading.Thread(target=watch, daemon=True).start()
    if is_sampled:
        signal.signal(signal.SIGPROF, sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    CLIENTS[name](urls)


def spelled(frame: FrameType) -> str:
    """Package and name of the function; what namedtuple and attrs make is in no module of theirs."""
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    if package in sys.stdlib_module_names or package not in sys.modules:
        package = "stdlib"
    return f"{package}: {frame.f_code.co_qualname}"


# In the process that compares them.


def measured(
    name: str,
    calls: int,
    *moments: float,
    messages_at_once: int = 0,
    is_sampled: bool = False,
) -> tuple[list[Figures], dict[str, int], Figures]:
    """The looks of a client, the samples of it by function, and what the far side saw."""
    cores = sorted(os.sched_getaffinity(0))
    options = ["--seconds", str(moments[-1]), "--at-once", str(messages_at_once)]
    with (
        started(cores[0], "-c", COMPUTE) as idler,
        started(cores[-1], str(FAR_SIDE), *options) as far_side,
    ):
        assert far_side.stdout is not None
        url, stuck_url = (f"ws://127.0.0.1:{port}/" for port in far_side.stdout.readline().split())
        urls = [stuck_url] * (name == STUCK) + [url] * calls
        orders = json.dumps([name, urls, moments, is_sampled])
        with started(cores[0], __file__, "--client", orders) as client:
            assert client.stdout is not None
            told = client.stdout.read().splitlines()
        if client.returncode:
            idler.terminate()
            far_side.terminate()
            sys.exit(f"{name} has failed")
        seen = json.loads(far_side.stdout.readline())
        idler.terminate()
    if seen["calls"] != calls:
        sys.exit(f"{name}: {seen['calls']} calls were held, not {calls}")
    *looks, samples = map(json.loads, told)
    return looks, samples, seen


def started(core: int, *arguments: str) -> "subprocess.Popen[str]":
    pin = partial(os.sched_setaffinity, 0, {core})
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pin)


def share(calls: int, before: Figures, begun: Figures, last: Figures) -> Figures:
    """A call's, of CPU time and memory; and the process's, of waiting."""
    cpu, waited = (
        (last[kind] - begun[kind]) / (last["at"] - begun["at"]) for kind in ("cpu", "waited")
    )
    memory = {kind: (last[kind] - before[kind]) / calls for kind in ("rss", "uss")}
    return {**memory, "cpu": 1e3 * cpu / calls, "waited": waited}


def compare(names: Sequence[str], calls: int, seconds: float, times: int) -> None:
    rounds: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(times):
        for name in names:
            looks, _, seen = measured(name, calls, seconds)
            rounds[name].append({**seen, **looks[-1], **share(calls, *looks)})
        for other in (REFERENCE, FLOOR):
            cpu = rounds[other][-1]["cpu"] if other in rounds else float("nan")
            for of_client in rounds.values():
                of_client[-1][f"of {other}"] = of_client[-1]["cpu"] / cpu
    print_row(f"{calls} calls", COMPARED)
    for name, of_client in rounds.items():
        told = {key: median(one[key] for one in of_client) for key in of_client[0]}
        told["most"] = max(one["most"] for one in of_client)
        print_row(name, COMPARED, told)
        if name == STUCK:
            print(f"    the stuck call has {told['unsaid']:.1f} s of speech still to send")
        if told["far_side"] > BUSY:
            print("    the far side was too busy for these figures to be the client's alone")
        if told["untimed"]:
            print(f"    the kernel told no time of {told['untimed']:.0f} chunks")


def remember(calls: int, minutes: float, messages_at_once: int) -> None:
    """What ours holds, in the course of long calls."""
    moments = [moment for moment in MOMENTS if moment < 60 * minutes] + [60 * minutes]
    (before, begun, *looks), _, seen = measured(
        "ours", calls, *moments, messages_at_once=messages_at_once
    )
    print_row(f"{calls} calls", REMEMBERED)
    for moment, look in zip(moments, looks, strict=True):
        told = {**look, **share(calls, before, begun, look)}
        print_row(f"after {moment / 60:g} minutes", REMEMBERED, told)
    print(f"    chunks {seen['p50']:.1f} ms apart, p99 {seen['p99']:.1f}", flush=True)


def explain(calls: int, seconds: float) -> None:
    """Where the time of ours goes."""
    (_, begun, last), samples, _ = measured("ours", calls, seconds, is_sampled=True)
    packages: dict[str, Counter[str]] = {}
    taken = sum(samples.values())
    for function, found in samples.items():
        package, _, name = function.partition(": ")
        packages.setdefault(package, Counter())[name] = found
    kernel = (last["kernel"] - begun["kernel"]) / (last["cpu"] - begun["cpu"])
    print(f"\n{calls} calls: who ran, in {taken} samples; {kernel:.0%} of the time in the kernel")
    for package, functions in sorted(packages.items(), key=lambda item: -item[1].total()):
        first = ", ".join(f"{name} {found / taken:.1%}" for name, found in functions.most_common(5))
        print(f"{package:24}{functions.total() / taken:6.1%}   {first}", flush=True)


def print_row(name: str, columns: dict[str, tuple[str, str]], told: Figures | None = None) -> None:
    """Of a table, or its head."""
    cells = columns if told is None else [format(told[key], form) for key, form in columns.values()]
    head = "\n" if told is None else ""
    print(f"{head}{name:22}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", default="20,50,100", help="at once")
    parser.add_argument("--seconds", type=float, default=10, help="that a client is measured")
    parser.add_argument("--rounds", type=int, default=3, help="in which each is measured")
    parser.add_argument("--only", default=",".join(CLIENTS), help="these clients")
    parser.add_argument("--memory-minutes", type=float, help="of ours alone: memory in the course")
    parser.add_argument(
        "--burst", action="store_true", help="there: agents begin with a minute at once"
    )
    parser.add_argument(
        "--profile", action="store_true", help="of ours alone: whose code takes the time"
    )
    parser.add_argument("--client", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        run_client(*json.loads(args.client))
        return
    names = args.only.split(",")
    if unknown := set(names) - set(CLIENTS):
        parser.error(f"no such clients: {unknown}; there are {', '.join(CLIENTS)}")
    for calls in map(int, args.calls.split(",")):
        if args.memory_minutes:
            remember(calls, args.memory_minutes, BURST_MESSAGES if args.burst else 0)
        elif args.profile:
            explain(calls, args.seconds)
        else:
            compare(names, calls, args.seconds, args.rounds)


if __name__ == "__main__":
    main()

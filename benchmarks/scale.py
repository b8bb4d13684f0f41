"""What a headless call costs beside bare loops. Run by `python3 dev.py scale`, on Linux.

Every client holds so many calls at once: of 20 ms each, 1,920 bytes go up and 640 come down. It is a process of its
own, pinned to one core, and `scale_far_side.py` to another. The clients are measured in turn, three times, after a
warm-up; shown are medians. An absolute time means nothing on a shared machine: read the ratios, within one run.

- of asyncio, of floor: CPU time a call, as a ratio to `asyncio`, and to `trio-websocket-tick`, the least that is
  possible on our websocket library; ms/s: the same in milliseconds a second.
- RSS, USS: resident memory, and what of it is this process's alone, more than before the first call, in KiB a call.
- spacing: milliseconds between two chunks of a call as they reach the far side; joined: the share of chunks that
  reached it together with the one before.
- chunks: that came in a second of a call. If not 50, the client did not keep up, and its other figures say less.
- far side: how busy its core was. From 70 % on, it may be what is measured: marked by an exclamation mark.

In `ours-stuck`, the far side of one more call does not read: the figures are those of the others.
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
from pathlib import Path
from statistics import median
from types import FrameType

from scale_clients import APART_SECONDS, CLIENTS, FLOOR, REFERENCE, STUCK, Urls, held

Figures = dict[str, float]

WARM_UP_SECONDS = 3
ROUNDS = 3
BUSY = 0.7  # of a core
BURST_MESSAGES = 3000  # a minute
MOMENTS = 6.0, 60.0, 300.0, 600.0  # at which memory is looked at, in seconds
SAMPLE_SECONDS = 0.001  # of CPU time; the kernel may take four times that
FAR_SIDE = Path(__file__).with_name("scale_far_side.py")


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
        "rss": kib["Rss"],
        "uss": kib["Private_Dirty"] + kib["Private_Clean"],
        "received": min((each.playout.received_frames / 16_000 for each in counts), default=0),
        "played": min((each.playout.played_frames / 16_000 for each in counts), default=0),
        "dropped": sum(each.playout.dropped_frames for each in counts),
        "underruns": sum(each.playout.underruns for each in counts),
        "unsaid": max((each.capture.dropped_frames / 48_000 for each in counts), default=0),
    }


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
    """Package and name of the function."""
    package = frame.f_globals.get("__name__", "attrs").partition(".")[0]
    package = "stdlib" if package in sys.stdlib_module_names else package
    return f"{package}: {frame.f_code.co_qualname}"


# In the process that compares them.


def measured(
    name: str,
    calls: int,
    *moments: float,
    messages_at_once: int = 0,
    is_sampled: bool = False,
) -> tuple[list[Figures], Figures, Figures]:
    """The looks of a client, the samples of it by function, and what the far side saw."""
    cores = sorted(os.sched_getaffinity(0))
    options = ["--seconds", str(moments[-1]), "--at-once", str(messages_at_once)]
    with started(cores[-1], str(FAR_SIDE), *options) as far_side:
        assert far_side.stdout is not None
        url, stuck_url = (f"ws://127.0.0.1:{port}/" for port in far_side.stdout.readline().split())
        urls = [stuck_url] * (name == STUCK) + [url] * calls
        orders = json.dumps([name, urls, moments, is_sampled])
        with started(cores[0], __file__, "--client", orders) as client:
            assert client.stdout is not None
            told = client.stdout.read().splitlines()
        if client.returncode:
            far_side.terminate()
            sys.exit(f"{name} has failed")
        seen = json.loads(far_side.stdout.readline())
    if seen["calls"] != calls:
        sys.exit(f"{name}: {seen['calls']} calls were held, not {calls}")
    *looks, samples = map(json.loads, told)
    return looks, samples, seen


def started(core: int, *arguments: str) -> "subprocess.Popen[str]":
    command = ["taskset", "--cpu-list", str(core), sys.executable, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def figures(calls: int, before: Figures, begun: Figures, last: Figures) -> Figures:
    """A call's share."""
    cpu = 1e3 * (last["cpu"] - begun["cpu"]) / (last["at"] - begun["at"]) / calls
    return {"cpu": cpu, **{kind: (last[kind] - before[kind]) / calls for kind in ("rss", "uss")}}


def compare(names: Sequence[str], calls: int, seconds: float) -> None:
    rounds: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            looks, _, seen = measured(name, calls, seconds)
            rounds[name].append({**seen, **looks[-1], **figures(calls, *looks)})
        for other in (REFERENCE, FLOOR):
            cpu = rounds[other][-1]["cpu"] if other in rounds else float("nan")
            for of_client in rounds.values():
                of_client[-1][f"of {other}"] = of_client[-1]["cpu"] / cpu
    print(f"\n{f'{calls} calls':22} -- CPU, of --{'- KiB -':>23}{'-- spacing in ms --':>30}")
    heads = (
        "asyncio",
        "floor",
        "ms/s",
        "RSS",
        "USS",
        "p1",
        "p50",
        "p99",
        "most",
        "joined",
        "chunks",
        "far side",
    )
    print(f"{'':22}" + "".join(f"{head:>8}" for head in heads))
    for name, of_client in rounds.items():
        told = {key: median(one[key] for one in of_client) for key in of_client[0]}
        ratios = f"{told[f'of {REFERENCE}']:8.2f}{told[f'of {FLOOR}']:8.2f}{told['cpu']:8.2f}"
        memory = f"{told['rss']:8.0f}{told['uss']:8.0f}"
        most = max(one["most"] for one in of_client)
        spacing = (
            f"{told['p1']:8.1f}{told['p50']:8.1f}{told['p99']:8.1f}{most:8.1f}{told['joined']:8.1%}"
        )
        busy = f"{told['far_side']:8.0%}{'!' if told['far_side'] > BUSY else ''}"
        print(f"{name:22}{ratios}{memory}{spacing}{told['messages']:8.2f}{busy}", flush=True)
        if name == STUCK:
            print(
                f"  the call whose far side did not read dropped {told['unsaid']:.1f} s of speech"
            )
        if told["untimed"]:
            print(f"  {told['untimed']:.0f} chunks have the time at which they were read")


def remember(calls: int, minutes: float, is_burst: bool) -> None:
    """What ours holds, in the course of long calls."""
    moments = [moment for moment in MOMENTS if moment < 60 * minutes] + [60 * minutes]
    at_once = BURST_MESSAGES if is_burst else 0
    (before, begun, *looks), _, seen = measured("ours", calls, *moments, messages_at_once=at_once)
    print(
        f"\n{calls} calls{', each agent begins with a minute of speech at once' if is_burst else ''}"
    )
    heads = (
        "minutes",
        "RSS, KiB",
        "USS, KiB",
        "ms/s",
        "received",
        "played",
        "dropped",
        "underruns",
    )
    print("".join(f"{head:>10}" for head in heads))
    for moment, at in zip(moments, looks, strict=True):
        share = figures(calls, before, begun, at)
        print(
            f"{moment / 60:10.1f}{share['rss']:10.0f}{share['uss']:10.0f}{share['cpu']:10.2f}",
            end="",
        )
        print(
            f"{at['received']:10.1f}{at['played']:10.1f}{at['dropped']:10.0f}{at['underruns']:10.0f}"
        )
    print(f"chunks {seen['p50']:.1f} ms apart, p99 {seen['p99']:.1f}", flush=True)


def explain(calls: int, seconds: float) -> None:
    """Where the time of ours goes."""
    (_, begun, last), samples, _ = measured("ours", calls, seconds, is_sampled=True)
    packages: dict[str, Counter[str]] = {}
    for function, found in samples.items():
        package, _, name = function.partition(": ")
        packages.setdefault(package, Counter())[name] += found / sum(samples.values())
    kernel = (last["kernel"] - begun["kernel"]) / (last["cpu"] - begun["cpu"])
    print(
        f"\n{calls} calls: CPU time by whose function calls it spent, {kernel:.0%} of all in the kernel"
    )
    for package, functions in sorted(packages.items(), key=lambda item: -item[1].total()):
        first = ", ".join(f"{name} {share:.1%}" for name, share in functions.most_common(5))
        print(f"{package:16}{functions.total():7.1%}   {first}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", default="20,50,100", help="at once")
    parser.add_argument(
        "--seconds", type=float, default=10, help="that a client is measured, thrice"
    )
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
    for calls in map(int, args.calls.split(",")):
        if args.memory_minutes:
            remember(calls, args.memory_minutes, args.burst)
        elif args.profile:
            explain(calls, args.seconds)
        else:
            compare(args.only.split(","), calls, args.seconds)


if __name__ == "__main__":
    main()

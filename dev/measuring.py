"""Measurements of speed and of timing."""

from dev.environment import install
from dev.processes import run


def bench(arguments: list[str]) -> int:
    """measure us beside the rivals and print the ratios; --save, --compare; --once: run all programs here once"""
    if "--once" in arguments:
        return once([argument for argument in arguments if argument != "--once"])
    install("bench")
    return run("python", "-m", "pytest", "benchmarks", "-q", "--benchmark-quiet", *arguments)


def once(arguments: list[str]) -> int:
    """Each benchmark once; `--all` or names of programs are for the programs beside pytest's."""
    everything = bool(arguments)
    install("bench" if everything else "test", sound=everything)
    return max(
        run("python", "-m", "pytest", "benchmarks", "-q", "--benchmark-disable"),
        run("python", "benchmarks/once.py", *arguments),
    )


def realtime(arguments: list[str]) -> int:
    """measure native callbacks beside Python's on a real PortAudio, for about half an hour"""
    install("bench", sound=True)
    return run("python", "benchmarks/realtime.py", *arguments)


def playout(arguments: list[str]) -> int:
    """play arrival traces by the playout engine and by its competitors, for two minutes"""
    install("bench")
    return run("python", "benchmarks/playout.py", *arguments)


def playout_quality(arguments: list[str]) -> int:
    """score recorded speech around stalls, as the playout engine and others play it, for a few minutes"""
    install("bench")
    return run("python", "benchmarks/playout_quality.py", *arguments)


def playout_cost(arguments: list[str]) -> int:
    """measure what 10 ms of playout cost in the worst states, for five minutes"""
    install("bench")
    return run("python", "benchmarks/playout_cost.py", *arguments)


def echo(arguments: list[str]) -> int:
    """let canceller, gate and barge-in show in simulated rooms what they promise, beside others, in 25 minutes"""
    install("bench")
    return run("python", "benchmarks/echo.py", *arguments)


def pacing(arguments: list[str]) -> int:
    """measure how evenly the messages of a ws-media call arrive, for two minutes"""
    install("bench")
    return run("python", "benchmarks/pacing.py", *arguments)


def doors(arguments: list[str]) -> int:
    """measure calls through each door beside the trio client, and with a host that is busy, for ten minutes"""
    install("bench", sound=True)
    return run("python", "benchmarks/doors.py", *arguments)


def scale(arguments: list[str]) -> int:
    """measure what a headless call costs beside bare loops, for half an hour"""
    install("bench")
    return run("python", "benchmarks/scale.py", *arguments)


def conversations(arguments: list[str]) -> int:
    """hold an hour of talk on the virtual clock, beside a bare loop with as many wake-ups, and twice the same"""
    install("bench")
    return run("python", "benchmarks/conversations.py", *arguments)


def load(arguments: list[str]) -> int:
    """hold many calls from two processes, merge their figures, and kill one in the middle, for two minutes"""
    install("bench")
    return run("python", "benchmarks/load.py", *arguments)


def soak(arguments: list[str]) -> int:
    """watch memory, threads and descriptors in long, short, failed and flooded calls, for an hour and a half"""
    install("bench")
    return run("python", "benchmarks/soak.py", *arguments)

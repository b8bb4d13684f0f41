"""``sfclient test``: scripted conversations with an agent, and whether they went as they should."""

import argparse
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sfclient._devices import check_distinct
from sfclient._errors import UsageError
from sfclient._whole_file import check_place, write_whole
from sfclient.cli._leavings import is_there
from sfclient.cli._network import add_network
from sfclient.cli._service import KEY_VARIABLE, add_dialect, add_service, api_key, order_of
from sfclient.cli._telling import say

if TYPE_CHECKING:
    from sfclient.testing.suite import Result, Way

INTERRUPTED = 130  # as a shell tells of SIGINT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the subcommand."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", type=Path, help="a script: TOML, or Python")
    add("--folder", metavar="DIR", type=Path, help="keep recording, figures and report of each")
    add("--junit", metavar="FILE.xml", type=Path, help="write the results as JUnit XML")
    add("--overwrite", action="store_true", help="replace files that are there")
    add(
        "--repeat",
        metavar="NUMBER",
        type=_count,
        default=1,
        help="hold each so often; on the virtual clock it must be the same each time (1)",
    )
    simulated = parser.add_argument_group("with a simulated agent, which is the default")
    simulated.add_argument(
        "--agent",
        metavar="NAME",
        help="instead of the [simulator] of the files: echo, module:name or file.py:name",
    )
    simulated.add_argument(
        "--real-time",
        action="store_true",
        help="over sockets of this machine, in as much time as it takes; otherwise on a virtual clock, in memory",
    )
    add_network(simulated)
    service = parser.add_argument_group("with an agent of the service, in real time")
    service.add_argument(
        "--assistant",
        metavar="ID",
        help=f"of the agent; the API key comes from {KEY_VARIABLE}",
    )
    add_service(service)
    add_dialect(parser)


def run_test(args: argparse.Namespace) -> int:
    """It runs trio itself, once for each conversation. Raises `UsageError` before any call."""
    from sfclient.testing.suite import junit_of, read_suite, run_suite

    way = _way(args)
    scripts = read_suite(args.files)
    _check_places(args)
    began = time.perf_counter()
    results = run_suite(
        scripts,
        way,
        folder=args.folder,
        repeat=args.repeat,
        tell=lambda result: say(str(result)),
    )
    say(_summary(results, time.perf_counter() - began))
    if args.junit is not None:
        write_whole(args.junit, junit_of(results))
    if any(result.was_interrupted for result in results):
        return INTERRUPTED
    return max(result.exit_status for result in results)


def _way(args: argparse.Namespace) -> "Way":
    """With whom they are held. Raises `UsageError` for options that contradict each other."""
    from sfclient.testing.suite import AtService, OnVirtualClock, OverSocket

    order = order_of(args)
    if args.assistant is None:
        if args.allow_insecure or any(value is not None for value in order.values()):
            raise UsageError(
                "options of the service are given, but no agent of it: give --assistant too"
            )
        if args.network is None and args.network_seed:
            raise UsageError("--network-seed goes with --network only")
        kind = OverSocket if args.real_time else OnVirtualClock
        return kind(args.dialect, args.network, args.network_seed, args.agent)
    for option in ("agent", "real_time", "network", "network_seed"):
        if getattr(args, option):
            told = f"--{option.replace('_', '-')}"
            raise UsageError(f"{told} is of a simulated agent: leave it out, or --assistant")
    return AtService(args.assistant, api_key(), args.dialect, args.allow_insecure, order)


def _check_places(args: argparse.Namespace) -> None:
    """Whether what is to be kept can be, and is no script: before calls that cost something."""
    if args.folder is not None:
        try:
            args.folder.mkdir(parents=True, exist_ok=True)
            is_used = any(args.folder.iterdir())
        except OSError as error:
            raise UsageError(f"cannot make the folder {args.folder}: {error.strerror}") from None
        if is_used and not args.overwrite:
            raise UsageError(f"{args.folder} is not empty: give another --folder, or --overwrite")
    if args.junit is not None:
        check_distinct(args.files, [args.junit])
        if is_there(args.junit) and not args.overwrite:
            raise UsageError(f"{args.junit} is there already: give another --junit, or --overwrite")
        check_place(args.junit)


def _summary(results: "Sequence[Result]", seconds: float) -> str:
    verdicts = Counter(result.verdict for result in results)
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    plural = "conversation" if len(results) == 1 else "conversations"
    return f"{len(results)} {plural} in {seconds:.1f} s: {told}"


def _count(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,4}", text) and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of times: use 1 to 9999")

"""``sfclient load``: many scripted calls at once, from many processes."""

import argparse
import json
import math
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from sfclient._errors import UsageError
from sfclient._nursery import open_unwrapped_nursery
from sfclient._spool import in_thread
from sfclient._whole_file import check_place, write_whole
from sfclient.cli._leavings import is_there
from sfclient.cli._service import KEY_VARIABLE, add_dialect, add_service, order_of
from sfclient.cli._telling import complain, give_out
from sfclient.cli._terminal import is_screen

if TYPE_CHECKING:
    from sfclient.testing.load import Load, LoadReport, Progress

INTERRUPTED = 130  # as a shell tells of SIGINT
LINE_SECONDS = 5.0  # between two lines of how far it is, where there is no terminal for a bar
STOPPING = "Hanging up, and making the report of what there is. Once more (Ctrl-C) ends it at once."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the subcommand."""
    add = parser.add_argument
    add(
        "script", metavar="SCRIPT", type=Path, help="what each caller does, as sfclient test has it"
    )
    add(
        "--assistant",
        metavar="ID",
        required=True,
        help=f"of the agent; the API key comes from {KEY_VARIABLE}, on each worker",
    )
    add("--calls", metavar="NUMBER", type=int, required=True, help="held at once, at most")
    add(
        "--for",
        metavar="SECONDS",
        type=float,
        required=True,
        dest="seconds",
        help="place calls for so long: one that ends is replaced; those held then are held to their end",
    )
    add("--rate", metavar="NUMBER/s", type=_rate, default=1.0, help="calls placed a second (1/s)")
    add(
        "--in-all",
        metavar="NUMBER",
        type=int,
        help="calls placed at all, at most: each may cost money (as many as fit)",
    )
    add("--workers", metavar="NUMBER", type=int, help="processes on this machine (one a core)")
    add(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="of a Dask cluster whose workers place the calls, instead of this machine",
    )
    add("--json", metavar="FILE.json", type=Path, help="write the report as JSON")
    add("--report", metavar="FILE.html", type=Path, help="write the report as a page")
    add("--overwrite", action="store_true", help="replace files that are there")
    add_service(parser)
    add_dialect(parser)


async def run_load(args: argparse.Namespace) -> int:
    """Raises `UsageError` and `NetworkError` before any call is placed."""
    stop = trio.Event()
    report: LoadReport | None = None
    async with open_unwrapped_nursery() as nursery:
        await nursery.start(_listen, stop, nursery.cancel_scope)
        load = await in_thread(partial(_load, args))
        await in_thread(partial(_check_files, args))
        from sfclient.testing.load import hold_load, lines_of

        with _telling(load) as tell:
            report = await hold_load(
                load,
                workers=args.workers,
                scheduler=args.scheduler,
                stop=stop,
                on_progress=tell,
            )
        nursery.cancel_scope.cancel()
    if report is None:
        return INTERRUPTED
    give_out(lines_of(report))
    await in_thread(partial(_write, args, report))
    if stop.is_set():
        return INTERRUPTED
    if report.stopped is not None:
        return UsageError.exit_status
    return 0 if report.passed else 1


def _load(args: argparse.Namespace) -> "Load":
    """It blocks for a second, while Dask is imported. Raises `UsageError`."""
    try:
        from sfclient.testing.load import Load
    except ImportError as error:
        raise UsageError(str(error)) from None
    from sfclient.testing.script import read_scripts

    scripts = read_scripts(args.script)
    if len(scripts) != 1:
        raise UsageError(
            f"{args.script} has {len(scripts)} scripts: a load holds one again and again"
        )
    order = {"dialect": args.dialect, "allow_insecure": args.allow_insecure, **order_of(args)}
    return Load(
        scripts[0],
        args.assistant,
        calls=args.calls,
        seconds=args.seconds,
        rate=args.rate,
        in_all=args.in_all,
        order=order,
        key_variable=KEY_VARIABLE,
    )


def _check_files(args: argparse.Namespace) -> None:
    """Whether what is to be written can be, before calls that cost something. It may block. Raises `UsageError`."""
    for path in filter(None, (args.json, args.report)):
        if not args.overwrite and is_there(path):
            raise UsageError(f"{path} is there already: give another name, or --overwrite")
        check_place(path)


def _write(args: argparse.Namespace, report: "LoadReport") -> None:
    from sfclient.testing.load import page_of

    if args.json is not None:
        write_whole(args.json, json.dumps(report.record(), indent=2, allow_nan=False) + "\n")
    if args.report is not None:
        write_whole(args.report, page_of(report))


async def _listen(
    stop: trio.Event,
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """The first signal has all hung up in order, the second ends it at once."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if stop.is_set():
                everything.cancel()
                return
            stop.set()
            complain(STOPPING)


@contextmanager
def _telling(load: "Load") -> "Iterator[Callable[[Progress], object]]":
    """Who is told how far it is: a bar on a terminal, else lines, on standard error."""
    if is_screen(sys.stderr):
        with suppress(ImportError):
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = TimeElapsedColumn(), BarColumn(), TextColumn("{task.description}")
            with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("starting workers", total=load.seconds)
                yield lambda progress: bar.update(
                    task, completed=progress.seconds, description=_told(progress)
                )
            return
    told_at = -math.inf

    def tell(progress: "Progress") -> None:
        nonlocal told_at
        if progress.seconds >= told_at + LINE_SECONDS:
            told_at = progress.seconds
            complain(f"{progress.seconds:.0f} s: {_told(progress)}")

    yield tell


def _told(progress: "Progress") -> str:
    told = [f"{progress.held} held", f"{progress.placed} placed", f"{progress.passed} passed"]
    for count, what in (
        (progress.failed, "failed"),
        (progress.errors, "errors"),
        (progress.lost, "lost"),
        (progress.late_workers, "workers too slow"),
    ):
        if count:
            told.append(f"{count} {what}")
    return ", ".join(told)


def _rate(text: str) -> float:
    found = re.fullmatch(r"([0-9.]+)(/s)?", text)
    with suppress(ValueError):
        if found:
            return float(found[1])
    raise argparse.ArgumentTypeError(f"{text!r} is no rate: give calls a second, such as 10/s")

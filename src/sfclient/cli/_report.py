"""``sfclient report``: a call that is over, as a page."""

import argparse
from functools import partial
from pathlib import Path

from sfclient._devices import check_distinct
from sfclient._errors import UsageError
from sfclient._spool import in_thread
from sfclient.cli._leavings import is_there
from sfclient.cli._telling import give_out
from sfclient.report import read_record, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the subcommand."""
    parser.add_argument(
        "recording", nargs="?", metavar="CALL.wav", type=Path, help="what --record wrote, if it did"
    )
    parser.add_argument("record", metavar="CALL.json", type=Path, help="what --stats wrote")
    parser.add_argument(
        "--output",
        metavar="FILE.html",
        type=Path,
        help="what to write (CALL.html beside CALL.json)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


async def run_report(args: argparse.Namespace) -> int:
    """Raises `UsageError`."""
    page = args.output or args.record.parent / f"{args.record.stem}.html"
    await in_thread(partial(_write, page, args.record, args.recording, args.overwrite))
    give_out([f"The report is in {page}"])
    return 0


def _write(page: Path, record: Path, recording: Path | None, overwrite: bool) -> None:
    call = read_record(record)
    check_distinct([record] if recording is None else [record, recording], [page])
    if not overwrite and is_there(page):
        raise UsageError(f"{page} is there already: give another --output, or --overwrite")
    write_report(page, call, recording)

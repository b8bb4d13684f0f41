"""``sfclient replay``: a call that was kept on a cassette, played again."""

import argparse
from functools import partial
from pathlib import Path

from sfclient._devices import check_distinct
from sfclient._errors import UsageError
from sfclient._playout import POLICIES
from sfclient._spool import in_thread
from sfclient.cli._leavings import is_there
from sfclient.cli._telling import give_out

PARTED = 1  # exit status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the subcommand."""
    parser.add_argument("cassette", metavar="FILE", type=Path, help="what call --cassette wrote")
    parser.add_argument(
        "--playout", choices=POLICIES, help="another than that of the call; then nothing is compared"
    )
    parser.add_argument(
        "--output", metavar="FILE.wav", type=Path, help="write what is played: the agent's side"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


async def run_replay(args: argparse.Namespace) -> int:
    """Raises `UsageError`."""
    return await in_thread(
        partial(_play, args.cassette, args.playout, args.output, overwrite=args.overwrite)
    )


def _play(cassette: Path, policy: str | None, output: Path | None, *, overwrite: bool) -> int:
    from sfclient.testing import Replay, replay

    if output is not None:
        check_distinct([cassette], [output])
        if not overwrite and is_there(output):
            raise UsageError(f"{output} is there already: give another --output, or --overwrite")
    again: Replay = replay(cassette, policy=policy, output=output)
    give_out(again.lines())
    return PARTED if again.parting is not None else 0

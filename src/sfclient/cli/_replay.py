"""``sfclient replay``: a call that was kept on a cassette, played again."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sfclient._devices import check_distinct
from sfclient._errors import UsageError, printable
from sfclient._playout import POLICIES
from sfclient._spool import in_thread
from sfclient.cli._leavings import is_there
from sfclient.cli._telling import give_out

if TYPE_CHECKING:
    from sfclient.testing import Replay

PARTED = 1  # exit status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the subcommand."""
    parser.add_argument("cassette", metavar="FILE", type=Path, help="what call --cassette wrote")
    parser.add_argument(
        "--playout",
        choices=POLICIES,
        help="another than that of the call; then nothing is compared",
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
    from sfclient.testing import replay

    if output is not None:
        check_distinct([cassette], [output])
        if not overwrite and is_there(output):
            raise UsageError(f"{output} is there already: give another --output, or --overwrite")
    again = replay(cassette, policy=policy, output=output)
    give_out(lines_of(again))
    return PARTED if again.parting is not None else 0


def lines_of(again: "Replay") -> list[str]:
    """For a person: what was played again, and whether it is the same."""
    head, rate = again.head, again.head.output_samplerate
    wire = " ".join((head.dialect, head.codec, *([head.framing] if head.framing == "rtp" else [])))
    of = f"attempt {head.attempt} of a call" if head.attempt > 1 else "a call"
    told = [
        f"The cassette of {of}: {wire}, played {head.policy} at {rate} Hz, kept by version {printable(head.made_by)}"
    ]
    if again.cut_off is not None:
        told.append(f"It is cut off {again.cut_off}")
    played = f"{again.frames} frames, {again.frames / rate:.2f} s, sha256 {again.output_hash}"
    if not again.is_compared:
        told.append(f"Played {again.policy}, which is not compared: {played}")
    elif again.parting is None:
        told.append(f"Played again to the same sound: {played}")
    else:
        told.append(f"It does not play the same again: they part {again.parting}")
    if again.lost_frames and again.is_compared:
        told.append(f"{again.lost_frames} frames of what was played were not kept, nor compared")
    if again.doubtful and again.parting is not None:
        told.append(
            f"{again.doubtful} things were done while the device was just playing, so that their frame is not known"
            " for sure: they may part by that alone"
        )
    return told

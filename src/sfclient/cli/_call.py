"""``sfclient call``: hold a call."""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sfclient._devices import Audio, Device, is_sound_file
from sfclient._dialects import DIALECTS
from sfclient._errors import UsageError
from sfclient._interface import Call
from sfclient._open import open_call
from sfclient._redial import Redial
from sfclient._session import GetSession, look_at_order, request_session
from sfclient._spool import in_thread
from sfclient.cli._hold import hold
from sfclient.cli._leavings import Called, Files
from sfclient.cli._service import ORDER_OPTIONS, api_key, order_of


def read_session_url(args: argparse.Namespace) -> None:
    """From standard input, if it is to come from there: before trio, since a thread that reads cannot be stopped."""
    if args.session_url != "-":
        return
    try:
        args.session_url = sys.stdin.readline().strip()
    except (AttributeError, OSError, UnicodeError):  # AttributeError: it was closed from the start
        raise UsageError("cannot read the session URL from standard input") from None


async def run_call(args: argparse.Namespace) -> int:
    """Everything that can be looked at is looked at before a session is asked for."""
    session = _session(args)
    files = Files(
        output=Path(args.output) if args.output and is_sound_file(args.output) else None,
        record=args.record,
        cassette=args.cassette,
        stats=args.stats,
        report=args.report,
        log=args.log,
        is_numbered=args.redial,
    )
    source, sink = _end(args.input, args), _end(args.output, args)
    _check_devices(source, sink, args)
    read = [Path(args.input)] if args.input and is_sound_file(args.input) else []
    await in_thread(partial(files.check, read=read, overwrite=args.overwrite))
    opening = partial(
        _open_at_volume,
        args.volume,
        session,
        Audio(source, sink, follow=args.follow, echo=args.echo, interrupt_after=args.interrupt),
        dialect=args.dialect,
        codec=args.codec,
        framing=args.framing,
        redial=_redial(args),
        cassette=args.cassette,
        playout=args.playout,
        max_seconds=args.duration,
        silence_seconds=args.silence,
        allow_insecure=args.allow_insecure,
    )
    called = Called(args.dialect, args.assistant_id)
    has_device = isinstance(source, Device)
    return await hold(opening, files, called, plain=args.plain, has_device=has_device)


@asynccontextmanager
async def _open_at_volume(volume: float | None, *args: Any, **options: Any) -> AsyncIterator[Call]:
    """`open_call`, at a volume of the sound device."""
    async with open_call(*args, **options) as call:
        if volume is not None:
            call.volume = volume
        yield call


def _check_devices(source: str | Device, sink: str | Device, args: argparse.Namespace) -> None:
    """What is for sound devices is given for them. Raises `UsageError`."""
    if args.input_channel is not None and not isinstance(source, Device):
        raise UsageError(f"--input-channel is of a sound device, and --input {source} is none")
    if args.follow and all(isinstance(end, str) or end.name is not None for end in (source, sink)):
        raise UsageError(
            "--follow is of the default device, and both --input and --output are named"
        )
    if args.echo in ("cancel", "gate") and (isinstance(source, str) or isinstance(sink, str)):
        which = f"--input {source}" if isinstance(source, str) else f"--output {sink}"
        raise UsageError(
            f"--echo {args.echo} is of sound devices at both ends, and {which} is none: leave it out"
        )
    if args.volume is not None and not isinstance(sink, Device):
        raise UsageError(f"--volume is of a sound device, and --output {sink} is none")


def _end(name: str | None, args: argparse.Namespace) -> str | Device:
    """A file or ``none`` as it is; anything else is a device."""
    if name is not None and (name == "none" or is_sound_file(name)):
        return name
    channel = args.input_channel or 1
    return Device(name, blocksize=args.blocksize, latency=args.latency, channel=channel)


def _redial(args: argparse.Namespace) -> Redial | None:
    """Raises `UsageError`."""
    limits = {"most_in_a_row": args.redial_in_a_row, "most_an_hour": args.redial_an_hour}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if given and not args.redial:
        raise UsageError(
            "--redial-in-a-row and --redial-an-hour are limits of --redial: give that too"
        )
    return Redial(**given) if args.redial else None


def _session(args: argparse.Namespace) -> GetSession | str:
    """Raises `UsageError`."""
    if (args.assistant_id is None) == (args.session_url is None):
        raise UsageError("give either an ASSISTANT_ID or a --session-url")
    if args.session_url is not None:
        if args.redial:
            raise UsageError(
                "--redial goes with an ASSISTANT_ID: a session URL is good for one call"
            )
        if DIALECTS[args.dialect].starts_calls:
            raise UsageError(
                f"a {args.dialect} call cannot be held from a session URL alone: give an ASSISTANT_ID"
            )
        for name in ORDER_OPTIONS:
            if getattr(args, name) is not None:
                option = "--" + name.removesuffix("_number").replace("_", "-")
                raise UsageError(f"{option} goes with an ASSISTANT_ID, not with a --session-url")
        return str(args.session_url)
    order = order_of(args)
    look_at_order(args.assistant_id, dialect=args.dialect, **order)
    return partial(
        request_session,
        args.assistant_id,
        api_key=api_key(),
        dialect=args.dialect,
        allow_insecure=args.allow_insecure,
        **order,
    )

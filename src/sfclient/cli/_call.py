"""``sfclient call``: hold a call."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from sfclient._devices import Audio, Device, check_distinct
from sfclient._dialects import DIALECTS
from sfclient._errors import UsageError
from sfclient._session import Session, SessionRequest, request_session
from sfclient._spool import in_thread
from sfclient._stats import write_stats
from sfclient.cli._hold import hold
from sfclient.cli._service import api_key

ORDER_OPTIONS = (
    "from_number",
    "to_number",
    "lead_name",
    "agent_version",
    "codec",
    "framing",
    "region",
    "base_url",
)


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
    await in_thread(partial(_check_files, args))
    return await hold(
        session,
        Audio(_end(args.input, args), _end(args.output, args)),
        duration=args.duration,
        record=args.record,
        playout=args.playout,
        stats=args.stats,
        allow_insecure=args.allow_insecure,
    )


def _check_files(args: argparse.Namespace) -> None:
    """They are different ones, and the figures can be written. Raises `UsageError`."""
    ends = (args.input, args.output)
    heard, said = ([Path(end)] if end and _is_wav(end) else [] for end in ends)
    written = [*said, *(path for path in (args.record, args.stats) if path is not None)]
    check_distinct(heard, written)
    try:
        names = [os.path.realpath(path) for path in (*heard, *written)]
    except OSError as error:
        raise UsageError(
            f"files have no place here ({error.strerror}): is the working directory gone?"
        ) from None
    if len(set(names)) < len(names):
        raise UsageError("--input, --output, --record and --stats must be different files")
    if args.stats is not None:
        write_stats(args.stats, {})


def _is_wav(name: str) -> bool:
    return name.lower().endswith(".wav")


def _end(name: str | None, args: argparse.Namespace) -> str | Device:
    """A file or ``none`` as it is; anything else is a device."""
    if name is not None and (name == "none" or _is_wav(name)):
        return name
    index = int(name) if name is not None and name.isdecimal() else name
    return Device(index, blocksize=args.blocksize, latency=args.latency)


def _session(args: argparse.Namespace) -> Session | SessionRequest:
    """Raises `UsageError`."""
    if (args.assistant_id is None) == (args.session_url is None):
        raise UsageError("give either an ASSISTANT_ID or a --session-url")
    if args.session_url is not None:
        if DIALECTS[args.dialect].starts_calls:
            raise UsageError(
                f"a {args.dialect} call cannot be held from a session URL alone: give an ASSISTANT_ID"
            )
        for name in ORDER_OPTIONS:
            if getattr(args, name) is not None:
                raise UsageError(f"{name} goes with an ASSISTANT_ID, not with a --session-url")
        return Session(args.session_url, args.dialect)
    order = {name: getattr(args, name) for name in ORDER_OPTIONS}
    request = partial(
        request_session,
        args.assistant_id,
        api_key=api_key(),
        dialect=args.dialect,
        allow_insecure=args.allow_insecure,
        **order,
    )
    return SessionRequest(request, args.dialect, args.codec, args.framing)

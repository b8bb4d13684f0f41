"""``sfclient call``: hold a call."""

import argparse
import sys
from functools import partial
from pathlib import Path

from sfclient._devices import Audio, Device
from sfclient._dialects import DIALECTS
from sfclient._errors import UsageError
from sfclient._open import open_call
from sfclient._session import Session, SessionRequest, look_at_order, request_session
from sfclient._spool import in_thread
from sfclient.cli._hold import hold
from sfclient.cli._leavings import Files
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
    files = Files(
        output=Path(args.output) if args.output and _is_wav(args.output) else None,
        record=args.record,
        stats=args.stats,
        report=args.report,
        log=args.log,
    )
    read = [Path(args.input)] if args.input and _is_wav(args.input) else []
    await in_thread(partial(files.check, read=read, overwrite=args.overwrite))
    opening = partial(
        open_call,
        session,
        Audio(_end(args.input, args), _end(args.output, args)),
        playout=args.playout,
        max_seconds=args.duration,
        silence_seconds=args.silence,
        allow_insecure=args.allow_insecure,
    )
    title = f"{args.assistant_id or 'a session'}, {args.dialect}"
    return await hold(opening, files, title=title, plain=args.plain)


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
                option = "--" + name.removesuffix("_number").replace("_", "-")
                raise UsageError(f"{option} goes with an ASSISTANT_ID, not with a --session-url")
        return Session(args.session_url, args.dialect)
    order = {name: getattr(args, name) for name in ORDER_OPTIONS}
    look_at_order(args.assistant_id, dialect=args.dialect, **order)
    request = partial(
        request_session,
        args.assistant_id,
        api_key=api_key(),
        dialect=args.dialect,
        allow_insecure=args.allow_insecure,
        **order,
    )
    return SessionRequest(request, args.dialect, args.codec, args.framing)

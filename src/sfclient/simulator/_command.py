"""``sfclient simulator``: the simulator until Ctrl-C, with a line on stderr for every call."""

import argparse
import itertools
import math
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path
from typing import Protocol, TextIO

import trio

from sfclient.simulator._agents import EchoAgent, SpeakAgent
from sfclient.simulator._call import Agent, SimulatedCall
from sfclient.simulator._reply import DELAY_SECONDS, ReplyAgent
from sfclient.simulator._server import DEFAULT_KEY, Simulator, open_simulator
from sfclient.simulator._ws_media import QUIRKS

_KEY_VARIABLE = "SYNTHFLOW_API_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command on `parser`."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=0, help="port to listen on (default: any free one)")
    add(
        "--key",
        help=f"API key to ask for (default: {_KEY_VARIABLE} if set, else {DEFAULT_KEY})",
    )
    add(
        "--agent",
        default="echo",
        metavar="echo|reply|FILE.wav",
        help="echo what the caller says, answer when the caller has spoken, or say what is in a WAV file "
        "(default: %(default)s)",
    )
    add(
        "--pace",
        choices=("realtime", "burst"),
        default="realtime",
        help="how a WAV file is sent: as fast as it is spoken, or all at once",
    )
    add(
        "--delay",
        type=_seconds,
        metavar="SECONDS",
        help=f"how long the echo waits (default: 0), or the caller is silent before the answer ({DELAY_SECONDS})",
    )
    add(
        "--answer",
        action="append",
        default=[],
        dest="answers",
        metavar="FILE.wav",
        help="what --agent reply says; several are said in turn, and again",
    )
    add("--greeting", metavar="FILE.wav", help="what --agent reply says first")
    add(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="keep what both sides said, in a folder for each call",
    )
    add(
        "--quirk",
        action="append",
        choices=QUIRKS,
        default=[],
        dest="quirks",
        metavar="NAME",
        help="what ws-media clients have to put up with; may be given several times: "
        + "; ".join(f"{name}: {effect}" for name, effect in QUIRKS.items()),
    )


class Front(Protocol):
    """Stands between the simulator and its clients."""

    def __call__(self, base_url: str, *, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Listen there for the service at `base_url`; gives the URL that leads through. Raises OSError."""


async def run(args: argparse.Namespace, front: Front | None = None) -> int:
    """Serve until SIGINT or SIGTERM; behind `front`, if there is one.

    Returns the exit status: 0, 1 if it cannot listen, 2 for arguments that are no use.
    """
    try:
        agent = _make_agent(args)
        if args.save:
            args.save.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as exc:
        _say(f"error: {exc}")
        return 2
    key, hint = _key(args.key)
    # The signals before the first line: who has read it may end us.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        # Reports of the last calls outlive the simulator, which ends these calls.
        async with trio.open_nursery() as reports:
            try:
                # Behind another at the same address: who may reach that may reach this, and the key is checked for it.
                port = 0 if front else args.port
                async with (
                    open_simulator(
                        agent,
                        host=args.host,
                        port=port,
                        key=key,
                        keep=bool(args.save),
                        quirks=args.quirks,
                    ) as sim,
                    (
                        front(sim.base_url, host=args.host, port=args.port)
                        if front
                        else nullcontext(sim.base_url)
                    ) as base_url,
                ):
                    _say(base_url, sys.stdout)
                    _say(hint.format(base_url=base_url))
                    _say(f"ws-media is spoken too: see {base_url}")
                    await _watch(sim, signals, reports, args.save)
            except OSError as exc:
                _say(f"error: cannot listen on {args.host} port {args.port}: {exc}")
                return 1
            except ValueError as exc:
                _say(f"error: {exc}")
                return 2
    return 0


async def _watch(
    sim: Simulator, signals: AsyncIterator[int], reports: trio.Nursery, folder: Path | None
) -> None:
    """Start a report in `reports` for every call, until a signal comes."""

    async def welcome() -> None:
        for index in itertools.count():
            call = await sim.wait_call(index)
            reports.start_soon(_report, index + 1, call, folder)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(welcome)
        await anext(signals)
        nursery.cancel_scope.cancel()


async def _report(number: int, call: SimulatedCall, folder: Path | None) -> None:
    _say(f"call {number}: started ({call.contract})")
    ended = await call.wait_ended()
    _say(
        f"call {number}: ended by the {ended.by} with code {ended.code} after "
        f"{ended.at - call.started:.1f} s; heard {call.heard_seconds:.1f} s, "
        f"said {call.said_seconds:.1f} s"
    )
    if folder:
        try:
            _say(f"call {number}: saved to {_save(call, folder)}")
        except OSError as exc:
            _say(f"call {number}: cannot be saved: {exc}")


def _save(call: SimulatedCall, folder: Path) -> Path:
    """Save into the first free ``call-NNN`` of `folder`: earlier runs are not overwritten."""
    names = (folder / f"call-{number:03}" for number in itertools.count(1))
    free = next(name for name in names if not name.exists())
    call.save(free)
    return free


def _make_agent(args: argparse.Namespace) -> Agent:
    """The agent of the options. Raises ValueError, also for an option that would do nothing."""
    if args.pace != "realtime" and args.agent in ("echo", "reply"):
        raise ValueError(
            f"--pace goes with --agent FILE.wav only: {args.agent} speaks in real time"
        )
    if args.agent == "reply":
        if not args.answers:
            raise ValueError("--agent reply has nothing to say: give --answer FILE.wav")
        delay = DELAY_SECONDS if args.delay is None else args.delay
        return ReplyAgent(args.answers, greeting=args.greeting, delay=delay)
    if args.answers or args.greeting:
        raise ValueError("--answer and --greeting go with --agent reply only")
    if args.agent == "echo":
        return EchoAgent(args.delay or 0.0)
    if args.delay is not None:
        raise ValueError("--delay goes with --agent echo or reply only")
    return SpeakAgent(args.agent, args.pace)


def _key(given: str | None) -> tuple[str, str]:
    """The key, and how to call the simulator with it; a key that is not ours stays unsaid."""
    call = "sfclient call any --base-url {base_url}"
    if given:
        return given, f"the key is the one of --key; {_KEY_VARIABLE}=... {call}"
    if from_environment := os.environ.get(_KEY_VARIABLE):
        return from_environment, f"the key is the one in {_KEY_VARIABLE}; {call}"
    return DEFAULT_KEY, f"try: {_KEY_VARIABLE}={DEFAULT_KEY} {call}"


def _say(line: str, stream: TextIO | None = None) -> None:
    """On standard error; a full disk or nobody behind it does not end the calls."""
    with suppress(OSError, ValueError):
        print(line, file=stream or sys.stderr, flush=True)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no delay: use seconds, 0 or more")
    return seconds

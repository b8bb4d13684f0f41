"""The `sfclient` command.

Exit status: 0 the call ended in order, 1 the network or the agent is at fault, 2 wrong use, 3 the
sound device.
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

import trio

from sfclient._call import Call, open_call
from sfclient._devices import Audio, Device, WavInput, is_stuck, list_devices
from sfclient._dialects import DIALECTS
from sfclient._errors import SfclientError, UsageError, printable
from sfclient._events import (
    Connected,
    Connecting,
    DeviceLost,
    DeviceReturned,
    Disconnected,
    Event,
    MessageReceived,
)
from sfclient._nursery import open_unwrapped_nursery
from sfclient._result import request_result
from sfclient._session import Session, request_session
from sfclient._stats import without_a_call, write_stats

KEY_VARIABLE = "SYNTHFLOW_API_KEY"
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
DEMO_WORDS = "Hello! I would like to book a table for two, on Friday evening at half past seven."
DEMO_RECORDING = "call.wav"
DEMO_ECHO_SECONDS = 0.5
DEMO_MARGIN_SECONDS = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal lacks ends no call
    status = _main(argv)
    if is_stuck():
        # A dead sound server would hold up the exit of the process for ever.
        sys.stdout.flush()
        os._exit(status)
    return status


def _main(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], Awaitable[int]] = args.command
    try:
        if getattr(args, "session_url", None) == "-":
            args.session_url = _read_line()  # before trio: a thread that reads cannot be stopped
        return trio.run(command, args)
    except SfclientError as error:
        is_told = error.call_id is None or error.call_id in str(error)
        record = "" if is_told else f" (for its record: sfclient result {error.call_id})"
        print(f"sfclient: {error}{record}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _read_line() -> str:
    try:
        return sys.stdin.readline().strip()
    except (AttributeError, OSError, UnicodeError):  # AttributeError: it was closed from the start
        raise UsageError("cannot read the session URL from standard input") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sfclient", description="Talk to a Synthflow voice agent."
    )
    parser.add_argument("--version", action="version", version=f"sfclient {version('sfaudio')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    call = commands.add_parser(
        "call",
        help="hold a call",
        description=f"Hold a call. The API key comes from {KEY_VARIABLE}. Ctrl-C hangs up.",
    )
    call.set_defaults(command=_call)
    call.add_argument("assistant_id", nargs="?", metavar="ASSISTANT_ID", help="of the agent")
    call.add_argument(
        "--session-url",
        metavar="URL",
        help="a session got elsewhere; - reads it from standard input",
    )
    _add_service(call)
    call.add_argument(
        "--dialect", choices=DIALECTS, default="widget", help="what to speak (%(default)s)"
    )
    ws_media = call.add_argument_group("in the ws-media dialect")
    ws_media.add_argument("--from", metavar="NUMBER", dest="from_number", help="who calls: needed")
    ws_media.add_argument("--to", metavar="NUMBER", dest="to_number", help="who is called: needed")
    ws_media.add_argument("--lead-name", metavar="NAME", help="of who calls")
    ws_media.add_argument("--agent-version", metavar="draft|UUID", help="not the live one")
    ws_media.add_argument("--codec", metavar="l16|pcmu|pcma", help="of the sound (l16)")
    ws_media.add_argument("--framing", metavar="payload|rtp", help="of the sound (payload)")
    ends = "a device by index or part of its name, FILE.wav, or none"
    call.add_argument("--input", metavar="NAME|FILE.wav", help=f"what you say: {ends}")
    call.add_argument("--output", metavar="NAME|FILE.wav", help=f"what the agent says: {ends}")
    call.add_argument(
        "--blocksize", metavar="FRAMES", type=int, default=0, help="of a device's callbacks"
    )
    call.add_argument(
        "--latency", metavar="SECONDS|low|high", type=_latency, help="asked of a device"
    )
    call.add_argument(
        "--duration", type=_seconds, metavar="SECONDS", help="hang up after this time"
    )
    call.add_argument(
        "--record",
        metavar="FILE.wav",
        type=Path,
        help="write both sides: you left, the agent right",
    )
    call.add_argument(
        "--stats", metavar="FILE.json", type=Path, help="write the figures of the call"
    )

    result = commands.add_parser(
        "result",
        help="tell what became of a call",
        description=f"Print status, end reason and transcript of a call. The API key comes from {KEY_VARIABLE}.",
    )
    result.set_defaults(command=_result)
    result.add_argument("call_id", metavar="CALL_ID", help="as a ws-media call tells it")
    _add_service(result)

    demo = commands.add_parser(
        "demo", help="hold a call with a local agent: no account, no sound hardware"
    )
    demo.set_defaults(command=_demo)

    devices = commands.add_parser("devices", help="list the sound devices")
    devices.set_defaults(command=_devices)

    simulator = commands.add_parser("simulator", help="serve a local agent to develop against")
    simulator.set_defaults(command=_simulator)
    try:
        from sfclient.simulator._command import add_arguments
    except ImportError as error:
        simulator.epilog = str(error)
    else:
        add_arguments(simulator)
    return parser


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", metavar="us|eu", help="where the workspace is (ws-media)")
    parser.add_argument("--base-url", metavar="URL", help="of the service, if it is elsewhere")
    parser.add_argument(
        "--allow-insecure", action="store_true", help="allow ws:// and http:// beyond this machine"
    )


def _latency(text: str) -> float | str:
    return text if text in ("low", "high") else _seconds(text)


def _end(name: str | None, args: argparse.Namespace) -> str | Device:
    """A file or ``none`` as it is; anything else is a device."""
    if name is not None and (name == "none" or name.lower().endswith(".wav")):
        return name
    index = int(name) if name is not None and name.isdecimal() else name
    return Device(index, blocksize=args.blocksize, latency=args.latency)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no duration in seconds")
    return seconds


async def _call(args: argparse.Namespace) -> int:
    ends = [Path(end) for end in (args.input, args.output) if end and end.lower().endswith(".wav")]
    files = [file.resolve() for file in (*ends, args.record, args.stats) if file is not None]
    if len(set(files)) < len(files):
        raise UsageError("--input, --output, --record and --stats must be different files")
    if args.stats is not None:
        write_stats(args.stats, None)  # a path that cannot be written is told before the call
    return await _hold(
        partial(_session, args),
        Audio(_end(args.input, args), _end(args.output, args)),
        duration=args.duration,
        record=args.record,
        stats=args.stats,
        allow_insecure=args.allow_insecure,
    )


async def _session(args: argparse.Namespace) -> Session:
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
    return await request_session(
        args.assistant_id,
        api_key=os.environ.get(KEY_VARIABLE, ""),
        dialect=args.dialect,
        allow_insecure=args.allow_insecure,
        **{name: getattr(args, name) for name in ORDER_OPTIONS},
    )


async def _hold(
    get_session: Callable[[], Awaitable[Session]],
    audio: Audio,
    *,
    duration: float | None = None,
    record: Path | None = None,
    stats: Path | None = None,
    allow_insecure: bool = False,
) -> int:
    """Hold a call and tell of it, until it ends, the time is up, or a signal comes."""
    call: Call | None = None
    problem: SfclientError | None = None
    told: list[str] = []  # the call ID, as soon as it is known

    def stop() -> None:
        if call is None:
            nursery.cancel_scope.cancel()
        else:
            call.hang_up()

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(_at_each, signals, stop)
            try:
                _tell(Connecting())
                async with open_call(
                    await get_session(),
                    audio,
                    record=record,
                    allow_insecure=allow_insecure,
                    on_call_id=told.append,
                ) as call:
                    if duration is not None:
                        nursery.start_soon(_after, duration, stop)
                    async for event in call:
                        if not isinstance(event, Connecting):
                            _tell(event)
            except SfclientError as error:
                problem = error
            nursery.cancel_scope.cancel()
    call_id = told[-1] if told else None
    if call is None and problem is None and call_id is not None:
        print(f"Hung up before the call {call_id} began")
    if stats is not None:
        write_stats(stats, call.statistics() if call else without_a_call(problem, call_id))
    if problem is not None:
        raise problem
    return 0


async def _at_each(signals: AsyncIterator[int], act: Callable[[], None]) -> None:
    async for _ in signals:
        act()


async def _after(seconds: float, act: Callable[[], None]) -> None:
    await trio.sleep(seconds)
    act()


def _tell(event: Event) -> None:
    match event:
        case Connecting():
            line = "Connecting to server"
        case Connected(call_id):
            line = "Connected to call" + (f" {call_id}" if call_id else "")
        case MessageReceived(text):
            line = f"Message from the agent: {text[:500]!r}"
        case DeviceLost():
            line = "The sound device stopped; the call goes on in silence"
        case DeviceReturned():
            line = "The sound device is back"
        case Disconnected(ended):
            code = "" if ended.code is None else f", {ended.code}"
            line = f"Disconnected from server (by {ended.by}{code}{': ' if ended.reason else ''}{ended.reason})"
    print(line, flush=True)


async def _demo(args: argparse.Namespace) -> int:
    try:
        from sfclient.simulator import EchoAgent, open_simulator
    except ImportError as error:
        raise UsageError(str(error)) from None
    with as_file(files("sfclient") / "_assets" / "hello.wav") as hello:
        source = WavInput(hello)
        samplerate = source.open()
        seconds = source.waiting_frames / samplerate
        async with open_simulator(EchoAgent(delay=DEMO_ECHO_SECONDS)) as simulator:
            print(
                f"A simulated agent listens at {simulator.base_url} and will echo what it hears.",
                flush=True,
            )
            print(f"You say ({seconds:.1f} s of recorded speech): {DEMO_WORDS}", flush=True)
            status = await _hold(
                partial(
                    request_session, "demo", api_key=simulator.key, base_url=simulator.base_url
                ),
                Audio(hello, "none"),
                duration=seconds + DEMO_ECHO_SECONDS + DEMO_MARGIN_SECONDS,
                record=Path(DEMO_RECORDING),
            )
    print(f"Both sides of the call are in {DEMO_RECORDING}: you left, the agent right.")
    print(
        "Next: sfclient simulator, to develop against; with an account and a microphone, "
        f"{KEY_VARIABLE}=... sfclient call ASSISTANT_ID"
    )
    return status


async def _result(args: argparse.Namespace) -> int:
    result = await request_result(
        args.call_id,
        api_key=os.environ.get(KEY_VARIABLE, ""),
        region=args.region,
        base_url=args.base_url,
        allow_insecure=args.allow_insecure,
    )
    print(f"status: {printable(result.status)}")
    print(f"end reason: {printable(result.end_reason)}")
    print("transcript:")
    for line in result.transcript.splitlines():
        print(f"  {printable(line, None)}")
    return 0


async def _devices(args: argparse.Namespace) -> int:
    devices = list_devices()
    if not devices:
        print("There are no sound devices.", file=sys.stderr)
    for device in devices:
        print(
            f"{device['index']:3} {device['name']} ({device['hostapi_name']}): "
            f"{device['max_input_channels']} in, {device['max_output_channels']} out, "
            f"{device['default_samplerate']:.0f} Hz"
        )
    return 0


async def _simulator(args: argparse.Namespace) -> int:
    try:
        from sfclient.simulator._command import run
    except ImportError as error:
        raise UsageError(str(error)) from None
    return await run(args)

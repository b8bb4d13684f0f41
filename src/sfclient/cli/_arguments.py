"""What can be asked of the command."""

import argparse
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, get_args

from sfclient._devices import MOST_VOLUME, EchoChoice
from sfclient._playout import POLICIES
from sfclient._redial import Redial
from sfclient.cli._call import read_session_url, run_call
from sfclient.cli._demo import run_demo
from sfclient.cli._devices import run_devices
from sfclient.cli._doctor import run_doctor
from sfclient.cli._load import add_arguments as add_load
from sfclient.cli._load import run_load
from sfclient.cli._network import add_network
from sfclient.cli._replay import add_arguments as add_replay
from sfclient.cli._replay import run_replay
from sfclient.cli._report import add_arguments as add_report
from sfclient.cli._report import run_report
from sfclient.cli._result import run_result
from sfclient.cli._service import KEY_VARIABLE, add_dialect, add_service
from sfclient.cli._simulator import run_simulator
from sfclient.cli._test import add_arguments as add_test
from sfclient.cli._test import run_test

INTERRUPT_AFTER = 0.25  # of --interrupt without a number: quick, and seldom wrong

# What a program passes has another name here; the errors are made for both.
OPTIONS = {
    "from_number": "--from",
    "to_number": "--to",
    "lead_name": "--lead-name",
    "agent_version": "--agent-version",
    "allow_insecure=True": "--allow-insecure",
    "max_seconds": "--duration",
    "silence_seconds": "--silence",
    "interrupt_after": "--interrupt",
    **{f"echo={choice!r}": f"--echo {choice}" for choice in get_args(EchoChoice)},
    ", or pass api_key": "",
    "calls=": "--calls ",
    "seconds=": "--for ",
    "rate=": "--rate ",
    "in_all=": "--in-all ",
    "workers=": "--workers ",
}


def as_options(error: str) -> str:
    """With what can be typed in place of what a program would pass."""
    return re.sub("|".join(OPTIONS), lambda found: OPTIONS[found[0]], error)


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in a line, like all else that is wrong; the usage is a page by now."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"sfclient: {message} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """The command line, as `argparse.Namespace` with the subcommand as `command`, and what precedes it as `prepare`."""
    parser = _Parser(prog="sfclient", description="Talk to a Synthflow voice agent.")
    parser.add_argument("--version", action="version", version=f"sfclient {version('sfaudio')}")
    parser.set_defaults(prepare=None)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    call = commands.add_parser(
        "call",
        help="hold a call",
        description=f"Hold a call. The API key comes from {KEY_VARIABLE}. Ctrl-C hangs up.",
    )
    call.set_defaults(command=run_call, prepare=read_session_url)
    call.add_argument("assistant_id", nargs="?", metavar="ASSISTANT_ID", help="of the agent")
    call.add_argument(
        "--session-url",
        metavar="URL",
        help="a session got elsewhere; - reads it from standard input",
    )
    add_service(call)
    add_dialect(call)
    ends = "a device by index or part of its name, FILE.wav, or none"
    call.add_argument(
        "--input", metavar="NAME|FILE.wav", help=f"what you say: {ends}; FLAC, OGG or MP3 as well"
    )
    call.add_argument("--output", metavar="NAME|FILE.wav", help=f"what the agent says: {ends}")
    call.add_argument(
        "--input-channel",
        metavar="NUMBER",
        type=_channel,
        help="of an input device, which is recorded alone (1)",
    )
    call.add_argument(
        "--volume",
        metavar="FACTOR",
        type=_volume,
        help="of the agent at an output device: 1 as it comes, 0.5 half of it, at most 16",
    )
    call.add_argument(
        "--blocksize", metavar="FRAMES", type=int, default=0, help="of a device's callbacks"
    )
    call.add_argument(
        "--latency", metavar="SECONDS|low|high", type=_latency, help="asked of a device"
    )
    call.add_argument(
        "--follow",
        action="store_true",
        help="go on at a device that becomes the default one, where none is named",
    )
    call.add_argument(
        "--echo",
        choices=get_args(EchoChoice),
        default="auto",
        help="what to do about the agent's voice that your microphone hears from the loudspeaker: take it out "
        "(cancel), send you only while the agent is silent (gate), the one and if need be the other (auto: the "
        "default; nothing where one of the two is no device), or nothing (off)",
    )
    call.add_argument(
        "--interrupt",
        type=_seconds_or_nothing,
        nargs="?",
        const=INTERRUPT_AFTER,
        metavar="SECONDS",
        help="interrupt the agent when you have spoken over it for about so long (%(const)s); it takes the extra vad, "
        "and headphones or the echo taken out",
    )
    call.add_argument(
        "--duration", type=_seconds, metavar="SECONDS", help="hang up after this time"
    )
    call.add_argument(
        "--silence",
        type=_seconds,
        metavar="SECONDS",
        help="hang up when all was said and the agent is silent for so long (8 if the input is a file; else never)",
    )
    redial = call.add_argument_group("when the network or the service has ended the call")
    redial.add_argument(
        "--redial",
        action="store_true",
        help="go on with a new session, after a pause that grows; not where either side hung up. Each further attempt "
        "has a recording and a report of its own, FILE-2.wav",
    )
    redial.add_argument(
        "--redial-in-a-row",
        metavar="NUMBER",
        type=_count,
        help=f"of redials without a call that held, at most ({Redial().most_in_a_row:g})",
    )
    redial.add_argument(
        "--redial-an-hour",
        metavar="NUMBER",
        type=_count,
        help=f"of redials, at most ({Redial().most_an_hour:g}): then the pause is longer",
    )
    call.add_argument(
        "--record",
        metavar="FILE.wav",
        type=Path,
        help="write both sides: you left, the agent right",
    )
    call.add_argument(
        "--cassette",
        metavar="FILE",
        type=Path,
        help="keep the call, so that replay plays it again: the messages of both directions, no key or token",
    )
    call.add_argument(
        "--playout",
        choices=POLICIES,
        help="what to do about speech that the network brings late: stretch and conceal at the least delay (adaptive: "
        "the default at a device), or play all bit for bit with 60 ms gathered before (lossless: the default "
        "elsewhere) or as it comes (browser)",
    )
    call.add_argument(
        "--stats",
        metavar="FILE.json|-",
        type=Path,
        help="write the figures of the call; - is standard output, and all else goes to standard error",
    )
    call.add_argument(
        "--report",
        metavar="FILE.html",
        type=Path,
        help="write a page about the call: both sides on a time line, what happened, the figures",
    )
    call.add_argument(
        "--log", metavar="FILE", type=Path, help="append what happens, line by line, with the time"
    )
    call.add_argument("--overwrite", action="store_true", help="replace files that are there")
    _add_plain(call)

    result = commands.add_parser(
        "result",
        help="tell what became of a call",
        description=f"Print status, end reason and transcript of a call. The API key comes from {KEY_VARIABLE}.",
    )
    result.set_defaults(command=run_result)
    result.add_argument("call_id", metavar="CALL_ID", help="as a ws-media call tells it")
    add_service(result)

    report = commands.add_parser(
        "report",
        help="make a page of a call",
        description="Make a page of a call that is over: what was heard when, and what went wrong.",
    )
    report.set_defaults(command=run_report)
    add_report(report)

    test = commands.add_parser(
        "test",
        help="hold scripted conversations with an agent, and tell whether they went as they should",
        description="Hold scripted conversations with an agent. Exit status: 0 if each went as its script expects, 1 "
        "if one did not.",
    )
    test.set_defaults(command=run_test)
    add_test(test)
    replay = commands.add_parser(
        "replay",
        help="play a call again that was kept on a cassette",
        description="Play a call again, as fast as that goes, and compare it frame by frame with what it has played. "
        "Exit status: 1 if they part.",
    )
    replay.set_defaults(command=run_replay)
    add_replay(replay)

    load = commands.add_parser(
        "load",
        help="hold many scripted calls at once, from many processes",
        description="Hold many calls by a script at once, and tell percentiles over all of them. Exit status: 0 if "
        "each went as the script expects, 1 if one did not, 130 if it was interrupted.",
    )
    load.set_defaults(command=run_load)
    add_load(load)

    demo = commands.add_parser(
        "demo", help="hold a call with a local agent: no account, no sound hardware"
    )
    demo.set_defaults(command=run_demo)
    add_network(demo)
    _add_plain(demo)

    devices = commands.add_parser("devices", help="list the sound devices")
    devices.set_defaults(command=run_devices)

    doctor = commands.add_parser(
        "doctor",
        help="look for what keeps a call from working",
        description="Look at this program, the sound devices, the microphone, the key, and the way to the service; say "
        "what to do about what is wrong. Exit status: 1 if something is.",
    )
    doctor.set_defaults(command=run_doctor)
    doctor.add_argument("--input", metavar="NAME", help="the microphone to listen to")
    add_service(doctor)

    simulator = commands.add_parser("simulator", help="serve a local agent to develop against")
    simulator.set_defaults(command=run_simulator)
    add_network(simulator)
    try:
        from sfclient.simulator._command import add_arguments
    except ImportError as error:
        simulator.epilog = str(error)
    else:
        add_arguments(simulator)
    return parser


def _add_plain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plain", action="store_true", help="lines instead of a screen, on a terminal too"
    )


def _latency(text: str) -> float | str:
    return text if text in ("low", "high") else _seconds(text)


def _channel(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no channel: they are counted from 1")


def _count(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 10**6:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of redials: use 1 or more")


def _volume(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (volume := float(text)) <= MOST_VOLUME:
            return volume
    raise argparse.ArgumentTypeError(f"{text!r} is no volume: use 0 to {MOST_VOLUME:g}")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < 1e6:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no duration in seconds")


def _seconds_or_nothing(text: str) -> float:
    """For an option that takes what stands behind it for its own, be it meant so or not."""
    try:
        return _seconds(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{error}; an ASSISTANT_ID goes before the option"
        ) from None

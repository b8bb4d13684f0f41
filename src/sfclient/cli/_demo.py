"""``sfclient demo``: a call with a local agent, recorded and reported; over a bad network if asked."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from sfclient._devices import Audio, MemoryInput, WavInput
from sfclient._errors import UsageError
from sfclient._open import open_call
from sfclient._session import request_session
from sfclient._spool import in_thread
from sfclient.cli._hold import hold
from sfclient.cli._leavings import Called, Files, next_free
from sfclient.cli._service import KEY_VARIABLE
from sfclient.cli._telling import say

DEMO_WORDS = "Hello! I would like to book a table for two."
DEMO_WORDS_SECONDS = 3.2  # of the file, which goes on
DEMO_RECORDING = "call.wav"
DEMO_ANSWER_SECONDS = 0.6  # after the end of that, which is about what agents take
DEMO_SECONDS = 2 * DEMO_WORDS_SECONDS + DEMO_ANSWER_SECONDS + 1.0
# What --bad-network puts between: a telephone on the way. In the midst of the answer it stands still.
BAD_DELAY, BAD_JITTER = 0.05, 0.015
STALL_BYTE = 45_000  # of what comes, in the second connection: some 1.4 s of the answer
STALL_SECONDS = 2.5
BAD_NETWORK = (
    f"Between you and it lies a bad network: {1000 * BAD_DELAY:.0f} ms, more or less, each way; "
    f"in the midst of the answer it stands still for {STALL_SECONDS:g} s."
)


async def run_demo(args: argparse.Namespace) -> int:
    """Raises `UsageError` without the simulator."""
    try:
        from sfclient.simulator import EchoAgent, open_simulator
    except ImportError as error:
        raise UsageError(str(error)) from None
    words = await in_thread(_words)
    agent = EchoAgent(delay=DEMO_WORDS_SECONDS + DEMO_ANSWER_SECONDS)
    async with (
        open_simulator(agent) as simulator,
        _way_to(simulator.base_url, args.bad_network) as base_url,
    ):
        say(f"A simulated agent listens at {simulator.base_url} and will say what it has heard.")
        if args.bad_network:
            say(BAD_NETWORK)
        say(f"You say ({DEMO_WORDS_SECONDS:.1f} s of recorded speech): {DEMO_WORDS}")
        request = partial(request_session, "demo", api_key=simulator.key, base_url=base_url)
        opening = partial(
            open_call,
            request,
            Audio(words, "none"),
            playout="adaptive" if args.bad_network else None,
            max_seconds=DEMO_SECONDS + (STALL_SECONDS if args.bad_network else 0.0),
        )
        recording = next_free(Path(DEMO_RECORDING))
        files = Files(record=recording, report=next_free(recording.with_suffix(".html")))
        status = await hold(opening, files, Called("widget", "demo"), plain=args.plain)
    if recording.exists():
        say(f"Both sides of the call are in {recording}: you left, the agent right.")
    say(f"What happened in it is in {files.report}: look at it with a browser.")
    say(
        "Next: sfclient simulator, to develop against; with an account and a microphone, "
        f"{KEY_VARIABLE}=... sfclient call ASSISTANT_ID"
    )
    return status


def _words() -> MemoryInput:
    """It may block."""
    with as_file(files("sfclient") / "_assets" / "hello.wav") as hello:
        source = WavInput(hello)
        samplerate = source.open()
        spoken = source.read(round(DEMO_WORDS_SECONDS * samplerate))
    return MemoryInput(spoken, samplerate=samplerate)


@asynccontextmanager
async def _way_to(base_url: str, is_bad: bool) -> AsyncIterator[str]:
    """By which URL it is reached."""
    if not is_bad:
        yield base_url
        return
    from sfclient.testing import Link, Network, Stall, open_proxy

    down = Link(BAD_DELAY, BAD_JITTER, faults=(Stall(STALL_BYTE, STALL_SECONDS),), seed=1)
    network = Network(Link(BAD_DELAY, BAD_JITTER, seed=2), down)
    async with open_proxy(base_url, Network(), network) as proxy:
        yield proxy.through(base_url)

"""``sfclient demo``: a call with a local agent, recorded and reported; over a network of choice."""

import argparse
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
from sfclient.cli._network import network_of, way_through, words_of
from sfclient.cli._service import KEY_VARIABLE
from sfclient.cli._telling import say

DEMO_WORDS = "Hello! I would like to book a table for two."
DEMO_WORDS_SECONDS = 3.2  # of the file, which goes on
DEMO_RECORDING = "call.wav"
DEMO_ANSWER_SECONDS = 0.6  # after the end of that, which is about what agents take
DEMO_SECONDS = 2 * DEMO_WORDS_SECONDS + DEMO_ANSWER_SECONDS + 1.0
NETWORK_SECONDS = 3.0  # for what a network keeps back


async def run_demo(args: argparse.Namespace) -> int:
    """Raises `UsageError` without the simulator, or for what is no network."""
    network = await network_of(args)
    try:
        from sfclient.simulator import EchoAgent, open_simulator
    except ImportError as error:
        raise UsageError(str(error)) from None
    words = await in_thread(_words)
    agent = EchoAgent(delay=DEMO_WORDS_SECONDS + DEMO_ANSWER_SECONDS)
    async with (
        open_simulator(agent) as simulator,
        way_through(network, simulator.base_url) as base_url,
    ):
        say(f"A simulated agent listens at {simulator.base_url} and will say what it has heard.")
        if network:
            say(words_of(args))
        say(f"You say ({DEMO_WORDS_SECONDS:.1f} s of recorded speech): {DEMO_WORDS}")
        request = partial(request_session, "demo", api_key=simulator.key, base_url=base_url)
        opening = partial(
            open_call,
            request,
            Audio(words, "none"),
            playout="adaptive" if network else None,
            max_seconds=DEMO_SECONDS + (NETWORK_SECONDS if network else 0.0),
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

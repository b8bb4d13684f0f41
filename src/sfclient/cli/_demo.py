"""``sfclient demo``: a call with a local agent, recorded."""

import argparse
from functools import partial
from importlib import resources
from pathlib import Path

from sfclient._devices import Audio, WavInput
from sfclient._errors import UsageError
from sfclient._open import open_call
from sfclient._session import SessionRequest, request_session
from sfclient._spool import in_thread
from sfclient.cli._hold import hold
from sfclient.cli._leavings import Files, next_free
from sfclient.cli._service import KEY_VARIABLE
from sfclient.cli._telling import say

DEMO_WORDS = "Hello! I would like to book a table for two, on Friday evening at half past seven."
DEMO_RECORDING = "call.wav"
DEMO_ECHO_SECONDS = 0.5
DEMO_MARGIN_SECONDS = 1.0


async def run_demo(args: argparse.Namespace) -> int:
    """Raises `UsageError` without the simulator."""
    try:
        from sfclient.simulator import EchoAgent, open_simulator
    except ImportError as error:
        raise UsageError(str(error)) from None
    with resources.as_file(resources.files("sfclient") / "_assets" / "hello.wav") as hello:
        source = WavInput(hello)
        samplerate = await in_thread(source.open)
        seconds = source.waiting_frames / samplerate
        async with open_simulator(EchoAgent(delay=DEMO_ECHO_SECONDS)) as simulator:
            say(f"A simulated agent listens at {simulator.base_url} and will echo what it hears.")
            say(f"You say ({seconds:.1f} s of recorded speech): {DEMO_WORDS}")
            request = partial(
                request_session, "demo", api_key=simulator.key, base_url=simulator.base_url
            )
            opening = partial(
                open_call,
                SessionRequest(request),
                Audio(hello, "none"),
                max_seconds=round(seconds + DEMO_ECHO_SECONDS + DEMO_MARGIN_SECONDS, 1),
            )
            files = Files(record=next_free(Path(DEMO_RECORDING)))
            status = await hold(opening, files, title="a simulated agent", plain=args.plain)
    say(f"Both sides of the call are in {files.record}: you left, the agent right.")
    say(
        "Next: sfclient simulator, to develop against; with an account and a microphone, "
        f"{KEY_VARIABLE}=... sfclient call ASSISTANT_ID"
    )
    return status

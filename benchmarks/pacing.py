"""The steady clock of a ws-media call: how evenly its messages arrive. Run by `python3 dev.py pacing`.

A call says a 16 kHz WAV file to the simulator, which runs in another process and notes when each message came, on an
idle machine and beside a Python thread that computes without end. Shown is the time between two messages, which should
be 20 ms, and whether the file arrived bit for bit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import wave
from pathlib import Path
from typing import Any

import numpy as np
import trio

from sfclient import Audio, open_call, request_session
from sfclient.simulator import SimulatedCall, open_simulator


def speech(seconds: float) -> bytes:
    return np.random.default_rng(1).integers(1, 9000, round(16_000 * seconds), np.int16).tobytes()


def serve(seconds: float) -> None:
    """Print the base URL, listen to one call, and print what came of it."""

    async def listen(call: SimulatedCall) -> None:
        await call.wait_ended()

    async def run() -> None:
        async with open_simulator(listen) as simulator:
            print(simulator.base_url, flush=True)
            call = await simulator.wait_call()
            await call.wait_ended()
        came = [message for message in call.messages if message.kind == "binary"]
        spacing = 1e3 * np.diff([message.arrived for message in came])
        result = {
            "percentiles": [float(np.percentile(spacing, at)) for at in (0, 1, 50, 99, 100)],
            "messages": len(came),
            "lengths": sorted({message.length for message in came}),
            "exact": call.received_audio.startswith(speech(seconds)),
        }
        print(json.dumps(result), flush=True)

    trio.run(run)


def measured(seconds: float, is_busy: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--seconds", str(seconds), "--serve"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
    ):
        path = Path(folder) / "speech.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(speech(seconds))
        assert process.stdout is not None
        done = threading.Event()
        if is_busy:
            threading.Thread(target=compute, args=[done]).start()
        try:
            trio.run(say, process.stdout.readline().strip(), path, seconds)
        finally:
            done.set()
        result: dict[str, Any] = json.loads(process.stdout.readline())
        return result


async def say(base_url: str, path: Path, seconds: float) -> None:
    session = await request_session(
        "agent",
        api_key="simulator-key",
        dialect="ws-media",
        from_number="+1",
        to_number="+2",
        base_url=base_url,
    )
    async with open_call(session, Audio(path, "none")):
        await trio.sleep(seconds + 0.5)


def compute(done: threading.Event) -> None:
    while not done.is_set():
        sum(range(1000))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of speech in each call")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.seconds)
        return
    print(f"{'ms between messages':24}{'least':>8}{'p1':>8}{'p50':>8}{'p99':>8}{'most':>8}")
    for name, is_busy in (("idle", False), ("a busy Python thread", True)):
        result = measured(args.seconds, is_busy)
        figures = "".join(f"{value:8.2f}" for value in result["percentiles"])
        exact = "bit for bit" if result["exact"] else "NOT bit for bit"
        print(f"{name:24}{figures}  {result['messages']} of {result['lengths']} bytes, {exact}")


if __name__ == "__main__":
    main()

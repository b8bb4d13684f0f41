"""What calls leave behind in a process that holds them for weeks. Run by `python3 dev.py soak`.

- a long call at real time, recorded, in which both sides speak all the time;
- short calls: good ones, ones that the network ends, and cancelled ones in turn;
- calls that are refused, with the garbage collector off;
- a call whose agent sends texts, speech, or both as fast as it can, beside one whose agent says nothing.

Shown are resident memory, threads and descriptors at the beginning (after a warm-up), and the most and the last of
them. The far side is another process. Nothing here fails by itself: flat is for the reader to say.
"""

import argparse
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import trio
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.trio.server import ServerConnection, serve

from sfclient import (
    Audio,
    MemoryInput,
    NetworkError,
    NullOutput,
    ServiceError,
    SfclientError,
    open_call,
)

READY = json.dumps({"type": "status_agent_ready"})
MIB = 1 << 20
NOISE = np.random.default_rng(1).integers(-9000, 9000, 48_000, np.int16)


class Talker:
    """A microphone into which somebody speaks without end."""

    def open(self) -> int:
        return 48_000

    def read(self, frames: int) -> NDArray[np.int16]:
        return np.resize(NOISE, frames)


# The far side.


async def talk(websocket: ServerConnection) -> None:
    """Speak at real time until the caller hangs up."""
    await websocket.send(READY)
    began = trio.current_time()
    for beat in count(1):
        await websocket.send(NOISE[:320].tobytes())
        await trio.sleep_until(began + 0.02 * beat)


async def greet(websocket: ServerConnection) -> None:
    await websocket.send(READY)
    await websocket.send(NOISE[:1600].tobytes())


async def drop(websocket: ServerConnection) -> None:
    await greet(websocket)
    await trio.aclose_forcefully(websocket.stream)


async def listen(websocket: ServerConnection) -> None:
    await websocket.send(READY)
    await trio.sleep_forever()


def flood(*messages: str | bytes) -> Callable[[ServerConnection], Awaitable[None]]:
    async def send(websocket: ServerConnection) -> None:
        await websocket.send(READY)
        while True:
            for message in messages:
                await websocket.send(message)

    return send


TEXT = json.dumps({"type": "transcript", "words": [{}] * 20_000})
AGENTS = {
    "/talk": talk,
    "/greet": greet,
    "/drop": drop,
    "/listen": listen,
    "/texts": flood(TEXT),
    "/small-texts": flood(*["{}"] * 1000),
    "/speech": flood(NOISE.tobytes() * 20),
    "/small-speech": flood(*[b"\1\2"] * 1000),
    "/both": flood(TEXT, NOISE.tobytes() * 20, "{}", b"\1\2"),
}


async def serve_agents() -> None:
    """Each at a path of its own; print the port."""

    async def handle(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        agent = AGENTS[websocket.request.path]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear, websocket, nursery.cancel_scope)
            with suppress(ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
                await agent(websocket)
            nursery.cancel_scope.cancel()

    async def refuse(websocket: ServerConnection, request: Request) -> Response | None:
        return None if request.path in AGENTS else websocket.respond(403, "no such agent\n")

    async def hear(websocket: ServerConnection, scope: trio.CancelScope) -> None:
        with suppress(ConnectionClosed):
            async for _ in websocket:
                pass
        scope.cancel()

    logging.getLogger("websockets").addHandler(logging.NullHandler())  # it tells of every drop
    async with trio.open_nursery() as nursery:
        start = partial(serve, handle, 0, host="127.0.0.1", process_request=refuse)
        server = await nursery.start(start)
        print(server.listeners[0].socket.getsockname()[1], flush=True)


@contextmanager
def far_side() -> Iterator[str]:
    """The URL of its agents."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"ws://127.0.0.1:{process.stdout.readline().strip()}/"
        process.terminate()


# Our side.


def status(name: str) -> float:
    """A figure of this process, in MiB."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    ]
    return int(line.split()[1]) / 1024


class Watch:
    """Looks at this process from time to time."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, int, int]] = []

    def look(self) -> None:
        self._looks.append(
            (status("VmRSS"), threading.active_count(), len(os.listdir("/proc/self/fd")))
        )

    def __str__(self) -> str:
        first, last = self._looks[0], self._looks[-1]
        names = ("resident MiB", "threads", "descriptors")
        return "; ".join(
            f"{name} {first[i]:.4g}, most {max(look[i] for look in self._looks):.4g}, last {last[i]:.4g}"
            for i, name in enumerate(names)
        )


async def long_call(url: str, seconds: float) -> str:
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        audio = Audio(Talker(), NullOutput())
        async with open_call(f"{url}talk", audio, record=Path(folder) / "call.wav") as call:
            await trio.sleep(min(30, seconds / 10))
            for _ in range(60):
                watch.look()
                await trio.sleep(seconds / 60)
            counts = call.statistics()
    return f"{watch}; {counts.playout.underruns} underruns, {counts.capture.overruns} overruns"


async def short_calls(url: str, calls: int) -> str:
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(calls + 100):
            agent = ("greet", "drop", "listen")[index % 3]
            with suppress(NetworkError), trio.move_on_after(0.1 if agent == "listen" else 60):
                audio = Audio(MemoryInput(), NullOutput())
                record = Path(folder) / "call.wav" if index % 2 else None
                async with open_call(f"{url}{agent}", audio, record=record) as call:
                    await call.wait_ended()
            if index >= 100 and index % 50 == 0:
                watch.look()
    return str(watch)


async def refused_calls(url: str, calls: int) -> str:
    watch = Watch()
    gc.collect()
    gc.disable()
    for index in range(calls + 100):
        with suppress(SfclientError):
            bad = f"{url}nobody" if index % 2 else "ws://127.0.0.1:9/"
            async with open_call(bad, Audio(MemoryInput(), NullOutput())) as call:
                await call.wait_ended()
        if index >= 100 and index % 50 == 0:
            watch.look()
    gc.enable()
    return str(watch)


async def flooded_call(url: str, agent: str, seconds: float) -> str:
    """The most memory that this process ever had."""
    with trio.move_on_after(seconds), suppress(ServiceError):
        async with open_call(url + agent, Audio(Talker(), NullOutput())):
            await trio.sleep_forever()
    return f"{status('VmHWM'):.1f}"


def apart(*arguments: str) -> str:
    """The same in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description="What calls leave behind.")
    parser.add_argument("--minutes", type=float, default=60, help="of the long call")
    parser.add_argument("--calls", type=int, default=2000, help="of each kind of short ones")
    parser.add_argument("--flood", type=float, default=60, help="seconds of it")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--flooded", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        trio.run(serve_agents)
        return
    if args.flooded:
        print(trio.run(flooded_call, *args.flooded, args.flood))
        return
    with far_side() as url:
        if args.flood:
            idle = float(apart("--flooded", url, "listen", "--flood", "10"))
            print(f"a call whose agent says nothing: at most {idle:.1f} MiB", flush=True)
            for agent in ("texts", "small-texts", "speech", "small-speech", "both"):
                most = float(apart("--flooded", url, agent, "--flood", str(args.flood)))
                print(f"{args.flood:g} s of {agent}: {most - idle:+.1f} MiB", flush=True)
        if args.calls:
            print(f"{args.calls} short calls: {trio.run(short_calls, url, args.calls)}", flush=True)
            told = trio.run(refused_calls, url, args.calls)
            print(f"{args.calls} refused calls, no garbage collector: {told}", flush=True)
        if args.minutes:
            told = trio.run(long_call, url, 60 * args.minutes)
            print(f"a call of {args.minutes:g} minutes: {told}", flush=True)


if __name__ == "__main__":
    main()

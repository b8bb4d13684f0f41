"""The doors `sfclient.aio` and `sfclient.blocking`, beside the trio client. Run by `python3 dev.py doors`.

*cost*: CPU time of the process for a second of a call, both sides speaking, the simulator in another process. So many
calls at once, from the request of a session to the end, through one door after the other, in turns; the median of the
turns, and how it compares with trio's.

*a busy host*: a call through the device of a JACK server with the dummy driver, which calls back every 10 ms, as
`benchmarks/realtime.py` counts it. Meanwhile the thread of the program, where asyncio's loop runs,

- *sleeps* for 2 s, again and again, without giving its loop a turn;
- *hogs* the GIL for 2 s, 100 ms at a time, as C code does that never lets go of it, again and again.

Nothing may be missing: no callback late (*under*, *over*), no silence where speech waits (*padded*), no frame of the
microphone *lost*. But a ws-media call has a steady clock, and drops by design what Python kept it from sending for more
than 0.2 s, which a hog does: there all that was recorded must be sent, or be among the *lost*.
"""

import argparse
import asyncio
import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import realtime
import trio

import sfclient
from sfclient import (
    Audio,
    CallStatistics,
    Connected,
    Device,
    MemoryInput,
    NullOutput,
    aio,
    blocking,
)
from sfclient.simulator import SpeakAgent, open_simulator

DOORS = ("trio", "aio", "blocking")
DIALECTS = ("widget", "ws-media")
MOST_RATIO = 1.1  # of a door's cost to trio's
CALLS, SECONDS, TURNS = 20, 8.0, 4
BUSY_SECONDS = 2.0
HOLD_MICROSECONDS = 100_000
BREATH_SECONDS = 0.05  # for the loop, between two times
NOISE = np.random.default_rng(1).integers(-9000, 9000, 60 * 16_000, np.int16).tobytes()
ORDERS: dict[str, dict[str, str]] = {
    "widget": {},
    "ws-media": {"from_number": "+1", "to_number": "+2"},
}


def order(dialect: str, base_url: str) -> dict[str, Any]:
    return {
        "api_key": "simulator-key",
        "dialect": dialect,
        "base_url": base_url,
        **ORDERS[dialect],
    }


# What a call costs.


def headless() -> Audio:
    return Audio(MemoryInput(NOISE), NullOutput())


def trio_calls(calls: int, seconds: float, ordered: dict[str, Any]) -> None:
    async def hold() -> None:
        session = await sfclient.request_session("agent", **ordered)
        async with sfclient.open_call(session, headless(), max_seconds=seconds) as call:
            async for _ in call:
                pass

    async def hold_all() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(calls):
                nursery.start_soon(hold)

    trio.run(hold_all)


def aio_calls(calls: int, seconds: float, ordered: dict[str, Any]) -> None:
    async def hold() -> None:
        session = await aio.request_session("agent", **ordered)
        async with aio.open_call(session, headless(), max_seconds=seconds) as call:
            async for _ in call:
                pass

    async def hold_all() -> None:
        await asyncio.gather(*(hold() for _ in range(calls)))

    asyncio.run(hold_all())


def blocking_calls(calls: int, seconds: float, ordered: dict[str, Any]) -> None:
    def hold(_: int) -> None:
        session = blocking.request_session("agent", **ordered)
        with blocking.open_call(session, headless(), max_seconds=seconds) as call:
            for _ in call:
                pass

    with ThreadPoolExecutor(calls) as pool:
        list(pool.map(hold, range(calls)))


CALLS_THROUGH = {"trio": trio_calls, "aio": aio_calls, "blocking": blocking_calls}


def cost(dialect: str, base_url: str, calls: int, seconds: float, turns: int) -> dict[str, Any]:
    """Milliseconds of CPU time for a second of a call, by door, of each turn."""
    costs: dict[str, list[float]] = {door: [] for door in DOORS}
    for turn in range(turns + 1):
        first = turn % len(DOORS)
        for door in DOORS[first:] + DOORS[:first]:
            used = time.process_time()
            CALLS_THROUGH[door](calls, seconds, order(dialect, base_url))
            if turn:  # in the first, all gets imported and warm
                took = time.process_time() - used
                costs[door].append(1000 * took / calls / seconds)
    return costs


# A host that is busy.


def sleep() -> None:
    time.sleep(BUSY_SECONDS)


def hog() -> None:
    holding = ctypes.PyDLL(None)
    until = time.monotonic() + BUSY_SECONDS
    while time.monotonic() < until:
        holding.usleep(HOLD_MICROSECONDS)


BUSY: dict[str, Callable[[], None]] = {"sleeps": sleep, "hogs": hog}


class Watched:
    """The figures of a call before, while and after its host is busy."""

    def __init__(self, seconds: float) -> None:
        self.are_accounted_for = True
        self._seconds = seconds
        self._told: list[CallStatistics] = []
        self._times: list[float] = []

    def has_speech(self, call: Any) -> bool:
        received: int = call.statistics().playout.received_frames
        return received >= realtime.SPOKEN_SECONDS * 16_000

    def look(self, call: Any) -> None:
        self._told.append(call.statistics())
        capture = self._told[-1].capture
        here = capture.captured_frames + capture.ahead_frames
        there = capture.sent_frames + capture.in_hand_frames + capture.queued_frames
        self.are_accounted_for &= here == there + capture.dropped_frames
        self._times.append(time.perf_counter())

    @property
    def is_over(self) -> bool:
        return time.perf_counter() > self._times[0] + self._seconds

    def figures(self) -> dict[str, Any]:
        told = realtime.under_load(*self._told, self._times[1] - self._times[0])
        return {**told, "accounted for": self.are_accounted_for}


def trio_busy(ordered: dict[str, Any], busy: Callable[[], None], seconds: float) -> dict[str, Any]:
    """Here the busy program has a thread of its own: blocking trio's is against the rules."""
    device, watched = Device("JACK"), Watched(seconds)

    async def hold() -> None:
        session = await sfclient.request_session("agent", **ordered)
        async with sfclient.open_call(session, Audio(device, device)) as call:
            async for event in call:
                if isinstance(event, Connected):
                    break
            while not watched.has_speech(call):  # noqa: ASYNC110
                await trio.sleep(BREATH_SECONDS)
            watched.look(call)
            while not watched.is_over:
                await trio.to_thread.run_sync(busy)
                await trio.sleep(BREATH_SECONDS)
            watched.look(call)
            await trio.sleep(BUSY_SECONDS)
            watched.look(call)

    trio.run(hold)
    return watched.figures()


def aio_busy(ordered: dict[str, Any], busy: Callable[[], None], seconds: float) -> dict[str, Any]:
    device, watched = Device("JACK"), Watched(seconds)

    async def hold() -> None:
        session = await aio.request_session("agent", **ordered)
        async with aio.open_call(session, Audio(device, device)) as call:
            async for event in call:
                if isinstance(event, Connected):
                    break
            while not watched.has_speech(call):  # noqa: ASYNC110
                await asyncio.sleep(BREATH_SECONDS)
            watched.look(call)
            while not watched.is_over:
                busy()
                await asyncio.sleep(BREATH_SECONDS)
            watched.look(call)
            await asyncio.sleep(BUSY_SECONDS)
            watched.look(call)

    asyncio.run(hold())
    return watched.figures()


def blocking_busy(
    ordered: dict[str, Any], busy: Callable[[], None], seconds: float
) -> dict[str, Any]:
    device, watched = Device("JACK"), Watched(seconds)
    session = blocking.request_session("agent", **ordered)
    with blocking.open_call(session, Audio(device, device)) as call:
        for event in call:
            if isinstance(event, Connected):
                break
        while not watched.has_speech(call):
            time.sleep(BREATH_SECONDS)
        watched.look(call)
        while not watched.is_over:
            busy()
            time.sleep(BREATH_SECONDS)
        watched.look(call)
        time.sleep(BUSY_SECONDS)
        watched.look(call)
    return watched.figures()


BUSY_THROUGH = {"trio": trio_busy, "aio": aio_busy, "blocking": blocking_busy}


def busy_host(door: str, dialect: str, base_url: str, how: str, seconds: float) -> dict[str, Any]:
    return BUSY_THROUGH[door](order(dialect, base_url), BUSY[how], seconds)


def serve(agent: str) -> None:
    """Print the base URL, and serve until standard input closes."""
    speak = realtime._burst if agent == "burst" else SpeakAgent(NOISE)

    async def run() -> None:
        async with open_simulator(speak) as simulator:
            print(simulator.base_url, flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)

    trio.run(run)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=CALLS, help="at once")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each call of a turn")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--busy-seconds", type=float, default=20.0, help="of each busy host")
    parser.add_argument("--once", action="store_true", help="the shortest run of all its code")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return 0
    if args.one:
        print(json.dumps(busy_host(*json.loads(args.one))))
        return 0
    if args.once:
        args.calls, args.seconds, args.turns, args.busy_seconds = 2, 1.0, 1, 0.5
    holds = [_cost(dialect, args.calls, args.seconds, args.turns) for dialect in DIALECTS]
    dialects = DIALECTS[:1] if args.once else DIALECTS
    holds += [_busy_hosts(dialect, args.busy_seconds) for dialect in dialects]
    return 0 if all(holds) or args.once else 1


def _cost(dialect: str, calls: int, seconds: float, turns: int) -> bool:
    print(f"{dialect}: CPU time for a second of a call, {calls} at once", flush=True)
    with realtime.simulator("speak", __file__) as base_url:
        costs = cost(dialect, base_url, calls, seconds, turns)
    medians = {door: statistics.median(costs[door]) for door in DOORS}
    for door in DOORS:
        ratio = medians[door] / medians["trio"]
        turns_ms = " ".join(f"{each:.2f}" for each in costs[door])
        print(
            f"  {door:10}{medians[door]:>7.2f} ms  {ratio:.2f} of trio's  ({turns_ms})", flush=True
        )
    return max(medians.values()) <= MOST_RATIO * medians["trio"]


def _busy_hosts(dialect: str, seconds: float) -> bool:
    print(f"\n{dialect}: a host that is busy for {BUSY_SECONDS:g} s, again and again", flush=True)
    print(
        f"{'':24}{'callbacks':>16}{'under':>7}{'over':>7}{'padded':>8}{'lost':>8}{'longest gap':>14}"
    )
    is_whole = True
    blocksize = realtime.BLOCKSIZES[0]
    with realtime.jack_server(blocksize) as env:
        for how in BUSY:
            may_lose = dialect == "ws-media" and how == "hogs"
            for door in DOORS:
                with realtime.simulator("burst", __file__) as base_url:
                    figures = realtime.measured(
                        env, door, dialect, base_url, how, seconds, program=__file__
                    )
                realtime._row(f"{door}, {how}", figures, blocksize)
                missing = [figures[name] for name in ("underflows", "overflows", "padded")]
                missing.append(0 if may_lose else figures["lost"])
                is_whole &= figures["accounted for"] and not any(missing)
    return is_whole


if __name__ == "__main__":
    sys.exit(main())

"""The realtime path under load: native callbacks beside Python's. Run by `python3 dev.py realtime`.

A JACK server with the dummy driver calls back every 10 ms, then every 2.5 ms.

First, with the machine idle, *delay*: from the moment at which the last frame of a chunk was recorded (the callback's
own time) to the moment at which its message was handed to the socket, and from the arrival of a message to the callback
that takes its first frame; at the 50th and the 99th percentile.

Then, under load: one process after another holds a live call with the simulator (another process), whose agent sends
all it has to say at once, while four threads hold the GIL for 100 ms at a time. What is shown:

- *callbacks*: how many there were, and how many there should have been in the time;
- *under-, overflows*: callbacks that came too late, as PortAudio tells; *padded*: frames of silence, or of concealment,
  after the first word, while speech was queued; *lost*: microphone frames that were recorded but not sent, the last
  chunk aside;
- *cost*: CPU time of the callback's thread for one callback (measured in an own run, since measuring takes system
  calls), and the time on the clock, in which the machine may have run something else. An interrupt counts as the time
  of the thread that it interrupts: on a virtual machine 30 to 60 us, which is where the last percentiles come from.
  *queue*: played as it is, at the device's rate; *adaptive*: by an engine, from 16 kHz.

Each row of a call names its policy. Speech that came ahead of time is played as it is under any of them. One call is
shown on the live screen of the command meanwhile, on a terminal that another process reads.

What that screen costs is measured with the machine idle: CPU time of the process, in turns without it and with it.

python-rtmixer plays and records through native callbacks too, without a call: it plays a buffer beside the same load.
"""

import argparse
import ctypes
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import sfaudio.stream
from sfaudio import CaptureQueue, JitterBuffer, Meter, PlayoutEngine, StreamStatistics
from sfaudio._callback import StreamCallback

if TYPE_CHECKING:
    from sfclient import Call, CallStatistics, PlayoutStatistics
    from sfclient.cli._facts import Snapshot

BLOCKSIZES = (480, 120)  # frames at 48 kHz: 10 and 2.5 ms
HOGS = 4
HOLD_MICROSECONDS = 100_000
DELAY_SECONDS = 20.0
SCREEN_TURNS = 6  # without and with the live screen
SCREEN_SECONDS = 5.0  # of each
SPOKEN_SECONDS = 170  # by the agent, at once, before the load


@contextmanager
def busy_python() -> Iterator[None]:
    """Four threads that hold the GIL, 100 ms at a time, as C code that never lets go of it does."""
    holding = ctypes.PyDLL(None)
    done = threading.Event()

    def hold() -> None:
        while not done.is_set():
            holding.usleep(HOLD_MICROSECONDS)

    threads = [threading.Thread(target=hold) for _ in range(HOGS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


class PythonCallback(StreamCallback):
    """What others write in Python: the work of the compiled callback, done with numpy."""

    def __new__(cls, *_queues: object, **options: Any) -> "PythonCallback":
        # Python uses the queues: the base holds none of them, and nothing that hears what is in them.
        heard = ("reference", "capture_meter", "playout_meter")
        return super().__new__(cls, **options | dict.fromkeys(heard))

    def __init__(
        self,
        capture: CaptureQueue | None,
        playout: JitterBuffer | PlayoutEngine | None,
        played: CaptureQueue | None,
        **_options: Any,
    ) -> None:
        self._capture = capture
        self._playout = playout
        self._counts: Counter[str] = Counter()
        self._began = self._longest_gap = 0.0

    def run(self, indata: Any, outdata: Any, flags: int = 0) -> None:
        began = time.perf_counter()
        if self._began:
            self._longest_gap = max(self._longest_gap, began - self._began)
        self._began = began
        if indata is not None and self._capture is not None:
            self._capture.write(np.frombuffer(indata, np.float32))
        if outdata is not None and self._playout is not None:
            block = np.zeros(len(outdata) // 4, np.int16)
            self._playout.read_into(block)
            np.frombuffer(outdata, np.float32)[:] = block / np.float32(32768)
        self._counts["input_overflows"] += flags >> 1 & 1
        self._counts["output_underflows"] += flags >> 2 & 1
        self._counts["callbacks"] += 1

    @property
    def idle_seconds(self) -> float | None:
        return time.perf_counter() - self._began if self._began else None

    def statistics(self) -> StreamStatistics:
        return StreamStatistics(**self._counts, longest_gap=self._longest_gap)


@asynccontextmanager
async def on_screen(call: "Call") -> AsyncIterator[None]:
    """Show the call as the command does, on a terminal that another process reads."""
    import trio

    from sfclient.cli._facts import Facts
    from sfclient.cli._keys import make_keys
    from sfclient.cli._live import open_screen
    from sfclient.cli._look import look_at

    end, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    facts, keys = Facts(), make_keys(False)

    async def learn() -> None:
        async for event in call:
            facts.learn(event)

    def look() -> "Snapshot":
        return look_at(call, facts, "a call under load", call.seconds, keys, False)

    with (
        open(other_end, "w") as terminal,  # noqa: ASYNC230
        subprocess.Popen(["cat"], stdin=end, stdout=subprocess.DEVNULL) as reader,  # noqa: ASYNC220
    ):
        os.close(end)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(learn)
            async with open_screen(terminal, terminal, look, lambda key: None):
                yield
            nursery.cancel_scope.cancel()
        reader.terminate()


def padded(playout: "PlayoutStatistics") -> int:
    """Frames of silence or of concealment while speech was queued."""
    concealed = playout.concealed_frames - playout.silent_concealed_frames
    return playout.padded_frames + concealed


def under_load(
    before: "CallStatistics", after: "CallStatistics", end: "CallStatistics", seconds: float
) -> dict[str, Any]:
    """What became of a call while it was under load for so long; at the `end`, what it recorded then has been sent."""
    first, last = (told.devices[0].streams[-1] for told in (before, after))
    return {
        "seconds": seconds,
        "callbacks": last.callbacks - first.callbacks,
        "underflows": last.output_underflows - first.output_underflows,
        "overflows": last.input_overflows - first.input_overflows,
        "padded": padded(after.playout) - padded(before.playout),
        "lost": end.capture.dropped_frames,
        "longest_gap": last.longest_gap,
    }


def call_under_load(
    url: str, native: bool, policy: str, seconds: float, screen: bool = False
) -> dict[str, Any]:
    """Hold a call through the JACK device, and say what became of it."""
    import trio

    from sfclient import Audio, Connected, Device, open_call

    if not native:
        sfaudio.stream.StreamCallback = PythonCallback  # type: ignore[misc]

    async def hold() -> dict[str, Any]:
        device = Device("JACK", native=native)
        echo = "auto" if native else "off"  # its canceller would wait for what was played
        async with open_call(url, Audio(device, device, echo=echo), playout=policy) as call:
            async for event in call:
                if isinstance(event, Connected):
                    break
            while call.statistics().playout.received_frames < SPOKEN_SECONDS * 16_000:  # noqa: ASYNC110
                await trio.sleep(0.05)
            before = call.statistics()
            began = time.perf_counter()
            async with on_screen(call) if screen else nullcontext():
                with busy_python():
                    while time.perf_counter() < began + seconds:  # noqa: ASYNC110
                        await trio.sleep(0.05)
                    after = call.statistics()
                    took = time.perf_counter() - began
            await trio.sleep(2)
            return under_load(before, after, call.statistics(), took)

    return trio.run(hold)


def callback_cost(what: str, callbacks: int) -> dict[str, Any]:
    """Run a stream for so many callbacks under load; microseconds of CPU and of the clock."""
    capture, queue = CaptureQueue(48_000), JitterBuffer(48_000 * 60)
    playout: JitterBuffer | PlayoutEngine = queue
    if what == "adaptive":
        playout = PlayoutEngine(queue, samplerate=16_000, output_samplerate=48_000)
    noise = np.random.default_rng(1).integers(-9000, 9000, 48_000, np.int16).tobytes()
    with (
        sfaudio.stream.Stream(
            capture,
            playout,
            samplerate=48_000,
            device="JACK",
            capture_meter=Meter(48_000),  # as a call has them
            playout_meter=Meter(48_000),
            measure_cpu=True,
        ) as stream,
        busy_python(),
    ):
        while stream.statistics().callbacks < callbacks:
            if queue.writable_frames > 48_000:
                queue.write(noise)
            time.sleep(0.1)
        seen = stream.callback
    return {
        "callbacks": seen.statistics().callbacks,
        "cpu": [1e6 * seen.cpu_percentile(at) for at in (0.5, 0.99, 0.9999)],
        "wall": [1e6 * seen.duration_percentile(at) for at in (0.5, 0.99, 0.9999)],
    }


def screen_cost(url: str, turns: int, seconds: float) -> dict[str, Any]:
    """CPU time of a call through the JACK device, in turns without and with the live screen, as shares of a core."""
    import trio

    from sfclient import Audio, Device, open_call

    async def share() -> float:
        began, used = time.perf_counter(), time.process_time()
        await trio.sleep(seconds)
        return (time.process_time() - used) / (time.perf_counter() - began)

    async def hold() -> dict[str, Any]:
        device = Device("JACK")
        async with open_call(url, Audio(device, device)) as call:
            await trio.sleep(2)
            without, shown = [], []
            for _ in range(turns):
                without.append(await share())
                async with on_screen(call):
                    await trio.sleep(1)  # until all that it needs is imported
                    shown.append(await share())
        return {"without": without, "shown": shown}

    return trio.run(hold)


def rtmixer_under_load(seconds: float) -> dict[str, Any]:
    """The same load beside python-rtmixer, which plays a buffer and records into a ring."""
    import rtmixer

    mixer = rtmixer.MixerAndRecorder(samplerate=48_000, channels=1, device="JACK")
    ring = rtmixer.RingBuffer(4, 1 << 22)
    sound = np.zeros((int(48_000 * (seconds + 5)), 1), np.float32)
    with mixer:
        mixer.play_buffer(sound, channels=1)
        mixer.record_ringbuffer(ring)
        with busy_python():
            time.sleep(seconds)
        action = mixer.fetch_and_reset_stats()
        mixer.wait(action)
        stats = action.stats
    return {
        "seconds": seconds,
        "callbacks": stats.blocks,
        "underflows": stats.output_underflows,
        "overflows": stats.input_overflows,
        "padded": 0,
        "lost": 0,
        "longest_gap": 0.0,
    }


@contextmanager
def jack_server(blocksize: int) -> Iterator[dict[str, str]]:
    """A private JACK server; what a process needs to find it."""
    name = f"sfaudio-bench-{os.getpid()}"
    env = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    env["JACK_NO_AUDIO_RESERVATION"] = "1"
    options = ["-d", "dummy", "-r", "48000", "-p", str(blocksize), "-C", "1", "-P", "1"]
    with subprocess.Popen(
        ["jackd", "-n", name, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            while subprocess.run(["jack_lsp"], env=env, capture_output=True).returncode:
                time.sleep(0.1)
            yield env
        finally:
            server.terminate()


def measured(env: dict[str, str], *arguments: object, program: str = __file__) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, program, "--one", json.dumps(arguments)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def one(what: str, *arguments: Any) -> dict[str, Any]:
    return {
        "call": call_under_load,
        "cost": callback_cost,
        "rtmixer": rtmixer_under_load,
        "screen": screen_cost,
        "delay": delays,
    }[what](*arguments)


def delays(url: str, seconds: float) -> dict[str, Any]:
    """Delays on an idle machine, in ms, from the callback's own times; see the module's words."""
    import trio

    from sfclient import Audio, Device, open_call

    to_wire: list[float] = []
    to_speaker: list[float] = []

    async def hold() -> None:
        device = Device("JACK")
        # What is measured is the way, not the cushion that a user chooses.
        async with open_call(url, Audio(device, device), playout="browser") as call:
            stream = call._lines[0]._streams._open[-1]  # type: ignore[attr-defined]
            sent, play = call._uplink.sent, call._playout.play

            def sent_now(took: float) -> None:
                idle, seen = stream.idle_seconds, stream.statistics()
                sent(took)  # and a detector of voices hears it, when it has left
                block = seen.input_frames // seen.callbacks
                since = (seen.input_frames - call._uplink.statistics().sent_frames) // block
                to_wire.append(idle + since * block / 48_000)

            async def play_now(data: bytes) -> None:
                arrived = time.perf_counter()
                read = call._playout.queue.statistics().read_frames
                await play(data)
                while call._playout.queue.statistics().read_frames == read:  # noqa: ASYNC110
                    await trio.sleep(0.0003)
                to_speaker.append(time.perf_counter() - stream.idle_seconds - arrived)

            call._uplink.sent = sent_now  # type: ignore[method-assign]
            call._playout.play = play_now  # type: ignore[method-assign]
            await trio.sleep(seconds)

    trio.run(hold)
    return {
        name: [1e3 * float(np.percentile(values, at)) for at in (50, 99)]
        for name, values in (("to the wire", to_wire[10:]), ("to the speaker", to_speaker[10:]))
    }


async def _burst(call: Any) -> None:
    """Speak for minutes, all at once, and listen."""
    await call.client_ready()
    speech = np.random.default_rng(1).integers(1, 9000, (SPOKEN_SECONDS, 16_000), np.int16)
    for second in speech:  # a message has room for a minute
        await call.send_audio(second.tobytes())
    await call.wait_ended()


async def _pulses(call: Any) -> None:
    """Say 20 ms now and then, at no fixed distance from anybody's blocks."""
    import trio

    await call.client_ready()
    while True:
        await call.send_audio(bytes(640))
        await trio.sleep(0.0973)


def serve(agent: str) -> None:
    """Print the session URL of one call, and serve it until standard input closes."""
    import trio

    from sfclient.simulator import open_simulator

    async def run() -> None:
        async with open_simulator(_burst if agent == "burst" else _pulses) as simulator:
            print(simulator.new_session_url(), flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)

    trio.run(run)


@contextmanager
def simulator(agent: str, program: str = __file__) -> Iterator[str]:
    """The URL that a process prints which serves this agent."""
    pipe = subprocess.PIPE
    command = [sys.executable, program, "--serve", agent]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each call under load")
    parser.add_argument("--callbacks", type=int, default=100_000, help="of which the cost is taken")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--once", action="store_true", help="the shortest run of all its code")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    if args.one:
        print(json.dumps(one(*json.loads(args.one))))
        return
    blocksizes, idle = BLOCKSIZES, (DELAY_SECONDS, SCREEN_TURNS, SCREEN_SECONDS)
    if args.once:
        blocksizes, idle = BLOCKSIZES[:1], (2.5, 1, 0.5)
        args.seconds, args.callbacks = 0.5, 100
    told: list[dict[str, Any]] = []
    for blocksize in blocksizes:
        print(f"blocks of {blocksize / 48:g} ms, machine idle", flush=True)
        with jack_server(blocksize) as env:
            told.append({"blocksize": blocksize, **_delays(env, *idle)})
    for blocksize in blocksizes:
        print(f"\nblocks of {blocksize / 48:g} ms, {HOGS} threads that hold the GIL", flush=True)
        with jack_server(blocksize) as env:
            told.append(
                {
                    "blocksize": blocksize,
                    "under load": _calls_under_load(env, blocksize, args.seconds),
                    "cost": _cost(env, args.callbacks),
                }
            )
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")


def _delays(env: dict[str, str], seconds: float, turns: int, turn_seconds: float) -> dict[str, Any]:
    with simulator("pulses") as url:
        idle = measured(env, "delay", url, seconds)
    for name, (p50, p99) in idle.items():
        print(f"delay {name:16} p50 {p50:.2f} ms, p99 {p99:.2f} ms", flush=True)
    with simulator("pulses") as url:
        shares = measured(env, "screen", url, turns, turn_seconds)
    without, shown = (100 * float(np.median(shares[name])) for name in ("without", "shown"))
    print(f"a call {without:.2f} % of a core, with the live screen {shown:.2f} %", flush=True)
    return {"delay": idle, "percent of a core": {"without": without, "on a screen": shown}}


def _calls_under_load(env: dict[str, str], blocksize: int, seconds: float) -> dict[str, Any]:
    print(
        f"{'':24}{'callbacks':>16}{'under':>7}{'over':>7}{'padded':>8}{'lost':>8}{'longest gap':>14}"
    )
    rows: dict[str, Any] = {}
    for name, native, policy, screen in (
        ("native call, adaptive", True, "adaptive", False),
        ("the same, on a screen", True, "adaptive", True),
        ("native call, lossless", True, "lossless", False),
        ("Python call, adaptive", False, "adaptive", False),
    ):
        with simulator("burst") as url:
            rows[name] = measured(env, "call", url, native, policy, seconds, screen)
        _row(name, rows[name], blocksize)
    try:
        rows["python-rtmixer"] = measured(env, "rtmixer", seconds)
        _row("python-rtmixer", rows["python-rtmixer"], blocksize)
    except subprocess.CalledProcessError:
        print("python-rtmixer            not installed, or it failed")
    return rows


def _cost(env: dict[str, str], callbacks: int) -> dict[str, Any]:
    costs: dict[str, Any] = {}
    for what in ("queue", "adaptive"):
        cost = costs[what] = measured(env, "cost", what, callbacks)
        for name in ("cpu", "wall"):
            p50, p99, p9999 = cost[name]
            print(
                f"native callback, {what:9}{name:5}p50 {p50:.1f} us, p99 {p99:.1f} us, p99.99 {p9999:.1f} us "
                f"({cost['callbacks']} callbacks)",
                flush=True,
            )
    return costs


def _row(name: str, figures: dict[str, Any], blocksize: int) -> None:
    due = round(figures["seconds"] * 48_000 / blocksize)
    print(
        f"{name:24}{figures['callbacks']:>7} of {due:>5}{figures['underflows']:>7}{figures['overflows']:>7}"
        f"{figures['padded']:>8}{figures['lost']:>8}{1e3 * figures['longest_gap']:>11.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()

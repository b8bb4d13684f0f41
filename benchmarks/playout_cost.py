"""What a callback of 10 ms costs with the playout engine in it, in its worst states. `python3 dev.py playout-cost`.

Each state is a script: what is written before each block. It is played over and over, by a new engine each time, in the
native callback, on a virtual clock. Of the script the block that costs most by its median is looked at; shown are its
median and its 99.9th percentile, in microseconds of the thread's CPU time, beside a bare C loop of 25 us that ran in
between. An interrupt counts as the time of the thread that it interrupts, and both meet as many for their length.
"""

import argparse
import ctypes
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from playout_traces import MESSAGE, Floats, Samples, bundled_speech, paced, stalled

from sfaudio import JitterBuffer, PlayoutEngine
from sfaudio._callback import StreamCallback

LOOP = 25.0  # us
MOST = 2.0  # times the loop, at the 99.9th percentile
SECONDS = 8.0
RATES = ((16_000, 16_000), (16_000, 48_000), (48_000, 48_000))  # of the wire and of the device


class Clock:
    """The functions of playout_cost.c, compiled."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if not compiler:
            sys.exit("a C compiler is needed: apt-get install gcc")
        library = folder / "playout_cost.so"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        functions = ctypes.CDLL(str(library))
        self._callback, self._loop = functions.time_callback, functions.time_loop
        self._callback.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_ulong,
        ]
        self._loop.argtypes = [ctypes.c_uint64]
        self._callback.restype = self._loop.restype = ctypes.c_uint64
        self.turns = round(100_000 * LOOP / self.median_of_loop(100_000))
        self.turns = round(self.turns * LOOP / self.median_of_loop(self.turns))

    def median_of_loop(self, turns: int) -> float:
        return float(np.median([self._loop(turns) for _ in range(500)])) / 1000

    def loop(self) -> int:
        return int(self._loop(self.turns))

    def play(self, script: list[bytes], wire: int, device: int) -> list[int]:
        """ns of each block."""
        queue = JitterBuffer(sum(map(len, script)) // 2 + 1)
        engine = PlayoutEngine(queue, samplerate=wire, output_samplerate=device)
        callback = StreamCallback(None, engine)
        frames = device // 100
        out = np.empty(frames, np.float32)
        address, userdata, samples, time = (
            callback.address,
            callback.userdata,
            out.ctypes.data,
            self._callback,
        )
        took = []
        for data in script:
            if data:
                queue.write(data)
            took.append(time(address, userdata, samples, frames))
        callback.close()
        return took


def script(arrivals: Floats, samples: Samples, rate: int) -> list[bytes]:
    """What arrives before each block."""
    blocks = math.ceil(arrivals[-1] / 10) + 10
    message = rate * MESSAGE // 1000
    ends = np.searchsorted(arrivals, 10.0 * np.arange(blocks), "right") * message
    said = np.resize(samples, len(arrivals) * message).astype("<i2")
    return [said[a:b].tobytes() for a, b in zip([0, *ends[:-1]], ends, strict=True)]


# ---- the states


def voice(rate: int) -> Samples:
    samples = bundled_speech().without_pauses().samples
    return samples if rate == 16_000 else np.repeat(samples, rate // 16_000)


def noise(rate: int) -> Samples:
    """It does not resemble itself, so that a period is looked for in each block, and never found."""
    return np.random.default_rng(1).normal(0, 3000, rate).astype(np.int16)


def noise_and_pauses(rate: int) -> Samples:
    return np.concatenate([noise(rate), np.zeros(2 * rate, np.int16)])


def lead() -> Floats:
    """3 s ahead, then paced: to be paid out."""
    return np.maximum(10.0, paced(SECONDS) - 3000)


def stall() -> Floats:
    return stalled(paced(SECONDS), [(3000.0, 1000.0)])


STATES: dict[str, tuple[Callable[[], Floats], Callable[[int], Samples]]] = {
    "periods removed": (lead, voice),
    "search refused": (lead, noise),
    "look-ahead of 1 s": (lead, noise_and_pauses),
    "dry, concealing": (stall, voice),
    "dry, noise": (stall, noise),
}


class Cost(NamedTuple):
    block: int
    median: float
    most: float


def cost(took: NDArray[np.float64]) -> Cost:
    """Of the block that costs most, in us; `took` has a row for each time that the script was played."""
    medians = np.median(took, axis=0)
    block = int(np.argmax(medians))
    return Cost(block, medians[block] / 1000, float(np.percentile(took[:, block], 99.9)) / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=2000, help="that each script is played")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder))
    print(
        f"{'wire to device':18}{'state':20}{'block':>7}{'p50':>8}{'p99.9':>8}{'loop p50':>10}{'p99.9':>8}{'ratio':>7}"
    )
    for wire, device in RATES:
        for name, (arrivals, samples) in STATES.items():
            blocks = script(arrivals(), samples(wire), wire)
            took, loops = [], []
            for _ in range(args.times):
                took.append(clock.play(blocks, wire, device))
                loops.append(clock.loop())
            block, median, most = cost(np.array(took, float))
            bare, bare_most = (float(np.percentile(loops, at)) / 1000 for at in (50, 99.9))
            print(
                f"{f'{wire} to {device} Hz':18}{name:20}{block:7}{median:8.1f}{most:8.1f}{bare:10.1f}{bare_most:8.1f}"
                f"{most / bare_most:7.2f}  {'ok' if most <= MOST * bare_most else 'FAULT'}",
                flush=True,
            )


if __name__ == "__main__":
    main()

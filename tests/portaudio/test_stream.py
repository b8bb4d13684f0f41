"""The native stream on a real PortAudio: it goes on while Python is busy, and a lost device is noticed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from sfaudio import CaptureQueue, JitterBuffer
from sfaudio._callback import StreamCallback
from sfaudio.stream import Stream

# A program that plays a ramp and records while threads hold the GIL, 100 ms at a time.
BUSY = """
import ctypes, dataclasses, json, sys, threading, time
import numpy as np
from sfaudio import CaptureQueue, JitterBuffer
from sfaudio.stream import Stream

native, blocksize, channels, seconds = json.loads(sys.argv[1])
capture, playout, played = CaptureQueue(480_000), JitterBuffer(480_000), CaptureQueue(480_000)
playout.write(np.arange(1, 30_001, dtype=np.int16).repeat(10).tobytes())
holding = ctypes.PyDLL(None)  # its functions keep the GIL
done = threading.Event()

def hold():
    while not done.is_set():
        holding.usleep(100_000)

with Stream(
    capture, playout, played,
    samplerate=48_000, blocksize=blocksize, device="JACK", channels=channels, native=native,
) as stream:
    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    done.set()
    for thread in threads:
        thread.join()
    figures = dataclasses.asdict(stream.statistics())
    figures["latency"] = stream.input_latency, stream.output_latency
heard = np.frombuffer(played.read(480_000), np.int16)
figures["played"] = len(heard)
figures["in_order"] = bool((heard == np.arange(1, 30_001, dtype=np.int16).repeat(10)[: len(heard)]).all())
figures["underruns"] = playout.statistics().underruns
figures["captured"] = capture.statistics().written_frames
print(json.dumps(figures))
"""


def hold_the_gil(jack, native, blocksize=0, channels=1, seconds=2):
    arguments = json.dumps([native, blocksize, channels, seconds])
    done = subprocess.run(
        [sys.executable, "-c", BUSY, arguments], env=jack.env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.jack
@pytest.mark.parametrize("blocksize", [0, 120, 1024])
def test_busy_python_does_not_disturb_a_native_stream(jack, blocksize):
    figures = hold_the_gil(jack, native=True, blocksize=blocksize)
    assert figures["input_overflows"] == figures["output_underflows"] == figures["underruns"] == 0
    assert figures["output_frames"] == figures["played"] == figures["captured"]
    assert figures["played"] > 48_000
    assert figures["in_order"]
    assert 0 < figures["p999_callback"] <= figures["longest_callback"] < 0.01
    assert figures["longest_gap"] >= figures["p999_gap"] > 0.002


@pytest.mark.jack
def test_python_callback_does_the_same_work_while_python_is_idle(jack):
    """What it is there to be compared with: the same stream, stuttering."""
    figures = hold_the_gil(jack, native=False)
    assert figures["in_order"]
    assert figures["output_underflows"] > 0


@pytest.mark.jack
def test_lost_device_is_reported_and_taken_back(jack, tmp_path):
    command = [sys.executable, "-m", "sfclient"]
    env = jack.env | {"SYNTHFLOW_API_KEY": "key", "PYTHONUNBUFFERED": "1"}
    simulator = subprocess.Popen(
        [*command, "simulator"], stdout=subprocess.PIPE, text=True, env=env
    )
    with simulator:
        try:
            options = ["--base-url", simulator.stdout.readline().strip(), "--input", "JACK"]
            options += ["--output", "JACK", "--stats", tmp_path / "stats.json"]
            caller = subprocess.Popen(
                [*command, "call", "any", *options], stdout=subprocess.PIPE, text=True, env=env
            )
            with caller:
                try:
                    assert "Connecting" in caller.stdout.readline()
                    assert "Connected" in caller.stdout.readline()
                    os.kill(jack.pid, signal.SIGSTOP)
                    stopped = time.monotonic()
                    assert "stopped" in caller.stdout.readline()
                    assert time.monotonic() - stopped < 2.5
                    time.sleep(1)
                    os.kill(jack.pid, signal.SIGCONT)
                    assert "back" in caller.stdout.readline()
                    time.sleep(1)
                finally:
                    os.kill(jack.pid, signal.SIGCONT)
                    caller.terminate()
                    caller.communicate()
        finally:
            simulator.terminate()
    assert caller.returncode == 0
    figures = json.loads((tmp_path / "stats.json").read_text())
    (device,) = figures["devices"]
    assert device["lost"] == 1
    assert device["silent_seconds"] > 1
    assert figures["capture"]["sent_frames"] > 48_000 * (device["silent_seconds"] + 0.5)
    assert len(device["streams"]) == 2
    assert figures["capture"]["overruns"] == 0


def test_stream_without_queues_is_refused():
    with pytest.raises(ValueError, match="needs a capture queue"):
        Stream(samplerate=48_000)


@pytest.mark.parametrize("channels", [0, -1, 65])
def test_channels_out_of_range_are_refused(channels):
    with pytest.raises(ValueError, match="input_channels must be between 1 and 64"):
        StreamCallback(CaptureQueue(1), JitterBuffer(1), input_channels=channels)

"""However a stream ends, on a real PortAudio: closed, dropped, at exit, in a forked child, without its server."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys

import pytest

from .conftest import running

pytestmark = pytest.mark.jack

BEGIN = """
import gc, json, os, signal, sys, threading, time, warnings
import numpy as np
from sfaudio import CaptureQueue, JitterBuffer, StreamError
from sfaudio.stream import Stream, is_stuck, refresh_devices

capture, playout, played = CaptureQueue(48_000), JitterBuffer(48_000), CaptureQueue(48_000)

def opened(native=True):
    stream = Stream(capture, playout, played, samplerate=48000.0, device="JACK", native=native)
    stream.start()
    capture.flush()
    while not capture.queued_frames:
        time.sleep(0.005)
    return stream

def refusals():
    calls = [
        lambda: playout.read_into(bytearray(20)),
        playout.abort,
        lambda: capture.write(bytes(20)),
        lambda: played.write(bytes(20)),
        lambda: Stream(capture, samplerate=48000, device="JACK").close(),
        lambda: Stream(None, playout, samplerate=48000, device="JACK").close(),
    ]
    for call in calls:
        try:
            call()
        except RuntimeError as error:
            yield "is held by a stream that is open" in str(error)
        else:
            yield False

tell = {}
"""

DROPPED = """
for native in (True, False):
    stream = opened(native)
    tell[f"refused {native}"] = list(refusals())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del stream
    tell[f"warned {native}"] = [(w.category.__name__, str(w.message)) for w in caught]
    tell[f"free {native}"] = list(refusals())
    gc.collect()
    before = capture.statistics().written_frames
    time.sleep(0.05)
    tell[f"silent {native}"] = capture.statistics().written_frames == before
stream = opened()  # runs when the interpreter ends
"""

CLOSED = """
stream = opened()
playout.write(np.ones(20_000, np.int16))
stream.close()
stream.close()
try:
    stream.start()
except RuntimeError as error:
    tell["start"] = str(error)
tell["active"] = stream.active
tell["refreshed"] = refresh_devices()
again = opened()
tell["refreshed with a stream"] = refresh_devices()
tell["latency"] = again.output_latency >= 0
again.close()
try:
    Stream(capture, playout, samplerate=48000, device="none such")
except StreamError as error:
    tell["no device"] = str(error)
tell["free"] = list(refusals())
"""

FORKED = """
stream = opened()
callbacks = stream.statistics().callbacks
for how in range(2):
    child = os.fork()
    if child == 0:
        began = time.monotonic()
        playout.statistics(), capture.statistics(), stream.statistics()
        assert not stream.active
        if how == 0:
            stream.close()
            playout.read_into(bytearray(20))
        assert time.monotonic() - began < 1
        sys.exit(0)  # as programs do, and not os._exit: what is registered for the end runs
    tell[f"child {how}"] = os.waitpid(child, 0)[1]
while stream.statistics().callbacks < callbacks + 20:
    time.sleep(0.005)
tell["parent"] = stream.active
stream.close()
"""

LOST = """
def gone():
    os.kill(int(os.environ["JACK_PID"]), getattr(signal, sys.argv[1]))

def in_thread(work):
    threading.Thread(target=work, daemon=True).start()

if sys.argv[2] == "exit while it is opened":
    gone()
    in_thread(opened)
elif sys.argv[2] == "exit while it is started":
    stream = Stream(capture, playout, played, samplerate=48000, device="JACK")
    gone()
    in_thread(stream.start)
else:
    stream = opened()
    gone()
if sys.argv[2] != "close before that is known":
    time.sleep(0.3)
began = time.monotonic()
if sys.argv[2].startswith("close"):
    try:
        stream.close()
    except TimeoutError as error:
        tell["error"] = str(error)
elif sys.argv[2] == "drop":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del stream
tell["seconds"] = time.monotonic() - began
tell["stuck"] = is_stuck()
if not sys.argv[2].startswith("exit"):
    tell["free"] = [playout.read_into(bytearray(20)), capture.write(bytes(20))]
"""


def run(jack, program, *arguments):
    command = [sys.executable, "-W", "error::ResourceWarning", "-c"]
    command += [BEGIN + program + "\nprint(json.dumps(tell), flush=True)", *arguments]
    env = jack.env | {"JACK_PID": str(jack.pid)}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(jack.pid, signal.SIGCONT)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_dropped_stream_is_closed_and_so_is_one_that_is_open_at_exit(jack):
    told = run(jack, DROPPED)
    for native in (True, False):
        assert told[f"refused {native}"] == [True] * 6
        ((category, message),) = told[f"warned {native}"]
        assert category == "ResourceWarning"
        assert "duplex, device ('JACK', 'JACK'), 48000 Hz" in message
        assert told[f"free {native}"] == [False] * 6
        assert told[f"silent {native}"]


def test_a_closed_stream_stays_closed_and_leaves_its_queues(jack):
    told = run(jack, CLOSED)
    assert told["start"] == "the stream is closed: open another one"
    assert not told["active"]
    assert told["refreshed"]
    assert not told["refreshed with a stream"]
    assert told["latency"]
    assert "none such" in told["no device"]
    assert told["free"] == [False] * 6


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_leaves_the_stream_to_its_parent(jack):
    assert run(jack, FORKED) == {"child 0": 0, "child 1": 0, "parent": True}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blow", "how"),
    [
        *itertools.product(("SIGSTOP", "SIGKILL"), ("close", "drop", "exit")),
        ("SIGKILL", "close before that is known"),
        ("SIGSTOP", "exit while it is opened"),
        ("SIGSTOP", "exit while it is started"),
    ],
)
def test_a_stream_whose_server_has_gone_is_left_to_it(jack, blow, how):
    """PortAudio does not come back from closing it, or ends the process."""
    try:
        told = run(jack, LOST, blow, how)
    finally:
        if blow == "SIGKILL":  # or its entry stays in JACK's registry, which has room for eight
            os.waitpid(jack.pid, 0)
            server = ("jackd", "-n", jack.env["JACK_DEFAULT_SERVER"], "-d", "dummy")
            with running(*server, env=jack.env):
                jack.wait_port("system:playback_1")
    assert told["seconds"] < 2.5
    assert told["stuck"] == (not how.startswith("exit"))
    assert ("error" in told) == how.startswith("close")

"""The native stream on a real PortAudio: it goes on while Python is busy, and a lost device is noticed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from sfaudio import CaptureQueue, JitterBuffer
from sfaudio._callback import StreamCallback
from sfaudio.stream import Stream, _bits

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
    latency = stream.input_latency, stream.output_latency
figures = dataclasses.asdict(stream.statistics()) | {"latency": latency}
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
def test_where_python_is_called_back_the_same_is_done_but_it_stutters(jack):
    figures = hold_the_gil(jack, native=False)
    assert figures["in_order"]
    assert figures["output_frames"] == figures["played"] == figures["captured"] > 0
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


class TestBlocksByHand:
    """What a stream does for each block, without a device: Python calls the compiled callback."""

    def test_a_block_goes_into_one_queue_and_comes_out_of_the_other(self):
        capture, playout, played = CaptureQueue(100), JitterBuffer(100), CaptureQueue(100)
        callback = StreamCallback(capture, playout, played, input_channels=2, output_channels=3)
        playout.write(np.array([8192, -16384], np.int16).tobytes())
        output = np.full((4, 3), 9, np.float32)
        callback.run(np.array([[0.5, 0.25]] * 4, np.float32), output, 1 << 1 | 1 << 2 | 1 << 4)
        assert np.frombuffer(capture.read(10), np.int16).tolist() == [int(0.375 * 32767)] * 4
        assert output.tolist() == [[0.25] * 3, [-0.5] * 3, [0.0] * 3, [0.0] * 3]
        assert np.frombuffer(played.read(10), np.int16).tolist() == [8192, -16384, 0, 0]
        seen = callback.statistics()
        assert (seen.callbacks, seen.input_frames, seen.output_frames) == (1, 4, 4)
        assert (seen.input_overflows, seen.output_underflows, seen.priming_callbacks) == (1, 1, 1)

    def test_raw_bytes_are_taken_as_a_raw_stream_gives_them(self):
        capture, playout = CaptureQueue(100), JitterBuffer(100)
        StreamCallback(capture).run(np.ones(5, np.float32).tobytes(), None)
        assert capture.queued_frames == 5
        output = bytearray(b"\xff" * 20)
        StreamCallback(playout=playout).run(None, output)
        assert output == bytes(20)

    def test_blocks_of_several_channels_may_lie_at_any_address(self):
        """That is checked where the suite is sanitized; elsewhere, that they are the same blocks."""
        capture, playout = CaptureQueue(100), JitterBuffer(100)
        callback = StreamCallback(capture, playout, input_channels=2, output_channels=3)
        playout.write(np.full(20, 8192, np.int16).tobytes())
        output = bytearray(20 * 12 + 1)
        indata = memoryview(b"." + np.full(40, 0.5, np.float32).tobytes())[1:]
        callback.run(indata, memoryview(output)[1:])
        assert np.frombuffer(capture.read(20), np.int16).tolist() == [16383] * 20
        assert output[1:] == np.full(60, 0.25, np.float32).tobytes()

    @pytest.mark.parametrize(
        ("input_frames", "output_frames", "message"),
        [(3, 4, "8 samples of 2 channels: that is not 3 frames"), (1.5, None, "not whole frames")],
    )
    def test_what_is_no_block_is_refused_and_nothing_recorded(
        self, input_frames, output_frames, message
    ):
        capture = CaptureQueue(100)
        callback = StreamCallback(capture, JitterBuffer(9), input_channels=2, output_channels=2)
        output = None if output_frames is None else np.zeros(2 * output_frames, np.float32)
        with pytest.raises(ValueError, match=message):
            callback.run(np.zeros(int(2 * input_frames), np.float32), output)
        with pytest.raises(TypeError, match="indata must hold native float32"):
            callback.run(np.zeros(4, np.int16), output)
        assert capture.statistics().written_frames == callback.statistics().callbacks == 0

    def test_a_detached_stream_plays_silence_and_measures_no_gaps(self):
        callback = StreamCallback(CaptureQueue(9), JitterBuffer(9))
        callback.run(bytes(12), bytearray(12))
        callback.detach()
        before, output = callback.statistics(), bytearray(b"\xff" * 12)
        callback.run(bytes(12), output)
        assert output == bytes(12)
        # They are counted: that is how it is known whether the device lives.
        assert callback.statistics() == replace(before, callbacks=2)

    def test_flags_of_sounddevice_are_those_of_portaudio(self):
        class Flags:
            input_underflow = output_overflow = False
            input_overflow = output_underflow = priming_output = True

        assert _bits(Flags()) == 0b10110


def test_stream_without_queues_is_refused():
    with pytest.raises(ValueError, match="needs a capture queue"):
        Stream(samplerate=48_000)


@pytest.mark.parametrize("channels", [0, -1, 65])
def test_channels_out_of_range_are_refused(channels):
    with pytest.raises(ValueError, match="input_channels must be between 1 and 64"):
        StreamCallback(CaptureQueue(1), JitterBuffer(1), input_channels=channels)

"""On a real PortAudio: what meters hear of a stream, with its times; a gain; and what is told of devices."""

import json
import subprocess
import sys

import pytest

# Half a second of silence, a tone of half a second, silence; at half the level from the loudspeaker.
HEARD = """
import json, time
import numpy as np
from sfaudio import CaptureQueue, JitterBuffer, Meter, StreamError
from sfaudio.stream import Stream, list_devices

tone = (16384 * np.sin(2 * np.pi * 480 * np.arange(24_000) / 48_000)).astype(np.int16)
capture, playout, meters = CaptureQueue(96_000), JitterBuffer(96_000), (Meter(48_000), Meter(48_000))
with Stream(
    capture, playout, samplerate=48_000, device="JACK", output_gain=0.5,
    capture_meter=meters[0], playout_meter=meters[1],
) as stream:
    print("ports", flush=True)
    input()
    time.sleep(0.5)
    began = time.perf_counter()
    playout.write(tone)
    time.sleep(1.5)
    segments = [[(s.is_beginning, s.seconds - began) for s in meter.read_segments()] for meter in meters]
statistics = [meter.statistics() for meter in meters]  # as those of the stream, when it has stopped
try:
    Stream(capture, samplerate=48_000, device="nonesuch")
    refusal = None
except StreamError as error:
    refusal = str(error)
print(json.dumps({
    "segments": segments,
    "peaks": [s.peak for s in statistics],
    "frames": [s.frames for s in statistics],
    "stream": [stream.statistics().input_frames, stream.statistics().output_frames],
    "refusal": refusal,
    "devices": [str(device) for device in list_devices()],
}))
"""


@pytest.mark.jack
def test_meters_hear_both_sides_of_a_running_stream(jack):
    command = [sys.executable, "-c", HEARD]
    with subprocess.Popen(
        command, env=jack.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout.readline() == "ports\n"
        jack.connect("PortAudio:out_0", "PortAudio:in_0")
        told, _ = program.communicate("\n", timeout=20)
    assert program.returncode == 0
    figures = json.loads(told)
    (spoken, played) = figures["segments"]
    for (begins, began), (goes_on, ended) in (spoken, played):
        assert (begins, goes_on) == (True, False)
        assert ended - began == pytest.approx(0.5, abs=0.03)
    # It plays from the next callback on, and is recorded within two of 10 ms; the machine may be slow.
    assert -0.001 <= played[0][1] < 0.2
    assert -0.011 <= spoken[0][1] - played[0][1] < 0.05
    assert figures["peaks"][1] == pytest.approx(0.5, abs=0.001)
    assert figures["peaks"][0] == pytest.approx(0.25, abs=0.001)  # it came through the gain
    assert figures["frames"] == figures["stream"]
    assert "no input device matching 'nonesuch'" in figures["refusal"].lower()
    assert figures["devices"] == ["0 system (JACK Audio Connection Kit)"]
    assert figures["refusal"].endswith(
        "The input devices here: 0 system (JACK Audio Connection Kit)"
    )

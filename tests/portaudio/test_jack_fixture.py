"""The fixture proves itself on a stream that repeats what it hears."""

import subprocess
import sys
import wave

import numpy as np
import pytest

pytestmark = pytest.mark.jack

PASSTHROUGH = """
import sys
import sounddevice

def callback(heard, said, frames, time, status):
    said[:] = heard

with sounddevice.RawStream(
    device="JACK", samplerate=48000, channels=1, dtype="int16", callback=callback
):
    print("running", flush=True)
    sys.stdin.read()
"""


def test_what_is_played_comes_back_whole(jack, tmp_path):
    spoken = np.random.default_rng(1).integers(-8000, 8000, 24000, dtype=np.int16).repeat(4)
    with wave.open(str(tmp_path / "spoken.wav"), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", "NONE"))
        file.writeframes(spoken.tobytes())

    client = [sys.executable, "-c", PASSTHROUGH]
    pipe = subprocess.PIPE
    with subprocess.Popen(client, stdin=pipe, stdout=pipe, env=jack.env) as process:
        assert process.stdout.readline() == b"running\n"
        with jack.record("PortAudio:out_0", tmp_path / "heard.wav"):
            jack.play(tmp_path / "spoken.wav", "PortAudio:in_0")
        process.communicate()

    with wave.open(str(tmp_path / "heard.wav")) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    start = int(np.correlate(heard.astype(float), spoken[:4800].astype(float)).argmax())
    found = heard[start : start + len(spoken)]
    # jack-play's rate converter and PortAudio's dither each move a sample a little.
    blocks = zip(found.reshape(-1, 480), spoken.reshape(-1, 480), strict=True)
    assert min(np.corrcoef(pair)[0, 1] for pair in blocks) > 0.9

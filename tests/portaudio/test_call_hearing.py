"""What a call hears through a real PortAudio, whose callbacks have a clock of their own."""

import json
import subprocess
import sys
import threading
import wave

import numpy as np
import pytest

pytestmark = pytest.mark.jack

LOOPBACK = """
import json, subprocess, sys, wave
import trio
from importlib.resources import as_file, files
from sfaudio import Resampler
from sfclient import Audio, SpeechBegan, SpeechEnded, open_call
from sfclient.simulator import open_simulator

with as_file(files("sfclient") / "_assets" / "hello.wav") as path, wave.open(str(path)) as file:
    hello = Resampler(file.getframerate(), 16_000).process(file.readframes(file.getframerate()))

async def main():
    async def agent(call):
        await call.client_ready()
        await trio.sleep(1)
        told["said"] = trio.current_time() - entered
        await call.send_audio(bytes(hello))
        await call.wait_ended()

    told = {"began": {}, "ended": {}}
    async with open_simulator(agent) as simulator:
        entered = trio.current_time()
        url = simulator.new_session_url()
        audio = Audio("JACK", "JACK", echo="off")
        async with open_call(url, audio, record=sys.argv[1], tap=True) as call:
            subprocess.run(["jack_connect", "PortAudio:out_0", "PortAudio:in_0"], check=True)
            with trio.move_on_after(15):
                async for event in call:
                    if isinstance(event, SpeechBegan):
                        told["began"][event.speaker] = [event.at, event.is_voice]
                    if isinstance(event, SpeechEnded):
                        told["ended"][event.speaker] = event.at
                        if len(told["ended"]) == 2:
                            break
            told["latency"] = call.statistics().devices[0].output_latency
    recording = call.statistics().recording
    told["zeros"] = {"caller": recording.begins_at, "agent": recording.agent_begins_at}
    print(json.dumps(told))

trio.run(main)
"""


def test_a_word_is_heard_when_it_sounds_and_again_where_the_loudspeaker_reaches_the_microphone(
    jack, tmp_path
):
    """JACK leads what is played back a block of 10 ms later."""
    path = tmp_path / "both.wav"
    program = [sys.executable, "-c", LOOPBACK, str(path)]
    with subprocess.Popen(program, env=jack.env, stdout=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(40, process.kill)
        killer.start()
        try:
            told = json.loads(process.communicate()[0])
        finally:
            killer.cancel()
    assert process.returncode == 0
    heard, (echoed, is_voice) = told["began"]["agent"][0], told["began"]["caller"]
    assert is_voice
    # The word begins 0.2 s into what was sent, and that is gathered before it is played.
    assert 0.1 < heard - told["said"] < 0.8
    assert echoed == pytest.approx(heard - told["latency"] + 0.01, abs=0.025)
    assert told["ended"]["caller"] - echoed == pytest.approx(
        told["ended"]["agent"] - heard, abs=0.05
    )
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2).T
    for speaker, side in zip(("caller", "agent"), sides, strict=True):
        found = np.flatnonzero(np.abs(side) > 1000)[0] / rate + told["zeros"][speaker]
        assert found == pytest.approx(told["began"][speaker][0], abs=0.05)

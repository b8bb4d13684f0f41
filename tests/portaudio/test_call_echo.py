"""A call whose loudspeaker is wired to its microphone, with an agent that says again what it hears."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.jack, pytest.mark.slow]

CALL = """
import json, subprocess, sys, wave
import numpy as np
import trio
from importlib.resources import as_file, files
from sfaudio import Resampler
from sfclient import Audio, Device, open_call
from sfclient.simulator import EchoAgent, open_simulator

choice, changes = json.loads(sys.argv[1])
with as_file(files("sfclient") / "_assets" / "hello.wav") as path, wave.open(str(path)) as file:
    words = Resampler(file.getframerate(), 16_000).process(file.readframes(file.getnframes()))

async def agent(call):
    await call.client_ready()
    await trio.sleep(0.5)
    await call.send_audio(words.tobytes())
    await EchoAgent(delay=0.3)(call)

def wire():
    subprocess.run(["jack_connect", "PortAudio:out_0", "PortAudio:in_0"], check=True)

def level(pcm):
    "RMS in dB of full scale, from -100."
    return 10 * np.log10(np.mean(np.frombuffer(pcm, np.int16).astype(float) ** 2) / 2**30 + 1e-10)

async def main():
    async with open_simulator(agent) as simulator:
        audio = Audio("JACK", "JACK", echo=choice)
        async with open_call(simulator.new_session_url(), audio) as call:
            far = await simulator.wait_call()
            wire()
            await trio.sleep(3)
            if changes:
                await call.use_output(Device("JACK"))
                wire()
                await trio.sleep(1)  # until the new way is known
            began = len(far.received_audio)
            await trio.sleep(2)
            heard = bytes(far.received_audio[began:])
            await trio.sleep(4)
            after = bytes(far.received_audio[-96_000:])
            told = call.statistics().echo
            call.hang_up()
    print(json.dumps({
        "said": level(words.tobytes()),
        "heard": level(heard),
        "after": level(after),
        "changes": told and told.reference.changes,
        "path changes": told and told.path_changes,
        "padded": told and told.reference.padded_frames,
    }))

trio.run(main)
"""


def call(jack, *arguments):
    command = [sys.executable, "-c", CALL, json.dumps(arguments)]
    done = subprocess.run(command, env=jack.env, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0
    return json.loads(done.stdout)


def test_an_agent_that_hears_itself_talks_to_itself_for_ever(jack):
    told = call(jack, "off", False)
    assert told["heard"] > told["said"] - 6
    assert told["after"] > told["said"] - 6


@pytest.mark.parametrize("changes", [False, True])
def test_its_words_come_back_thirty_decibels_down_and_it_falls_silent(jack, changes):
    told = call(jack, "auto", changes)
    assert told["heard"] < told["said"] - 30
    assert told["after"] < told["said"] - 50
    assert (told["changes"], told["path changes"]) == (changes, changes)
    assert told["padded"] == 0

"""The devices of a call on a real PortAudio: silent, changed, followed, and without their sound server."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import wave

import numpy as np
import pytest

from .conftest import running

pytestmark = pytest.mark.jack

SFCLIENT = [sys.executable, "-m", "sfclient"]

BEGIN = """
import json, os, signal, subprocess, sys
from contextlib import asynccontextmanager
import numpy as np
import trio
from sfclient import *
from sfclient.simulator import EchoAgent, SpeakAgent, open_simulator

tell = {}
SPEECH = (9000 * np.sin(np.arange(2 * 16_000) * 0.11)).astype(np.int16).tobytes()

@asynccontextmanager
async def calling(agent, audio=None, **options):
    "A call, and the side of the simulator; its events are kept."
    async with open_simulator(agent, key="key") as simulator, trio.open_nursery() as nursery:
        session = await request_session(
            "any", api_key="key", base_url=simulator.base_url, allow_insecure=True
        )
        async with open_call(session, audio, **options) as call:
            far = await simulator.wait_call()
            events = call.told = []

            async def keep():
                async for event in call:
                    events.append(event)

            nursery.start_soon(keep)
            with trio.fail_after(25):
                yield call, far
            call.hang_up()

async def until(condition):
    while not condition():
        await trio.sleep(0.01)

def kinds(call):
    return [type(event).__name__ for event in call.told]

def loud(pcm):
    return np.abs(np.frombuffer(bytes(pcm), np.int16)).max(initial=0) > 3000

"""


@contextlib.contextmanager
def started(jack, program):
    """It is killed if it does not end."""
    command = [sys.executable, "-c", f"{BEGIN}{program}\ntrio.run(main)"]
    env = jack.env | {"JACK_PID": str(jack.pid)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(60, process.kill)
        killer.start()
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            killer.cancel()


@contextlib.contextmanager
def started_simulator(jack):
    """Of an agent that echoes; its base URL."""
    command = [*SFCLIENT, "simulator", "--agent", "echo"]
    with subprocess.Popen(command, env=jack.env, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            yield simulator.stdout.readline().strip()
        finally:
            simulator.terminate()


def run(jack, program):
    """What it tells."""
    with started(jack, program + "\n    print(json.dumps(tell), flush=True)") as process:
        told = json.loads(process.stdout.readline())
        assert process.wait(10) == 0
    return told


@contextlib.contextmanager
def speaking(jack, name, path):
    """Another microphone: whatever is a source of JACK, PortAudio has as a device of that name."""
    with running("jack-play", "-n", name, "-u", str(path), env=jack.env) as player:
        jack.wait_port(f"{name}:out_1")
        yield player


@pytest.fixture
def voice(tmp_path):
    """Half a minute, loud."""
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        samples = 9000 * np.sin(np.arange(30 * 48_000) * 0.07)
        file.writeframes(samples.astype(np.int16).tobytes())
    return tmp_path / "voice.wav"


CHANGED = """
async def main():
    async with (
        calling(SpeakAgent(SPEECH), playout="lossless") as (call, far),
        calling(EchoAgent()) as (other, _),
    ):
        await until(lambda: "MicrophoneSilent" in kinds(call))
        tell["known after"] = call.statistics().sound.caller.frames / 48_000
        await until(lambda: call.statistics().playout.queued_frames)
        await call.use_input("second")
        before = len(far.received_audio)
        await until(lambda: loud(far.received_audio[before:]))
        try:
            await call.use_input("Stradivari")
        except DeviceError as error:
            tell["error"] = str(error)
        before = len(far.received_audio)
        await until(lambda: loud(far.received_audio[before:]))
        await call.use_output("system")
        await until(lambda: not call.statistics().playout.queued_frames)
        await until(lambda: "MicrophoneReturned" in kinds(call))
        playout = call.statistics().playout
        tell["playout"] = [playout.received_frames, playout.played_frames, playout.dropped_frames]
    tell["names"] = [event.name for event in call.told if isinstance(event, DeviceChanged)]
    for name, one in (("devices", call), ("devices of the other", other)):
        (seen,) = one.statistics().devices
        tell[name] = [seen.lost, seen.abandoned, len(seen.streams)]
"""


def test_a_microphone_of_zeros_is_told_and_changed_for_another_without_a_loss(jack, voice):
    with speaking(jack, "second", voice):
        told = run(jack, CHANGED)
    assert told["known after"] < 1.5
    assert "'Stradivari' for input: No input device" in told["error"]
    assert "second" in told["error"]
    assert told["playout"] == [32_000, 32_000, 0]
    assert told["names"] == ["second"]
    assert told["devices"] == [0, 0, 7]  # one for both directions, then one for each
    assert told["devices of the other"] == [0, 0, 1]


FOLLOWED = """
async def main():
    async with calling(EchoAgent(), Audio(follow=True)) as (call, far):
        await until(lambda: loud(far.received_audio))
        print("ready", flush=True)
        await until(lambda: "DeviceChanged" in kinds(call))
        before = len(far.received_audio)
        await until(lambda: loud(far.received_audio[before:]))
    print([event.name for event in call.told if isinstance(event, DeviceChanged)])
"""


@pytest.mark.slow
@pytest.mark.parametrize("jack", [{"inputs": 0}], indirect=True)
def test_a_new_default_device_is_followed_if_that_is_asked_for(jack, voice):
    """One that PortAudio does not know, since it was not there when the call began."""
    with speaking(jack, "old", voice) as old, started(jack, FOLLOWED) as program:
        assert program.stdout.readline() == "ready\n"
        old.terminate()
        old.wait()
        with speaking(jack, "new", voice):
            assert program.stdout.readline() == "['new']\n"
            assert program.wait(10) == 0


LOST = """
async def main():
    audio = Audio(output=Device(latency="low"))
    async with calling(EchoAgent(), audio) as (call, far):
        await until(lambda: far.received_audio)
        os.kill(int(os.environ["JACK_PID"]), signal.SIGKILL)
        await until(lambda: "DeviceLost" in kinds(call))
        await trio.sleep(0.5)
        (device,) = call.statistics().devices
        tell["silent so far"] = device.silent_seconds
        print("lost", flush=True)
        await until(lambda: "DeviceReturned" in kinds(call))
        heard = call.statistics().capture.captured_frames
        await until(lambda: call.statistics().capture.captured_frames > heard + 24_000)
        (device,) = call.statistics().devices
        tell["device"] = [device.lost, device.abandoned, len(device.streams), device.silent_seconds]
        frames = device.streams[-1].output_frames
        await until(lambda: call.statistics().devices[0].streams[-1].output_frames > frames)
    # Another call of the process has it, too.
    async with calling(EchoAgent()) as (call, far):
        await until(lambda: far.received_audio)
    print(json.dumps(tell), flush=True)
"""


@pytest.mark.slow
def test_a_call_gets_its_sound_back_when_the_sound_server_has_died_and_come_back(jack):
    """Though PortAudio does not come back from closing its stream."""
    with started(jack, LOST) as program:
        assert program.stdout.readline() == "lost\n"
        os.waitpid(jack.pid, 0)
        server = ("jackd", "-n", jack.env["JACK_DEFAULT_SERVER"], "-d", "dummy", "-p", "480")
        with running(*server, "-r", "48000", env=jack.env):
            told = json.loads(program.stdout.readline())
            assert program.wait(10) == 0
    assert told["silent so far"] > 0.4
    lost, abandoned, streams, silent_seconds = told["device"]
    assert (lost, abandoned, streams) == (1, 1, 2)
    assert silent_seconds > told["silent so far"]


@pytest.mark.slow
def test_a_sound_server_that_hangs_ends_the_call_with_what_to_do(jack, tmp_path):
    """Nothing in this process can bring the sound back."""
    with started_simulator(jack) as base_url:
        call = [
            *SFCLIENT,
            "call",
            "any",
            "--base-url",
            base_url,
            "--stats",
            tmp_path / "stats.json",
        ]
        env = jack.env | {"SYNTHFLOW_API_KEY": "simulator-key"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(call, env=env, text=True, **pipes) as caller:
            assert any("Connected" in line for line in caller.stdout)
            os.kill(jack.pid, signal.SIGSTOP)
            try:
                _, complaint = caller.communicate(timeout=40)
            finally:
                os.kill(jack.pid, signal.SIGCONT)
    assert caller.returncode == 3
    assert "start that anew, and the program" in complaint
    figures = json.loads((tmp_path / "stats.json").read_text())
    assert figures["ended"]["by"] == "device"
    (device,) = figures["devices"]
    assert device["silent_seconds"] > 5


@pytest.mark.slow
def test_the_doctor_listens_to_the_microphone(jack, voice):
    """Port 9 refuses: that there is no way to the service is told as well, and holds up nothing."""
    doctor = [*SFCLIENT, "doctor", "--base-url", "http://127.0.0.1:9"]
    with speaking(jack, "second", voice):
        heard = subprocess.run(
            [*doctor, "--input", "second"], env=jack.env, capture_output=True, text=True
        )
        silent = subprocess.run(doctor, env=jack.env, capture_output=True, text=True)
    assert "ok  microphone: second, channel 1, peak -11 dBFS, RMS -14 dBFS" in heard.stdout
    assert "BAD microphone: system, channel 1, only zeros" in silent.stdout
    assert "choose another input" in silent.stdout
    assert (silent.returncode, silent.stderr) == (1, "")

"""A call through a real PortAudio: spoken into the microphone port, echoed by the agent, heard at the speaker port."""

import json
import os
import subprocess
import sys
import wave
from functools import partial
from importlib.resources import as_file, files

import numpy as np
import pytest
import trio

from sfaudio import Resampler
from sfclient import CaptureStatistics, PlayoutStatistics
from sfclient.simulator import EchoAgent, open_simulator
from sfclient.testing import Link, Network, open_proxy

from ..sfclient.books import capture_errors, playout_errors

pytestmark = pytest.mark.jack

SFCLIENT = [sys.executable, "-m", "sfclient"]
KEY = "a key of the tests"


def read(path):
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return file.getframerate(), samples.reshape(-1, file.getnchannels())


def voiced(samples):
    """Below 2 kHz, where an offset of part of a sample does not matter."""
    spectrum = np.fft.rfft(samples.astype(float))
    spectrum[round(2000 / 48_000 * len(samples)) :] = 0
    return np.fft.irfft(spectrum, len(samples))


def worst_block(heard, said, frames=960):
    """The least correlation of any loud 20 ms of `said` with the same moment of `heard`."""
    heard, said = voiced(heard), voiced(said)
    length = 1 << (len(heard) + len(said)).bit_length()
    spectrum = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(said, length))
    heard = heard[np.fft.irfft(spectrum, length)[: len(heard)].argmax() :]
    starts = [
        at
        for at in range(0, len(said) - frames, frames)
        if np.abs(said[at : at + frames]).max() > 1500
    ]
    assert len(starts) > 100
    return min(np.corrcoef(heard[at : at + frames], said[at : at + frames])[0, 1] for at in starts)


@pytest.mark.parametrize(
    ("dialect", "wire_rate"),
    [(["widget"], 48_000), (["ws-media", "--from", "+49301234", "--to", "+49305678"], 16_000)],
    ids=["widget", "ws-media"],
)
def test_echoed_words_are_heard_without_a_gap(jack, tmp_path, dialect, wire_rate):
    env = jack.env | {"SYNTHFLOW_API_KEY": KEY.replace(" ", "-")}
    with as_file(files("sfclient") / "_assets" / "hello.wav") as hello:
        simulator = subprocess.Popen(
            [*SFCLIENT, "simulator", "--agent", "echo"], stdout=subprocess.PIPE, text=True, env=env
        )
        with simulator:
            try:
                base_url = simulator.stdout.readline().strip()
                options = ["--base-url", base_url, "--input", "JACK", "--output", "JACK"]
                # Word for word at its time, which a machine under load is no reason to stretch; and said again by
                # the agent while it is spoken, which is not what a canceller is for.
                options += ["--dialect", *dialect, "--playout", "lossless", "--echo", "off"]
                options += ["--stats", tmp_path / "stats.json", "--record", tmp_path / "both.wav"]
                caller = subprocess.Popen([*SFCLIENT, "call", "any", *options], env=env)
                with caller:
                    try:
                        jack.wait_port("PortAudio:out_0")
                        with jack.record("PortAudio:out_0", tmp_path / "heard.wav"):
                            jack.play(hello, "PortAudio:in_0")
                    finally:
                        caller.terminate()
            finally:
                simulator.terminate()
        assert caller.returncode == 0
        rate, spoken = read(hello)
    said = Resampler(rate, 48_000).process(spoken)
    _, heard = read(tmp_path / "heard.wav")
    assert worst_block(heard[:, 0], said) > 0.9

    figures = json.loads((tmp_path / "stats.json").read_text())
    assert figures["ended"]["by"] == "caller"
    assert figures["capture"]["dropped_frames"] <= 960 * 3  # what the last chunk left over
    assert figures["playout"]["received_frames"] > len(said) // 3

    rate, both = read(tmp_path / "both.wav")
    assert rate == wire_rate
    for side in both.T:
        assert worst_block(Resampler(rate, 48_000).process(side.copy()), said) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("jack", [44_100], indirect=True)
@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
async def test_a_minute_at_44_1_khz_with_a_network_stall_closes_to_the_frame(
    jack, tmp_path, dialect
):
    """From the device's own count of frames to what the agent got, and back."""
    async with open_simulator(EchoAgent(), key="key") as simulator:
        narrow = Network(Link(limit=4096), Link(limit=4096))  # so that a stall is felt
        async with (
            open_proxy(simulator.base_url, narrow) as proxy,
            trio.open_nursery() as nursery,
        ):
            base_url = proxy.through(simulator.base_url)
            options = ["--base-url", base_url, "--input", "JACK", "--output", "JACK"]
            options += [
                "--dialect",
                dialect,
                "--duration",
                "60",
                "--stats",
                tmp_path / "stats.json",
            ]
            if dialect == "ws-media":
                options += ["--from", "+49301234", "--to", "+49305678"]
            command = [*SFCLIENT, "call", "any", *options, "--record", tmp_path / "both.wav"]
            env = jack.env | {"SYNTHFLOW_API_KEY": "key"}
            nursery.start_soon(partial(trio.run_process, command, env=env))
            call = await simulator.wait_call()
            await trio.sleep(20)
            proxy.stall(6)
            ended = await call.wait_ended()
    assert (ended.by, ended.code) == ("client", 1000)
    figures = json.loads((tmp_path / "stats.json").read_text())
    capture = CaptureStatistics(**figures["capture"])
    playout = PlayoutStatistics(**figures["playout"])
    assert capture_errors(capture) == playout_errors(playout) == []
    (device,) = figures["devices"]
    (stream,) = device["streams"]
    assert capture.captured_frames == stream["input_frames"] * call.caller_samplerate // 44_100
    assert capture.captured_frames > 58 * call.caller_samplerate
    assert capture.dropped_frames > call.caller_samplerate
    assert capture.sent_frames + capture.padded_frames == len(call.received_audio) // 2
    # What the resampler needed: all but the last frame of the device ends before the last of the wire.
    assert playout.output_frames == (stream["output_frames"] - 1) * 160 // 441 + 1
    assert playout.policy == "adaptive"
    assert figures["recording"]["played"]["written_frames"] == stream["output_frames"]


def test_unknown_device_is_told_with_those_there_are(jack):
    call = [*SFCLIENT, "call", "--session-url", "ws://127.0.0.1:1/", "--output", "none"]
    done = subprocess.run(
        [*call, "--input", "Stradivari"], env=jack.env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 3
    assert "Stradivari" in done.stderr
    assert "system" in done.stderr
    assert "Traceback" not in done.stderr


def test_devices_are_listed(jack):
    listed = subprocess.run([*SFCLIENT, "devices"], env=jack.env, capture_output=True, text=True)
    assert "system (JACK Audio Connection Kit)" in listed.stdout


def test_no_sound_server_is_a_device_error():
    env = os.environ | {"JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": "nobody"}
    call = [*SFCLIENT, "call", "--session-url", "ws://127.0.0.1:1/"]
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr

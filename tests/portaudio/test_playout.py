"""Over a network that stalls, through a real PortAudio: what the speaker port got is what the engine says it played."""

import json
import subprocess
import sys
from functools import partial
from importlib.resources import as_file, files

import numpy as np
import pytest
import trio

from sfaudio import Resampler
from sfclient import PlayoutStatistics
from sfclient.simulator import SimulatedCall, open_simulator
from sfclient.testing import Link, Network, Stall, open_proxy

from ..sfaudio.playout_reference import reconstruct
from ..sfclient.books import playout_errors
from .test_call import read

WIRE = 16_000
BYTES_A_SECOND = 2 * WIRE

# A call whose engine keeps a log.
CALLER = """
import dataclasses, json, sys
from functools import partial
import trio
from sfaudio import PlayoutEngine
from sfclient import Audio, Device, _playout, open_call

_playout.PlayoutEngine = partial(PlayoutEngine, log_pieces=1 << 16)

async def main():
    async with open_call(sys.argv[1], Audio("none", Device("JACK"))) as call:
        await call.wait_ended()
    told = {"log": call._playout.engine.read_log()}
    print(json.dumps(told | dataclasses.asdict(call.statistics())))

trio.run(main)
"""


@pytest.mark.jack
@pytest.mark.slow
async def test_what_the_speaker_got_is_what_the_log_says(jack, tmp_path):
    """The log is put together by numpy, from what the agent sent."""
    with as_file(files("sfclient") / "_assets" / "hello.wav") as hello:
        rate, spoken = read(hello)
    # Below half of full scale, where the recorder is exact.
    speech = Resampler(rate, WIRE).process(spoken) * (14_000 / np.abs(spoken).max())
    speech = np.tile(speech.astype(np.int16), 3)
    is_recorded = trio.Event()

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await is_recorded.wait()
        began = trio.current_time()
        for at in range(0, len(speech), 320):
            await trio.sleep_until(began + at / WIRE)
            await call.send_audio(speech[at : at + 320].tobytes())
        await call.close(1000, "bye")

    stalls = [(3.5, 1.0), (7, 0.3), (9, 0.4), (11, 0.15)]
    faults = tuple(Stall(round(at * BYTES_A_SECOND), seconds) for at, seconds in stalls)
    network = Network(down=Link(delay=0.03, jitter=0.02, faults=faults))
    async with (
        open_simulator(speak) as simulator,
        open_proxy(simulator.base_url, network) as proxy,
        trio.open_nursery() as nursery,
    ):
        url = proxy.through(simulator.new_session_url())
        command = [sys.executable, "-c", CALLER, url]
        run = partial(trio.run_process, command, env=jack.env, capture_stdout=True)
        done: list[subprocess.CompletedProcess[bytes]] = []

        @nursery.start_soon
        async def hold() -> None:
            done.append(await run())

        await trio.to_thread.run_sync(jack.wait_port, "PortAudio:out_0")
        with jack.record("PortAudio:out_0", tmp_path / "heard.wav"):
            is_recorded.set()
            (call,) = simulator.calls
            await call.wait_ended()
            await trio.sleep(2)
    told = json.loads(done[0].stdout)
    log = [tuple(piece) for piece in told["log"]]
    made = reconstruct(log, np.frombuffer(call.sent_audio, np.int16), WIRE)
    said = Resampler(WIRE, 48_000).process(made)
    _, heard = read(tmp_path / "heard.wav")
    heard = heard[:, 0]

    playout = PlayoutStatistics(**told["playout"])
    assert playout.policy == "adaptive"
    assert call.sent_audio == speech.tobytes()
    assert playout.received_frames == len(speech)
    assert playout_errors(playout) == []
    assert 0 <= len(made) - playout.output_frames < WIRE // 100
    assert playout.underruns >= 1
    assert {kind for kind, _, _ in log} >= {"play", "conceal", "silence", "resume", "remove"}
    assert playout.removed_frames > 0.1 * WIRE

    first = np.flatnonzero(said)[0]
    heard = heard[np.flatnonzero(heard)[0] :][: len(said) - first]
    assert len(heard) > 3 * len(speech)
    wrong = np.flatnonzero(heard != said[first : first + len(heard)])
    assert not len(wrong), (len(wrong), wrong[:10])

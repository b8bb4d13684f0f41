"""A call at a sound device, whose native callback plays while messages come, from its cassette."""

import sys
from functools import partial

import pytest
import trio

from sfclient.simulator import SpeakAgent, open_simulator
from sfclient.testing import Link, Network, open_proxy, replay

from ..sfclient.conftest import noise

pytestmark = [pytest.mark.jack, pytest.mark.slow]


@pytest.mark.parametrize("policy", ["adaptive", "lossless", "browser"])
@pytest.mark.parametrize("jack", [48_000, 44_100], indirect=True)
async def test_call_at_a_device_is_played_again_to_the_same_sound(jack, tmp_path, policy):
    bad = Network(down=Link(delay=0.03, jitter=0.15))
    async with (
        open_simulator(SpeakAgent(noise(4, 16_000)), key="key") as simulator,
        open_proxy(simulator.base_url, bad) as proxy,
    ):
        options = [
            "--base-url",
            proxy.through(simulator.base_url),
            "--duration",
            "6",
            "--input",
            "JACK",
        ]
        options += ["--output", "JACK", "--playout", policy, "--cassette", tmp_path / "a.cassette"]
        env = jack.env | {"SYNTHFLOW_API_KEY": "key"}
        command = [sys.executable, "-m", "sfclient", "call", "any", *options]
        await trio.run_process(command, env=env)
    again = await trio.to_thread.run_sync(partial(replay, tmp_path / "a.cassette"))
    assert again.frames > 5 * again.head.output_samplerate
    assert again.playout.received_frames > 3 * 16_000
    # A callback may play in the midst of an operation: then its frame is not known for sure, and that is told.
    assert again.is_same or again.doubtful, again.parting

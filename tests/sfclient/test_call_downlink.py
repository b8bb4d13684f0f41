"""What the agent says: it is played bit for bit, however it comes, or thrown away and counted, in both dialects."""

import itertools
import wave

import numpy as np
import pytest
import trio

from sfclient import WavOutput
from sfclient.simulator import SimulatedCall, SpeakAgent

from .conftest import every_policy, exactly, noise, without_silence


@exactly
@pytest.mark.parametrize(
    "lengths",
    [1, 2, 3, 641, 640, 65_536, [1, 7, 640, 65_535, 2, 3]],
    ids=str,
)
@pytest.mark.parametrize(
    ("pace", "policy"),
    [("realtime", "lossless"), ("burst", "lossless"), ("burst", "browser"), ("burst", "adaptive")],
)
async def test_speech_is_played_bit_for_bit(hold, fast_clock, lengths, pace, policy):
    spoken = noise(0.1 if lengths in (1, 2, 3) else 2, hold.playout_samplerate)

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        cuts = itertools.cycle(lengths if isinstance(lengths, list) else [lengths])
        for message in call.wire_messages(spoken, cuts):
            await call.send(message)
            if pace == "realtime":
                await trio.sleep(len(message) / call.agent_byterate)

    async with hold(speak, playout=policy) as held:
        await held.call.wait_ended()
    assert held.heard == spoken
    playout = held.call.statistics().playout
    assert playout.played_frames == playout.received_frames == len(spoken) // 2
    assert held.call.ended.audio == "drained"


@exactly
@pytest.mark.parametrize("pace", ["realtime", "burst"])
async def test_speak_agent_is_heard_to_its_last_sample(hold, fast_clock, pace):
    spoken = noise(2.005, hold.playout_samplerate)
    async with hold(SpeakAgent(spoken, pace, then="close")) as held:
        began = trio.current_time()
        await (await held.simulator.wait_call()).wait_ended()
        spoke = trio.current_time() - began
        await held.call.wait_ended()
    assert held.heard == spoken
    assert (spoke > 1.9) == (pace == "realtime")


@exactly
async def test_burst_of_two_minutes_is_played_to_its_last_sample(hold, fast_clock, tmp_path):
    fast_clock.rate = 40
    spoken = noise(120, hold.playout_samplerate)
    path = tmp_path / "heard.wav"
    async with hold(SpeakAgent(spoken, "burst", then="close"), speaker=WavOutput(path)) as held:
        ended = await held.call.wait_ended()
    assert (ended.by, ended.code, ended.audio) == ("agent", 1000, "drained")
    with wave.open(str(path)) as file:
        shape = file.getnchannels(), file.getsampwidth(), file.getframerate()
        heard = file.readframes(file.getnframes())
    assert shape == (1, 2, hold.playout_samplerate)
    assert without_silence(heard) == spoken


@exactly
async def test_messages_of_two_megabytes_are_survived(hold, fast_clock):
    fast_clock.rate = 10  # they need real time, on real sockets
    spoken = noise(62.5, hold.playout_samplerate)
    assert len(spoken) == 2_000_000

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send("x" * 2_000_000)
        await call.send_audio(spoken)
        await call.wait_ended()

    async with hold(agent) as held:
        while held.call.statistics().playout.received_frames < 1_000_000:  # noqa: ASYNC110 -- nobody tells
            await trio.sleep(0.1)
        await trio.sleep(2.5)
        heard = held.heard
    assert len(heard) > 2 * hold.playout_samplerate
    assert spoken.startswith(heard)


@exactly
async def test_full_queue_makes_the_network_wait(hold, fast_clock, monkeypatch):
    monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 0.5)
    monkeypatch.setattr("sfclient._playout.READ_ON_BYTES", 3200)
    rate = hold.playout_samplerate
    spoken = noise(10, rate)
    async with hold(SpeakAgent(spoken, "burst", then="close")) as held:
        await trio.sleep(1)
        playout = held.call.statistics().playout
        assert rate // 4 < playout.queued_frames <= rate // 2 + 320
        assert playout.received_frames < 3 * rate
        await held.call.wait_ended()
    assert held.heard == spoken


@exactly
@every_policy
async def test_flush_throws_away_what_came_and_plays_what_comes(hold, fast_clock, policy):
    rate = hold.playout_samplerate
    old, new = noise(5, rate, seed=1), noise(1, rate, seed=2)

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(old)
        await trio.sleep(2)
        await call.send_audio(new)

    async with hold(speak, playout=policy) as held:
        await trio.sleep(1)
        held.call.flush()
        at = len(held.speaker.played)
        await trio.sleep(0.1)
        rest = np.frombuffer(held.speaker.played[at:], np.int16)
        await held.call.wait_ended()
    # A block that was under way, then 5 ms of fade.
    assert np.any(rest[:80])
    assert not np.any(rest[80 + 160 :])
    assert held.speaker.played.rstrip(b"\0").endswith(new.rstrip(b"\0"))
    playout = held.call.statistics().playout
    assert playout.dropped_frames == playout.received_frames - playout.played_frames > 3 * rate
    assert held.call.ended.audio == "drained"


@exactly
@every_policy
async def test_flush_while_the_network_waits_drops_that_too(hold, fast_clock, monkeypatch, policy):
    monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 0.5)
    rate = hold.playout_samplerate
    old, new = noise(3, rate, seed=1), noise(0.4, rate, seed=2)

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(old)
        await trio.sleep(1.5)
        await call.send_audio(new)

    async with hold(speak, playout=policy) as held:
        await trio.sleep(0.7)
        held.call.flush()
        await held.call.wait_ended()
    assert held.speaker.played.rstrip(b"\0").endswith(new.rstrip(b"\0"))
    assert held.call.statistics().playout.played_frames < 1.5 * rate


@exactly
async def test_half_a_sample_at_the_end_is_not_played(hold, fast_clock):
    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        (sample,) = call.wire_messages(b"\x01\x02")
        await call.send(sample + b"\x03")

    async with hold(speak) as held:
        await held.call.wait_ended()
    assert held.heard == b"\x01\x02"
    assert held.call.statistics().playout.received_frames == 1


@exactly
@pytest.mark.parametrize("dialect", ["ws-media"])
async def test_what_was_held_back_is_heard_when_the_agent_closes(hold, fast_clock):
    """A message that looks like RTP, of which the next would tell whether it is."""
    message = bytes.fromhex("8060 0007 01010101 02020202") + noise(0.02, hold.playout_samplerate)

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send(message)

    async with hold(speak) as held:
        await held.call.wait_ended()
    assert held.heard == np.frombuffer(message, ">i2").astype(np.int16).tobytes()

"""How a call ends in order, by whom, and what is still heard, in both dialects."""

from contextlib import asynccontextmanager, suppress

import pytest
import trio
from websockets.exceptions import ConnectionClosed

from sfaudio import Resampler
from sfclient._devices._virtual import open_virtual_line
from sfclient.simulator import SimulatedCall, SpeakAgent

from .conftest import every_policy, exactly, listen, noise, without_silence


async def test_leaving_the_block_hangs_up(hold, fast_clock):
    async with hold(listen) as held:
        await trio.sleep(0.5)
    assert (held.call.ended.by, held.call.ended.code) == ("caller", 1000)
    ended = await held.simulator.calls[0].wait_ended()
    assert (ended.by, ended.code) == ("client", 1000)


@every_policy
async def test_hang_up_cuts_the_agent_short(hold, fast_clock, policy):
    agent = SpeakAgent(noise(5, hold.playout_samplerate), "burst")
    async with hold(agent, playout=policy) as held:
        await trio.sleep(1)
        held.call.hang_up()
        ended = await held.call.wait_ended()
    assert (ended.by, ended.audio) == ("caller", "cut")
    assert held.call.statistics().playout.dropped_frames > 3 * hold.playout_samplerate


@exactly
@pytest.mark.parametrize(
    ("code", "policy"),
    [(1000, None), (1000, "adaptive"), (1000, "browser"), (1001, None), (4321, None)],
)
async def test_agent_closes_in_mid_sentence_and_is_heard_out(hold, fast_clock, code, policy):
    spoken = noise(3, hold.playout_samplerate)

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(spoken)
        await call.close(code, "enough")

    async with hold(agent, playout=policy) as held:
        ended = await held.call.wait_ended()
    assert (ended.by, ended.code, ended.reason) == ("agent", code, "enough")
    assert ended.audio == "drained"
    assert held.heard == spoken


async def test_microphone_stops_when_the_agent_closes(hold, fast_clock):
    spoken = noise(3, hold.playout_samplerate)
    async with hold(SpeakAgent(spoken, "burst", then="close")) as held:
        await (await held.simulator.wait_call()).wait_ended()
        await trio.sleep(0.5)
        before = held.call.statistics().capture
        assert held.call.ended is None
        await held.call.wait_ended()
    after = held.call.statistics().capture
    assert (after.sent_frames, after.padded_frames) == (before.sent_frames, before.padded_frames)


@exactly
@every_policy
async def test_short_word_is_heard_before_the_agent_closes(hold, fast_clock, policy):
    word = noise(0.01, hold.playout_samplerate)  # less than the prefill

    async with hold(SpeakAgent(word, "burst", then="close"), playout=policy) as held:
        await held.call.wait_ended()
    assert held.heard == word


async def test_agent_closes_at_once(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        pass

    async with hold(agent) as held:
        ended = await held.call.wait_ended()
    assert (ended.by, ended.code, ended.audio) == ("agent", 1000, "drained")


async def test_error_in_the_block_leaves_as_itself(hold, fast_clock):
    class OwnError(Exception):
        pass

    with pytest.raises(OwnError):
        async with hold(listen) as held:
            raise OwnError
    assert held.call.ended.by == "caller"
    assert (await held.simulator.calls[0].wait_ended()).code == 1000


async def test_cancelled_call_closes_in_order(hold, fast_clock):
    """At once, although the task that would hear the answer is cancelled too."""
    with trio.move_on_after(1) as scope:
        async with hold(listen) as held:
            scope.deadline = trio.current_time() + 1
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert held.call.ended.by == "caller"
    assert trio.current_time() < scope.deadline + 0.5


async def test_agent_who_pings_while_we_hang_up_does_no_harm(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        while True:
            await call.send_audio(bytes(640))
            with suppress(ConnectionClosed):
                await call._wire._websocket.ping()  # whatever the moment
            await trio.sleep(0.001)

    for _ in range(5):
        async with hold(agent) as held:
            await trio.sleep(0.3)
        assert held.call.ended.by == "caller"


@every_policy
@pytest.mark.parametrize("dialect", ["ws-media"])
@pytest.mark.parametrize("device_samplerate", [8000, 44_100, 48_000])
async def test_the_last_sample_has_left_the_resampler_before_the_line_stops(
    hold, fast_clock, device_samplerate, policy
):
    """Though it comes with a block of its own, where speech fills the one before."""
    speech = noise(1, 16_000)

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(speech)
        await call.close(1000, "bye")

    async with hold(speak, playout=policy) as held:
        await held.call.wait_ended()
    resampler = Resampler(16_000, device_samplerate)
    expected = without_silence(resampler.process(speech).tobytes() + resampler.drain().tobytes())
    assert len(held.heard) >= len(expected) - 4


@exactly
async def test_last_words_have_sounded_when_the_call_is_over(hold, fast_clock, monkeypatch):
    """With a device for each direction, of which only the loudspeaker's is slow."""

    @asynccontextmanager
    async def open_lines(audio, input_samplerate, output_samplerate, chunk_seconds):
        async with (
            open_virtual_line(audio.input, None, output_samplerate) as recording,
            open_virtual_line(None, audio.output, output_samplerate) as playing,
        ):
            playing.output_latency = 3.0
            yield [recording, playing]

    monkeypatch.setattr("sfclient._attempt.open_lines", open_lines)
    spoken = noise(0.5, hold.playout_samplerate)
    async with hold(SpeakAgent(spoken, "burst", then="close")) as held:
        began = trio.current_time()
        await held.call.wait_ended()
        assert trio.current_time() - began > 3.4
    assert held.heard == spoken

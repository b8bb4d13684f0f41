"""The books can fail: a call that loses or repeats something, anywhere on its way, does not pass the check."""

import pytest
import trio

from sfaudio import CaptureQueue, PlayoutEngine
from sfclient import Audio, MemoryInput, MemoryOutput, open_call, request_session
from sfclient._playout import Playout
from sfclient._uplink import Uplink
from sfclient._websocket import WebSocket
from sfclient.simulator import EchoAgent, SpeakAgent, open_simulator
from sfclient.testing import Link, Network, open_proxy

from .books import CountedSink, CountedSource, capture_errors, errors_at_the_end, playout_errors
from .conftest import NUMBERS, every_policy, listen, noise


def throws_every_second_chunk_away(monkeypatch):
    take = Uplink._take
    monkeypatch.setattr(
        Uplink, "_take", lambda self, frames: take(self, frames) and take(self, frames)
    )


def says_everything_twice(monkeypatch):
    send = WebSocket.send

    async def twice(self, message, *args, **options):
        await send(self, message, *args, **options)
        if isinstance(message, bytes):
            await send(self, message, *args, **options)

    monkeypatch.setattr(WebSocket, "send", twice)


def loses_what_the_device_gives(monkeypatch):
    class Lossy(CaptureQueue):
        def write(self, block):
            super().write(block[1:])

    monkeypatch.setattr("sfclient._captured.CaptureQueue", Lossy)


@pytest.mark.parametrize(
    ("sabotage", "found"),
    [
        (throws_every_second_chunk_away, "sent, and arrived"),
        (says_everything_twice, "sent, and arrived"),
        (loses_what_the_device_gives, "given by the source, and captured"),
    ],
)
async def test_uplink_that_loses_or_repeats_is_found(
    hold, fast_clock, monkeypatch, sabotage, found
):
    sabotage(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        async with hold(listen, say=noise(1, hold.capture_samplerate)):
            await trio.sleep(1.5)


def loses_the_end_of_each_message(monkeypatch):
    play = Playout.play
    monkeypatch.setattr(Playout, "play", lambda self, pcm: play(self, pcm[:-2]))


def plays_everything_twice(monkeypatch):
    play = Playout.play
    monkeypatch.setattr(Playout, "play", lambda self, pcm: play(self, pcm + pcm))


def throws_every_second_block_away(monkeypatch):
    class Lossy(PlayoutEngine):
        def read_into(self, out):
            super().read_into(out)
            super().read_into(out)

    monkeypatch.setattr("sfclient._playout.PlayoutEngine", Lossy)


@pytest.mark.parametrize(
    ("sabotage", "found"),
    [
        (loses_the_end_of_each_message, "said by the agent, and received"),
        (plays_everything_twice, "said by the agent, and received"),
        (throws_every_second_block_away, "played, and got by the sink"),
    ],
)
async def test_playout_that_loses_or_repeats_is_found(
    hold, fast_clock, monkeypatch, sabotage, found
):
    sabotage(monkeypatch)
    spoken = noise(1, hold.playout_samplerate)
    with pytest.raises(AssertionError, match=found):
        async with hold(SpeakAgent(spoken, "burst", then="close")) as held:
            await held.call.wait_ended()


@every_policy
async def test_sums_close_at_every_moment(hold, fast_clock, monkeypatch, policy):
    """While speech comes and goes, a flush throws some away, the queue is full and a chunk waits to be sent."""
    monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 0.5)
    agent = SpeakAgent(noise(4, hold.playout_samplerate), "burst")
    said = noise(1, hold.capture_samplerate)
    async with hold(agent, say=said, playout=policy) as held:
        for moment in range(150):
            await trio.sleep(0.011)
            if moment in (40, 90):
                held.call.flush()
            figures = held.call.statistics()
            assert not capture_errors(figures.capture)
            assert not playout_errors(figures.playout)


@pytest.mark.parametrize("device_samplerate", [44_100])
async def test_a_minute_with_a_network_stall_closes_to_the_frame(
    hold, fast_clock, tmp_path, device_samplerate
):
    """At 44.1 kHz both ways, recorded; the agent says everything back."""
    microphone = MemoryInput(noise(58, device_samplerate), samplerate=device_samplerate)
    source = CountedSource(microphone)
    sink = CountedSink(MemoryOutput(samplerate=device_samplerate))
    narrow = Network(Link(limit=4096), Link(limit=4096))  # so that a stall is felt
    async with (
        open_simulator(EchoAgent()) as simulator,
        open_proxy(simulator.base_url, narrow) as proxy,
    ):
        session = await request_session(
            "agent",
            api_key=simulator.key,
            base_url=proxy.through(simulator.base_url),
            dialect=hold.dialect,
            **NUMBERS if hold.dialect == "ws-media" else {},
        )
        record = tmp_path / "both.wav"
        async with open_call(session, Audio(source, sink), record=record) as call:
            await trio.sleep(20)
            proxy.stall(6)
            await trio.sleep(40)
        await simulator.calls[0].wait_ended()
    assert errors_at_the_end(call, simulator.calls[0], source, sink) == []
    capture = call.statistics().capture
    assert capture.captured_frames > 59 * hold.capture_samplerate
    assert capture.dropped_frames > hold.capture_samplerate
    assert capture.overruns

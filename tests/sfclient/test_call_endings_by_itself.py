"""A call that ends by itself: its time is up, or a file was said and the agent is silent."""

import math
from pathlib import Path

import pytest
import trio
import trio.testing

from sfclient import (
    Audio,
    InputEnded,
    MemoryInput,
    MemoryOutput,
    NetworkStalled,
    SpeechEnded,
    UsageError,
    WavInput,
    open_call,
)
from sfclient._endings import Endings
from sfclient._playout import Playout
from sfclient.simulator import SimulatedCall, open_simulator
from sfclient.testing import open_proxy

from .conftest import exactly, listen, noise, write_wav

LOOK = 0.25  # said anew: a headless call looks four times a second


@pytest.fixture
def file(tmp_path: Path) -> WavInput:
    """Of a second."""
    return WavInput(write_wav(tmp_path / "said.wav", noise(1, 48_000), 48_000))


def answering(after: float, seconds: float):
    """An agent who says something once."""

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(after)
        await call.send_audio(noise(seconds, 16_000))
        await call.wait_ended()

    return speak


class TestFile:
    async def test_ends_when_it_was_said_and_the_agent_was_silent(self, hold, fast_clock, file):
        async with hold(answering(2.5, 1.5), microphone=file, silence_seconds=2) as held:
            events = [event async for event in held.call]
            times = held.call.statistics().times
        (said,) = [event for event in events if isinstance(event, InputEnded)]
        assert said.at == pytest.approx(times.ready + 1, abs=0.1 + LOOK)
        ended = held.call.ended
        assert (ended.by, ended.code, ended.audio) == ("caller", 1000, "drained")
        assert ended.reason == "all was said, and the agent silent for 2 s"
        # 4 s of both, and two of silence.
        assert times.ended - times.ready == pytest.approx(6.1, abs=0.2 + 2 * LOOK)

    @exactly
    async def test_ends_after_eight_seconds_if_nothing_else_is_said(self, hold, fast_clock, file):
        async with hold(listen, microphone=file) as held:
            await held.call.wait_ended()
            times = held.call.statistics().times
        assert times.ended - times.ready == pytest.approx(9, abs=0.2 + 2 * LOOK)

    @exactly
    async def test_never_ends_so_if_the_silence_may_last_for_ever(self, hold, fast_clock, file):
        async with hold(listen, microphone=file, silence_seconds=math.inf) as held:
            await trio.sleep(15)
            assert held.call.ended is None

    @exactly
    async def test_silence_that_the_agent_sends_is_silence(self, hold, fast_clock, file):
        """Even where a stall has left more of it queued than is looked into."""

        async def send_silence(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send_audio(bytes(48_000))
            due = trio.current_time()
            while True:
                await call.send_audio(bytes(640))
                due += 0.02
                await trio.sleep_until(due)

        async with hold(send_silence, microphone=file, silence_seconds=2) as held:
            ended = await held.call.wait_ended()
        assert ended.reason.startswith("all was said")

    @exactly
    async def test_last_word_is_heard_though_it_is_shorter_than_what_is_gathered(
        self, hold, fast_clock, file
    ):
        async with hold(answering(1, 0.03), microphone=file, silence_seconds=1) as held:
            ended = await held.call.wait_ended()
        assert ended.audio == "drained"
        assert held.heard == noise(0.03, 16_000)

    @exactly
    async def test_pause_in_what_was_sent_ahead_is_not_the_end(self, hold, fast_clock, file):
        async def send_ahead(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send_audio(noise(1, 16_000) + bytes(5 * 32_000) + noise(1, 16_000))
            await call.wait_ended()

        async with hold(send_ahead, microphone=file, silence_seconds=2) as held:
            events = [event async for event in held.call]
            times = held.call.statistics().times
        heard = [
            event for event in events if isinstance(event, SpeechEnded) and event.speaker == "agent"
        ]
        assert len(heard) == 2
        assert times.ended - times.ready > 8.5

    async def test_stall_is_not_the_silence_of_the_agent(self, fast_clock, file):
        async with open_simulator(answering(0.1, 0.3)) as simulator:
            session = simulator.new_session_url()
            async with open_proxy(session) as proxy:
                audio = Audio(file, MemoryOutput())
                async with open_call(proxy.through(session), audio, silence_seconds=3) as call:
                    await trio.sleep(1.5)
                    proxy.stall(6)
                    events = [event async for event in call]
                    times = call.statistics().times
        assert NetworkStalled("down") in events
        assert times.ended - times.ready > 10

    async def test_agent_that_is_late_to_hear_is_waited_for(self, fast_clock, file):
        async with open_simulator(answering(5, 1), announce_ready=False) as simulator:
            session = simulator.new_session_url()
            audio = Audio(file, MemoryOutput())
            async with open_call(session, audio, silence_seconds=2) as call:
                await call.wait_ended()
                times = call.statistics().times
        assert times.ended - times.ready == pytest.approx(8, abs=0.2 + 2 * LOOK)

    async def test_agent_that_only_sends_texts_is_not_waited_for_for_ever(self, fast_clock, file):
        async def write(call: SimulatedCall) -> None:
            await call.client_ready()
            await call.send("{}")
            await call.wait_ended()

        async with open_simulator(write, announce_ready=False) as simulator:
            session = simulator.new_session_url()
            audio = Audio(file, MemoryOutput())
            async with open_call(session, audio, silence_seconds=2) as call:
                await call.wait_ended()
                times = call.statistics().times
        assert times.ended - times.ready == pytest.approx(32, abs=0.2 + 2 * LOOK)


class TestOther:
    @exactly
    async def test_memory_has_no_end_unless_asked(self, hold, fast_clock):
        async with hold(listen, say=noise(0.5, hold.capture_samplerate)) as held:
            await trio.sleep(12)
            assert held.call.ended is None

    @exactly
    async def test_memory_ends_so_if_asked_and_more_may_be_said_meanwhile(self, hold, fast_clock):
        rate = hold.capture_samplerate
        async with hold(listen, say=noise(0.5, rate), silence_seconds=2) as held:
            await trio.sleep(2)
            held.microphone.say(bytes(2 * rate))  # a second that nobody hears
            events = [event async for event in held.call]
            times = held.call.statistics().times
        assert not any(isinstance(event, InputEnded) for event in events)
        assert times.ended - times.ready == pytest.approx(5, abs=0.2 + 2 * LOOK)


class Said:
    """A file that was said, on a network that moves, and nobody has spoken for long."""

    is_said = has_end = True
    stands_still = False

    def spoke_until(self, speaker: str) -> float:
        return 0.0


async def test_what_came_while_the_program_did_not_run_is_heard_before_it_ends(autojump_clock):
    playout = Playout(16_000, 16_000, "lossless")
    endings = Endings([].append, Said(), playout, Said(), Said(), 0.0, None, 8.0)
    async with trio.open_nursery() as nursery:
        ended = trio.Event()

        async def end() -> None:
            await endings.wait()
            ended.set()

        nursery.start_soon(end)
        await trio.testing.wait_all_tasks_blocked()
        for quarter in (0, 1, *range(400, 433)):
            assert not ended.is_set()
            endings.look(quarter / 4)
            await trio.testing.wait_all_tasks_blocked()
        assert ended.is_set()


@exactly
async def test_time_that_is_up_ends_a_call(hold, fast_clock):
    async with hold(answering(0.1, 60), max_seconds=3) as held:
        ended = await held.call.wait_ended()
        times = held.call.statistics().times
    assert (ended.by, ended.code, ended.audio) == ("caller", 1000, "cut")
    assert ended.reason == "its 3 s were over"
    assert 3 <= times.ended - times.ready < 3.5  # with the close


@pytest.mark.parametrize("name", ["max_seconds", "silence_seconds"])
@pytest.mark.parametrize("seconds", [0, -1, math.nan, "8", True])
async def test_impossible_seconds(name: str, seconds) -> None:
    with pytest.raises(UsageError, match=f"{name} must be more than 0 seconds, not {seconds!r}"):
        async with open_call("ws://127.0.0.1:1/", Audio(MemoryInput()), **{name: seconds}):
            pass

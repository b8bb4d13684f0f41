"""What becomes of speech that comes late, or all at once, by the policy of a call."""

import math
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from sfaudio._callback import StreamCallback
from sfclient import (
    MemoryOutput,
    NullOutput,
    PlayoutStatistics,
    UsageError,
    WavOutput,
    _playout,
    open_call,
)
from sfclient._devices._portaudio import PortAudioLine
from sfclient._devices._virtual import open_virtual_line
from sfclient._playout import Playout
from sfclient.cli._hold import line_of_playout
from sfclient.simulator import SimulatedCall

from .books import playout_errors
from .conftest import every_policy, exactly, listen, noise

WIRE = 16_000
MESSAGE = 320


def voice(seconds: float) -> NDArray[np.int16]:
    """A voice of 125 Hz that never pauses, and is never the same twice."""
    time = np.arange(round(seconds * WIRE)) / WIRE
    swell = 1 + 0.3 * np.sin(2 * math.pi * 3.1 * time)
    buzz = sum(np.sin(2 * math.pi * 125 * k * time) / k for k in range(1, 12))
    return (4000 * swell * buzz).astype(np.int16) | 1


def sentences(seconds: float) -> NDArray[np.int16]:
    """The same voice, 1.6 s of speech and 0.4 s of silence in turn."""
    speech = voice(seconds)
    speech[np.arange(len(speech)) % (2 * WIRE) >= 1.6 * WIRE] = 0
    return speech


def read(playout: Playout, blocks: int = 1) -> NDArray[np.int16]:
    heard = np.zeros(blocks * WIRE // 100, np.int16)
    for block in heard.reshape(blocks, -1):
        playout.engine.read_into(block)
    return heard


class TestChoice:
    @pytest.mark.parametrize("wrong", ["neteq", "", "Adaptive", 1, b"adaptive", ["adaptive"]])
    async def test_wrong_name_is_told_with_the_right_ones(self, wrong: object) -> None:
        with pytest.raises(UsageError, match="adaptive, lossless, browser, not") as caught:
            async with open_call("ws://127.0.0.1:1/", playout=wrong):  # type: ignore[arg-type]
                raise AssertionError
        assert repr(wrong) in str(caught.value)

    @pytest.mark.parametrize(
        ("wire", "device", "policy", "told"),
        [
            (11_025, 48_000, "adaptive", "multiple of 100 Hz.*not 11025"),
            (4000, 48_000, "adaptive", "not 4000"),
            (16_000, 700, "adaptive", "not 700"),
            (16_000, 700, "lossless", "not 700"),
            (16_000, 16_001, "browser", "16001 phases"),
        ],
    )
    async def test_rates_that_cannot_be_played_are_told(
        self, wire: int, device: int, policy: str, told: str
    ) -> None:
        with pytest.raises(UsageError, match=f"playout='{policy}'.*{told}"):
            Playout(wire, device, policy)

    @pytest.mark.parametrize("policy", ["lossless", "browser"])
    async def test_any_other_rate_is_played_as_it_comes(self, policy: str) -> None:
        playout = Playout(11_025, 11_025, policy)
        await playout.play(noise(1, 11_025))
        heard = np.zeros(11_025, np.int16)
        playout.engine.read_into(heard)
        assert playout.statistics().state == ""
        assert heard.tobytes() == noise(1, 11_025)

    @pytest.mark.parametrize("listens", [True, False])
    async def test_where_somebody_listens_it_is_adaptive(
        self, hold, fast_clock, monkeypatch, listens
    ):
        """Whoever speaks: a microphone beside a sink, or a file beside a loudspeaker."""

        @asynccontextmanager
        async def open_lines(audio, input_samplerate, output_samplerate, chunk_seconds):
            async with (
                open_virtual_line(audio.input, None, output_samplerate) as recording,
                open_virtual_line(None, audio.output, output_samplerate) as playing,
            ):
                real = playing if listens else recording
                real.is_real = PortAudioLine.is_real
                yield [recording, playing]

        monkeypatch.setattr("sfclient._attempt.open_lines", open_lines)
        async with hold(listen) as held:
            policy = held.call.statistics().playout.policy
            assert policy == ("adaptive" if listens else "lossless")

    @exactly
    @pytest.mark.parametrize("speaker", [MemoryOutput, NullOutput, WavOutput])
    async def test_elsewhere_every_sample_counts(self, hold, fast_clock, tmp_path, speaker):
        sink = speaker(tmp_path / "heard.wav") if speaker is WavOutput else speaker()
        async with hold(listen, speaker=sink) as held:
            assert held.call.statistics().playout.policy == "lossless"

    @pytest.mark.parametrize(("policy", "silent_blocks"), [("lossless", 2), ("browser", 0)])
    async def test_so_much_is_gathered_before_it_plays(
        self, policy: str, silent_blocks: int
    ) -> None:
        playout = Playout(WIRE, WIRE, policy)
        await playout.play(noise(0.05, WIRE))
        heard = read(playout, 2)
        await playout.play(noise(0.01, WIRE, seed=2))
        assert np.count_nonzero(heard) == (2 - silent_blocks) * 160
        heard = np.concatenate([heard, read(playout, 8)])
        assert heard[heard != 0].tobytes() == noise(0.05, WIRE) + noise(0.01, WIRE, seed=2)


class TestBursts:
    @every_policy
    async def test_what_comes_at_once_is_played_as_it_is_though_it_is_more_than_is_queued(
        self, monkeypatch, autojump_clock, nursery, policy
    ):
        """What follows by and by, where there is room, is no lead of a sender that the adaptive policy would repay."""
        monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 6)
        speech = sentences(17.3)
        playout = Playout(WIRE, WIRE, policy)
        nursery.start_soon(playout.run)
        await playout.play(speech.tobytes())
        heard = []
        for _ in range(1800):
            await trio.sleep(0.01)
            heard.append(read(playout))
        played = np.concatenate(heard)
        began = int(np.flatnonzero(played)[0])
        assert began <= 0.07 * WIRE
        assert np.array_equal(played[began : began + len(speech)], speech)
        counts = playout.statistics()
        assert counts.played_frames == len(speech)
        assert counts.underruns == 0  # where all is said, it may run empty


@pytest.mark.parametrize("policy", ["adaptive", "lossless"])
@pytest.mark.parametrize("played", [0, 160_000])
def test_what_is_told_at_the_end_is_an_average_and_two_counts(policy: str, played: int) -> None:
    figures = PlayoutStatistics(
        policy,
        played_frames=played,
        jitter_buffer_delay=0.0642 * played,
        underruns=3,
        interruptions=1,
    )
    told = "The agent's speech was queued for 64 ms on average; gaps in it: 3, of 150 ms or more: 1"
    assert line_of_playout(figures) == (told if policy == "adaptive" and played else "")


def in_messages(seconds: float, *, late: tuple[float, float] = (0, 0), then: str = ""):
    """An agent who speaks in real time, and from the first moment of `late` says nothing until the second."""

    async def speak(call: SimulatedCall) -> None:
        await call.client_ready()
        began = trio.current_time()
        for at, message in enumerate(voice(seconds).reshape(-1, MESSAGE)):
            due = at * MESSAGE / WIRE
            if late[0] <= due < late[1]:
                due = late[1]
            await trio.sleep_until(began + due)
            await call.send_audio(message.tobytes())
        if then == "close":
            await call.close(1000, "bye")
        await call.wait_ended()

    return speak


class TestStall:
    """One second, in the midst of a sentence."""

    async def test_is_repaid_by_the_adaptive_policy(self, hold, fast_clock):
        before, after, counts = await self.figures(hold, fast_clock, "adaptive")
        assert before < 0.15
        assert after > 0.7
        assert counts.queued_frames < (counts.target_seconds + 0.05) * WIRE
        assert counts.target_seconds < 0.1  # One in so many half seconds is held out by no target.
        assert counts.removed_frames > 0.3 * WIRE
        assert (counts.underruns, counts.interruptions) == (1, 1)
        assert 0.5 < counts.interrupted_seconds <= 1
        assert counts.concealed_frames - counts.silent_concealed_frames == 0.06 * WIRE

    @exactly
    @pytest.mark.parametrize("dialect", ["ws-media"])
    @pytest.mark.parametrize("policy", ["lossless", "browser"])
    async def test_delays_all_that_follows_by_the_others(self, hold, fast_clock, policy):
        before, after, counts = await self.figures(hold, fast_clock, policy)
        assert before < 0.15
        assert after > 0.7
        assert counts.queued_frames > 0.7 * WIRE
        assert counts.played_frames + counts.queued_frames == counts.received_frames

    async def figures(self, hold, clock, policy) -> tuple[float, float, PlayoutStatistics]:
        """Seconds queued before and after it; all figures 5.5 s later."""
        clock.rate = 40
        async with hold(in_messages(19.5, late=(13, 14)), playout=policy) as held:
            await trio.sleep(12.9)
            before = held.call.statistics().playout.queued_frames / WIRE
            await trio.sleep(1.3)
            after = held.call.statistics().playout.queued_frames / WIRE
            await trio.sleep(5.3)
            return before, after, held.call.statistics().playout

    @exactly
    @pytest.mark.parametrize("dialect", ["ws-media"])  # whose caller has the agent's rate
    async def test_leaves_a_recording_aligned(self, hold, fast_clock, tmp_path):
        path = tmp_path / "both.wav"
        said = noise(10, WIRE)
        agent = in_messages(8, late=(3, 4), then="close")
        async with hold(agent, say=said, record=path, playout="adaptive") as held:
            await held.call.wait_ended()
        with wave.open(str(path)) as file:
            frames = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
        left, right = frames.T
        played = np.frombuffer(held.speaker.played, np.int16)
        assert np.array_equal(right[: len(played)], played)
        assert not right[len(played) :].any()
        sent = np.frombuffer(held.simulator.calls[0].received_audio, np.int16)
        assert np.array_equal(left[: len(sent)], sent)
        assert said.startswith(sent.tobytes())
        assert len(sent) > 7.5 * WIRE
        # What was played at a moment stands beside what was said then, to the end.
        counts = held.call.statistics()
        assert counts.playout.output_frames == len(played)
        assert counts.capture.captured_frames == len(played)
        assert counts.playout.removed_frames > 0.2 * WIRE  # of 0.25, down to the highest target
        assert held.call.ended.audio == "drained"

    @every_policy
    async def test_of_the_device_is_repaid_as_one_of_the_network(self, policy):
        """Another takes its place after two seconds, in which speech went on coming."""
        playout = Playout(WIRE, WIRE, policy)
        messages = iter(voice(14).reshape(-1, MESSAGE))
        lost = StreamCallback(None, playout.engine)
        block = np.zeros(160, np.float32)
        for _ in range(200):
            await playout.play(next(messages).tobytes())
            lost.run(None, block)
            lost.run(None, block)
        with pytest.raises(RuntimeError, match="stream"):
            read(playout)
        assert playout.statistics().queued_frames < 0.1 * WIRE
        for _ in range(100):
            await playout.play(next(messages).tobytes())
        lost.close()
        for _ in range(400):
            await playout.play(next(messages).tobytes())
            read(playout, 2)
            assert not playout_errors(playout.statistics())
        queued = playout.statistics().queued_frames / WIRE
        assert (queued < 1) == (policy == "adaptive")


async def bring_into(state: str) -> Playout:
    """An adaptive playout in this state, with something queued unless it is idle."""
    playout = Playout(WIRE, WIRE, "adaptive")
    speech = voice(1)
    if state != "idle":
        await playout.play(speech[:480].tobytes())
        read(playout)
    if state not in ("idle", "prefilling"):
        await playout.play(speech[480:1600].tobytes())
        read(playout)
    if state in ("concealing", "stalled"):
        while playout.statistics().state != state:
            read(playout)
        await playout.play(speech[1600:1700].tobytes())  # too little to go on
    assert playout.statistics().state == state
    assert playout.pending == (state != "idle")
    return playout


@pytest.mark.parametrize("state", ["idle", "prefilling", "playing", "concealing", "stalled"])
class TestEndings:
    """Through every state of the adaptive policy."""

    async def test_flush_is_silent_after_a_block_and_5_ms(self, state):
        playout = await bring_into(state)
        playout.flush()
        heard = read(playout, 20)
        assert not heard[80:].any()
        assert heard[:80].any() == (state in ("playing", "concealing"))
        assert not playout.pending
        assert not playout_errors(playout.statistics())
        assert playout.statistics().state == "idle"

    async def test_what_comes_after_a_flush_is_a_new_turn(self, state):
        playout = await bring_into(state)
        playout.flush()
        read(playout)
        said = noise(0.5, WIRE)
        await playout.play(said)
        playout.queue.drain()
        heard = read(playout, 60)
        assert heard[heard != 0].tobytes() == said
        assert not playout_errors(playout.statistics())

    async def test_drain_ends_when_all_has_been_played(self, state, autojump_clock, nursery):
        playout = await bring_into(state)
        underruns = playout.statistics().underruns

        async def run() -> None:
            while True:
                await trio.sleep(0.01)
                read(playout)

        nursery.start_soon(run)
        with trio.fail_after(0.5):
            await playout.drain(0.1)
        counts = playout.statistics()
        assert counts.played_frames == counts.received_frames + counts.inserted_frames
        # What was left goes on behind a gap; that it runs empty at the end is none.
        assert counts.underruns == underruns + (state in ("concealing", "stalled"))
        assert not playout.pending

    async def test_abort_leaves_nothing(self, state):
        playout = await bring_into(state)
        playout.close()
        counts = playout.statistics()
        assert not playout.pending
        assert counts.dropped_frames == counts.received_frames - counts.played_frames
        assert not playout_errors(counts)

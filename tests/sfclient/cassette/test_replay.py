"""A call from its cassette: the same sound, or the frame at which they part."""

import gc
import wave
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import trio

from sfclient import Audio, Call, MemoryInput, MemoryOutput, UsageError, _playout, open_call
from sfclient._cassette import Cassette, Kind
from sfclient._playout import Playout
from sfclient.simulator import EchoAgent, SimulatedCall, SpeakAgent
from sfclient.testing import Replay, network_named, open_memory_agent, replay, run_virtually

from ..conftest import counted_at_once, every_policy, exactly, noise, without_silence
from ..redialled.conftest import open_kiosk


async def again(path: Path, **options: object) -> Replay:
    return await trio.to_thread.run_sync(partial(replay, path, **options))


async def hear_out(call: Call) -> None:
    async for _ in call:
        pass


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


async def stutter(call: SimulatedCall) -> None:
    """Speech that comes late and in pieces of odd lengths, a turn that is cut short, and a last word."""
    await call.client_ready()
    rng = np.random.default_rng(7)
    speech = noise(1.2, 16_000)
    while speech:
        taken = 2 * int(rng.integers(1, 1500))
        await call.send_audio(speech[:taken])
        speech = speech[taken:]
        await trio.sleep(float(rng.exponential(0.03)))
    await trio.sleep(0.3)
    await call.send_audio(noise(0.2, 16_000, seed=2))


async def interrupt_and_hear_out(call: Call) -> None:
    await trio.sleep(0.7)
    call.flush()
    call.mute()
    await trio.sleep(0.2)
    call.mute(False)
    await hear_out(call)


@every_policy
@pytest.mark.parametrize(
    ("dialect", "device_samplerate"), [("widget", None), ("ws-media", 44_100)], ids=["48k", "44.1k"]
)
async def test_call_is_played_again_to_the_same_sound(hold, fast_clock, cassette, policy):
    async with hold(stutter, cassette=cassette, playout=policy, max_seconds=3) as held:
        await interrupt_and_hear_out(held.call)
    played = await again(cassette)
    assert played.parting is None
    assert played.is_same
    assert played.output_hash == played.live_hash
    assert played.frames == len(held.speaker.played) // 2
    assert (played.cut_off, played.lost_frames, played.doubtful) == (None, 0, 0)
    figures = held.call.statistics().playout
    assert played.playout.received_frames == figures.received_frames
    assert played.playout.output_frames == figures.output_frames
    assert played.playout.dropped_frames == figures.dropped_frames > 0


@exactly
@pytest.mark.parametrize("dialect", ["ws-media"])
@pytest.mark.parametrize("order", [{"codec": "pcmu", "framing": "rtp"}, {"codec": "pcma"}], ids=str)
async def test_every_codec_and_framing_is_played_again(hold, fast_clock, cassette, order):
    agent = SpeakAgent(noise(0.5, 8000), then="close")
    async with hold(agent, order=order, cassette=cassette) as held:
        await hear_out(held.call)
    assert (await again(cassette)).is_same


@exactly
@pytest.mark.parametrize("dialect", ["ws-media"])
async def test_speech_that_ends_the_handshake_is_played_again(hold, fast_clock, cassette):
    serve = {"quirks": ["early_audio", "no_call_info"]}
    agent = SpeakAgent(noise(0.5, 16_000), then="close")
    async with hold(agent, serve=serve, cassette=cassette) as held:
        await hear_out(held.call)
    played = await again(cassette)
    assert played.is_same
    assert played.playout.received_frames == 8000 + 320


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_what_waited_behind_a_full_queue_is_played_again(
    hold, fast_clock, cassette, monkeypatch
):
    monkeypatch.setattr(_playout, "PLAYOUT_SECONDS", 0.5)
    agent = SpeakAgent(noise(2, 16_000), "burst", then="close")
    async with hold(agent, cassette=cassette) as held:
        await hear_out(held.call)
    kinds = [record.kind for record in Cassette(cassette)]
    assert kinds.count(Kind.REFILL) > 3
    assert (await again(cassette)).is_same
    assert held.heard == noise(2, 16_000)


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_one_sample_that_is_played_differently_is_found_at_its_frame(
    hold, fast_clock, cassette, monkeypatch
):
    async with hold(stutter, cassette=cassette, max_seconds=2) as held:
        await hear_out(held.call)
    live = np.frombuffer(held.speaker.played, np.int16)
    take, taken = Playout.take, 0

    def take_one_wrong(playout: Playout, pcm: bytes) -> None:
        nonlocal taken
        samples = np.frombuffer(pcm, np.int16).copy()
        if taken <= 7000 < taken + len(samples):
            samples[7000 - taken] ^= 1
        taken += len(samples)
        take(playout, samples.tobytes())

    monkeypatch.setattr(Playout, "take", take_one_wrong)
    played = await again(cassette)
    parting = played.parting
    assert parting is not None
    assert not played.is_same
    assert parting.frame == np.flatnonzero(live)[7000]
    assert parting.seconds == parting.frame / 16_000
    assert parting.compared_frames == len(live) - parting.frame
    assert (parting.differing_frames, parting.largest_difference) == (1, 1 / 32768)
    assert 0 < parting.call_seconds < 3
    assert f"at frame {parting.frame}, " in str(parting)


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_one_message_that_is_missing_is_told_with_all_that_differs(
    hold, fast_clock, cassette, monkeypatch
):
    agent = SpeakAgent(noise(1, 16_000), then="close")
    async with hold(agent, cassette=cassette, playout="browser") as held:
        await hear_out(held.call)
    take, messages = Playout.take, 0

    def leave_one_out(playout: Playout, pcm: bytes) -> None:
        nonlocal messages
        messages += 1
        if messages != 3:
            take(playout, pcm)

    monkeypatch.setattr(Playout, "take", leave_one_out)
    parting = (await again(cassette)).parting
    assert parting is not None
    assert parting.differing_frames > 300
    assert parting.largest_difference > 0.5
    assert held.heard == noise(1, 16_000)


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_another_policy_plays_to_the_last_word_and_compares_nothing(
    hold, fast_clock, cassette, tmp_path
):
    agent = SpeakAgent(noise(0.6, 16_000), then="close")
    async with hold(agent, cassette=cassette, playout="browser") as held:
        await hear_out(held.call)
    assert held.heard == noise(0.6, 16_000)
    output = tmp_path / "again.wav"
    played = await again(cassette, policy="lossless", output=output)
    assert not played.is_compared
    assert not played.is_same
    assert played.parting is None
    assert (played.playout.queued_frames, played.playout.played_frames) == (0, 9600)
    with wave.open(str(output)) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, played.frames)
        assert without_silence(file.readframes(played.frames)) == noise(0.6, 16_000)


@exactly
@pytest.mark.parametrize("dialect", ["ws-media"])
async def test_cassette_recording_and_tap_have_the_same(hold, fast_clock, cassette, tmp_path):
    tapped = bytearray()

    async def listen(call: Call) -> None:
        async for sound in call.tap:
            if sound.speaker == "agent":
                tapped.extend(sound.pcm)

    options = {"cassette": cassette, "record": tmp_path / "both.wav", "tap": True}
    async with (
        hold(SpeakAgent(noise(0.5, 16_000), then="close"), **options) as held,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(listen, held.call)
        await hear_out(held.call)
    records = list(Cassette(cassette))
    kept = b"".join(record.payload for record in records if record.kind is Kind.PLAYED)
    assert kept == held.speaker.played
    assert without_silence(tapped) == without_silence(kept) == noise(0.5, 16_000)
    with wave.open(str(tmp_path / "both.wav")) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert without_silence(frames[1::2].tobytes()) == noise(0.5, 16_000)


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_what_both_sides_did_is_on_the_cassette_with_its_time(hold, fast_clock, cassette):
    async with hold(stutter, say=noise(0.3, 48_000), cassette=cassette) as held:
        await trio.sleep(0.4)
        held.call.mute()
        before = held.call.seconds
        held.call.flush()
        after = held.call.seconds
        await trio.sleep(0.2)
        held.call.mute(False)
        held.call.hang_up()
        await hear_out(held.call)
    tape = Cassette(cassette)
    records = list(tape)
    of = {kind: [record for record in records if record.kind is kind] for kind in Kind}
    sent = b"".join(record.payload for record in of[Kind.SENT])
    (simulated,) = held.simulator.calls
    assert sent.startswith(noise(0.3, 48_000))
    assert sent.startswith(simulated.received_audio)
    assert b"".join(record.payload for record in of[Kind.RECEIVED]) == simulated.sent_audio
    assert [record.payload for record in of[Kind.SENT_TEXT]] == [b"status_client_ready"]
    assert [record.payload for record in of[Kind.MUTE]] == [b"\1", b"\0"]
    assert [record.payload for record in of[Kind.HANG_UP]] == [b"hung up"]
    assert len(of[Kind.FLUSH]) == 2
    assert before <= of[Kind.FLUSH][0].seconds <= after
    assert of[Kind.END] == records[-1:]
    assert [record.seconds for record in records] == sorted(record.seconds for record in records)
    assert (tape.head.dialect, tape.head.policy, tape.head.is_device) == (
        "widget",
        "lossless",
        False,
    )


async def test_each_attempt_of_a_redialled_call_has_a_cassette_of_its_own(
    fast_clock, cassette, dialect
):
    async def lose_the_first(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(noise(0.3, 16_000))
        await trio.sleep(0.5)
        await (call.reset() if lose_the_first.calls == 0 else call.close())
        lose_the_first.calls += 1

    lose_the_first.calls = 0
    async with open_kiosk(dialect, lose_the_first) as kiosk, kiosk.call(cassette=cassette) as call:
        await hear_out(call)
    for number, path in ((1, cassette), (2, cassette.with_stem("a-2"))):
        played = await again(path)
        assert played.is_same
        assert played.head.attempt == number
        assert played.playout.received_frames == 4800


@exactly
@pytest.mark.parametrize("dialect", ["widget"])
async def test_call_without_a_cassette_has_no_part_of_it(hold, fast_clock):
    async with hold() as held:
        assert type(held.call._playout) is Playout
        assert held.call._cassette is None


async def test_replay_in_trios_thread_is_refused(cassette):
    with pytest.raises(UsageError, match="to_thread"):
        replay(cassette)


def test_policy_that_there_is_not_is_named(cassette):
    with pytest.raises(UsageError, match="lossless, browser, not 'loud'"):
        replay(cassette, policy="loud")


def test_call_in_memory_is_the_same_with_a_cassette_and_from_it(cassette):
    async def talk(**options: object) -> bytes:
        speaker = MemoryOutput()
        jitter = network_named("jitter")
        async with (
            open_memory_agent(EchoAgent(), network=jitter, keep=False) as there,
            open_call(
                there.session(),
                Audio(MemoryInput(noise(1, 48_000)), speaker),
                max_seconds=3,
                playout="adaptive",
                **options,
            ) as call,
        ):
            await call.wait_ended()
        return speaker.played

    heard = run_virtually(talk)
    assert run_virtually(partial(talk, cassette=cassette)) == heard
    played = replay(cassette)
    assert played.is_same
    assert played.output_hash == sha256(heard).hexdigest()


@counted_at_once
def test_call_with_a_cassette_leaves_no_cycle(cassette, tmp_path):
    async def talk() -> None:
        async with (
            open_memory_agent(EchoAgent()) as there,
            open_call(
                there.session(),
                Audio("none", "none"),
                max_seconds=0.5,
                cassette=cassette,
                record=tmp_path / "both.wav",
                tap=True,
            ) as call,
        ):
            await call.wait_ended()

    run_virtually(talk)
    gc.collect()
    gc.disable()
    try:
        run_virtually(talk)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = {type(thing).__qualname__ for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left & {"CassetteRecorder", "TapedConnection", "TapedPlayout", "Recorder", "Tap"}

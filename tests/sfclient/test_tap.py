"""The tap of a call: what both sides say, with its times, for avatars and transcripts."""

import numpy as np
import pytest
import trio
import trio.testing

from sfclient import Sound, SpeechBegan, UsageError
from sfclient._tap import UNREAD_BYTES, Tap
from sfclient.simulator import SpeakAgent

from .conftest import exactly, noise


async def read_all(tap: Tap, into: list[Sound]) -> None:
    async for sound in tap:
        into.append(sound)


def joined(sounds: list[Sound], speaker: str) -> bytes:
    return b"".join(sound.pcm for sound in sounds if sound.speaker == speaker)


@pytest.mark.parametrize("record", [False, True], ids=["", "recorded"])
@exactly
async def test_both_sides_are_tapped_while_they_speak(hold, fast_clock, tmp_path, record):
    spoken, said = noise(0.5, hold.playout_samplerate), noise(0.5, hold.capture_samplerate, seed=2)
    options = {"record": tmp_path / "both.wav"} if record else {}
    sounds: list[Sound] = []
    async with hold(SpeakAgent(spoken), say=said, tap=True, **options) as held:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_all, held.call.tap, sounds)
            await trio.sleep(0.5)
            assert joined(sounds, "agent")  # not only when it is over
            await trio.sleep(0.7)
            held.call.hang_up()
    assert joined(sounds, "caller").startswith(said)
    assert joined(sounds, "agent") == held.speaker.played
    assert {sound.speaker: sound.samplerate for sound in sounds} == {
        "caller": hold.capture_samplerate,
        "agent": hold.playout_samplerate,
    }
    figures = held.call.statistics().tap
    assert figures.tapped_bytes == figures.read_bytes == sum(len(sound.pcm) for sound in sounds)


@pytest.mark.parametrize("policy", ["adaptive", "lossless"])
async def test_its_times_are_those_of_the_events(hold, fast_clock, policy):
    """At any rate of the device, of which the caller's sound is resampled."""
    spoken, said = noise(0.3, hold.playout_samplerate), noise(0.4, hold.capture_samplerate)
    sounds: list[Sound] = []
    async with hold(SpeakAgent(spoken), say=said, tap=True, playout=policy) as held:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_all, held.call.tap, sounds)
            await trio.sleep(1)
            held.call.hang_up()
    events = [event async for event in held.call if isinstance(event, SpeechBegan)]
    for event in events:
        of_side = [sound for sound in sounds if sound.speaker == event.speaker]
        samples = np.concatenate([np.frombuffer(sound.pcm, np.int16) for sound in of_side])
        times = np.concatenate(
            [sound.at + np.arange(len(sound.pcm) // 2) / sound.samplerate for sound in of_side]
        )
        assert np.all(np.abs(np.diff(times) - 1 / of_side[0].samplerate) < 0.002)
        assert times[np.abs(samples) > 300][0] == pytest.approx(event.at, abs=0.015)
    assert {event.speaker for event in events} == {"caller", "agent"}


async def test_who_reads_late_gets_the_latest_and_the_rest_is_counted():
    tap = Tap((48_000, 16_000))
    tap.listen(None)
    second = bytes(2 * 48_000)
    for at in range(20):
        tap.add("caller", at + 1.0, second)
    tap.close()
    sounds: list[Sound] = []
    figures = tap.statistics()
    await read_all(tap, sounds)
    assert [sound.at for sound in sounds] == pytest.approx(
        range(20 - UNREAD_BYTES // len(second), 20)
    )
    assert figures.unread_bytes <= UNREAD_BYTES
    assert figures.dropped_bytes == 20 * len(second) - figures.unread_bytes
    assert tap.statistics().read_bytes == figures.unread_bytes


async def test_two_who_read_share_what_comes_and_both_end(autojump_clock):
    tap = Tap((48_000, 16_000))
    tap.listen(None)
    sounds: list[Sound] = []
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(read_all, tap, sounds)
            await trio.testing.wait_all_tasks_blocked()
            for at in range(10):
                tap.add("agent", at, bytes(320))
            await trio.testing.wait_all_tasks_blocked()
            tap.close()
    assert sorted(sound.at for sound in sounds) == pytest.approx([at - 0.01 for at in range(10)])


async def test_a_call_without_a_tap_says_how_to_get_one(hold, fast_clock):
    async with hold() as held:
        with pytest.raises(UsageError, match="tap=True"):
            held.call.tap  # noqa: B018
    assert held.call.statistics().tap is None

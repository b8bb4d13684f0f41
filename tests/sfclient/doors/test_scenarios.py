"""The same calls through every door: what one hears, is told, and may do is the same everywhere."""

import wave
from contextvars import ContextVar
from functools import partial

import numpy as np
import pytest

from sfclient import (
    Audio,
    Connected,
    Connecting,
    Disconnected,
    Ended,
    InputEnded,
    MemoryInput,
    MemoryOutput,
    MessageReceived,
    Redial,
    Redialing,
    SpeechEnded,
    StreamInput,
    UsageError,
)
from sfclient.simulator import EchoAgent, SimulatedCall, SpeakAgent

from ..conftest import listen, noise, without_silence
from .conftest import through_every_door, without_slowness
from .far_side import open_far_side
from .scenes import WORDS, connected, tell_then_listen

MONOLOGUE = noise(60, 16_000, seed=3)


@through_every_door
async def test_the_agent_is_heard_to_the_last_word(hold):
    async with hold(SpeakAgent(WORDS, then="close")) as held:
        events = [event async for event in held.call]
    assert held.heard == WORDS
    assert held.call.ended == Ended("agent", 1000, "", "drained")
    assert events[0] == Connecting()
    assert sum(isinstance(event, Connected) for event in events) == 1
    assert events[-1] == Disconnected(held.call.ended)


@through_every_door
async def test_waiting_for_the_end_plays_the_last_word(hold):
    async with hold(SpeakAgent(WORDS, "burst", then="close")) as held:
        ended = await held.call.wait_ended()
        assert ended is await held.call.wait_ended() is held.call.ended
    assert held.heard == WORDS


@through_every_door
async def test_the_caller_is_heard_and_answered(hold):
    said = noise(0.3, hold.capture_samplerate)
    expected = len(said) * hold.playout_samplerate / hold.capture_samplerate
    async with hold(EchoAgent(), say=said) as held:
        while len(held.heard) < 0.99 * expected:
            await hold.door.sleep(0.1)
        held.call.hang_up()
    assert held.simulated.received_audio.startswith(said)
    if hold.capture_samplerate == hold.playout_samplerate:
        assert said.startswith(held.heard)


@through_every_door
async def test_who_hangs_up_is_told_so(hold):
    async with hold() as held:
        await connected(held.call)
        held.call.hang_up()
        assert await held.call.wait_ended() == Ended("caller", 1000, "hung up", "drained")
        rest = [event async for event in held.call]
    assert without_slowness(rest) == [Disconnected(held.call.ended)]
    assert held.simulated.ended.code == 1000


@through_every_door
async def test_a_flush_drops_what_is_queued_and_the_call_goes_on(hold):
    async def speak_again(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(MONOLOGUE)
        while "again" not in call.transcript:
            await anext(audio := call.audio())
        del audio
        await call.send_audio(WORDS)

    async with hold(speak_again) as held:
        while held.call.statistics().playout.queued_frames < 50 * 16_000:
            await hold.door.sleep(0.1)
        held.call.flush()
        held.simulated.transcript = "again"
        assert (await held.call.wait_ended()).audio == "drained"
    assert held.call.statistics().playout.dropped_frames > 30 * 16_000
    assert held.heard.endswith(WORDS)


@through_every_door
async def test_who_is_muted_sends_silence(hold):
    async def last_of_next_second() -> bytes:
        begin = len(held.simulated.received_audio)
        while len(heard := held.simulated.received_audio) < begin + 2 * hold.capture_samplerate:
            await hold.door.sleep(0.1)
        return heard[-3200:]

    async with hold(say=noise(60, hold.capture_samplerate)) as held:
        await connected(held.call)
        held.call.mute()
        assert held.call.muted
        assert not any(await last_of_next_second())
        held.call.mute(False)
        assert not held.call.muted
        assert any(await last_of_next_second())


@through_every_door
async def test_what_a_call_leaves_behind_is_whole(hold, tmp_path):
    path = tmp_path / "both.wav"
    said = noise(0.3, hold.capture_samplerate)
    options = {"record": path, "timeline": True, "tap": True}
    async with hold(SpeakAgent(WORDS, then="close"), say=said, **options) as held:
        sounds = [sound async for sound in held.call.tap]
    tapped = {"agent": b"", "caller": b""}
    for sound in sounds:
        tapped[sound.speaker] += sound.pcm
    assert without_silence(tapped["agent"]) == WORDS
    assert said.startswith(without_silence(tapped["caller"]))
    figures = held.call.statistics()
    assert figures.ended == held.call.ended
    assert figures.recording.written_frames > 0
    assert figures.tap.dropped_bytes == 0
    assert len(held.call.timeline.queued_seconds) > 1
    with wave.open(str(path)) as file:
        assert file.getnframes() == figures.recording.written_frames
        assert file.getnchannels() == 2


@through_every_door
async def test_what_was_not_read_can_be_read_after_the_end(hold):
    async with hold(tell_then_listen) as held:
        while not held.call.statistics().playout.received_frames:
            await hold.door.sleep(0.1)
    events = [event async for event in held.call]
    told = [event.fields["number"] for event in events if isinstance(event, MessageReceived)]
    assert told == [0, 1, 2]
    assert events[0] == Connecting()
    assert events[-1] == Disconnected(held.call.ended)
    assert [event async for event in held.call] == []


@through_every_door
async def test_a_program_that_never_reads_events_loses_no_sound(hold, monkeypatch):
    monkeypatch.setattr("sfclient._event_queue.UNREAD_EVENTS", 10)

    async def chat(call: SimulatedCall) -> None:
        await call.client_ready()
        for _ in range(50):
            await call.send('{"type": "note"}')
        await call.send_audio(WORDS)

    async with hold(chat) as held:
        while held.call.ended is None:
            await hold.door.sleep(0.1)
        events = [event async for event in held.call]
    assert held.heard == WORDS
    assert len(events) == 11
    assert held.call.statistics().dropped_events >= 40
    assert isinstance(events[-1], Disconnected)


@through_every_door
async def test_who_leaves_early_waits_for_no_speech(hold):
    # In few messages: of many, on a busy machine, each would be played as it comes.
    agent = SpeakAgent(MONOLOGUE, "burst", chunk_bytes=64_000)
    async with hold(agent) as held:
        while held.call.statistics().playout.queued_frames < 5 * 16_000:
            await hold.door.sleep(0.1)
    assert held.call.ended == Ended("caller", 1000, "hung up", "cut")
    assert len(held.speaker.played) < len(MONOLOGUE) / 2


@through_every_door
async def test_an_event_that_nobody_waits_for_any_more_is_not_lost(hold):
    async def tell_late(call: SimulatedCall) -> None:
        await call.client_ready()
        async for _ in call.audio():
            if call.transcript:
                break
        await call.send('{"type": "note"}')
        await call.wait_ended()

    async with hold(tell_late) as held:
        await connected(held.call)
        for _ in range(5):
            assert not isinstance(await hold.door.event(held.call, 0.2), MessageReceived)
        held.simulated.transcript = "now"
        event = None
        while not isinstance(event, MessageReceived):
            event = await hold.door.event(held.call, 0.02)
        assert event.fields == {"type": "note"}
        held.call.hang_up()
        rest = [event async for event in held.call]
    assert without_slowness(rest) == [Disconnected(held.call.ended)]


@through_every_door
async def test_a_call_that_is_over_still_answers(hold):
    async with hold(SpeakAgent(WORDS, then="close"), timeline=True) as held:
        await held.call.wait_ended()
    call = held.call
    figures = call.statistics()
    for _ in range(2):
        call.hang_up()
        call.flush()
        call.mute()
        assert call.muted
        assert await call.wait_ended() is call.ended
    assert call.ended.by == "agent"
    assert call.statistics().playout == figures.playout
    assert call.network() == figures.network
    assert call.echo() is None
    assert call.levels().agent.rms_dbfs <= 0
    assert call.connected
    assert call.seconds >= figures.times.ended
    assert call.timeline.queued_seconds
    assert call.volume == 1
    with pytest.raises(UsageError):
        await call.use_input(None)


@pytest.mark.parametrize("dialect", ["ws-media"])
@through_every_door
async def test_an_own_backend_is_asked_where_the_program_is(hold):
    asked_by = ContextVar("asked_by", default="nobody")
    told = []

    with open_far_side(listen) as far:
        kept = await hold.session(far)

        async def ask(server_name: str):
            told.append((server_name, asked_by.get()))
            return await hold.door.taken(kept.start_call)(server_name)

        session = hold.door.session(kept.url, "ws-media", start_call=hold.door.given(ask))
        asked_by.set("a context")
        ids = []
        async with hold.door.open_call(session, hold.audio(), on_call_id=ids.append) as call:
            await connected(call)
            assert ids == [call.call_id]
        assert [context for _, context in told] == ["a context"]
        record = await hold.door.request_result(
            call.call_id, api_key=far.simulator.key, base_url=far.base_url
        )
        assert record.call_id == call.call_id


@through_every_door
async def test_a_program_brings_its_own_sound_and_takes_the_agent_s(hold):
    said = noise(0.3, hold.capture_samplerate)
    pieces = hold.door.pieces([said[:1001], said[1001:5000], said[5000:]])
    microphone = StreamInput(pieces, samplerate=hold.capture_samplerate)
    speaker, blocks = hold.door.stream_output()
    sound = {"microphone": microphone, "speaker": speaker, "silence_seconds": 0.5}
    async with hold(EchoAgent(), **sound) as held:
        heard = np.concatenate([block async for block in blocks])
        assert (await held.call.wait_ended()).by == "caller"
    assert without_silence(held.simulated.received_audio) == said
    if hold.capture_samplerate == hold.playout_samplerate:
        assert without_silence(heard.tobytes()) == said
    assert any(heard)
    assert microphone.statistics().has_ended
    assert speaker.statistics().dropped_frames == 0
    assert any(isinstance(event, InputEnded) for event in [event async for event in held.call])


@through_every_door
async def test_who_plays_the_sound_may_hang_up(hold):
    """In the thread that carries the call, where nothing may be waited for."""

    class Once(MemoryOutput):
        def write(self, block):
            super().write(block)
            if calls and any(block):
                calls[0].hang_up()

    calls = []
    with open_far_side(SpeakAgent(MONOLOGUE)) as far:
        audio = Audio(MemoryInput(), Once())
        async with hold.door.open_call(await hold.session(far), audio) as call:
            calls.append(call)
            assert (await call.wait_ended()).reason == "hung up"


@through_every_door
async def test_a_call_that_the_network_ends_is_redialled(hold):
    asked = []

    async def fetch():
        asked.append(len(asked) + 1)
        return await hold.session(far)

    with open_far_side(SpeakAgent(WORDS)) as far:
        get_session = hold.door.given(fetch)
        options = {"dialect": hold.dialect, "redial": Redial(first_pause=0.1)}
        events, speaker = [], MemoryOutput()
        audio = Audio(MemoryInput(), speaker)
        async with hold.door.open_call(get_session, audio, **options) as call:
            async for event in call:
                events.append(event)
                connections = [each for each in events if isinstance(each, Connected)]
                if isinstance(event, Connected) and len(connections) == 1:
                    far.do(far.proxy.reset)
                elif isinstance(event, SpeechEnded) and len(connections) == 2:
                    assert call.ended is None
                    while not without_silence(speaker.played).endswith(WORDS):
                        await hold.door.sleep(0.1)
                    call.hang_up()
    assert asked == [1, 2]
    assert len(far.simulator.calls) == 2
    (redialling,) = [event for event in events if isinstance(event, Redialing)]
    assert redialling.ended.by == "network"
    assert redialling.attempt == call.attempt == 2
    assert [attempt.statistics.ended for attempt in call.earlier] == [redialling.ended]
    assert events[-1] == Disconnected(call.ended)
    assert call.ended.by == "caller"


@through_every_door
async def test_two_calls_of_one_program_know_nothing_of_each_other(hold):
    with open_far_side(SpeakAgent(WORDS)) as far:
        async with hold.door.open_call(await hold.session(far), hold.audio()) as outer:
            async with hold.door.open_call(await hold.session(far), hold.audio()) as inner:
                await connected(inner)
                inner.hang_up()
                await inner.wait_ended()
            await connected(outer)
            assert outer.ended is None
            inner.hang_up()
            await hold.door.sleep(0.5)
            assert outer.ended is None
        assert outer.ended.by == "caller"


@pytest.mark.parametrize("dialect", ["widget", pytest.param("ws-media", marks=pytest.mark.slow)])
@through_every_door
async def test_twenty_calls_at_once_each_hear_their_own(hold):
    async def count(call: SimulatedCall) -> None:
        await call.client_ready()
        number = next(numbers)
        await call.send(str(number))
        await call.send_audio(noise(0.1, call.agent_samplerate, seed=number))

    numbers = iter(range(20))
    heard = {}

    async def listen_in(far) -> None:
        speaker = MemoryOutput()
        async with hold.door.open_call(
            await hold.session(far), Audio(MemoryInput(), speaker)
        ) as call:
            (number,) = [
                int(event.text) async for event in call if isinstance(event, MessageReceived)
            ]
        heard[number] = speaker.played

    with open_far_side(count) as far:
        await hold.door.together(*[partial(listen_in, far)] * 20)
    assert sorted(heard) == list(range(20))
    for number, played in heard.items():
        assert noise(0.1, 16_000, seed=number) in played

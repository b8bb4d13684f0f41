"""What a call tells the program, in both dialects."""

import json

import pytest
import trio

from sfclient import (
    Audio,
    Connected,
    Connecting,
    Disconnected,
    MemoryInput,
    MemoryOutput,
    MessageReceived,
    open_call,
)
from sfclient.simulator import SimulatedCall

from .conftest import exactly
from .raw_servers import accepted, close_frame, frame, read_head, serving


async def test_events_of_a_call_in_order(hold, fast_clock):
    weather = {"type": "weather", "is": "fine"}

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send(json.dumps(weather))
        await call.close(1000, "bye")

    async with hold(agent) as held:
        events = [event async for event in held.call]
    (simulated,) = held.simulator.calls
    assert held.call.call_id == simulated.call_id
    assert events == [
        Connecting(),
        Connected(simulated.call_id),
        MessageReceived(json.dumps(weather), weather),
        Disconnected(held.call.ended),
    ]
    assert held.call.connected
    ended = held.call.ended
    assert (ended.by, ended.code, ended.reason) == ("agent", 1000, "bye")
    assert [event async for event in held.call] == []


@exactly
@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("not json", None),
        ("[1, 2]", None),
        ('"status_agent_ready"', None),
        ("{}", {}),
        ('{"type": 7}', {"type": 7}),
        ('{"type": ["status_agent_ready"]}', {"type": ["status_agent_ready"]}),
        ('{"type": "weather"}', {"type": "weather"}),
        ("[" * 60_000, None),
        ("", None),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_odd_texts_are_passed_on_and_survived(hold, fast_clock, text, fields):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send(text)
        await call.send_audio(b"\x01\x00" * 100)

    async with hold(agent) as held:
        events = [event async for event in held.call]
    assert MessageReceived(text, fields) in events
    assert held.call.statistics().playout.played_frames == 100


async def test_a_long_text_is_cut_and_says_so(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send('{"type": "essay", "text": "' + "x" * 100_000 + '"}')

    async with hold(agent) as held:
        events = [event async for event in held.call]
    (message,) = [event for event in events if isinstance(event, MessageReceived)]
    assert message.text.startswith('{"type": "essay", "text": "xxx')
    assert message.fields is None
    assert len(message.text) == 65_536
    assert message.cut_characters == 100_029 - 65_536


async def test_unread_texts_are_bounded_by_their_length(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        for _ in range(40):
            await call.send("x" * 50_000)

    async with hold(agent) as held:
        await held.call.wait_ended()
        events = [event async for event in held.call]
        unread = sum(isinstance(event, MessageReceived) for event in events)
    assert unread == (1 << 20) // 50_000
    assert held.call.statistics().dropped_events == 40 - unread


async def test_unread_events_are_counted(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        for _ in range(1100):
            await call.send("{}")

    async with hold(agent) as held:
        await held.call.wait_ended()
    assert held.call.statistics().dropped_events == 102  # Connecting and Connected came first


async def test_every_reader_of_the_end_gets_it(hold, fast_clock):
    """`wait_ended` in several tasks, and the property afterwards, tell the same."""

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(0.2)
        await call.close(4000, "enough")

    seen = []

    async def wait(call) -> None:
        seen.append(await call.wait_ended())

    async with hold(agent) as held:
        assert held.call.ended is None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, held.call)
            nursery.start_soon(wait, held.call)
    assert seen == [held.call.ended] * 2
    assert held.call.statistics().ended == held.call.ended


async def test_token_that_the_agent_repeats_is_told_nobody(fast_clock):
    echo = {"type": "debug", "url": "wss://a.example/?token=tok-73ab", "see": "https://b.example/"}

    async def repeat(stream: trio.abc.Stream) -> None:
        await stream.send_all(accepted(await read_head(stream)))
        await stream.send_all(frame(1, json.dumps(echo).encode()))
        await stream.send_all(close_frame(1000, "bye tok-73ab"))

    async with serving(repeat) as peer:
        async with open_call(
            f"ws://{peer.authority}/x?token=tok-73ab", Audio(MemoryInput(), MemoryOutput())
        ) as call:
            events = [event async for event in call]
    hidden = echo | {"url": "wss://a.example/?token=***"}
    assert MessageReceived(json.dumps(hidden), hidden) in events
    assert call.ended.reason == "bye ***"
    assert "tok-73ab" not in repr((events, call.statistics()))

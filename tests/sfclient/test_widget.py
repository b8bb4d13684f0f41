"""What only the widget dialect says: the two ready messages, and errors as close codes."""

import pytest
import trio

from sfclient import (
    Connected,
    Connecting,
    Disconnected,
    Interrupted,
    MessageReceived,
    ServiceError,
    SpeechBegan,
    SpeechEnded,
)
from sfclient.simulator import SimulatedCall

from .conftest import exactly, listen, noise

pytestmark = pytest.mark.parametrize("dialect", ["widget"])

CLIENT_READY = '{"type": "status_client_ready"}'
AGENT_READY = '{"type": "status_agent_ready"}'
Speech = SpeechBegan | SpeechEnded | Interrupted
SILENT_AT_FIRST = {"announce_ready": False}


async def test_client_is_ready_once_and_before_its_first_sound(hold, fast_clock):
    async with hold(listen) as held:
        await trio.sleep(1)
    (call,) = held.simulator.calls
    assert call.messages[0].kind == "text"
    assert call.texts == [CLIENT_READY]


@exactly
async def test_agent_who_is_never_ready_is_heard_and_hears(hold, fast_clock):
    said, spoken = noise(0.5, 48_000), noise(0.5, 16_000)

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(spoken)
        await trio.sleep(1)

    async with hold(agent, say=said, serve=SILENT_AT_FIRST) as held:
        events = [event async for event in held.call]
    of_speech = [event for event in events if isinstance(event, Speech)]
    assert [event for event in events if event not in of_speech] == [
        Connecting(),
        Disconnected(held.call.ended),
    ]
    assert {event.speaker for event in of_speech if isinstance(event, SpeechBegan)} == {
        "caller",
        "agent",
    }
    assert not held.call.connected
    assert held.simulator.calls[0].received_audio.startswith(said)
    assert held.heard == spoken


async def test_agent_is_connected_when_it_says_so_and_only_once(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send("{}")
        await trio.sleep(0.5)
        await call.send(AGENT_READY)
        await call.send(AGENT_READY)

    async with hold(agent, serve=SILENT_AT_FIRST) as held:
        await trio.sleep(0.3)
        assert not held.call.connected
        events = [event async for event in held.call]
    assert events == [
        Connecting(),
        MessageReceived("{}", {}),
        Connected(),
        Disconnected(held.call.ended),
    ]
    assert held.call.connected


@exactly
@pytest.mark.parametrize("kind", ["status_client_ready", "status_agent_readY", "server_info"])
async def test_any_other_message_is_passed_on(hold, fast_clock, kind):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send(f'{{"type": "{kind}"}}')

    async with hold(agent, serve=SILENT_AT_FIRST) as held:
        events = [event async for event in held.call]
    assert MessageReceived(f'{{"type": "{kind}"}}', {"type": kind}) in events
    assert Connected() not in events


@pytest.mark.parametrize("code", [1002, 1008, 1011])
async def test_close_with_an_error_is_a_service_error(hold, fast_clock, code):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.close(code, "out of words")

    with pytest.raises(ServiceError, match=f"{code} out of words") as caught:
        async with hold(agent) as held:
            await trio.sleep(20)
    assert caught.value.status == code
    assert (held.call.ended.by, held.call.ended.code) == ("agent", code)

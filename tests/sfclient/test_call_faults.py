"""What goes wrong in mid-call: each fault ends the call by its own name, or is survived, in both dialects."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
import trio
from websockets.utils import accept_key

from sfclient import (
    Audio,
    Call,
    DeviceError,
    MemoryOutput,
    NetworkError,
    ServiceError,
    Session,
    StartedCall,
    TimeLimits,
    open_call,
)
from sfclient.simulator import SimulatedCall

from .books import capture_errors, playout_errors
from .conftest import Hold, listen, noise

SERVER_INFO = json.dumps({"type": "server_info", "server-name": "stalled"}).encode()


@asynccontextmanager
async def open_stalled_call(
    hold: Hold, seconds: float, limits: TimeLimits | None = None
) -> AsyncIterator[Call]:
    """A call with a server that does not read for so long after the upgrade, on a connection with small buffers."""

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some()
        key = next(
            line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = accept_key(key.split(b":")[1].strip().decode())
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        if hold.dialect == "ws-media":
            await stream.send_all(bytes((0x81, len(SERVER_INFO))) + SERVER_INFO)
        await trio.sleep(seconds)
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass

    async def start_call(server_name: str) -> StartedCall:
        return StartedCall("sid of a call on " + server_name)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        session = Session(
            f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/",
            hold.dialect,
            start_call=start_call if hold.dialect == "ws-media" else None,
        )
        speaker = MemoryOutput(samplerate=hold.device_samplerate)
        audio = Audio(hold.microphone(b"", hold.capture_samplerate), speaker)
        async with open_call(session, audio, limits=limits) as call:
            yield call
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("drop", ["reset", "abort"])
async def test_lost_connection_is_a_network_error(hold, fast_clock, drop):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(noise(60, hold.playout_samplerate))
        await trio.sleep(1)
        await getattr(call, drop)()

    with pytest.raises(NetworkError, match="lost") as caught:
        async with hold(agent) as held:
            await trio.sleep(20)
    ended = held.call.ended
    assert (ended.by, ended.audio) == ("network", "cut")
    assert "lost" in ended.reason
    assert caught.value.call_id == held.simulator.calls[0].call_id


async def test_too_large_a_message_is_an_error(hold, fast_clock):
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send(bytes((2 << 20) + 1))
        await trio.sleep_forever()

    with pytest.raises(ServiceError, match="1009") as caught:
        async with hold(agent) as held:
            await trio.sleep(20)
    assert caught.value.status == held.call.ended.code == 1009


class SilentMicrophone:
    """It opens, but nothing ever comes."""

    def __init__(self, samplerate: int) -> None:
        self._samplerate = samplerate

    def open(self) -> int:
        return self._samplerate

    def read(self, frames: int) -> np.ndarray:
        return np.empty(0, np.int16)


async def test_microphone_that_records_nothing_is_at_fault(hold, fast_clock):
    with pytest.raises(DeviceError, match="recorded nothing for 5 s"):
        async with hold(listen, microphone=SilentMicrophone(hold.capture_samplerate)) as held:
            await trio.sleep(10)
    assert held.call.ended.by == "device"
    assert held.simulator.calls[0].received_audio == b""


async def test_call_in_which_nobody_speaks_is_kept_alive(hold, fast_clock):
    """Both sides ping, and would give up a connection on which nobody answers within 20 s."""
    fast_clock.rate = 40
    async with hold(listen) as held:
        await trio.sleep(45)
        assert held.call.ended is None
    assert held.call.ended.by == "caller"


async def test_agent_who_does_not_read_for_a_while_makes_stale_speech_drop(hold, fast_clock):
    """The sends stall, and what was recorded meanwhile is not worth sending."""
    limits = TimeLimits(silence=1000)  # the peer answers no ping
    async with open_stalled_call(hold, 8, limits) as call:
        with trio.fail_after(100):
            while not call.statistics().capture.dropped_frames:  # noqa: ASYNC110
                await trio.sleep(1)
    capture = call.statistics().capture
    assert capture.overruns
    assert capture.queued_frames == 0
    assert not capture_errors(capture)
    assert not playout_errors(call.statistics().playout)


async def test_agent_who_never_reads_does_not_keep_us_from_hanging_up(hold, fast_clock):
    async with open_stalled_call(hold, 60) as call:
        await trio.sleep(8)
        with trio.fail_after(10):
            call.hang_up()
            await call.wait_ended()


async def test_agent_who_answers_no_ping_is_given_up(hold, fast_clock):
    with pytest.RaisesGroup(pytest.RaisesExc(NetworkError, match="no answer to a ping")):
        async with open_stalled_call(hold, 60) as call:
            await trio.sleep(40)
    assert call.ended.by == "network"

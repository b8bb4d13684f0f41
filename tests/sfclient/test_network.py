"""What is told of the network while a call lasts: stalls of both directions, and speech that comes late."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
import trio

from sfclient import (
    AgentAwaited,
    Audio,
    Call,
    Connected,
    Event,
    MemoryInput,
    MemoryOutput,
    NetworkReturned,
    NetworkStalled,
    SpeechLate,
    open_call,
)
from sfclient._network import Network
from sfclient._playout import Playout
from sfclient._watch import CallClock
from sfclient._websocket import Traffic
from sfclient.simulator import SimulatedCall, open_simulator
from sfclient.testing import Link, Proxy, open_proxy
from sfclient.testing import Network as BadNetwork

from .conftest import every_policy, listen
from .raw_servers import accepted, frame, read_head, serving

LOOK = 0.25  # said anew: a headless call looks four times a second
WITHIN = 2.0
MESSAGE = np.full(320, 3000, np.int16).tobytes()
READY = frame(1, json.dumps({"type": "status_agent_ready"}).encode())


class Telling:
    """The events of a call, each with when it was told."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.told: list[tuple[float, Event]] = []

    async def listen(self) -> None:
        async for event in self.call:
            if isinstance(event, NetworkStalled | NetworkReturned | SpeechLate):
                self.told.append((self.call.seconds, event))

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.told]


@asynccontextmanager
async def telling(url: str, **options) -> AsyncIterator[Telling]:
    async with open_call(url, Audio(MemoryInput(), MemoryOutput()), **options) as call:
        async with trio.open_nursery() as nursery:
            seen = Telling(call)
            nursery.start_soon(seen.listen)
            yield seen
            call.hang_up()


@asynccontextmanager
async def through_a_proxy(
    agent: Callable[[SimulatedCall], Awaitable[None]], **options
) -> AsyncIterator[tuple[Telling, Proxy]]:
    async with open_simulator(agent) as simulator:
        url = simulator.new_session_url()
        # Little can be under way, so that what does not leave is seen soon.
        async with open_proxy(url, BadNetwork(up=Link(limit=16_384))) as proxy:
            async with telling(proxy.through(url), **options) as seen:
                yield seen, proxy


async def speak(call: SimulatedCall) -> None:
    """For ever, in real time."""
    await call.client_ready()
    due = trio.current_time()
    with suppress(Exception):  # the call has ended
        while True:
            await call.send_audio(MESSAGE)
            due += 0.02
            await trio.sleep_until(due)


class TestStalls:
    async def test_nothing_that_comes_is_told_while_it_lasts(self, fast_clock) -> None:
        async with through_a_proxy(speak) as (seen, proxy):
            await trio.sleep(1.1)  # between two looks
            began = seen.call.seconds
            proxy.stall(direction="down")
            await trio.sleep(WITHIN + LOOK)
            ((told, event),) = seen.told
            assert event == NetworkStalled("down")
            assert event.at == pytest.approx(began, abs=0.05)
            assert told < began + WITHIN + LOOK
            await trio.sleep(1)
            ended = seen.call.seconds
            proxy.resume("down")
            await trio.sleep(2 * LOOK)
            (back,) = [event for event in seen.events if isinstance(event, NetworkReturned)]
            assert back.direction == "down"
            assert back.at == pytest.approx(ended, abs=0.05)
            assert back.seconds == pytest.approx(back.at - event.at)
            counts = seen.call.network()
            assert (counts.down_stalls, counts.up_stalls) == (1, 0)
            assert counts.late == 1
            assert counts.down_stalled_seconds == pytest.approx(back.seconds, abs=2 * LOOK)

    async def test_nothing_that_leaves_is_told_while_it_lasts(self, fast_clock) -> None:
        fast_clock.rate = 5  # the timers of TCP do not know of it
        async with through_a_proxy(speak) as (seen, proxy):
            await trio.sleep(1)
            began = seen.call.seconds
            proxy.stall(direction="up")
            await trio.sleep(WITHIN + 2)  # until all buffers on the way are full
            assert seen.events == [NetworkStalled("up")]
            ended = seen.call.seconds
            proxy.resume("up")
            await trio.sleep(2 * LOOK)
            back = seen.events[1]
            assert isinstance(back, NetworkReturned)
            assert back.direction == "up"
            assert back.seconds == pytest.approx(ended - began, abs=2)

    async def test_agent_who_is_silent_but_answers_is_none(self, fast_clock) -> None:
        async with through_a_proxy(listen) as (seen, _):
            await trio.sleep(8)
            assert seen.events == []
            assert seen.call.network().down_stalled_seconds == 0

    @pytest.mark.parametrize("pauses", [(1.5, 5, 5), (11,)])
    async def test_far_side_that_never_answers_pings_is_none(self, fast_clock, pauses) -> None:
        async def be_rude(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + READY)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, stream)
                for seconds in pauses:
                    await trio.sleep(seconds)
                    await stream.send_all(frame(2, MESSAGE))
                await trio.sleep_forever()

        async with serving(be_rude) as peer:
            async with telling(f"ws://{peer.authority}/") as seen:
                await trio.sleep(11)
                assert seen.events == []

    async def test_what_we_do_not_read_is_none(self, fast_clock, monkeypatch) -> None:
        monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 0.5)
        monkeypatch.setattr("sfclient._playout.READ_ON_BYTES", 3200)

        async def flood(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + READY)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, stream)
                await stream.send_all(frame(2, bytes(320_000)) * 3)
                await trio.sleep_forever()

        async with serving(flood) as peer:
            async with telling(f"ws://{peer.authority}/") as seen:
                await trio.sleep(8)
                assert seen.events == []

    async def test_the_far_side_is_asked_at_the_beginning_and_when_it_is_silent(
        self, fast_clock
    ) -> None:
        pings: list[float] = []

        async def answer(stream: trio.abc.Stream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + READY)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pong, stream, pings)
                for _ in range(20):
                    await stream.send_all(frame(2, MESSAGE))
                    await trio.sleep(0.25)
                quiet_from = len(pings), trio.current_time()
                await trio.sleep(3)
                asked = [at - quiet_from[1] for at in pings[quiet_from[0] :]]
                assert quiet_from[0] == 1
                assert 0.5 < asked[0] < 0.8 + LOOK
                assert 2 <= len(asked) <= 4
                await trio.sleep_forever()

        async with serving(answer) as peer:
            async with telling(f"ws://{peer.authority}/"):
                await trio.sleep(8.5)


async def read(stream: trio.abc.Stream) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while await stream.receive_some(1 << 20):
            pass


async def pong(stream: trio.abc.Stream, pings: list[float]) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while data := await stream.receive_some(1 << 20):
            for mask, masked in re.findall(rb"(?s)\x89\x84(....)(....)", data):
                pings.append(trio.current_time())
                payload = bytes(a ^ b for a, b in zip(mask, masked, strict=True))
                await stream.send_all(frame(10, payload))


class Still:
    """A websocket on which nothing moves; what is seen of it can be changed."""

    def __init__(self) -> None:
        self.seen = Traffic(
            received_bytes=5,
            received_at=0.0,
            resumed_at=0.0,
            is_open=True,
            is_receiving=True,
            sent_bytes=7,
            left_bytes=5,
            is_waiting=True,
        )

    def traffic(self) -> Traffic:
        return self.seen

    def ask(self) -> bool:
        return True


def watching(websocket: Still) -> tuple[Network, list[Event]]:
    told: list[Event] = []
    network = Network(told.append, CallClock(), Playout(16_000, 16_000, "lossless"), LOOK)
    network.watch(websocket)
    return network, told


async def test_where_nothing_is_to_leave_nothing_stalls(autojump_clock) -> None:
    websocket = Still()
    websocket.seen = websocket.seen._replace(is_waiting=False, is_receiving=False)
    network, told = watching(websocket)
    for look in range(20):
        network.look(LOOK * look)
    assert told == []


async def test_what_a_close_does_is_no_return(autojump_clock) -> None:
    websocket = Still()
    network, told = watching(websocket)
    for look in range(10):
        network.look(LOOK * look)
    assert len(told) == 2
    websocket.seen = websocket.seen._replace(is_open=False, left_bytes=7, received_bytes=9)
    network.look(3.0)
    assert len(told) == 2
    assert network.statistics().received_bytes == 9


async def test_time_in_which_the_program_did_not_run_is_no_stall(autojump_clock) -> None:
    network, told = watching(Still())
    for now in range(100, 600, 100):
        network.look(now)
    assert told == []
    for now in range(600, 1000, 100):  # a quarter of a second of each counts, which makes two
        network.look(now)
    assert told == [NetworkStalled("down"), NetworkStalled("up")]


class TestLateSpeech:
    @every_policy
    async def test_is_told_where_it_was(self, fast_clock, policy: str) -> None:
        async with through_a_proxy(speak, playout=policy) as (seen, proxy):
            await trio.sleep(2)
            began = seen.call.seconds
            proxy.stall(0.3, "down")
            await trio.sleep(1)
            (event,) = seen.events
            assert isinstance(event, SpeechLate)
            assert event.at == pytest.approx(began, abs=0.03)
            assert event.seconds == pytest.approx(0.3, abs=0.03)
            counts = seen.call.network()
            assert counts.late == 1
            assert counts.late_seconds == counts.longest_gap_seconds == event.seconds
            assert seen.call.statistics().playout.underruns == 1

    async def test_end_of_a_sentence_is_none(self, fast_clock) -> None:
        async def sentences(call: SimulatedCall) -> None:
            await call.client_ready()
            for pause in (0.2, 0.4, 1.0, 0):
                for _ in range(40):
                    await call.send_audio(MESSAGE)
                    await trio.sleep(0.02)
                await trio.sleep(pause)
            await call.wait_ended()

        async with through_a_proxy(sentences) as (seen, _):
            await trio.sleep(6)
            assert seen.events == []
            assert seen.call.statistics().playout.underruns == 0


async def test_stall_that_the_call_does_not_outlive_never_ends(fast_clock) -> None:
    async with through_a_proxy(speak) as (seen, proxy):
        await trio.sleep(0.5)
        proxy.stall(direction="down")
        await trio.sleep(4)
        seen.call.hang_up()
        await seen.call.wait_ended()
        counts = seen.call.network()
    assert seen.events == [NetworkStalled("down")]
    assert counts.down_stalled_seconds == pytest.approx(4, abs=2 * LOOK)


async def test_agent_who_lets_us_wait_is_told_of_while_he_does(fast_clock) -> None:
    async def wait(stream: trio.abc.Stream) -> None:
        await stream.send_all(accepted(await read_head(stream)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, stream)
            await trio.sleep(9)
            await stream.send_all(READY)
            await trio.sleep_forever()

    async with serving(wait) as peer:
        audio = Audio(MemoryInput(), MemoryOutput())
        async with open_call(f"ws://{peer.authority}/", audio) as call:
            told = []
            async for event in call:
                if isinstance(event, AgentAwaited):
                    told.append((event.seconds, round(event.at)))
                if isinstance(event, Connected):
                    break
    assert told == [(2, 2), (4, 4), (8, 8)]

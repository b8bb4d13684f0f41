"""A call in memory is as one over a socket: the same endings, sound and texts, told by the same words."""

import dataclasses
import gc
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from sfclient import (
    Audio,
    Call,
    MemoryInput,
    MemoryOutput,
    NetworkError,
    ServiceError,
    Session,
    SfclientError,
    TimeLimits,
    UsageError,
    open_call,
)
from sfclient._secrets import Secrets
from sfclient.simulator import Agent, EchoAgent, SimulatedCall, SpeakAgent, open_simulator
from sfclient.testing import (
    Link,
    Network,
    Stall,
    network_named,
    open_memory_agent,
    run_virtually,
)

from ...conftest import UnhurriedClock, noise, session_of, without_silence

SPEECH = noise(0.3, 16_000)
BURST = noise(5, 16_000, seed=2)  # 160 kB
SETTLED_SECONDS = 0.5


@asynccontextmanager
async def by_socket(agent: Agent, dialect: str):
    async with open_simulator(agent) as simulator:

        async def session() -> Session:
            if dialect == "widget":
                return Session(simulator.new_session_url())
            return await session_of(simulator)

        yield session, simulator.calls


@asynccontextmanager
async def in_memory(agent: Agent, dialect: str):
    async with open_memory_agent(agent, dialect=dialect) as there:

        async def session() -> Session:
            return there.session()

        yield session, there.calls


async def hold(way, agent, dialect, do, **options) -> tuple[object, ...]:
    """A call by that way, and all that it was to both sides."""
    speaker = MemoryOutput()
    rate = 48_000 if dialect == "widget" else 16_000
    audio = Audio(MemoryInput(noise(0.2, rate), samplerate=rate), speaker)
    error: Exception | None = None
    call: Call | None = None
    async with way(agent, dialect) as (session, calls):
        try:
            async with open_call(await session(), audio, **options) as call:
                await do(call)
        except SfclientError as raised:
            error = raised
        (simulated,) = calls
        with trio.fail_after(20):
            theirs = await simulated.wait_ended()
        return (
            type(error),
            str(error),
            call and call.ended,
            (theirs.by, theirs.code, theirs.reason),
            without_silence(speaker.played),
            [text for text in simulated.texts if "bind" not in text],
        )


def both_ways(agent, dialect, do, **options) -> tuple[object, ...]:
    """What it was in memory, which is what it was over a socket."""
    memory = run_virtually(lambda: hold(in_memory, agent, dialect, do, **options))
    socket = trio.run(
        lambda: hold(by_socket, agent, dialect, do, **options), clock=UnhurriedClock(20)
    )
    assert memory == socket
    return memory


async def to_the_end(call: Call) -> None:
    await call.wait_ended()


def ends(how: Callable[[SimulatedCall], Awaitable[None]]) -> Agent:
    """An agent who says something, is heard, and does that."""

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await call.send_audio(SPEECH, 640)
        await call.send('{"type": "note"}')
        await trio.sleep(SETTLED_SECONDS)
        await how(call)
        await call.wait_ended()

    return agent


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (lambda call: call.close(1000, "bye"), None),
        (lambda call: call.close(1011, "out of order"), ServiceError),
        (lambda call: call.abort(), NetworkError),
        (lambda call: call.reset(), NetworkError),
        (lambda call: call.send("x" * 40), None),  # and the caller hangs up
    ],
    ids=["close", "fail", "abort", "reset", "listen"],
)
def test_a_call_ends_in_memory_as_over_a_socket(how, error):
    told = both_ways(ends(how), "widget", to_the_end, max_seconds=1.5)
    assert (told[0], told[4]) == (error or type(None), SPEECH)


def test_a_call_that_is_cut_off_is_over_on_both_sides_at_once():
    times = []

    async def cut(call: SimulatedCall) -> None:
        times.append(trio.current_time())
        await call.abort()

    async def main() -> None:
        await hold(in_memory, ends(cut), "widget", to_the_end)
        times.append(trio.current_time())

    run_virtually(main)
    assert times[0] == times[1]


def test_a_ws_media_call_is_bound_and_ends_in_memory_as_over_a_socket():
    told = both_ways(ends(lambda call: call.close(4001, "no credit")), "ws-media", to_the_end)
    assert (told[2].code, told[4]) == (4001, SPEECH)


def test_a_burst_that_is_more_than_a_way_holds_is_heard_as_a_whole():
    told = both_ways(SpeakAgent(BURST, "burst", then="close"), "widget", to_the_end)
    assert told[4] == BURST


def test_an_agent_who_sends_more_than_is_read_waits(monkeypatch):
    monkeypatch.setattr("sfclient._playout.READ_ON_BYTES", 32_000)  # a second
    monkeypatch.setattr("sfclient._playout.PLAYOUT_SECONDS", 2.0)
    times = []

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        for _ in range(12):  # of which the way holds four
            await call.send(bytes(32_000))
            times.append(trio.current_time())

    run_virtually(lambda: hold(in_memory, agent, "widget", to_the_end))
    assert times[6] - times[0] < 1 < 2 < times[-1] - times[0] < 6


def test_an_agent_that_fails_ends_the_block_by_its_error():
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_virtually(lambda: hold(in_memory, agent, "widget", to_the_end))


def test_calls_that_last_are_closed_when_the_agent_goes():
    async def main() -> tuple[object, ...]:
        async with (
            open_memory_agent(EchoAgent()) as there,
            open_call(there.session(), Audio("none", "none")) as call,
        ):
            there._nursery.start_soon(there._conversations._hang_up_all)
            ended = await call.wait_ended()
        assert (ended.by, ended.code, ended.reason) == ("agent", 1001, "the simulator stops")

    run_virtually(main)


def test_a_session_of_an_agent_that_is_gone_leads_nowhere():
    async def main() -> None:
        async with open_memory_agent(EchoAgent()) as there:
            session = there.session()
        async with open_call(session, Audio("none", "none")):
            pass

    with pytest.raises(NetworkError, match="the agent in memory is gone"):
        run_virtually(main)


NETWORK = Network(
    up=Link(delay=0.1, jitter=0.05, seed=3), down=Link(delay=0.2, rate=40_000, seed=4)
)


def test_a_network_delays_each_message_and_keeps_their_order():
    """An echo of 0.2 s takes both delays, and no sample is lost or in another place."""

    async def main() -> list[bytes]:
        speaker = MemoryOutput()
        pcm = noise(0.2, 16_000)
        async with open_memory_agent(EchoAgent(), dialect="ws-media", network=NETWORK) as there:
            microphone = MemoryInput(pcm, samplerate=16_000)
            options = {"dialect": "ws-media", "max_seconds": 2}
            async with open_call(there.session(), Audio(microphone, speaker), **options) as call:
                await call.wait_ended()
                times = call.statistics().times
        assert 0.25 <= times.first_agent_audio - times.ready <= 0.45
        return [pcm, without_silence(speaker.played)]

    said, heard = run_virtually(main)
    assert heard == said


def test_a_network_that_stands_still_ends_a_call_within_its_limit():
    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep_forever()

    slow = Network(down=Link(delay=60))
    with pytest.raises(NetworkError, match="not a byte for 5 s"):
        run_virtually(_through, agent, slow, TimeLimits(silence=5, close=1))


async def _through(agent: Agent, network: Network, limits: TimeLimits) -> None:
    async with (
        open_memory_agent(agent, network=network) as there,
        open_call(there.session(), Audio("none", "none"), limits=limits) as call,
    ):
        began = trio.current_time()
        try:
            await call.wait_ended()
        finally:
            assert 4 <= trio.current_time() - began <= 9


def test_an_agent_who_is_silent_for_longer_than_the_limit_is_no_dead_connection():
    """It is asked, and answers: by the way that a network makes of it, too."""

    async def agent(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(30)

    async def main() -> None:
        async with (
            open_memory_agent(agent, network=Network(down=Link(delay=0.1))) as there,
            open_call(
                there.session(),
                Audio("none", "none"),
                max_seconds=8,
                limits=TimeLimits(silence=4),
            ) as call,
        ):
            ended = await call.wait_ended()
            assert (ended.reason, call.network().down_stalls) == ("its 8 s were over", 0)

    run_virtually(main)


def test_a_secret_that_the_agent_repeats_is_masked():
    async def main() -> None:
        async with open_memory_agent(
            ends(lambda call: call.close(4001, "key: hush-hush"))
        ) as there:
            secrets = Secrets("hush-hush")
            async with open_call(
                dataclasses.replace(there.session(), secrets=secrets), Audio("none", "none")
            ) as call:
                ended = await call.wait_ended()
        assert "hush" not in repr(ended)
        assert ended.reason.startswith("key: ")

    run_virtually(main)


def test_what_cannot_be_in_memory_is_told():
    async def open_with(**options: object) -> None:
        async with open_memory_agent(EchoAgent(), **options):
            pass

    faulty = Network(up=Link(faults=(Stall(3),)))
    for options, told in (
        ({"network": faulty}, "use open_proxy"),
        ({"dialect": "morse"}, "morse"),
        ({"dialect": "widget", "codec": "opus"}, "opus"),
    ):
        with pytest.raises(UsageError, match=told):
            run_virtually(lambda options=options: open_with(**options))


def test_nothing_of_a_call_in_memory_waits_for_the_garbage_collector():
    """As nothing of any call does: see test_call_lasts."""

    async def main() -> None:
        async with open_memory_agent(EchoAgent(), keep=False) as there:
            async with open_call(there.session(), Audio("none", "none"), max_seconds=1) as call:
                await call.wait_ended()
            del call
            there.calls.clear()
            await trio.sleep(1)
            assert parts() == before

    def parts() -> list[str]:
        names = {"CallEnd", "ServiceEnd", "Way", "SimulatedCall", "HeldCall", "Playout"}
        return sorted(name for each in gc.get_objects() if (name := type(each).__name__) in names)

    gc.collect()
    before = parts()  # that other tests have left
    gc.disable()
    try:
        run_virtually(main)
    finally:
        gc.enable()


def test_nothing_of_a_cassette_waits_for_the_garbage_collector(tmp_path):
    async def main() -> None:
        for _ in range(2):  # by the second time all is imported
            gc.collect()
            async with open_memory_agent(EchoAgent(), keep=False) as there:
                options = {"cassette": tmp_path / "a.cassette", "max_seconds": 1}
                async with open_call(there.session(), Audio("none", "none"), **options) as call:
                    await call.wait_ended()
                del call
            del there
            await trio.sleep(1)
        assert gc.collect() == 0

    gc.disable()
    try:
        run_virtually(main)
    finally:
        gc.enable()


def test_call_that_is_cancelled_over_a_steady_network_has_said_goodbye():
    """However the times of its close are rounded."""

    async def main() -> None:
        network = network_named("steady")
        async with open_memory_agent(EchoAgent(), network=network, keep=False) as there:
            for number in range(6):
                with trio.move_on_after(1.1):
                    async with open_call(there.session(), Audio("none", "none")) as call:
                        await call.wait_ended()
                await trio.sleep(SETTLED_SECONDS)
                ended = there.calls[number].ended
                assert ended is not None
                assert (ended.by, ended.code) == ("client", 1000)

    run_virtually(main)

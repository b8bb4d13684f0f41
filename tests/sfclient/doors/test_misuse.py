"""What a program does wrong with a door: it is told what to do instead, and nothing hangs, or is left open."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
import trio

from sfclient import Audio, Connected, Disconnected, MessageReceived, UsageError
from sfclient.simulator import SimulatedCall

from ..conftest import listen
from .conftest import through_every_door
from .doors import DOORS, AsyncioDoor, BlockingDoor, threads_of_trio
from .far_side import open_far_side

URL = "ws://127.0.0.1:1/"
NOTES = 200

only_widget = pytest.mark.parametrize("dialect", ["widget"])
only_blocking = pytest.mark.parametrize("door", ["blocking"], indirect=True)
only_asyncio = pytest.mark.parametrize("door", ["asyncio"], indirect=True)


async def chat(call: SimulatedCall) -> None:
    await call.client_ready()
    for number in range(NOTES):
        await call.send(f'{{"number": {number}}}')


def numbers(events) -> list[int]:
    return [event.fields["number"] for event in events if isinstance(event, MessageReceived)]


def in_thread(function, *arguments) -> None:
    """In a thread that has no loop."""
    done = Future()
    threading.Thread(target=lambda: done.set_result(function(*arguments)), daemon=True).start()
    done.result(10)


@pytest.mark.parametrize(
    ("taken", "host", "remedy"),
    [
        ("trio", "asyncio", r"sfclient\.aio\."),
        ("blocking", "asyncio", r"sfclient\.aio\."),
        ("asyncio", "trio", r"sfclient\.(?!aio)"),
        ("blocking", "trio", r"sfclient\.(?!blocking)"),
    ],
)
def test_who_takes_the_wrong_door_is_shown_the_right_one(taken, host, remedy):
    door = DOORS[taken]()

    async def take() -> None:
        with pytest.raises(UsageError, match=rf"{remedy}open_call"):
            async with door.open_call(URL, Audio("none", "none")):
                pass
        with pytest.raises(UsageError, match=rf"{remedy}request_session"):
            await door.request_session("agent", api_key="key", base_url="http://127.0.0.1:1")
        with pytest.raises(UsageError, match=rf"{remedy}request_result"):
            await door.request_result("call", api_key="key", base_url="http://127.0.0.1:1")

    DOORS[host]().run(take)
    assert threads_of_trio() == []


@only_widget
@pytest.mark.parametrize("door", ["asyncio", "blocking"], indirect=True)
@through_every_door
async def test_a_block_is_entered_once(hold):
    with open_far_side(listen) as far:
        block = hold.door.open_call(await hold.session(far), hold.audio())
        if hold.door.name == "blocking":
            block = hold.door.module.open_call(await hold.session(far), hold.audio())
            with block:
                with pytest.raises(UsageError, match="once"), block:
                    pass
            with pytest.raises(UsageError, match="once"), block:
                pass
            return
        async with block:
            with pytest.raises(UsageError, match="once"):
                await block.__aenter__()
        with pytest.raises(UsageError, match="once"):
            await block.__aenter__()


@only_widget
@only_asyncio
@through_every_door
async def test_a_call_belongs_to_the_loop_that_opened_it(hold):
    async with hold(tap=True) as held:
        for wait in (
            held.call.wait_ended,
            partial(anext, held.call),
            partial(anext, held.call.tap),
            partial(held.call.use_input, None),
        ):

            async def elsewhere(wait=wait) -> None:
                with pytest.raises(UsageError, match="loop"):
                    await wait()

            in_thread(asyncio.run, elsewhere())


@only_widget
@pytest.mark.parametrize("door", ["asyncio", "blocking"], indirect=True)
@through_every_door
async def test_what_does_not_wait_may_be_asked_from_any_thread(hold):
    async with hold() as held:
        while not held.call.connected:
            await hold.door.sleep(0.1)
        plain = getattr(held.call, "of_blocking", held.call)

        def ask() -> None:
            for _ in range(20):
                plain.mute(not plain.muted)
                assert plain.statistics().ended is None
                plain.flush()
                plain.levels()

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(ask) for _ in range(4)]:
                done.result()
        in_thread(plain.hang_up)
        assert (await held.call.wait_ended()).by == "caller"


@only_widget
@through_every_door
async def test_each_event_is_given_to_one_of_many_readers(hold):
    """And all of them see the end."""
    events = []

    async def read(call) -> None:
        async for event in call:
            events.append(event)

    async with hold(chat) as held:
        await hold.door.together(*[partial(read, held.call)] * 4)
    assert sorted(numbers(events)) == list(range(NOTES))
    assert sum(isinstance(event, Connected) for event in events) == 1
    assert sum(isinstance(event, Disconnected) for event in events) == 1


@only_widget
@only_blocking
@pytest.mark.parametrize("to_thread", [trio.to_thread.run_sync, asyncio.to_thread])
def test_a_thread_of_a_program_with_a_loop_may_block(hold, to_thread):
    door: BlockingDoor = hold.door

    def hold_a_call(url: str) -> None:
        with door.module.open_call(url, hold.audio()) as call:
            assert any(isinstance(event, Connected) for event in call)

    with open_far_side(listen) as far:
        url = far.do(far.simulator.new_session_url)
        host = DOORS["trio" if to_thread is trio.to_thread.run_sync else "asyncio"]()
        host.run(partial(to_thread, hold_a_call, url))
    assert threads_of_trio() == []


@only_widget
@only_asyncio
def test_a_task_that_is_garbage_leaves_no_call(hold):
    """It is never awaited again, nor cancelled."""
    door: AsyncioDoor = hold.door
    with open_far_side(listen) as far:

        async def hold_for_ever() -> None:
            url = far.do(far.simulator.new_session_url)
            async with door.module.open_call(url, hold.audio()) as call:
                async for _ in call:
                    pass

        coroutine = hold_for_ever()
        loop = asyncio.new_event_loop()
        task = loop.create_task(coroutine)
        loop.run_until_complete(asyncio.sleep(0.1))
        assert threads_of_trio() != []
        task._log_destroy_pending = False
        coroutine.close()
        loop.close()
        del task
        far.ended()
        for thread in threads_of_trio():
            thread.join(10)
    assert threads_of_trio() == []


@only_widget
@only_asyncio
@through_every_door
async def test_a_cancellation_by_another_goes_before_the_error_of_a_call(hold):
    task = asyncio.current_task()

    async def wait() -> None:
        async with hold() as held:
            while not held.call.connected:
                await hold.door.sleep(0.1)
            held.far.do(held.far.proxy.reset)
            try:
                await asyncio.sleep(60)
            finally:
                task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await wait()
    assert task.cancelling() == 1
    with suppress(asyncio.CancelledError):  # if the block had not to wait, it is still to come
        await asyncio.sleep(0)
    task.uncancel()

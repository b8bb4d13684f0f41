"""What holds of asyncio's door alone: its loop, its tasks, its context variables."""

import asyncio
import gc
import sys
import threading
import time
import weakref
from contextlib import aclosing
from contextvars import ContextVar

import pytest
import sniffio

from sfclient import (
    Audio,
    Connected,
    MemoryInput,
    NetworkError,
    NullOutput,
    Session,
    UsageError,
    aio,
)
from sfclient.simulator import SpeakAgent

from ..conftest import NUMBERS, listen, noise
from .doors import threads_of_trio
from .far_side import FarSide, open_far_side

WORDS = noise(0.2, 16_000)
colour: ContextVar[str] = ContextVar("colour", default="none")


def audio() -> Audio:
    return Audio(MemoryInput(), NullOutput())


def run(program, *arguments):
    """And nothing is left, and no event loop complained."""
    complaints = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await asyncio.wait_for(program(*arguments), 60)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert threads_of_trio() == []

    asyncio.run(main())
    gc.collect()
    assert complaints == []


async def until(holds):
    while not holds():  # noqa: ASYNC110 -- nobody tells
        await asyncio.sleep(0.001)


def new_url(far: FarSide) -> str:
    return far.do(far.simulator.new_session_url)


def test_an_event_that_came_when_its_task_was_cancelled_is_the_next_one_s():
    async def program(far):
        events = []
        async with aio.open_call(new_url(far), audio()) as call:
            for passes in [0, 1, 2, 3] * 10:
                task = asyncio.ensure_future(anext(call))
                for _ in range(passes):
                    await asyncio.sleep(0)
                task.cancel()
                events += [
                    event
                    for event in await asyncio.gather(task, return_exceptions=True)
                    if not isinstance(event, BaseException)
                ]
            await call.wait_ended()
            events += [event async for event in call]
        names = "Connecting Connected SpeechBegan SpeechEnded Disconnected"
        assert " ".join(type(event).__name__ for event in events) == names

    with open_far_side(SpeakAgent(WORDS, then="close")) as far:
        run(program, far)


def test_tasks_that_iterate_at_the_same_time_share_the_events():
    async def program(far):
        async with aio.open_call(new_url(far), audio()) as call:

            async def take():
                return [event async for event in call]

            shares = [asyncio.ensure_future(take()) for _ in range(3)]
            given_up = asyncio.ensure_future(take())
            await asyncio.sleep(0.01)
            given_up.cancel()
            events = [event for share in shares for event in await share]
        names = [type(event).__name__ for event in events]
        assert names.count("Disconnected") == 1
        assert len(set(map(id, events))) == len(events)

    with open_far_side(SpeakAgent(WORDS, then="close")) as far:
        run(program, far)


def test_a_call_that_fails_cancels_its_block_and_nothing_else():
    async def program(far):
        url = far.proxy.through(new_url(far))

        async def hold():
            async with asyncio.timeout(50):
                async with aio.open_call(url, audio()) as call:
                    async for event in call:
                        if isinstance(event, Connected):
                            far.do(far.proxy.reset)
                            await asyncio.get_running_loop().create_future()

        with pytest.raises(NetworkError) as raised:
            await hold()
        assert raised.value.__context__ is None
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)  # no cancellation is left over

    with open_far_side(listen) as far:
        run(program, far)


def test_a_call_that_fails_when_its_block_has_ended_is_told_on_leaving():
    async def program(far):
        url = far.proxy.through(new_url(far))

        async def hold():
            async with aio.open_call(url, audio()) as call:
                async for event in call:
                    if isinstance(event, Connected):
                        break
                far.do(far.proxy.reset)
                while not call._carried.is_failing:  # the loop stands: it is told nothing
                    time.sleep(0.001)  # noqa: ASYNC251

        with pytest.raises(NetworkError):
            await hold()
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)

    with open_far_side(listen) as far:
        run(program, far)


def test_a_call_that_fails_before_a_busy_loop_has_entered_its_block_is_told():
    async def program(far):
        block = aio.open_call(far.proxy.through(new_url(far)), audio())

        async def be_busy():
            while not far.simulator.calls:
                time.sleep(0.001)  # noqa: ASYNC251
            while block._carried.call is None:
                time.sleep(0.001)  # noqa: ASYNC251
            far.do(far.proxy.reset)
            while not block._carried.is_failing:
                time.sleep(0.001)  # noqa: ASYNC251

        busy = asyncio.ensure_future(be_busy())
        with pytest.raises(NetworkError):
            async with block:
                await asyncio.sleep(60)
        assert asyncio.current_task().cancelling() == 0
        await busy

    with open_far_side(listen) as far:
        run(program, far)


def test_a_cancellation_goes_before_the_error_of_the_call():
    async def program(far):
        url = far.proxy.through(new_url(far))

        async def hold():
            async with aio.open_call(url, audio()) as call:
                async for event in call:
                    if isinstance(event, Connected):
                        far.do(far.proxy.reset)
                        task.cancel()

        task = asyncio.ensure_future(hold())
        with pytest.raises(asyncio.CancelledError):
            await task

    with open_far_side(listen) as far:
        run(program, far)


def test_who_is_cancelled_while_leaving_has_left():
    async def program(far):
        async def hold():
            async with aio.open_call(new_url(far), audio()) as call:
                held.append(call)
                asyncio.get_running_loop().call_soon(task.cancel)
                asyncio.get_running_loop().call_later(0.001, task.cancel)

        held = []
        task = asyncio.ensure_future(hold())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert held[0].ended.by == "caller"
        assert threads_of_trio() == []

    with open_far_side(listen) as far:
        run(program, far)


def test_who_is_cancelled_while_leaving_by_an_error_is_cancelled():
    async def program(far):
        async def hold():
            async with aio.open_call(new_url(far), audio()):
                asyncio.get_running_loop().call_soon(task.cancel)
                raise LookupError

        task = asyncio.ensure_future(hold())
        with pytest.raises(asyncio.CancelledError) as raised:
            await task
        assert isinstance(raised.value.__context__, LookupError)

    with open_far_side(listen) as far:
        run(program, far)


def test_who_is_cancelled_while_leaving_in_another_task_is_cancelled():
    async def program(far):
        block = aio.open_call(new_url(far), audio())
        call = await asyncio.create_task(block.__aenter__())
        task = asyncio.create_task(block.__aexit__(None, None, None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.ended.by == "caller"

    with open_far_side(listen) as far:
        run(program, far)


def test_a_generator_that_is_closed_has_stopped_its_call():
    async def program(far):
        async def events():
            async with aio.open_call(new_url(far), audio()) as call:
                held.append(call)
                async for event in call:
                    yield event

        held = []
        async with aclosing(events()) as told:
            async for _ in told:
                break
        assert held[0].ended.by == "caller"
        assert threads_of_trio() == []

    with open_far_side(listen) as far:
        run(program, far)


def test_a_block_whose_task_is_garbage_hangs_up():
    async def program(far):
        async def hold():
            async with aio.open_call(new_url(far), audio()) as call:
                held.append(call)
                await asyncio.get_running_loop().create_future()  # that nobody else knows

        held = []
        task = weakref.ref(asyncio.ensure_future(hold()))
        await until(lambda: held)
        gc.collect()
        assert task() is None
        await until(lambda: not threads_of_trio())
        assert held[0].ended.by == "caller"

    with open_far_side(listen) as far:
        complaints = []

        async def main():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, what: complaints.append(what["message"]))
            await program(far)

        asyncio.run(main())
    assert complaints == ["Task was destroyed but it is pending!"]


def test_functions_of_the_program_run_in_its_loop_with_its_context_variables():
    def note(call_id: str) -> None:
        asyncio.get_running_loop()
        seen.append((colour.get(), threading.current_thread(), call_id))

    async def program(far):
        kept = await aio.request_session(
            "agent",
            api_key=far.simulator.key,
            base_url=far.base_url,
            dialect="ws-media",
            from_number="+49301234",
            to_number="+49305678",
        )

        async def start(server_name):
            seen.append((colour.get(), threading.current_thread(), server_name))
            return await kept.start_call(server_name)

        colour.set("green")
        sniffio.current_async_library_cvar.set("asyncio")  # as a library may have done it
        session = Session(kept.url, "ws-media", start_call=start)
        async with aio.open_call(session, Audio(MemoryInput(), Sink()), on_call_id=note) as call:
            colour.set("red")
            assert [one[:2] for one in seen] == [("green", threading.main_thread())] * 2
            assert call.call_id == seen[1][2]
            await until(lambda: there)
        assert set(there) == {("green", "trio")}

    class Sink(NullOutput):
        def write(self, _):
            there.append((colour.get(), sniffio.current_async_library()))

    seen, there = [], []
    with open_far_side(listen) as far:
        run(program, far)


def test_a_callback_that_fails_ends_the_call_with_its_error():
    class MistakeError(Exception):
        pass

    def fail(call_id: str) -> None:
        raise MistakeError(call_id)

    async def program(far):
        session = await aio.request_session(
            "agent",
            api_key=far.simulator.key,
            base_url=far.base_url,
            dialect="ws-media",
            from_number="+49301234",
            to_number="+49305678",
        )
        with pytest.raises(MistakeError):
            async with aio.open_call(session, audio(), on_call_id=fail):
                raise AssertionError("a block without a call")

    with open_far_side(listen) as far:
        run(program, far)


async def new_session(far):
    order = {"api_key": far.simulator.key, "base_url": far.base_url, "dialect": "ws-media"}
    return await aio.request_session("agent", **order, **NUMBERS)


def test_a_callback_that_is_cancelled_ends_the_call():
    def note(call_id: str) -> None:
        raise asyncio.CancelledError

    async def program(far):
        with pytest.raises(UsageError, match="the program cancelled"):
            async with aio.open_call(await new_session(far), audio(), on_call_id=note):
                pass

    with open_far_side(listen) as far:
        run(program, far)


def test_a_callback_that_ends_its_loop_ends_the_call():
    async def program(far):
        async with aio.open_call(await new_session(far), audio(), on_call_id=sys.exit):
            pass

    with open_far_side(listen) as far:
        loop = asyncio.new_event_loop()
        task = loop.create_task(program(far))
        task._log_destroy_pending = False
        with pytest.raises(SystemExit):
            loop.run_until_complete(task)
        loop.close()
        far.ended()
        for thread in threads_of_trio():
            thread.join(10)
        assert threads_of_trio() == []


URL = "ws://127.0.0.1:1/never"


def test_who_takes_asyncio_s_door_without_a_loop_is_told_which_to_take():
    waits = aio.open_call(URL).__aenter__()
    with pytest.raises(UsageError, match=r"take sfclient\.blocking\.open_call"):
        waits.send(None)


def test_a_call_that_is_over_is_kept_by_nobody():
    async def program(far):
        gc.collect()
        gc.disable()
        try:
            async with aio.open_call(new_url(far), audio()) as call:
                there = weakref.ref(call._carried.call._uplink)
                await call.wait_ended()
            del call
            assert there() is None
            url = far.proxy.through(new_url(far))
            try:
                async with aio.open_call(url, audio()) as call:
                    there = weakref.ref(call._carried.call._uplink)
                    async for event in call:
                        if isinstance(event, Connected):
                            far.do(far.proxy.reset)
            except NetworkError:
                pass
            del call, event
            await asyncio.sleep(0)  # asyncio keeps the cancellation until the task waits
            assert there() is None
        finally:
            gc.enable()

    with open_far_side(SpeakAgent(WORDS, then="close")) as far:
        run(program, far)

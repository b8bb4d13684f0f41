"""The ways into a call, each behind the same few names, so that a scenario is written once.

A scenario is an async function. Under trio and asyncio it runs as it stands. `blocking` has no loop: there each
coroutine does its work without ever suspending, and is driven by a single ``send(None)``.
"""

import asyncio
import inspect
import signal
import sysconfig
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import Any

import pytest
import trio

import sfclient
from sfclient import aio, blocking

# Seconds of a call in one of real time. Without the GIL this clock runs on while the far side waits for a processor.
RATE = 4 if sysconfig.get_config_var("Py_GIL_DISABLED") else 20
HANGS_SECONDS = 30

Scenario = Callable[[], Coroutine[Any, Any, None]]


class TrioDoor:
    """The client itself, which the others are measured by."""

    name = "trio"
    module: ModuleType = sfclient

    def __init__(self) -> None:
        self.open_call: Any = self.module.open_call
        self.session: Any = getattr(self.module, "Session", sfclient.Session)
        self.request_session: Any = self.module.request_session
        self.request_result: Any = self.module.request_result

    def run(self, scenario: Scenario) -> None:
        """Run it to its end; an `AssertionError` if it hangs."""
        with _in_time():
            trio.run(scenario)

    async def together(self, *scenarios: Scenario) -> None:
        """All at once; none may fail."""
        async with trio.open_nursery() as nursery:
            for scenario in scenarios:
                nursery.start_soon(scenario)

    async def sleep(self, seconds: float) -> None:
        """In seconds of a call."""
        await trio.sleep(seconds)

    async def event(self, call: Any, seconds: float) -> Any:
        """The next one, or None if it was waited for so long."""
        with trio.move_on_after(seconds):
            return await anext(call)

    def given(self, function: Callable[..., Awaitable[Any]]) -> Any:
        """What this door takes from a program in place of an async function."""
        return function

    def pieces(self, pieces: Iterable[Any]) -> Any:
        """An iterator as a program of this door has it."""

        async def one_by_one() -> AsyncIterator[Any]:
            for piece in pieces:
                yield piece

        return one_by_one()

    def stream_output(self, **options: Any) -> tuple[Any, Any]:
        """A sink, and what a scenario iterates over."""
        output = self.module.StreamOutput(**options)
        return output, output

    def taken(self, function: Any) -> Callable[..., Awaitable[Any]]:
        """As an async function, what this door gives in place of one."""
        return function


class AsyncioDoor(TrioDoor):
    name = "asyncio"

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.module = aio
        self._loop_factory = loop_factory
        super().__init__()

    def run(self, scenario: Scenario) -> None:
        unseen: list[dict[str, Any]] = []

        async def run() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: unseen.append(context))
            await scenario()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        # In debug mode a loop refuses calls from a thread that is not its own.
        with _in_time(), asyncio.Runner(debug=True, loop_factory=self._loop_factory) as runner:
            runner.run(run())
        assert unseen == []

    async def together(self, *scenarios: Scenario) -> None:
        async with asyncio.TaskGroup() as tasks:
            for scenario in scenarios:
                tasks.create_task(scenario())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / RATE)

    async def event(self, call: Any, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds / RATE):
                return await anext(call)
        except TimeoutError:
            return None


class UvloopDoor(AsyncioDoor):
    name = "uvloop"

    def __init__(self) -> None:
        super().__init__(pytest.importorskip("uvloop").new_event_loop)


class BlockingDoor(TrioDoor):
    name = "blocking"

    def __init__(self) -> None:
        self.module = blocking
        self.session = blocking.Session
        self.request_session = _coroutine(self.module.request_session)
        self.request_result = _coroutine(self.module.request_result)

    def run(self, scenario: Scenario) -> None:
        with _in_time():
            self._drive(scenario())

    def _drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("a scenario waits for what is no door's")

    async def together(self, *scenarios: Scenario) -> None:
        with ThreadPoolExecutor(len(scenarios)) as pool:
            for done in [pool.submit(self._drive, scenario()) for scenario in scenarios]:
                done.result()

    @asynccontextmanager
    async def open_call(self, *arguments: Any, **options: Any) -> AsyncIterator["Awaited"]:
        with self.module.open_call(*arguments, **options) as call:
            yield Awaited(call)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds / RATE)  # noqa: ASYNC251

    async def event(self, call: "Awaited", seconds: float) -> Any:
        return next(iter(call.events(timeout=seconds / RATE)), None)

    def given(self, function: Callable[..., Awaitable[Any]]) -> Any:
        def given(*arguments: Any) -> Any:
            return self._drive(function(*arguments))

        return given

    def pieces(self, pieces: Iterable[Any]) -> Any:
        return iter(pieces)

    def stream_output(self, **options: Any) -> tuple[Any, Any]:
        output = self.module.StreamOutput(**options)
        return output, Awaited(output)

    def taken(self, function: Any) -> Callable[..., Awaitable[Any]]:
        return _coroutine(function)


class Awaited:
    """An object of `blocking` as its sibling under trio would be: what waits there is awaited."""

    WAITS = ("wait_ended", "use_input", "use_output")

    def __init__(self, of_blocking: Any) -> None:
        object.__setattr__(self, "of_blocking", of_blocking)

    def __aiter__(self) -> "Awaited":
        return self

    async def __anext__(self) -> Any:
        try:
            return next(iter(self.of_blocking))
        except StopIteration:
            raise StopAsyncIteration from None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.of_blocking, name)
        if name == "tap":
            return Awaited(value)
        return _coroutine(value) if name in self.WAITS else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.of_blocking, name, value)


DOORS = {door.name: door for door in (TrioDoor, AsyncioDoor, UvloopDoor, BlockingDoor)}


def _coroutine(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def coroutine(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        assert not inspect.isawaitable(result)
        return result

    return coroutine


@contextmanager
def _in_time() -> Iterator[None]:
    """Ctrl-C for what hangs."""
    main = threading.main_thread()
    assert main is threading.current_thread()
    timer = threading.Timer(HANGS_SECONDS, signal.pthread_kill, (main.ident, signal.SIGINT))
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if timer.finished.is_set():
            raise AssertionError(f"nothing came of it in {HANGS_SECONDS} s") from None
        raise
    finally:
        timer.cancel()
        timer.join()


def threads_of_trio() -> list[threading.Thread]:
    """Those that carry the calls of programs without trio."""
    return [thread for thread in threading.enumerate() if thread.name == "sfclient trio"]

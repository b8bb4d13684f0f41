"""The far side of calls, in a thread with a trio of its own: it asks nothing of the loop, or the lack of one, that a
program under test has."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import trio

from sfclient.simulator import Agent, SimulatedCall, Simulator, open_simulator
from sfclient.testing import Proxy, open_proxy

Result = TypeVar("Result")

WAIT_SECONDS = 60  # of real time, for what should take none: what fails should not hang


class FarSide:
    """A simulator behind a proxy of bytes. Its commands are for any thread but its own."""

    def __init__(self, simulator: Simulator, proxy: Proxy, nursery: trio.Nursery) -> None:
        self.simulator = simulator
        self.proxy = proxy
        self.base_url = proxy.through(simulator.base_url)
        self.over = trio.Event()
        self._nursery = nursery
        self._trio = trio.lowlevel.current_trio_token()

    def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, or an async one, over there; its result."""
        done: Future[Any] = Future()

        async def do() -> None:
            try:
                result = function(*arguments)
                if hasattr(result, "__await__"):
                    result = await result
                done.set_result(result)
            except Exception as error:
                done.set_exception(error)

        self._trio.run_sync_soon(self._nursery.start_soon, do)
        return done.result(WAIT_SECONDS)

    def ended(self, index: int = 0) -> SimulatedCall:
        """One that is over: it waits until it is."""
        call: SimulatedCall = self.do(self.simulator.wait_call, index)
        self.do(call.wait_ended)
        return call


@contextmanager
def open_far_side(agent: Agent, **options: Any) -> Iterator[FarSide]:
    """`options` go to `open_simulator`. What its agents raise is raised on leaving."""
    there: Future[FarSide] = Future()
    gone: Future[None] = Future()

    async def serve() -> None:
        async with (
            open_simulator(agent, **options) as simulator,
            open_proxy(simulator.base_url) as proxy,
            trio.open_nursery() as nursery,
        ):
            far = FarSide(simulator, proxy, nursery)
            there.set_result(far)
            await far.over.wait()
            nursery.cancel_scope.cancel()

    def run() -> None:
        try:
            gone.set_result(trio.run(serve))
        except BaseException as error:
            gone.set_exception(error)
            if not there.done():
                there.set_exception(error)

    thread = threading.Thread(target=run, name="far side")
    thread.start()
    far = None
    try:
        far = there.result(WAIT_SECONDS)
        yield far
    finally:
        if far is not None and not gone.done():
            far.do(far.over.set)
        thread.join(WAIT_SECONDS)
    gone.result(0)

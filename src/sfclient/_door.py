"""What the doors for programs without trio share: a call that trio's thread carries, and its plain methods.

A door adds how its program waits. Nothing of a call is done here: all is `sfclient.open_call`'s, and its `Call`'s.
"""

import inspect
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import trio

from sfclient._echo import EchoStatistics
from sfclient._events import Ended
from sfclient._hearing import Levels
from sfclient._host import Host, serve
from sfclient._interface import Call, PastAttempt
from sfclient._network import NetworkStatistics
from sfclient._nursery import open_unwrapped_nursery
from sfclient._open import open_call
from sfclient._statistics import CallStatistics
from sfclient._timeline import Timeline
from sfclient._trio_thread import Job

P = ParamSpec("P")
T = TypeVar("T")


class BlockFailed(Exception):  # noqa: N818 -- not ours
    """Stands in trio's thread for what the program's block raised, which stays in the program's."""


class Callback:
    """A function of the program's, for one that does not wait: it is called soon, where the program runs."""

    def __init__(self, nursery: trio.Nursery, host: Host, function: Callable[..., object]) -> None:
        self._nursery = nursery
        self._host = host
        self._function = function
        self.unreturned: set[trio.Event] = set()
        """Of those calls that have not returned."""

    def __call__(self, *args: object) -> None:
        returned = trio.Event()
        self.unreturned.add(returned)
        self._nursery.start_soon(self._ask, returned, *args)

    async def _ask(self, returned: trio.Event, *args: object) -> None:
        await self._host.ask(self._function, *args)
        self.unreturned.discard(returned)
        returned.set()

    async def wait_returned(self) -> None:
        """Until it has been called as often as it was to be."""
        for returned in list(self.unreturned):
            await returned.wait()


class CarriedCall:
    """A call that trio's thread carries, from entering its block to leaving it.

    `args` and `kwargs` are those of `sfclient.open_call`, but for `on_call_id`, which is the program's own.
    `entered`, `failing` and `over` are called in trio's thread, and must not block: the call has begun; it fails, and
    will be over soon; it is over, begun or not.
    """

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        host: Host,
        entered: Callable[[], object],
        failing: Callable[[], object],
        over: Callable[[], object],
    ) -> None:
        self._host = host
        self._entered = entered
        self._failing = failing
        self._on_call_id: Callback | None = None
        self._left = trio.Event()
        self._has_block_failed = False
        # When it is over, for who asks; again by the same thread, in the handler of a signal.
        self._lock = threading.RLock()
        self.call: Call | None = None
        """When its block is entered."""
        self.is_failing = False
        """Whether the call ends by an error of its own."""
        self._over = over
        self.job: Job[None] = Job(partial(self._hold, args, kwargs), self._end)

    def start(self) -> None:
        """Once, from the program's thread."""
        self.job.start(self._over, self._host.is_gone)

    async def _hold(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        serve(self._host)
        try:
            async with open_unwrapped_nursery() as callbacks:
                on_call_id = kwargs.pop("on_call_id", None)
                if on_call_id is not None:
                    self._on_call_id = Callback(callbacks, self._host, on_call_id)
                manager = open_call(*args, on_call_id=self._on_call_id, **kwargs)
                del args, kwargs  # which hold secrets
                async with manager as call:
                    if self._on_call_id is not None:
                        await self._on_call_id.wait_returned()
                    self.call = call
                    await self._wait_left()
        except BlockFailed:
            pass

    async def _wait_left(self) -> None:
        self._entered()
        try:
            await self._left.wait()
        except trio.Cancelled:
            if not self.job.is_cancelled:
                self.is_failing = True
                self._failing()
            raise
        if self._has_block_failed:
            raise BlockFailed

    def _end(self) -> bool:
        """Nobody will leave the block, or too late."""
        self._left.set()
        waits = self._on_call_id is not None and self._on_call_id.unreturned
        return self.call is not None and not waits

    def begun(self) -> Call:
        """The call, in its block or behind it."""
        assert self.call is not None
        return self.call

    def leave(self, has_failed: bool) -> None:
        """From the program's thread: its block was left, by an error or not."""
        self._has_block_failed = has_failed
        self.job.post(self._left.set)

    def job_of(self, function: Callable[[], Awaitable[T]]) -> Job[T]:
        """One that waits for something of the call: it ends when the call does, and if that has failed, when
        `is_failing` says so."""
        return Job(partial(self._wait_for, function), _by_itself)

    async def _wait_for(self, function: Callable[[], Awaitable[T]]) -> T:
        try:
            return await function()
        finally:
            if self.begun().ended is not None:
                # Who waits for a call is woken in the same pass of trio's loop as its block.
                await trio.lowlevel.cancel_shielded_checkpoint()

    def do(self, function: Callable[[Call], T]) -> T:
        """Where it may be done: in trio's thread, or here when all is over."""
        call = self.begun()
        self.job.check_process()

        def unless_over() -> list[T]:
            return [] if self.job.is_over else [function(call)]

        # When it is over other threads may do something here already: then trio's does nothing.
        if not self.job.is_over and (done := self.job.run(unless_over)):
            return done[0]
        with self._lock:
            return function(call)


def _by_itself() -> bool:
    return True


def like(function: Callable[P, object]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """For a door to this function of trio's: it has the same parameters."""

    def decorate(door: Callable[..., T]) -> Callable[P, T]:
        door.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return door

    return decorate


def for_trio(
    args: tuple[Any, ...], kwargs: dict[str, Any], convert: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What `sfclient.open_call` is to be given, the session converted."""
    if "session" in kwargs:
        return args, kwargs | {"session": convert(kwargs["session"])}
    return (convert(args[0]), *args[1:]) if args else args, kwargs


class PlainCall:
    """What never waits, of a call; for any thread."""

    def __init__(self, carried: CarriedCall) -> None:
        self._carried = carried

    def hang_up(self) -> None:
        """End the call now. What the agent is saying fades out within a block and 5 ms."""
        self._carried.do(lambda call: call.hang_up())

    def flush(self) -> None:
        """Interrupt the agent: throw away all that was received so far; what sounds fades out. The call goes on."""
        self._carried.do(lambda call: call.flush())

    def mute(self, muted: bool = True) -> None:
        """Send silence instead of the microphone, at the same pace; or the microphone again."""
        self._carried.do(lambda call: call.mute(muted))

    @property
    def muted(self) -> bool:
        """Whether silence is sent instead of the microphone."""
        return self._carried.do(lambda call: call.muted)

    @property
    def volume(self) -> float:
        """By what the agent's speech is multiplied at the sound device; see `sfclient.Call.volume`."""
        return self._carried.do(lambda call: call.volume)

    @volume.setter
    def volume(self, volume: float) -> None:
        def set_volume(call: Call) -> None:
            call.volume = volume

        self._carried.do(set_volume)

    def levels(self) -> Levels:
        """How loud both sides were in the last 0.1 s, in dBFS."""
        return self._carried.do(lambda call: call.levels())

    def statistics(self) -> CallStatistics:
        """A snapshot of all counters; it may be asked for after the end too."""
        return self._carried.do(lambda call: call.statistics())

    def network(self) -> NetworkStatistics:
        """What the network does to the call, as in `statistics`, for less than that costs."""
        return self._carried.do(lambda call: call.network())

    def echo(self) -> EchoStatistics | None:
        """What becomes of the agent's echo, as in `statistics`, for less than that costs."""
        return self._carried.do(lambda call: call.echo())

    @property
    def connected(self) -> bool:
        """Whether the agent has said that it can hear the caller."""
        return self._carried.do(lambda call: call.connected)

    @property
    def call_id(self) -> str | None:
        """Under which the service keeps the record of the call (see `request_result`), None if it did not tell."""
        return self._carried.do(lambda call: call.call_id)

    @property
    def ended(self) -> Ended | None:
        """How the call ended, None while it lasts."""
        return self._carried.do(lambda call: call.ended)

    @property
    def attempt(self) -> int:
        """Which attempt this is: 1, and more where the call was redialled."""
        return self._carried.do(lambda call: call.attempt)

    @property
    def earlier(self) -> tuple[PastAttempt, ...]:
        """The attempts before this one: see `sfclient.Call.earlier`."""
        return self._carried.do(lambda call: call.earlier)

    @property
    def seconds(self) -> float:
        """Since `open_call` was entered: the clock of events and statistics."""
        return self._carried.do(lambda call: call.seconds)

    @property
    def timeline(self) -> Timeline | None:
        """What was queued, and for how long what was heard had waited, if `open_call` was asked for it."""
        return self._carried.do(lambda call: call.timeline)

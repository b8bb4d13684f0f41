"""A call that is cancelled is gone, at whatever step: within 0.1 s, with nothing left, its recording complete."""

import threading
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
import trio
import trio.testing

from sfclient import (
    Audio,
    Call,
    DeviceError,
    DeviceLost,
    DeviceReturned,
    MemoryInput,
    MemoryOutput,
    SfclientError,
    StreamInput,
    open_call,
)
from sfclient._devices import DeviceStatistics, Line, Queues
from sfclient._devices._interface import Tell
from sfclient._devices._virtual import VirtualLine

from ..sfclient.raw_servers import close_frame
from .far_side import SPEECH, FarSide, Step, deaf, mute, reset, speak, wait
from .wires import open_descriptors, session_of, wired_to

GONE_SECONDS = 0.1
LATER_STEPS = 3  # between a cancellation and the second
LARGEST_HEADER_BYTES = 100
QUICK_STEPS = 29  # of which one is tried, but for --slow
BYE = close_frame(1000, "bye")


@dataclass(frozen=True)
class Situation:
    """A short call, which goes through as many states as it can."""

    script: tuple[Step, ...]
    """Of the agent, when it hears the caller."""
    hang_up: float = 10.0
    """After so many seconds, the caller does."""
    is_twice: bool = False
    """Cancelled from farther out when it is being cancelled."""
    error: type[SfclientError] | None = None
    """That it ends with, if it is not cancelled before."""
    loses_device: bool = False
    is_streamed: bool = False
    """What is said is made while it is said."""


SITUATIONS = {
    "agent closes": Situation((speak(0.1), BYE)),
    "agent closes, twice": Situation((speak(0.1), BYE), is_twice=True),
    "caller hangs up": Situation((speak(0.1),), hang_up=0.1),
    "caller hangs up, twice": Situation((speak(0.1),), hang_up=0.1, is_twice=True),
    "agent does not answer the close": Situation((mute,), hang_up=0.05),
    "agent reads nothing": Situation((deaf,), hang_up=0.05),
    "agent floods": Situation((SPEECH * 9, wait(0.001)) * 60, hang_up=0.05),
    "agent is reset": Situation((speak(0.1), reset)),
    "agent closes, and what is said is made": Situation((speak(0.1), BYE), is_streamed=True),
    "device is lost": Situation((speak(0.1),), error=DeviceError, loses_device=True),
}


class Cancelling(trio.abc.Instrument):
    """Counts the steps of a task and of those below it, and cancels a scope before one of them."""

    def __init__(self, step: int, later: int | None) -> None:
        self.steps = 0
        self.cancelled_at: float | None = None
        self._when = {step: 0, later: 1}
        self._root: trio.lowlevel.Task | None = None
        self._scopes: tuple[trio.CancelScope, ...] = ()

    def watch(self, *scopes: trio.CancelScope) -> None:
        self._root, self._scopes = trio.lowlevel.current_task(), scopes

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self._is_below(task):
            return
        if (scope := self._when.get(self.steps)) is not None:
            self.cancelled_at = self.cancelled_at or trio.current_time()
            self._scopes[scope].cancel()
        self.steps += 1

    def _is_below(self, task: trio.lowlevel.Task | None) -> bool:
        while task is not None and task is not self._root:
            task = task.parent_nursery.parent_task if task.parent_nursery else None
        return task is not None


class LostLine(VirtualLine):
    """A device that stops, comes back, and stops for good."""

    async def run(
        self,
        queues: Queues,
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(super().run, queues, tell)
            task_status.started()
            for event in (DeviceLost(), DeviceReturned()):
                await trio.sleep(0.05)
                tell(event)
            nursery.cancel_scope.cancel()
        raise DeviceError("the sound device stopped")

    def statistics(self) -> DeviceStatistics | None:  # type: ignore[override]
        return None


@asynccontextmanager
async def lost_lines(
    audio: Audio, input_rate: int, output_rate: int, *_: Path, chunk_seconds: float
) -> AsyncIterator[list[Line]]:
    yield [LostLine(MemoryInput(), MemoryOutput(), input_rate, output_rate)]


async def made() -> AsyncIterator[bytes]:
    """Whose end takes a while."""
    try:
        while True:
            await trio.sleep(0.02)
            yield bytes(640)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.02)


def hold(situation: Situation, dialect: str, step: int, record: Path) -> Cancelling:
    """A call that is cancelled before this step. Asserts that it is gone, with nothing left of it."""
    cancelling = Cancelling(step, step + LATER_STEPS if situation.is_twice and step >= 0 else None)
    threads, descriptors = threading.active_count(), open_descriptors()
    error = trio.run(
        _hold,
        situation,
        dialect,
        record,
        cancelling,
        clock=trio.testing.MockClock(autojump_threshold=0),
        instruments=[cancelling],
    )
    is_reset = situation.script[-1] is reset
    assert error is None or is_reset or type(error) is situation.error, repr(error)
    assert open_descriptors() == descriptors
    assert threading.active_count() <= threads
    if record.exists():
        with wave.open(str(record)) as file:
            frames = file.getnframes()
            assert len(file.readframes(frames)) == 4 * frames
        assert 4 * frames < record.stat().st_size < 4 * frames + LARGEST_HEADER_BYTES
        record.unlink()
    return cancelling


async def _hold(
    situation: Situation, dialect: str, record: Path, cancelling: Cancelling
) -> SfclientError | None:
    far = FarSide(dialect, "call", situation.script, "http")
    living = trio.lowlevel.current_statistics().tasks_living
    error: SfclientError | None = None
    call: Call | None = None
    async with wired_to(far.serve), trio.open_nursery() as nursery:

        async def calling() -> None:
            nonlocal call, error
            with trio.CancelScope() as outer, trio.CancelScope() as inner:
                cancelling.watch(inner, outer)
                try:
                    source = StreamInput(made(), samplerate=16_000)
                    audio = Audio(
                        source if situation.is_streamed else MemoryInput(), MemoryOutput()
                    )
                    async with open_call(session_of(dialect), audio, record=record) as call:
                        with trio.move_on_after(situation.hang_up):
                            async for _ in call:
                                pass
                except SfclientError as raised:
                    error = raised
            ended = trio.current_time()
            if cancelling.cancelled_at is not None:
                assert ended - cancelling.cancelled_at <= GONE_SECONDS + 1e-6
            nursery.cancel_scope.cancel()

        with (
            patch("sfclient._attempt.open_lines", lost_lines)
            if situation.loses_device
            else trio.CancelScope()
        ):
            nursery.start_soon(calling)
            await trio.sleep_forever()
    assert trio.lowlevel.current_statistics().tasks_living == living
    assert call is None or call.ended is not None
    return error


def cancel_at(situation: Situation, dialect: str, every: int, folder: Path) -> int:
    """At each of its steps, or at one in so many; returns how many calls that were."""
    record = folder / "both.wav"
    steps = hold(situation, dialect, -1, record).steps
    assert steps > 50
    problems = {}
    for step in range(steps % every, steps, every):
        try:
            hold(situation, dialect, step, record)
        except BaseException as error:  # all of them are told
            record.unlink(missing_ok=True)
            problems[step] = repr(
                error.exceptions if isinstance(error, BaseExceptionGroup) else error
            )
    assert problems == {}
    return steps


each_situation = pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
each_dialect = pytest.mark.parametrize("dialect", ["widget", "ws-media"])


@each_dialect
@each_situation
def test_call_that_is_cancelled_at_some_step_is_gone(
    situation: Situation, dialect: str, tmp_path: Path
) -> None:
    cancel_at(situation, dialect, QUICK_STEPS, tmp_path)


@pytest.mark.slow
@each_dialect
@each_situation
def test_call_that_is_cancelled_at_any_step_is_gone(
    situation: Situation, dialect: str, tmp_path: Path
) -> None:
    cancel_at(situation, dialect, 1, tmp_path)

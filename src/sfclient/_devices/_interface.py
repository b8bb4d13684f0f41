"""What sound hardware is to a call: a line that fills a capture queue and reads a playout engine
while it runs.

A line may run at other rates than the wire; the call resamples. What is queued, how much, and when
it is thrown away, is the call's business alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from sfaudio import CaptureQueue, Meter, PlayoutEngine, StreamStatistics
from sfclient._devices._choice import Device, Kind
from sfclient._devices._reference import Reference
from sfclient._events import Event

SHORTEST_SLEEP_SECONDS = 0.001
# So much before a block is due, the short steps begin: by this a chunk that was late, since another task kept the
# program, makes up for it in the next.
EARLY_SECONDS = 0.003
NO_DEVICE = "the {} of this call is no sound device: it cannot be changed for another"

# Is told what happens to the devices: `DeviceLost`, `DeviceReturned`, `DeviceChanged`.
Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class DeviceStatistics:
    """What was seen of a real device since the call began."""

    streams: tuple[StreamStatistics, ...]
    """Of each stream that was opened, in order; the last of them may be running."""
    lost: int
    """Times that it stopped calling back."""
    abandoned: int
    """Streams that PortAudio did not close within two seconds, and that were left alone."""
    silent_seconds: float
    """How long the call went on without it."""
    requested_latency: float | str | None
    """In seconds, or as a word; None if it was left to sounddevice."""
    input_latency: float
    """In seconds, as the device told when it was opened."""
    output_latency: float
    """In seconds, as the device told when it was opened."""


@dataclass(frozen=True, slots=True)
class Queues:
    """What a line works on. Those of a direction that the line does not have are left alone."""

    capture: CaptureQueue
    """Gets every block recorded."""
    playout: PlayoutEngine
    """Is read for every block played, at the line's rate."""
    played: CaptureQueue | None
    """Gets every block as it was played, for a recording."""
    capture_meter: Meter | None = None
    """Hears every block recorded, with its time on the line's clock."""
    playout_meter: Meter | None = None
    """Hears every block played, with its time on the line's clock."""
    reference: Reference | None = None
    """Gets every block as it was played, after the volume, for an echo canceller; where one line records and plays."""


class Waits(Protocol):
    """How to wait for what a line does."""

    async def wait_recorded(self, seconds: float) -> None:
        """Wait until something more may be recorded, where so much is missing; again and again, until it is there."""

    async def sleep_until(self, deadline: float) -> None:
        """As `trio.sleep_until`, or as late as is good for the line."""

    async def catch_up(self) -> None:
        """In a program that was kept from running, wait until the line has recorded what was due meanwhile."""


class DeviceWaits:
    """For real devices, whose callbacks wake nobody.

    One sleeps until just before what is missing is due, then in short steps: so the wait settles to the moments at
    which the device delivers, whatever its block.
    """

    async def wait_recorded(self, seconds: float) -> None:
        await trio.sleep(max(seconds - EARLY_SECONDS, SHORTEST_SLEEP_SECONDS))

    async def sleep_until(self, deadline: float) -> None:
        # In a program under load, each checkpoint is a wait.
        if deadline > trio.current_time():
            await trio.sleep_until(deadline)

    async def catch_up(self) -> None:
        pass  # their callbacks were not kept from it


class Line(Waits, Protocol):
    """Sound in, sound out, or both; opened, and silent until it runs."""

    input_samplerate: int
    """In Hz; 0 if the line does not record."""
    output_samplerate: int
    """In Hz; 0 if the line does not play."""
    is_real: bool
    """Whether it is sound hardware, so that what it plays is heard as it comes."""
    clock: Callable[[], float]
    """That on which the meters are told when a block sounds, in seconds."""
    has_end: bool
    """Whether the call is to end when all of what it records was said: that of a file."""

    @property
    def block_seconds(self) -> float:
        """Of each block that it plays, as near as whole frames allow; 0 where that is not known, or not the same."""

    @property
    def is_said(self) -> bool:
        """Whether nothing is left to be recorded; True where there is no telling, as of a microphone."""

    @property
    def input_latency(self) -> float:
        """Seconds from the microphone to the capture queue, as far as the device knows."""

    @property
    def output_latency(self) -> float:
        """Seconds from the playout engine to the ear, as far as the device knows."""

    async def run(
        self,
        queues: Queues,
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Record and play until cancelled; started when sound flows. Raises `DeviceError` if the device stops.

        It may be run again, with other queues.
        """

    async def use(self, kind: Kind, device: Device | str | int | None) -> None:
        """Go on with another device, None for the default one; what is queued stays queued.

        If it cannot be opened at the rate of the call, the one before goes on. Raises `DeviceError`; `UsageError` if
        this direction is no sound hardware, or the call is over.
        """

    @property
    def volume(self) -> float:
        """By what that which is played is multiplied."""

    @volume.setter
    def volume(self, volume: float) -> None:
        """Raises `UsageError` for one that is not from 0 to 16, or if what is played goes to no sound hardware."""

    def statistics(self) -> DeviceStatistics | None:
        """What was seen of the device; None if there is none."""

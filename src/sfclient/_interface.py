"""What a call is to a program: `Call`, whoever holds it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sfclient._devices import Device
from sfclient._echo import EchoStatistics
from sfclient._event_queue import EventQueue
from sfclient._events import Ended, Event
from sfclient._hearing import Levels
from sfclient._network import NetworkStatistics
from sfclient._statistics import CallStatistics
from sfclient._tap import Tap
from sfclient._timeline import Timeline


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One attempt of a call that was redialled, when it is over."""

    statistics: CallStatistics
    timeline: Timeline | None
    """If `open_call` was asked for it."""


class Call(ABC):
    """A call that lasts. Made by `open_call`; iterate over it for its events. For the thread that
    runs trio.

    The iteration ends with `Disconnected`, when the agent's last words have been played. A call that is redialled (see
    `Redial`) is one call over all attempts: what is told of a call that lasts is told of the present attempt, and
    between two of them of the one before.
    """

    _events: EventQueue  # what the iteration gives; for who cannot wait under trio

    def __aiter__(self) -> "Call":
        return self

    @abstractmethod
    async def __anext__(self) -> Event:
        pass

    @abstractmethod
    def hang_up(self) -> None:
        """End the call now. What the agent is saying fades out within a block and 5 ms."""

    @abstractmethod
    def flush(self) -> None:
        """Interrupt the agent: throw away all that was received so far; what sounds fades out. The call goes on."""

    @property
    @abstractmethod
    def muted(self) -> bool:
        """Whether silence is sent instead of the microphone."""

    @abstractmethod
    def mute(self, muted: bool = True) -> None:
        """Send silence instead of the microphone, at the same pace; or the microphone again."""

    @abstractmethod
    async def use_input(self, device: Device | str | int | None) -> None:
        """Record from another sound device, None for the default one; the call goes on.

        By a name or an index it gets the settings of the one before, and its first channel is recorded. If it cannot
        be opened at the rate of the call, the one before goes on. Raises `DeviceError`; `UsageError` if this call's
        input is no sound device, or it is over. A device that was plugged in since the program began is found if no
        other call of this process has one open. Between two attempts it waits for the next.
        """

    @abstractmethod
    async def use_output(self, device: Device | str | int | None) -> None:
        """Play at another sound device; what is queued is heard there. As `use_input`."""

    @property
    @abstractmethod
    def volume(self) -> float:
        """By what the agent's speech is multiplied at the sound device: 1.0 as it came, at most 16. Setting it raises
        `UsageError` where the output is no sound device. The recording, the levels and the tap are from before it."""

    @volume.setter
    @abstractmethod
    def volume(self, volume: float) -> None:
        pass

    @abstractmethod
    def levels(self) -> Levels:
        """How loud both sides were in the last 0.1 s, in dBFS. It costs microseconds."""

    @property
    @abstractmethod
    def tap(self) -> Tap:
        """What both sides say, with its times, while they say it: ``async for sound in call.tap``. Raises `UsageError`
        unless it was asked for by `open_call`."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether the agent has said that it can hear the caller."""

    @property
    @abstractmethod
    def call_id(self) -> str | None:
        """Under which the service keeps the record of the call (see `request_result`), None if it did not tell."""

    @property
    @abstractmethod
    def ended(self) -> Ended | None:
        """How the call ended, None while it lasts."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Since `open_call` was entered: the clock of events and statistics."""

    @property
    @abstractmethod
    def timeline(self) -> Timeline | None:
        """What was queued, and for how long what was heard had waited, if `open_call` was asked for it."""

    @property
    @abstractmethod
    def attempt(self) -> int:
        """Which it is: 1, and one more each time that the call was redialled."""

    @property
    @abstractmethod
    def earlier(self) -> tuple[PastAttempt, ...]:
        """The attempts before the present one, the latest hundred of them; `attempt` counts all."""

    @abstractmethod
    async def wait_ended(self) -> Ended:
        """Wait until the call is over and the agent's last words have been played."""

    @abstractmethod
    def statistics(self) -> CallStatistics:
        """A snapshot of all counters; it may be asked for after the end too."""

    @abstractmethod
    def network(self) -> NetworkStatistics:
        """What the network does to the call, as in `statistics`, for less than that costs."""

    @abstractmethod
    def echo(self) -> EchoStatistics | None:
        """What becomes of the agent's echo, as in `statistics`, for less than that costs."""

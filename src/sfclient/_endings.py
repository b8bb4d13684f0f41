"""When a call ends by itself: its time is up, or all was said and the agent is silent."""

import math
from collections.abc import Callable

import trio

from sfclient._devices import Line
from sfclient._errors import UsageError
from sfclient._events import Event, InputEnded
from sfclient._hearing import Hearing
from sfclient._network import Network
from sfclient._playout import Playout

# An agent who looks something up is silent for some seconds, and then answers.
SILENCE_SECONDS = 8.0
ASLEEP_SECONDS = 1.0  # between looks: the program was kept from running, and what came meanwhile is yet to be heard
PENDING_SECONDS = 1.0  # queued, in which there may be more than the silence that some agents send


def check_seconds(name: str, seconds: float | None) -> None:
    """Raises `UsageError` for what is no positive number."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and seconds > 0):
        raise UsageError(f"{name} must be more than 0 seconds, not {seconds!r}")


class Endings:
    """Looks whether it is time. See `sfclient._watch.Observer`.

    `silence_seconds` of None is `SILENCE_SECONDS` where a file is said, and else for ever. It begins when the agent is
    ready or was heard, or `agent_seconds` are over.
    """

    def __init__(
        self,
        tell: Callable[[Event], None],
        recording: Line,
        playout: Playout,
        hearing: Hearing,
        network: Network,
        agent_seconds: float,
        max_seconds: float | None,
        silence_seconds: float | None,
    ) -> None:
        self._tell = tell
        self._recording = recording
        self._playout = playout
        self._hearing = hearing
        self._network = network
        self._agent_seconds = agent_seconds
        if silence_seconds is None:
            silence_seconds = SILENCE_SECONDS if recording.has_end else math.inf
        self._silence_seconds = silence_seconds
        playout.arrivals.listens |= silence_seconds < math.inf
        self._max_seconds = math.inf if max_seconds is None else max_seconds
        self.agent_is_ready = False
        """Whether the agent has said that it hears us."""
        self._is_awaited = False
        self._is_silent = trio.Event()
        self._said_at: float | None = None
        self._silent_from = -math.inf
        self._began = self._looked = math.inf

    @property
    def may_come(self) -> bool:
        """Whether the call is to end by itself at all."""
        return min(self._max_seconds, self._silence_seconds) < math.inf

    async def wait(self) -> str:
        """From when sound flows until it is time to hang up; the reason."""
        self._is_awaited = True
        with trio.move_on_after(self._max_seconds):
            await self._is_silent.wait()
            return f"all was said, and the agent silent for {self._silence_seconds:g} s"
        return f"its {self._max_seconds:g} s were over"

    def look(self, now: float) -> None:
        if self._is_awaited and self._silence_seconds < math.inf:
            self._look_for_silence(now)

    def _look_for_silence(self, now: float) -> None:
        was_asleep, self._looked = now - self._looked > ASLEEP_SECONDS, now
        self._began = min(self._began, now)
        if not self._recording.is_said:
            self._said_at = None
            return
        if self._said_at is None:
            self._said_at = now
            if self._recording.has_end:
                self._tell(InputEnded(at=now))
        is_early = not self._is_agent_there and now < self._began + self._agent_seconds
        if was_asleep or is_early or self._is_speech_under_way:
            self._silent_from = now
        spoken = (self._hearing.spoke_until("caller"), self._hearing.spoke_until("agent"))
        if now - max(self._said_at, self._silent_from, *spoken) >= self._silence_seconds:
            self._is_silent.set()

    @property
    def _is_agent_there(self) -> bool:
        return self.agent_is_ready or self._playout.arrivals.first is not None

    @property
    def _is_speech_under_way(self) -> bool:
        """Whether the agent may have said more than was heard."""
        queued = self._playout.queued_seconds
        is_pending = queued > PENDING_SECONDS and self._playout.arrivals.is_loud(queued)
        return is_pending or self._network.stands_still

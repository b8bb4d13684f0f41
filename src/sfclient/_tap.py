"""What both sides of a call say, with its times, while it is said: for avatars and transcripts."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import trio

from sfaudio import CaptureQueue
from sfclient._ear import Ear
from sfclient._events import Speaker
from sfclient._recording import TAP_SECONDS

LOOK_SECONDS = 0.02  # between looks at what was played: a word's movement of the lips lasts longer
UNREAD_BYTES = 1 << 20  # of both sides: ten seconds at 48 kHz


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of what one side said."""

    speaker: Speaker
    at: float
    """When its first frame was recorded, or heard from the loudspeaker: seconds since `open_call` was entered."""
    samplerate: int
    """In Hz."""
    pcm: bytes = field(repr=False)
    """PCM16 mono; the caller's as it is sent, silent when muted; the agent's as it is played, silence included."""


@dataclass(frozen=True, slots=True)
class TapStatistics:
    """PCM of both sides: ``tapped_bytes == read_bytes + unread_bytes + dropped_bytes``."""

    tapped_bytes: int = 0
    read_bytes: int = 0
    unread_bytes: int = 0
    dropped_bytes: int = 0
    """The oldest, which nobody read in time."""


class PlayedSource(Protocol):
    """Who takes what the device plays for others too: a recorder, or a cassette's."""

    played: CaptureQueue
    """Where the device writes it."""
    listener: Callable[[bytes], None] | None
    """Is told of it."""

    def take_played(self) -> None:
        """Take it."""


class Tap:
    """Iterate over it for each `Sound`, until the call is over; tasks that do so at the same time share what comes.

    For the thread that runs trio. Who reads late gets the latest megabyte, and the rest is counted. `samplerates` are
    those of what is sent and of what is played, in Hz. It lasts for all attempts of a call that is redialled.
    """

    def __init__(self, samplerates: tuple[int, int]) -> None:
        self._samplerates: dict[Speaker, int] = dict(
            zip(("caller", "agent"), samplerates, strict=True)
        )
        self._recorder: PlayedSource | None = None
        self._agent: Ear | None = None
        self._unread: deque[Sound] = deque()
        self._tapped_bytes = self._read_bytes = self._unread_bytes = self._dropped_bytes = 0
        self._news = trio.lowlevel.ParkingLot()
        self._is_over = False

    def __aiter__(self) -> "Tap":
        return self

    async def __anext__(self) -> Sound:
        await trio.lowlevel.checkpoint()
        while True:
            with suppress(trio.WouldBlock):
                return self.take_nowait()
            await self._news.park()

    def take_nowait(self) -> Sound:
        """The next, but raises `trio.WouldBlock` where iteration would wait; after the end in any thread."""
        if not self._unread:
            raise StopAsyncIteration if self._is_over else trio.WouldBlock
        sound = self._unread.popleft()
        self._unread_bytes -= len(sound.pcm)
        self._read_bytes += len(sound.pcm)
        return sound

    def add(self, speaker: Speaker, until: float, pcm: bytes) -> None:
        """What this side said, up to then. Never waits: the oldest gives way."""
        samplerate = self._samplerates[speaker]
        self._unread.append(Sound(speaker, until - len(pcm) / 2 / samplerate, samplerate, pcm))
        self._tapped_bytes += len(pcm)
        self._unread_bytes += len(pcm)
        while self._unread_bytes > UNREAD_BYTES and len(self._unread) > 1:
            dropped = len(self._unread.popleft().pcm)
            self._unread_bytes -= dropped
            self._dropped_bytes += dropped
        self._news.unpark_all()

    def listen(self, recorder: PlayedSource | None) -> None:
        """To what is played from now on, which somebody else takes already if this is not None."""
        self._agent = None
        self._recorder = recorder
        if recorder:
            recorder.listener = self._add_played
            self.played = recorder.played
        else:
            self.played = CaptureQueue(round(TAP_SECONDS * self._samplerates["agent"]))

    async def run(self, agent: Ear) -> None:
        """Take what is played, until cancelled."""
        self._agent = agent
        try:
            while True:
                await trio.sleep(LOOK_SECONDS)
                self._take_played()
        finally:
            self._take_played()

    def _take_played(self) -> None:
        if self._recorder:
            self._recorder.take_played()
        else:
            self._add_played(self.played.read(self.played.capacity))

    def _add_played(self, pcm: bytes) -> None:
        until = self._agent.heard_until if self._agent else None
        if pcm and until is not None:
            self.add("agent", until, pcm)

    def close(self) -> None:
        """There is no more to come."""
        self._is_over = True
        self._news.unpark_all()

    def statistics(self) -> TapStatistics:
        """What became of all that was tapped so far."""
        return TapStatistics(
            self._tapped_bytes, self._read_bytes, self._unread_bytes, self._dropped_bytes
        )

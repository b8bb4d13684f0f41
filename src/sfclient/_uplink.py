"""The caller's speech on its way to the wire: chunks, a steady clock, mute, and what is too late.

A chunk is taken from what was captured when it is due, and not before.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

import trio

from sfclient._captured import Captured, CaptureStatistics
from sfclient._devices import DeviceWaits, Waits
from sfclient._errors import DeviceError
from sfclient._nursery import open_unwrapped_nursery
from sfclient._recording import Recorder
from sfclient._running import TICK_SECONDS, running_time

FIRST_SOUND_SECONDS = 5.0  # a microphone that has recorded nothing by then is broken
# When a message has taken so long to leave though the program ran, the network stalls, and what was
# recorded meanwhile is not worth sending: the agent would answer to what was said before.
STALE_SECONDS = 1.0
# A chunk that comes so much too late takes along all that was recorded meanwhile.
LATE_SECONDS = 0.2
# On a steady clock: a chunk waits so long for the microphone, and is so close to the one before it
# at most. When it is later than the backlog, speech that is older than it is dropped.
GRACE_BEATS = 0.5
CLOSEST_BEATS = 0.75
BACKLOG_SECONDS = 0.2
# Clocks of sound cards differ by less than one in a thousand; a block more or less is settled in
# seconds.
LEAN = 0.01
LEANING_SECONDS = 1.0


class Chunk(NamedTuple):
    """What one message carries."""

    data: bytes
    """PCM16 mono at the wire's rate."""
    padded_frames: int = 0
    """Zeros at its end, for which the microphone was late."""
    lost_frames: int = 0
    """Of the caller's speech, dropped between the chunk before it and this one."""

    @property
    def speech(self) -> bytes:
        """Without the padding."""
        return self.data[: len(self.data) - 2 * self.padded_frames]


NOTHING = Chunk(b"")

# Of PCM16 at the wire's rate, and how many seconds before all that was recorded it ended.
Listener = Callable[[bytes, float], None]


class Uplink:
    """From the capture queue to a chunk whenever one is recorded."""

    def __init__(
        self,
        captured: Captured,
        chunk_frames: int,
        recorder: Recorder | None = None,
        line: Waits | None = None,
    ) -> None:
        self.captured = captured
        self.muted = False
        """Whether chunks are silent instead of the microphone, at the same pace."""
        self._chunk_frames = chunk_frames
        self._recorder = recorder
        self.listeners: list[Listener] = []
        """Are told what the caller says, as it is sent."""
        self.meter: Listener | None = None
        """Is told the same before that, muted or not."""
        self._line = line or DeviceWaits()
        self._in_hand = NOTHING
        self._told = 0, 0  # frames lost and padded, of which chunks have told

    async def wait_recorded(self) -> None:
        """Wait for the first chunk. Raises `DeviceError` if it does not come."""
        with trio.move_on_after(FIRST_SOUND_SECONDS) as patience:
            await self._recorded(self._chunk_frames)
        if patience.cancelled_caught:
            await self._line.catch_up()
        if self.captured.available < self._chunk_frames:
            raise DeviceError(
                f"the microphone recorded nothing for {FIRST_SOUND_SECONDS:g} s: is it in use?"
            )

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand one chunk after another to `send`, until it raises or this is cancelled."""
        time = running_time()
        async with open_unwrapped_nursery() as nursery:
            nursery.start_soon(time.keep)
            while True:
                await trio.lowlevel.checkpoint_if_cancelled()  # or a chunk would stay in hand
                chunk = await self.next_chunk()
                began = time.ticks
                await send(chunk.data)
                self.sent((time.ticks - began) * TICK_SECONDS)

    async def next_chunk(self) -> Chunk:
        """Wait until a chunk is recorded, and take it: it is in hand until it was `sent`.

        When the program was kept from sending for a while, this is all that waits, as one chunk: each message costs a
        busy program a wait of its own, and one at a time it would never catch up.
        """
        await self._recorded(self._chunk_frames)
        chunks = self.captured.available // self._chunk_frames
        if chunks * self._chunk_frames < LATE_SECONDS * self.captured.rates[1]:
            chunks = 1
        return self._take(chunks * self._chunk_frames)

    async def _recorded(self, frames: int) -> None:
        """Wait until so many frames of the wire are there."""
        queue = self.captured.queue
        needed = self.captured.queued_for(frames)
        missing = needed - queue.queued_frames
        while queue.queued_frames < needed:
            await self._line.wait_recorded(missing / self.captured.rates[0])
            missing = 0

    def _take(self, frames: int) -> Chunk:
        captured = self.captured
        data, behind = captured.take(frames), captured.behind_seconds
        known_losses, known_padding = self._told
        self._told = losses, padding = captured.lost_frames, captured.padded_frames
        chunk = Chunk(data, padding - known_padding, losses - known_losses)
        if self.meter is not None:
            self.meter(chunk.speech, behind)
        if self.muted:
            chunk = chunk._replace(data=bytes(len(data)))
        self._in_hand = chunk
        for listener in self.listeners:
            listener(chunk.speech, behind)
        return chunk

    def sent(self, seconds: float) -> None:
        """The chunk in hand has left, which took so long, not counting when the program was kept from running."""
        if self._recorder is not None:
            self._recorder.caller(self._in_hand.speech, self._in_hand.lost_frames)
        self._in_hand = NOTHING
        if seconds > STALE_SECONDS:
            self.captured.drop(self.captured.queue.queued_frames)

    def close(self) -> None:
        """Nothing more is sent, and the device has stopped: what is left counts as dropped."""
        self.captured.close()

    def statistics(self) -> CaptureStatistics:
        """In frames of the wire."""
        told = self.captured.statistics()
        in_hand = len(self._in_hand.speech) // 2
        return replace(
            told,
            sent_frames=told.sent_frames - in_hand,
            in_hand_frames=in_hand,
            padded_frames=told.padded_frames - self._in_hand.padded_frames,
        )


class PacedUplink(Uplink):
    """From the capture queue to a chunk at each beat of a steady clock.

    Zeros fill up a chunk for which the microphone is late. Beats that were missed are made up for little by little, no
    chunk closer than `CLOSEST_BEATS` to the one before it; after more than `BACKLOG_SECONDS` the rest is dropped. The
    clock leans to the device's own by at most `LEAN`, so that between the two neither zeros nor delay pile up.
    """

    _due = math.inf  # when the next chunk is
    _last = -math.inf
    _lean = 1.0
    _fewest = math.inf  # frames that a chunk left behind since the clock leaned
    _beats = 0  # since then

    async def next_chunk(self) -> Chunk:
        """Wait for the next beat, and take a chunk."""
        beat = self._chunk_frames / self.captured.rates[1]
        backlog = max(BACKLOG_SECONDS, 2 * beat)
        if self._due == math.inf:
            await self._recorded(self._chunk_frames)
            self._due = trio.current_time() + beat / 2  # a cushion for blocks that are late
        await self._line.sleep_until(self._due)
        if self.captured.available < self._chunk_frames:
            with trio.move_on_after(GRACE_BEATS * beat):
                await self._recorded(self._chunk_frames)
        closest = self._last + CLOSEST_BEATS * beat
        if closest > trio.current_time():
            # To the moment: by the clock of a line it might make up for nothing.
            await trio.sleep_until(closest)
        self._last = trio.current_time()
        late = self._last - self._due
        if late > backlog:
            queue, samplerate = self.captured.queue, self.captured.rates[0]
            if queue.queued_frames < (late - beat) * samplerate:
                await self._line.catch_up()  # or who is woken first would decide what is too old
                self._last = trio.current_time()
            too_old = queue.queued_frames - round((beat + backlog) * samplerate)
            self.captured.drop(max(0, too_old))
            # As if what is left had been recorded just now, with the cushion of the start.
            left = queue.queued_frames / samplerate
            self._due = self._last - max(0, left - beat) + beat / 2
        self._due += self._lean * beat
        chunk = self._take(self._chunk_frames)
        self._beats += 1
        self._fewest = min(self._fewest, self.captured.available)
        if not chunk.speech:  # the device has stopped: there is nothing to lean to
            self._fewest, self._beats, self._lean = math.inf, 0, 1.0
        elif self._beats * beat >= LEANING_SECONDS:
            # Keep the fewest frames that a chunk leaves behind between an eighth of a chunk and a whole one.
            slower = self._fewest < self._chunk_frames // 8
            faster = self._fewest > self._chunk_frames
            self._fewest, self._beats, self._lean = math.inf, 0, 1 + LEAN * (slower - faster)
        return chunk

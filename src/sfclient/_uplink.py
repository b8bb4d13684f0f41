"""The caller's speech on its way to the wire: chunks, a steady clock, mute, and what is too late.

It waits in the capture queue, at the device's rate, and nowhere else: a chunk is taken when it is due.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

import trio

from sfaudio import CaptureQueue
from sfclient._devices import DeviceWaits, Waits
from sfclient._errors import DeviceError
from sfclient._nursery import open_unwrapped_nursery
from sfclient._rates import at_rate, resampler_between
from sfclient._recording import Recorder
from sfclient._running import TICK_SECONDS, running_time

# How long Python may be kept from sending without a loss: four threads that hold the GIL for 100 ms
# at a time have kept it for 6.6 s.
CAPTURE_SECONDS = 20.0
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


@dataclass(frozen=True, slots=True)
class CaptureStatistics:
    """The caller's speech, in frames of the wire: ``captured + ahead == sent + in_hand + queued + dropped``."""

    captured_frames: int = 0
    sent_frames: int = 0
    in_hand_frames: int = 0
    """In the message that is leaving, or that was when the call ended."""
    queued_frames: int = 0
    dropped_frames: int = 0
    """Too old to be sent when the network stalled, or the program a steady clock; or left over at the end."""
    ahead_frames: int = 0
    """What resampling has rounded up, less what it holds back."""
    padded_frames: int = 0
    """Zeros sent beside them, where a steady clock was due and the microphone late."""
    overruns: int = 0
    """Times that frames were dropped as too old."""


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


class Uplink:
    """From the capture queue to a chunk whenever one is recorded."""

    def __init__(
        self,
        device_samplerate: int,
        wire_samplerate: int,
        chunk_frames: int,
        recorder: Recorder | None = None,
        line: Waits | None = None,
    ) -> None:
        self._resampler = resampler_between(device_samplerate, wire_samplerate)
        self.queue = CaptureQueue(round(CAPTURE_SECONDS * device_samplerate))
        self.muted = False
        """Whether chunks are silent instead of the microphone, at the same pace."""
        self._rates = device_samplerate, wire_samplerate
        self._chunk_frames = chunk_frames
        self._recorder = recorder
        self.listener: Callable[[bytes, float], None] | None = None
        """Is told what the caller says, and how many seconds before all that was recorded it ended."""
        self._line = line or DeviceWaits()
        self._in_hand = NOTHING
        self._told = 0, 0  # frames lost and padded, of which chunks have told

    async def wait_recorded(self) -> None:
        """Wait for the first chunk. Raises `DeviceError` if it does not come."""
        with trio.move_on_after(FIRST_SOUND_SECONDS) as patience:
            await self._recorded(self._chunk_frames)
        if patience.cancelled_caught:
            await self._line.catch_up()
        if self._available < self._chunk_frames:
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
        chunks = self._available // self._chunk_frames
        if chunks * self._chunk_frames < LATE_SECONDS * self._rates[1]:
            chunks = 1
        return self._take(chunks * self._chunk_frames)

    async def _recorded(self, frames: int) -> None:
        """Wait until so many frames of the wire are there."""
        if self._resampler is not None:
            frames = self._resampler.input_frames(frames)
        missing = frames - self.queue.queued_frames
        while self.queue.queued_frames < frames:
            await self._line.wait_recorded(missing / self._rates[0])
            missing = 0

    @property
    def _available(self) -> int:
        """Frames of the wire that the queue has."""
        queued = self.queue.queued_frames
        return queued if self._resampler is None else self._resampler.output_frames(queued)

    def _take(self, frames: int) -> Chunk:
        if self._resampler is None:
            data = self.queue.read(frames, pad=True)
        else:
            block = self.queue.read(self._resampler.input_frames(frames))
            data = self._resampler.process(block, frames).tobytes()
        known_losses, known_padding = self._told
        self._told = losses, padding = self._lost_and_padded()
        self._in_hand = Chunk(
            bytes(len(data)) if self.muted else data,
            padding - known_padding,
            losses - known_losses,
        )
        if self.listener is not None:
            self.listener(self._in_hand.speech, self.queue.queued_frames / self._rates[0])
        return self._in_hand

    def _lost_and_padded(self) -> tuple[int, int]:
        """Frames at the wire's rate."""
        lost = self.queue.dropped_frames * self._rates[1] // self._rates[0]
        if self._resampler is None:
            return lost, self.queue.padded_frames
        return lost, self._resampler.statistics().padded_frames

    def sent(self, seconds: float) -> None:
        """The chunk in hand has left, which took so long, not counting when the program was kept from running."""
        if self._recorder is not None:
            self._recorder.caller(self._in_hand.speech, self._in_hand.lost_frames)
        self._in_hand = NOTHING
        if seconds > STALE_SECONDS:
            self.queue.drop(self.queue.queued_frames)

    def close(self) -> None:
        """Nothing more is sent, and the device has stopped: what is queued counts as dropped."""
        self.queue.flush()

    def statistics(self) -> CaptureStatistics:
        """The counters of queue and resampler, in frames of the wire."""
        counts = self.queue.statistics()
        taken, ahead = counts.read_frames, 0
        if self._resampler is not None:
            made = self._resampler.statistics()
            taken, ahead = made.output_frames, -(-made.ahead_ticks // self._rates[0])
        in_hand = len(self._in_hand.speech) // 2
        (captured,) = at_rate([counts.written_frames], *self._rates)
        _, dropped, queued = at_rate(
            [counts.read_frames, counts.dropped_frames, counts.queued_frames], *self._rates
        )
        return CaptureStatistics(
            captured_frames=captured,
            sent_frames=taken - in_hand,
            in_hand_frames=in_hand,
            queued_frames=queued,
            dropped_frames=dropped,
            ahead_frames=ahead,
            padded_frames=self._lost_and_padded()[1] - self._in_hand.padded_frames,
            overruns=counts.overruns,
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
        beat = self._chunk_frames / self._rates[1]
        backlog = max(BACKLOG_SECONDS, 2 * beat)
        if self._due == math.inf:
            await self._recorded(self._chunk_frames)
            self._due = trio.current_time() + beat / 2  # a cushion for blocks that are late
        await self._line.sleep_until(self._due)
        if self._available < self._chunk_frames:
            with trio.move_on_after(GRACE_BEATS * beat):
                await self._recorded(self._chunk_frames)
        closest = self._last + CLOSEST_BEATS * beat
        if closest > trio.current_time():
            # To the moment: by the clock of a line it might make up for nothing.
            await trio.sleep_until(closest)
        self._last = trio.current_time()
        late = self._last - self._due
        if late > backlog:
            if self.queue.queued_frames < (late - beat) * self._rates[0]:
                await self._line.catch_up()  # or who is woken first would decide what is too old
                self._last = trio.current_time()
            too_old = self.queue.queued_frames - round((beat + backlog) * self._rates[0])
            self.queue.drop(max(0, too_old))
            # As if what is left had been recorded just now, with the cushion of the start.
            left = self.queue.queued_frames / self._rates[0]
            self._due = self._last - max(0, left - beat) + beat / 2
        self._due += self._lean * beat
        chunk = self._take(self._chunk_frames)
        self._beats += 1
        self._fewest = min(self._fewest, self._available)
        if not chunk.speech:  # the device has stopped: there is nothing to lean to
            self._fewest, self._beats, self._lean = math.inf, 0, 1.0
        elif self._beats * beat >= LEANING_SECONDS:
            # Keep the fewest frames that a chunk leaves behind between an eighth of a chunk and a whole one.
            slower = self._fewest < self._chunk_frames // 8
            faster = self._fewest > self._chunk_frames
            self._fewest, self._beats, self._lean = math.inf, 0, 1 + LEAN * (slower - faster)
        return chunk

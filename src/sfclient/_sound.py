"""The two directions of a call's sound, in frames of the wire: queues, and resampling where a
device runs otherwise."""

import math
from dataclasses import dataclass

import trio

from sfaudio import CaptureQueue, JitterBuffer, Resampler

# How long Python may be kept from sending without a loss: four threads that hold the GIL for 100 ms
# at a time have kept it for 6.6 s.
CAPTURE_SECONDS = 20.0
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
# A minute of speech may arrive in a second; beyond this the network is made to wait.
PLAYOUT_SECONDS = 180.0
# Gathered before the agent's speech (re)starts: three of the 20 ms messages that most services
# send.
PREFILL_SECONDS = 0.06
FADE_SECONDS = 0.005
FULL_SECONDS = 0.02  # between looks at a full queue
SHORTEST_SLEEP_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class CaptureStatistics:
    """The caller's speech, in frames of the wire: ``captured == sent + queued + dropped``."""

    captured_frames: int = 0
    sent_frames: int = 0
    queued_frames: int = 0
    dropped_frames: int = 0
    """Too old to be sent when the network stalled, or left over at the end."""
    padded_frames: int = 0
    """Zeros sent beside them, where a steady clock was due and the microphone late."""
    overruns: int = 0
    """Times that frames were dropped because the network stalled."""


@dataclass(frozen=True, slots=True)
class PlayoutStatistics:
    """The agent's speech, in frames of the wire: ``received == played + queued + dropped``."""

    received_frames: int = 0
    played_frames: int = 0
    queued_frames: int = 0
    dropped_frames: int = 0
    """Thrown away by a flush, or left over at the end."""
    padded_frames: int = 0
    """Silence played where nothing was queued, before the first word and between sentences too."""
    underruns: int = 0
    """Times that playing ran empty: the end of a sentence, or a gap in it."""


class Capture:
    """From the capture queue to chunks for the wire."""

    def __init__(self, device_samplerate: int, wire_samplerate: int, chunk_frames: int) -> None:
        self._resampler = _resampler(
            device_samplerate, wire_samplerate
        )  # it knows impossible rates
        self.queue = CaptureQueue(round(CAPTURE_SECONDS * device_samplerate))
        self._samplerate = device_samplerate
        self._wire_samplerate = wire_samplerate
        self._chunk_frames = chunk_frames
        self._ready = bytearray()  # taken from the queue, not yet a chunk
        self.missing_frames = 0
        """Of the last chunk, filled up with zeros at its end."""
        self._sent_frames = 0
        self._padded_frames = 0
        self._late_frames = 0  # dropped after they were taken from the queue
        self._stalls = 0
        self._closed = False

    async def next_chunk(self) -> bytes:
        """Wait until a chunk is recorded, and take it: PCM16 mono at the wire's rate.

        When the program was kept from sending for a while, this is all that waits, as one chunk: each message costs a
        busy program a wait of its own, and one at a time it would never catch up.
        """
        await self._chunk_recorded()
        chunks = len(self._ready) // (2 * self._chunk_frames)
        if chunks * self._chunk_frames < LATE_SECONDS * self._wire_samplerate:
            chunks = 1
        chunk = bytes(self._ready[: 2 * chunks * self._chunk_frames])
        del self._ready[: len(chunk)]
        return chunk

    async def _chunk_recorded(self) -> None:
        self._take()
        while (missing := self._chunk_frames - len(self._ready) // 2) > 0:
            await self._recorded(max(1, missing * self._samplerate // self._wire_samplerate))
            self._take()

    def _take(self) -> None:
        block = self.queue.read(self.queue.queued_frames)
        self._ready += self._resampler.process(block).tobytes() if self._resampler else block

    async def _recorded(self, frames: int) -> None:
        """Sleep until so many frames are queued: until just before they are due, then in short steps.

        So the wait settles to the moments at which the device delivers, whatever its block.
        """
        pause = (frames - self.queue.queued_frames) / self._samplerate - SHORTEST_SLEEP_SECONDS
        while self.queue.queued_frames < frames:
            await trio.sleep(max(pause, SHORTEST_SLEEP_SECONDS))
            pause = 0.0

    def sent(self, chunk: bytes, seconds: float) -> None:
        """Count a chunk that took so long to leave, not counting when the program was kept from running."""
        self._sent_frames += len(chunk) // 2
        self._padded_frames += self.missing_frames
        if seconds > STALE_SECONDS:
            self.queue.flush()
            self._late_frames += len(self._ready) // 2
            self._ready.clear()
            self._stalls += 1

    def close(self) -> None:
        """Nothing more is sent, and the device has stopped: what is left counts as dropped."""
        self._closed = True

    @property
    def lost_frames(self) -> int:
        """Frames of the wire lost to a stalled network; what follows them was recorded that much
        later."""
        return self._of_the_wire(self.queue.statistics().dropped_frames) + self._late_frames

    def statistics(self) -> CaptureStatistics:
        counts = self.queue.statistics()
        dropped = self._of_the_wire(counts.dropped_frames) + self._late_frames
        sent = self._sent_frames - self._padded_frames
        unsent = max(0, self._of_the_wire(counts.written_frames) - dropped - sent)
        return CaptureStatistics(
            captured_frames=sent + unsent + dropped,
            sent_frames=sent,
            padded_frames=self._padded_frames,
            queued_frames=0 if self._closed else unsent,
            dropped_frames=dropped + unsent if self._closed else dropped,
            overruns=counts.overruns + self._stalls,
        )

    def _of_the_wire(self, frames: int) -> int:
        return -(-frames * self._wire_samplerate // self._samplerate)


class PacedCapture(Capture):
    """From the capture queue to a chunk at each beat of a steady clock.

    Zeros fill up a chunk for which the microphone is late. Beats that were missed are made up for little by little, no
    chunk closer than `CLOSEST_BEATS` to the one before it; after more than `BACKLOG_SECONDS` the rest is dropped. The
    clock leans to the device's own by at most `LEAN`, so that between the two neither zeros nor delay pile up.
    """

    def __init__(self, device_samplerate: int, wire_samplerate: int, chunk_frames: int) -> None:
        super().__init__(device_samplerate, wire_samplerate, chunk_frames)
        self._beat = chunk_frames / wire_samplerate
        self._backlog = max(BACKLOG_SECONDS, 2 * self._beat)
        self._due = math.inf
        self._last = -math.inf
        self._lean = 1.0
        self._levels: list[int] = []  # frames left behind by each chunk since the clock leaned

    async def next_chunk(self) -> bytes:
        """Wait for the next beat, and take a chunk: PCM16 mono at the wire's rate."""
        if self._due == math.inf:
            await self._chunk_recorded()
            self._due = trio.current_time() + self._beat / 2  # a cushion for blocks that are late
        await _sleep_until(self._due)
        with trio.move_on_after(GRACE_BEATS * self._beat):
            await self._chunk_recorded()
        await _sleep_until(self._last + CLOSEST_BEATS * self._beat)
        self._last = trio.current_time()
        if self._last > self._due + self._backlog:
            self._drop_all_but(self._chunk_frames + round(self._backlog * self._wire_samplerate))
            # As if what is left had been recorded just now, with the cushion of the start.
            self._due = self._last - self._backlog + self._beat / 2
        self._due += self._lean * self._beat
        chunk = bytes(self._ready[: 2 * self._chunk_frames])
        del self._ready[: len(chunk)]
        self.missing_frames = self._chunk_frames - len(chunk) // 2
        self._lean_to_the_device(len(self._ready) // 2 if chunk else None)
        return chunk + bytes(2 * self.missing_frames)

    def _drop_all_but(self, frames: int) -> None:
        late = len(self._ready) // 2 - frames
        if late > 0:
            del self._ready[: 2 * late]
            self._late_frames += late
            self._stalls += 1

    def _lean_to_the_device(self, level: int | None) -> None:
        """Keep the fewest frames that a chunk leaves behind between an eighth of a chunk and a whole one.

        None: the device has stopped, so there is nothing to lean to.
        """
        if level is None:
            self._levels.clear()
            self._lean = 1.0
            return
        self._levels.append(level)
        if len(self._levels) * self._beat < LEANING_SECONDS:
            return
        fewest = min(self._levels)
        self._levels.clear()
        slower, faster = fewest < self._chunk_frames // 8, fewest > self._chunk_frames
        self._lean = 1 + LEAN * (slower - faster)


async def _sleep_until(deadline: float) -> None:
    """Costs nothing if it has passed: in a program under load, each checkpoint is a wait."""
    if deadline > trio.current_time():
        await trio.sleep_until(deadline)


class Playout:
    """From bytes of the wire to the playout queue."""

    def __init__(self, wire_samplerate: int, device_samplerate: int) -> None:
        self.queue = JitterBuffer(
            round(PLAYOUT_SECONDS * device_samplerate),
            prefill=round(PREFILL_SECONDS * device_samplerate),
            fade=round(FADE_SECONDS * device_samplerate),
        )
        self.full = False
        """The queue is full, and the network is being made to wait."""
        self._wire_samplerate = wire_samplerate
        self._samplerate = device_samplerate
        self._resampler = _resampler(wire_samplerate, device_samplerate)
        self._received_bytes = 0
        self._half = b""  # the first byte of a sample that was split
        self._flushes = 0
        self._waiting_frames = 0  # received, but not queued for lack of room
        self._refused_frames = 0  # of those, thrown away by a flush

    async def play(self, data: bytes) -> None:
        """Queue speech, split anywhere. Waits while the queue is full."""
        self._received_bytes += len(data)
        if self._half:
            data = self._half + data
        whole = len(data) & ~1
        self._half = data[whole:]
        pcm = memoryview(data)[:whole]
        if self._resampler is not None:
            pcm = memoryview(self._resampler.process(pcm).tobytes())
        await self._queue(pcm)

    async def _queue(self, pcm: memoryview) -> None:
        flushes = self._flushes
        pcm = pcm[self.queue.write(pcm) :]
        try:
            while pcm and flushes == self._flushes:
                self.full = True
                self._waiting_frames = len(pcm) // 2
                await trio.sleep(FULL_SECONDS)
                if flushes == self._flushes:
                    pcm = pcm[self.queue.write(pcm) :]
        finally:
            self.full = False
            self._waiting_frames = 0
            self._refused_frames += len(pcm) // 2

    @property
    def pending(self) -> bool:
        """Whether something that was received has yet to sound."""
        return self.queue.queued_frames > 0 or self._waiting_frames > 0

    def flush(self) -> None:
        """Throw away all that was received; what sounds is faded out."""
        self._flushes += 1
        self.queue.flush()
        if self._resampler is not None:
            self._resampler.reset()

    async def drain(self, latency: float) -> None:
        """Wait until all that was received has sounded, which is `latency` seconds after it was played."""
        if self._resampler is not None:
            rest = bytes(2 * math.ceil(self._resampler.delay * self._wire_samplerate))
            await self._queue(memoryview(self._resampler.process(rest).tobytes()))
        self.queue.drain()
        while queued := self.queue.queued_frames:  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(max(queued / self._samplerate, SHORTEST_SLEEP_SECONDS))
        await trio.sleep(latency)

    def close(self) -> None:
        """The device has stopped: what is left counts as dropped."""
        self.queue.abort()
        self._refused_frames += self._waiting_frames
        self._waiting_frames = 0

    def statistics(self) -> PlayoutStatistics:
        counts = self.queue.statistics()
        received = self._received_bytes // 2
        queued = self._of_the_wire(counts.queued_frames + self._waiting_frames)
        dropped = self._of_the_wire(counts.dropped_frames + self._refused_frames)
        return PlayoutStatistics(
            received_frames=received,
            # What a resampler holds back and rounds is neither queued nor dropped.
            played_frames=counts.read_frames
            if self._resampler is None
            else received - queued - dropped,
            queued_frames=queued,
            dropped_frames=dropped,
            padded_frames=self._of_the_wire(counts.padded_frames),
            underruns=counts.underruns,
        )

    def _of_the_wire(self, frames: int) -> int:
        return frames * self._wire_samplerate // self._samplerate


def _resampler(samplerate_in: int, samplerate_out: int) -> Resampler | None:
    return None if samplerate_in == samplerate_out else Resampler(samplerate_in, samplerate_out)

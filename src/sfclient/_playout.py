"""The agent's speech on its way from the wire to the device: played as it came, or flushed, or drained."""

from contextlib import suppress
from dataclasses import dataclass

import trio

from sfaudio import JitterBuffer
from sfclient._rates import at_rate, resampler_between

# A minute of speech may arrive in a second. What is more than the queue holds waits before it, and
# the network is read on, so that pings behind speech are heard; then the network is made to wait.
PLAYOUT_SECONDS = 180.0
READ_ON_BYTES = 8 << 20
PIECE_BYTES = 3200  # of it, queued at a time: 0.1 s at 16 kHz
PIECES_AT_ONCE = 200
# Gathered before the agent's speech (re)starts: three of the 20 ms messages that most services
# send.
PREFILL_SECONDS = 0.06
FADE_SECONDS = 0.005
LOOK_SECONDS = 0.02  # between looks at a queue that is full, or draining: a flush may empty it
# A queue that had so much gives its memory back as it is played: an agent may be silent for long after a burst.
BURST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PlayoutStatistics:
    """The agent's speech, in frames of the wire: ``received + ahead == played + in_hand + queued + dropped``."""

    received_frames: int = 0
    played_frames: int = 0
    in_hand_frames: int = 0
    """For which there is no room in the queue yet."""
    queued_frames: int = 0
    dropped_frames: int = 0
    """Thrown away by a flush, or left over at the end."""
    ahead_frames: int = 0
    """What resampling has added: rounding at each flush, and the end of the filter."""
    padded_frames: int = 0
    """Silence played where nothing was queued, before the first word and between sentences too."""
    underruns: int = 0
    """Times that playing ran empty: the end of a sentence, or a gap in it."""


class Playout:
    """From samples of the wire to the playout queue, which is at the device's rate."""

    def __init__(self, wire_samplerate: int, device_samplerate: int) -> None:
        self._resampler = resampler_between(wire_samplerate, device_samplerate)
        self.queue = JitterBuffer(
            round(PLAYOUT_SECONDS * device_samplerate),
            prefill=round(PREFILL_SECONDS * device_samplerate),
            fade=round(FADE_SECONDS * device_samplerate),
        )
        self._rates = device_samplerate, wire_samplerate
        self._waiting = bytearray()  # behind a full queue, as it came
        self._flushed_bytes = 0  # of what waits, the first
        self._in_hand = memoryview(b"")  # what comes next, at the device's rate
        self._in_hand_flushed = False
        self._more = trio.lowlevel.ParkingLot()  # to wait for what has no room, or a burst

    async def play(self, pcm: bytes) -> None:
        """Take PCM16 samples. Waits, and the network with it, only while more than `READ_ON_BYTES` of them wait."""
        if self._resampler is None and not self._is_behind:
            pcm = pcm[self.queue.write(pcm) :]
        if pcm:
            self._waiting += pcm
            self._fill()
        if self._is_behind or self._is_burst:
            self._more.unpark_all()
        while len(self._waiting) > READ_ON_BYTES:  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(LOOK_SECONDS)

    @property
    def _is_behind(self) -> bool:
        """Whether something that was received is not queued yet."""
        return bool(self._in_hand or self._waiting)

    @property
    def _is_burst(self) -> bool:
        """Whether much is queued."""
        return self.queue.queued_frames > BURST_SECONDS * self._rates[0]

    async def run(self) -> None:
        """Queue what waits whenever there is room, and give back the memory of what was played, until cancelled."""
        while True:
            if not self._is_behind and not self._is_burst:
                await self._more.park()
            await trio.sleep(LOOK_SECONDS if self._is_behind else BURST_SECONDS)
            self._fill()
            self.queue.write(b"")

    def _fill(self) -> None:
        """Queue what there is room for, a part of it if it is much: others want to run too."""
        for _ in range(PIECES_AT_ONCE):
            if not self._in_hand and not self._take_in_hand():
                return
            # Less than the prefill, so that the device does not begin to play it before it is flushed.
            most = max(2, 2 * self.queue.prefill - 2) if self._in_hand_flushed else None
            taken = self.queue.write(self._in_hand[:most])
            if self._in_hand_flushed:
                self.queue.flush()
            self._in_hand = self._in_hand[taken:]
            if not taken:
                return

    def _take_in_hand(self) -> bool:
        """The next piece that waits, at the device's rate, either flushed or not; whether there was one."""
        piece = bytes(self._waiting[: min(PIECE_BYTES, self._flushed_bytes or PIECE_BYTES)])
        del self._waiting[: len(piece)]
        self._in_hand_flushed = self._flushed_bytes > 0
        self._flushed_bytes -= len(piece) if self._in_hand_flushed else 0
        if self._resampler is None:
            self._in_hand = memoryview(piece)
        else:
            self._in_hand = memoryview(self._resampler.process(piece).tobytes())
            if self._in_hand_flushed and not self._flushed_bytes:
                self._resampler.reset()  # nothing of it rings on in what follows
        return bool(piece)

    @property
    def pending(self) -> bool:
        """Whether something that was received has yet to sound."""
        in_hand = bool(self._in_hand) and not self._in_hand_flushed
        return self.queue.queued_frames > 0 or in_hand or len(self._waiting) > self._flushed_bytes

    def flush(self) -> None:
        """Throw away all that was received; what sounds is faded out."""
        self._flushed_bytes = len(self._waiting)
        self._in_hand_flushed = True
        self.queue.flush()
        if self._resampler is not None:
            self._resampler.reset()

    async def drain(self, latency: float) -> None:
        """Wait until all that was received has sounded, which is `latency` seconds after it was played."""
        await self._wait_queued()
        if self._resampler is not None:
            self._in_hand = memoryview(self._resampler.drain().tobytes())
            self._in_hand_flushed = False
            await self._wait_queued()
        self.queue.drain()
        while self.queue.queued_frames:  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(LOOK_SECONDS)
        await trio.sleep(latency)

    async def _wait_queued(self) -> None:
        self._fill()
        while self._is_behind:
            await trio.sleep(LOOK_SECONDS)
            self._fill()

    def close(self) -> None:
        """The device has stopped: what is left counts as dropped."""
        with suppress(
            RuntimeError
        ):  # of a device that does not let go of the queue, it stays queued
            self.queue.abort()
            while self._is_behind:
                self._fill()
                self.queue.abort()

    def statistics(self) -> PlayoutStatistics:
        """The counters of queue and resampler, in frames of the wire."""
        counts = self.queue.statistics()
        in_hand, waiting = len(self._in_hand) // 2, len(self._waiting) // 2
        taken, ahead = counts.written_frames + in_hand, 0
        if self._resampler is not None:
            made = self._resampler.statistics()
            taken, ahead = made.input_frames, made.ahead_ticks // self._rates[0]
        played, dropped, queued, in_hand = at_rate(
            [counts.read_frames, counts.dropped_frames, counts.queued_frames, in_hand], *self._rates
        )
        (padded,) = at_rate([counts.padded_frames], *self._rates)
        return PlayoutStatistics(
            received_frames=taken + waiting,
            played_frames=played,
            in_hand_frames=in_hand + waiting,
            queued_frames=queued,
            dropped_frames=dropped,
            ahead_frames=ahead,
            padded_frames=padded,
            underruns=counts.underruns,
        )

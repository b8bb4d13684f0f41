"""The agent's speech on its way from the wire to the device: played as it came, or flushed, or drained."""

from dataclasses import dataclass

import trio

from sfaudio import JitterBuffer
from sfclient._rates import at_rate, resampler_between

# A minute of speech may arrive in a second; beyond this the network is made to wait.
PLAYOUT_SECONDS = 180.0
# Gathered before the agent's speech (re)starts: three of the 20 ms messages that most services
# send.
PREFILL_SECONDS = 0.06
FADE_SECONDS = 0.005
LOOK_SECONDS = 0.02  # between looks at a queue that is full, or draining: a flush may empty it


@dataclass(frozen=True, slots=True)
class PlayoutStatistics:
    """The agent's speech, in frames of the wire: ``received + ahead == played + in_hand + queued + dropped``."""

    received_frames: int = 0
    played_frames: int = 0
    in_hand_frames: int = 0
    """Of a message for which there is no room in the queue yet."""
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
        self._in_hand = memoryview(b"")
        self._flushed_bytes = 0  # of what is in hand, the first

    async def play(self, pcm: bytes) -> None:
        """Queue PCM16 samples. Waits while the queue is full, and the network with it."""
        if self._resampler is not None:
            pcm = self._resampler.process(pcm).tobytes()
        await self._queue(pcm)

    async def _queue(self, pcm: bytes) -> None:
        # Behind what one that was cancelled has left there.
        self._in_hand = memoryview(bytes(self._in_hand) + pcm)
        while self._fill():  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(LOOK_SECONDS)

    def _fill(self) -> bool:
        """Queue what there is room for; whether something is left in hand."""
        while self._flushed_bytes:
            # Less than the prefill, so that the device does not begin to play it before it is flushed.
            piece = min(self._flushed_bytes, max(2, 2 * self.queue.prefill - 2))
            taken = self.queue.write(self._in_hand[:piece])
            self.queue.flush()
            self._in_hand = self._in_hand[taken:]
            self._flushed_bytes -= taken
            if not taken:
                return True
        self._in_hand = self._in_hand[self.queue.write(self._in_hand) :]
        return bool(self._in_hand)

    @property
    def pending(self) -> bool:
        """Whether something that was received has yet to sound."""
        return self.queue.queued_frames > 0 or len(self._in_hand) > self._flushed_bytes

    def flush(self) -> None:
        """Throw away all that was received; what sounds is faded out."""
        self._flushed_bytes = len(self._in_hand)
        self.queue.flush()
        if self._resampler is not None:
            self._resampler.reset()

    async def drain(self, latency: float) -> None:
        """Wait until all that was received has sounded, which is `latency` seconds after it was played."""
        if self._resampler is not None:
            await self._queue(self._resampler.drain().tobytes())
        self.queue.drain()
        while self.queue.queued_frames:  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(LOOK_SECONDS)
        await trio.sleep(latency)

    def close(self) -> None:
        """The device has stopped: what is left counts as dropped."""
        self.queue.abort()
        while self._fill():
            self.queue.abort()
        self.queue.abort()

    def statistics(self) -> PlayoutStatistics:
        """The counters of queue and resampler, in frames of the wire."""
        counts = self.queue.statistics()
        in_hand = len(self._in_hand) // 2
        received, ahead = counts.written_frames + in_hand, 0
        if self._resampler is not None:
            made = self._resampler.statistics()
            received, ahead = made.input_frames, made.ahead_ticks // self._rates[0]
        played, dropped, queued, in_hand = at_rate(
            [counts.read_frames, counts.dropped_frames, counts.queued_frames, in_hand], *self._rates
        )
        (padded,) = at_rate([counts.padded_frames], *self._rates)
        return PlayoutStatistics(
            received_frames=received,
            played_frames=played,
            in_hand_frames=in_hand,
            queued_frames=queued,
            dropped_frames=dropped,
            ahead_frames=ahead,
            padded_frames=padded,
            underruns=counts.underruns,
        )

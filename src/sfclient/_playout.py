"""The agent's speech on its way from the wire to the device: played as a policy says, or flushed, or drained."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

import trio

from sfaudio import JitterBuffer, PlayoutEngine
from sfclient._arrivals import Arrivals
from sfclient._errors import UsageError
from sfclient._running import TICK_SECONDS, running_time

# A minute of speech may arrive in a second. What is more than the queue holds waits before it, and
# the network is read on, so that pings behind speech are heard; then the network is made to wait.
PLAYOUT_SECONDS = 180.0
READ_ON_BYTES = 8 << 20
# What waits follows so much at a time: what trickles in looks like a lead that a paced sender keeps, which the adaptive
# policy takes for delay, and repays.
REFILL_SECONDS = 4.0
FADE_SECONDS = 0.005
LOOK_SECONDS = 0.02  # between looks at a queue that is full, or draining: a flush may empty it
RESAMPLING_SECONDS = 0.002  # by which a resampler delays at most
# A queue that had so much gives its memory back as it is played: an agent may be silent for long after a burst.
BURST_SECONDS = 1.0


class Policy(NamedTuple):
    """How what comes late is dealt with."""

    engine: Literal["adaptive", "lossless"]
    prefill_seconds: float = 0.0
    """Gathered before the agent's speech (re)starts."""


POLICIES = {
    # Gathers what the network calls for, and stretches and conceals.
    "adaptive": Policy("adaptive"),
    # Bit for bit what came, with silence between: three of the 20 ms messages that most services send.
    "lossless": Policy("lossless", 0.06),
    # The same, but plays whatever there is, as the vendor's client for browsers does.
    "browser": Policy("lossless"),
}


@dataclass(frozen=True, slots=True)
class PlayoutStatistics:
    """The agent's speech, in frames of the wire.

    ``received == played + in_hand + queued + dropped + removed - inserted``, each of them ``..._frames``. What only the
    policy ``"adaptive"`` does or knows is 0 under the others; see `sfaudio.PlayoutEngineStatistics` for W3C's words.
    """

    policy: str = ""
    """``"adaptive"``, ``"lossless"`` or ``"browser"``."""
    received_frames: int = 0
    played_frames: int = 0
    """Those that were stretched, or lengthen a pause, included."""
    in_hand_frames: int = 0
    """For which there is no room in the queue yet."""
    queued_frames: int = 0
    dropped_frames: int = 0
    """Thrown away by a flush, left over at the end, or cut out of pauses."""
    removed_frames: int = 0
    """What playing faster has saved."""
    inserted_frames: int = 0
    """What playing slower and lengthening pauses has added."""
    cut_frames: int = 0
    """Of those dropped: cut out of pauses."""
    held_frames: int = 0
    """Of those inserted: pauses lengthened."""
    padded_frames: int = 0
    """Silence played where nothing was queued, before the first word and between sentences too."""
    concealed_frames: int = 0
    """Played in place of missing speech, the silent ones included."""
    silent_concealed_frames: int = 0
    """Of these: silence, which is among those padded too."""
    concealment_events: int = 0
    """Times that playing ran empty in speech, or at the end of a sentence."""
    output_frames: int = 0
    """All that was played, whatever it was."""
    underruns: int = 0
    """Times that playing ran empty in speech, since what was missing came late. The end of a sentence is none."""
    interruptions: int = 0
    """Of these: of 150 ms or more."""
    interrupted_seconds: float = 0.0
    """How long these were together."""
    jitter_buffer_delay: float = 0.0
    """Seconds for which each frame played has been queued, all added up."""
    jitter_buffer_target_delay: float = 0.0
    """Seconds for which each should have been, all added up."""
    target_seconds: float = 0.0
    """What should be queued, now."""
    first_sound_seconds: float = 0.0
    """From when the first frame was seen queued until it was played."""
    flush_seconds: float = 0.0
    """From when the last flush was seen until silence."""
    state: str = ""
    """Of the engine, now; empty under the other policies, which have none."""


class Playout:
    """From samples of the wire to what a line reads: the engine, which gives them at the device's rate.

    Raises `UsageError` for a rate with which that cannot be done.
    """

    def __init__(self, wire_samplerate: int, device_samplerate: int, policy: str) -> None:
        self._policy = policy
        chosen = POLICIES[policy]
        self.queue = JitterBuffer(
            round(PLAYOUT_SECONDS * wire_samplerate),
            prefill=round(chosen.prefill_seconds * wire_samplerate),
            fade=round(FADE_SECONDS * wire_samplerate),
        )
        try:
            self.engine = PlayoutEngine(
                self.queue,
                samplerate=wire_samplerate,
                output_samplerate=device_samplerate,
                policy=chosen.engine,
            )
        except ValueError as error:
            raise UsageError(f"speech cannot be played with playout={policy!r}: {error}") from None
        self.arrivals = Arrivals()
        self._time = running_time()
        self._refill_frames = round(min(REFILL_SECONDS, PLAYOUT_SECONDS / 2) * wire_samplerate)
        self._is_resampled = device_samplerate != wire_samplerate
        self._resampling_frames = round(RESAMPLING_SECONDS * wire_samplerate)
        self._waiting = bytearray()  # behind a full queue, or for the other half of a sample
        self._dropped_frames = 0  # of what waited
        self._more = trio.lowlevel.ParkingLot()  # to wait for what has no room, or a burst

    async def play(self, pcm: bytes) -> None:
        """Take PCM16 samples. Waits, and the network with it, only while more than `READ_ON_BYTES` of them wait."""
        self.take(pcm)
        while len(self._waiting) > READ_ON_BYTES:  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(LOOK_SECONDS)

    def take(self, pcm: bytes) -> None:
        """The same at once, whatever waits."""
        self.arrivals.arrived(
            trio.current_time(),
            self._time.ticks * TICK_SECONDS,
            pcm,
            len(pcm) / 2 / self.engine.samplerate,
            not self.queue.queued_frames,
        )
        if not self._waiting:
            pcm = pcm[self.queue.write(pcm[: len(pcm) // 2 * 2]) :]
        if pcm:
            self._waiting += pcm
            self._fill()
        if self._is_behind or self._is_burst:
            self._more.unpark_all()

    @property
    def policy(self) -> str:
        """One of `POLICIES`."""
        return self._policy

    @property
    def _waiting_frames(self) -> int:
        return len(self._waiting) // 2

    @property
    def _is_behind(self) -> bool:
        """Whether something that was received is not queued yet."""
        return self._waiting_frames > 0

    @property
    def _is_burst(self) -> bool:
        """Whether much is queued."""
        return self.queue.queued_frames > BURST_SECONDS * self.engine.samplerate

    async def run(self) -> None:
        """Queue what waits whenever there is room, and give back the memory of what was played, until cancelled."""
        while True:
            if not self._is_behind and not self._is_burst:
                await self._more.park()
            await trio.sleep(LOOK_SECONDS if self._is_behind else BURST_SECONDS)
            self.refill()
            self.queue.write(b"")

    def refill(self) -> None:
        """Queue what waits, if there is room for much."""
        self._fill()

    def _fill(self) -> None:
        # In whole samples, so that a flush leaves no half of one.
        if self.queue.writable_frames < self._refill_frames:
            return
        with memoryview(self._waiting) as waiting:
            taken = self.queue.write(waiting[: 2 * self._waiting_frames])
        del self._waiting[:taken]

    @property
    def pending(self) -> bool:
        """Whether something that was received has yet to sound."""
        return self._is_behind or self.engine.queued_frames > 0

    @property
    def queued_seconds(self) -> float:
        """What was received and has yet to be played."""
        return (self._waiting_frames + self.engine.queued_frames) / self.engine.samplerate

    @property
    def has_speech(self) -> bool:
        """Whether some of it may be speech, if `arrivals` listen; an agent may send silence too."""
        return self.arrivals.is_loud(self.queued_seconds)

    def flush(self) -> None:
        """Throw away all that was received; what sounds is faded out."""
        self.queue.flush()
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        self._dropped_frames += self._waiting_frames
        del self._waiting[: 2 * self._waiting_frames]

    def finish(self) -> None:
        """No more is to come: what is queued is played without waiting for that."""
        self.queue.drain()

    async def drain(self, latency: float) -> None:
        """Wait until all that was received has sounded, which is `latency` seconds after it was played."""
        self.refill()
        while self._is_behind:
            await trio.sleep(LOOK_SECONDS)
            self.refill()
        self.finish()
        while self.engine.queued_frames:  # noqa: ASYNC110 -- callbacks set no events
            await trio.sleep(LOOK_SECONDS)
        if self._is_resampled:  # the end of it comes with the next block, however long a line's are
            end = self.engine.statistics().output_frames + self._resampling_frames
            while self.engine.statistics().output_frames < end:  # noqa: ASYNC110 -- callbacks set no events
                await trio.sleep(RESAMPLING_SECONDS)
        await trio.sleep(latency)

    def close(self) -> None:
        """The device has stopped: what is left counts as dropped."""
        self._drop_waiting()
        with suppress(RuntimeError):  # of a device that does not let go of it, it stays queued
            self.engine.abort()

    def statistics(self) -> PlayoutStatistics:
        """What the engine tells, and what waits before its queue."""
        told = self.engine.statistics()
        is_adaptive = self.engine.policy == "adaptive"
        return PlayoutStatistics(
            policy=self._policy,
            received_frames=told.written_frames + self._dropped_frames + self._waiting_frames,
            played_frames=told.read_frames,
            in_hand_frames=self._waiting_frames,
            queued_frames=told.queued_frames,
            dropped_frames=told.dropped_frames + self._dropped_frames,
            removed_frames=told.removed_frames,
            inserted_frames=told.inserted_frames,
            cut_frames=told.cut_frames,
            held_frames=told.held_frames,
            padded_frames=told.padded_frames,
            concealed_frames=told.concealed_frames,
            silent_concealed_frames=told.silent_concealed_frames,
            concealment_events=told.concealment_events,
            output_frames=told.output_frames,
            underruns=told.underruns_in_speech if is_adaptive else self.arrivals.underruns,
            interruptions=told.interruptions,
            interrupted_seconds=told.interrupted_seconds,
            jitter_buffer_delay=told.jitter_buffer_delay,
            jitter_buffer_target_delay=told.jitter_buffer_target_delay,
            target_seconds=told.target_seconds,
            first_sound_seconds=told.first_sound_seconds,
            flush_seconds=told.flush_seconds,
            state=told.state if is_adaptive else "",
        )

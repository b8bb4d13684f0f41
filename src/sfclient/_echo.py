"""The agent's echo taken out of what a microphone records, on its way from the capture queue to the wire.

::

    captured (device) --> resampled --+
                                      +--> echo canceller --> gate, while that leaks --> the wire
    played in the same callbacks -----+

All of it is in whole blocks of 10 ms, pair by pair, of captured frames and what was played when they were recorded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from sfaudio import EchoCanceller, EchoGate, Resampler
from sfclient._captured import Captured, CaptureStatistics
from sfclient._devices import EchoChoice, Line, Reference, ReferenceStatistics
from sfclient._errors import UsageError
from sfclient._events import EchoCancelled, EchoGated, Event
from sfclient._rates import resampler_between

BLOCKS_PER_SECOND = 100
# Of what was played while captured frames were lost: a later echo of it than the canceller and the gate look for does
# not matter.
SKIPPED_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 1.2  # that the gate takes


class Work(NamedTuple):
    """What is done to what was captured. The canceller works in each: it knows the delay, and learns on."""

    cancels: bool
    """Whether what comes out of the canceller is sent."""
    gates: bool
    if_leaking: str
    """Which is done next when the canceller leaks: when what is left of the agent is not 12 dB down for a second."""
    otherwise: str


WORKS = {
    "cancel": Work(True, False, "cancel", "cancel"),
    "gate": Work(False, True, "gate", "gate"),
    "auto": Work(True, False, "gated", "auto"),
    "gated": Work(True, True, "gated", "auto"),
}


@dataclass(frozen=True, slots=True)
class EchoStatistics:
    """What becomes of the agent's echo in what the microphone records. Durations are in seconds."""

    mode: str
    """``"auto"``, ``"cancel"`` or ``"gate"``."""
    state: str
    """Of the canceller, ``"searching"``, ``"cancelling"`` or ``"no echo"``; or ``"gating"``."""
    delay_seconds: float | None
    """From when something is played until it is recorded; None while that is not known."""
    erle_db: float | None
    """By how much the echo was weakened of late, while only the agent spoke; None if that is not known."""
    added_seconds: float
    """By which the caller's speech is later for it, now."""
    gated_seconds: float
    """For which the gate gave silence in the place of the microphone."""
    leaks: int
    """Times that the gate had to stand in for the canceller."""
    path_changes: int
    """Times that the way from loudspeaker to microphone has become another: told by a device, or found out."""
    reference: ReferenceStatistics
    """Of what was played, beside what was recorded."""


class Echo:
    """What is done to each block, at the wire's rate, in a row with what was played meanwhile.

    What comes out is as much as goes in, but for what is held at that moment. `latency` tells how long after it was
    played the device says that something is recorded, in seconds: a gate without a canceller has to believe it.
    Raises `UsageError` for a rate with which it cannot be done.
    """

    def __init__(self, mode: str, samplerate: int, latency: Callable[[], float]) -> None:
        self.mode = self._state = mode
        self.samplerate = samplerate
        self.tell: Callable[[Event], None] = lambda _: None
        """Is told when the gate stands in for the canceller, and when it does no more."""
        self._latency = latency
        self._leaks = 0
        try:
            self._canceller = EchoCanceller(samplerate)
            self._gate = EchoGate(samplerate)
        except ValueError as error:
            raise UsageError(
                f"the echo cannot be taken out of this call's sound, so choose echo='off': {error}"
            ) from None
        self.early_frames = self.latency_frames
        """That come out before the first of what went in, and are to be cut."""

    @property
    def latency_frames(self) -> int:
        """By which what comes out is later than what went in, now."""
        work = WORKS[self._state]
        seconds = work.cancels * self._canceller.latency + work.gates * self._gate.latency
        return round(seconds * self.samplerate)

    @property
    def held_frames(self) -> int:
        """That went in, and are still to come out."""
        return self.latency_frames - self.early_frames

    def forget(self) -> None:
        """What is held is not to come out any more."""
        self.early_frames = self.latency_frames

    def path_changed(self) -> None:
        """There is another loudspeaker, or microphone."""
        self._canceller.path_changed()

    def skip(self, played: NDArray[np.int16]) -> None:
        """This was played while captured frames were lost."""
        self._canceller.skip(played)
        self._gate.skip(played)

    def process(self, captured: NDArray[np.int16], played: NDArray[np.int16]) -> NDArray[np.int16]:
        """What comes out when this is captured, while that is played: whole blocks of 10 ms, as many of each."""
        work = WORKS[self._state]
        cancelled = self._canceller.process(captured, played)
        told = self._canceller.statistics()
        out = cancelled if work.cancels else captured
        if work.gates:
            delay = self._latency() if told.delay_seconds is None else told.delay_seconds
            delay += work.cancels * self._canceller.latency  # of the echo in what comes out of it
            self._gate.delay_seconds = min(delay, LONGEST_DELAY_SECONDS)
            out = self._gate.process(out, played)
        else:
            self._gate.skip(played)  # it may have to stand in at any time
        return self._go_on(self._cut(out), told.is_leaking)

    def _cut(self, out: NDArray[np.int16]) -> NDArray[np.int16]:
        cut = min(self.early_frames, len(out))
        self.early_frames -= cut
        return out[cut:]

    def _go_on(self, out: NDArray[np.int16], leaks: bool) -> NDArray[np.int16]:
        """Follow the table; with what comes out besides."""
        before = WORKS[self._state]
        self._state = before.if_leaking if leaks else before.otherwise
        after = WORKS[self._state]
        if after.gates == before.gates:
            return out
        line = round(self._gate.latency * self.samplerate)
        if after.gates:
            self.early_frames += line
            self._leaks += 1
            self.tell(EchoGated())
            return out
        silence = np.zeros(line, np.int16)
        rest = self._cut(self._gate.process(silence, silence))
        self.tell(EchoCancelled())
        return np.concatenate((out, rest))

    def statistics(self, added_seconds: float, reference: ReferenceStatistics) -> EchoStatistics:
        """With what only its user knows."""
        told = self._canceller.statistics()
        return EchoStatistics(
            mode=self.mode,
            state="gating" if WORKS[self._state].gates else told.state,
            delay_seconds=told.delay_seconds,
            erle_db=told.erle_db if WORKS[self._state].cancels else None,
            added_seconds=added_seconds,
            gated_seconds=self._gate.statistics().silenced_frames / self.samplerate,
            leaks=self._leaks,
            path_changes=told.path_changes,
            reference=reference,
        )


class EchoFree(Captured):
    """Frames of the wire without the agent's echo; none is lost for it, and none made up.

    What comes out of `echo` is later than what goes in. So the first of it, which was never recorded, is left out; more
    has to be recorded before a chunk can be taken; and when what was recorded is given up, so is what is held.
    """

    def __init__(self, device_samplerate: int, echo: Echo, reference: Reference) -> None:
        super().__init__(device_samplerate, echo.samplerate)
        self.echo = echo
        self.reference = reference
        self._played_resampler = resampler_between(*self.rates)
        # Blocks of 10 ms, or as many at once as are a whole number of the device's frames.
        per_second = gcd(device_samplerate, BLOCKS_PER_SECOND)
        self._device_block, self._block = (rate // per_second for rate in self.rates)
        self._out = bytearray()  # PCM16 that was not taken yet
        self._given_frames = self._given_up_frames = self._padded_frames = 0
        self._read_frames = self._dropped_frames = 0  # of the queue
        self._changes = 0  # of the reference

    @property
    def _ready_frames(self) -> int:
        """That have come out, and were not taken."""
        return len(self._out) // 2

    @property
    def _held_frames(self) -> int:
        return self._ready_frames + self.echo.held_frames

    @property
    def _captured_blocks(self) -> int:
        return self.queue.queued_frames // self._device_block

    def _missing_blocks(self, frames: int) -> int:
        """That must go in before so many come out."""
        missing = frames - self._ready_frames
        return -(-(missing + self.echo.early_frames) // self._block) if missing > 0 else 0

    def queued_for(self, frames: int) -> int:
        return self._missing_blocks(frames) * self._device_block

    @property
    def available(self) -> int:
        captured = self._captured_blocks * self._block
        return self._ready_frames + max(0, captured - self.echo.early_frames)

    @property
    def behind_seconds(self) -> float:
        return super().behind_seconds + self._held_frames / self.rates[1]

    def take(self, frames: int) -> bytes:
        while blocks := min(self._missing_blocks(frames), self._captured_blocks):
            self._process(blocks)
        taken = bytes(self._out[: 2 * frames])
        del self._out[: 2 * frames]
        padding = bytes(2 * frames - len(taken))
        self._given_frames += len(taken) // 2
        self._padded_frames += len(padding) // 2
        return taken + padding

    def _process(self, blocks: int) -> None:
        """Take the echo out of so many."""
        captured = np.frombuffer(self.queue.read(blocks * self._device_block), np.int16)
        self._read_frames += len(captured)
        end = self._read_frames + self.queue.dropped_frames
        self._make_up_for_losses(end - len(captured))
        played = self.reference.take(end, len(captured))
        if self.reference.changes != self._changes:
            self._changes = self.reference.changes
            self.echo.path_changed()
        out = self.echo.process(
            _resampled(self._resampler, captured), _resampled(self._played_resampler, played)
        )
        self._out += out.tobytes()

    def _make_up_for_losses(self, until: int) -> None:
        """Of frames of the queue that were given up before this one: what was played meanwhile is told all the same."""
        lost = self.queue.dropped_frames - self._dropped_frames
        if not lost:
            return
        self._dropped_frames += lost
        self._give_up_held()
        lost = min(lost, round(SKIPPED_SECONDS * self.rates[0]))
        if blocks := lost // self._device_block:
            played = self.reference.take(until, blocks * self._device_block)
            self.echo.skip(_resampled(self._played_resampler, played))

    def _give_up_held(self) -> None:
        """It is older than what was given up."""
        self._given_up_frames += self._held_frames
        self._out.clear()
        self.echo.forget()

    def drop(self, frames: int) -> None:
        """In whole blocks, so that what was played is told to the frame."""
        if self.queue.drop(frames // self._device_block * self._device_block):
            self._give_up_held()

    @property
    def lost_frames(self) -> int:
        return super().lost_frames + self._given_up_frames

    @property
    def padded_frames(self) -> int:
        return self._padded_frames

    def close(self) -> None:
        super().close()
        self._give_up_held()

    def statistics(self) -> CaptureStatistics:
        """What is held is queued; when it is given up, dropped."""
        told = super().statistics()
        return replace(
            told,
            sent_frames=self._given_frames,
            queued_frames=told.queued_frames + self._held_frames,
            dropped_frames=told.dropped_frames + self._given_up_frames,
        )

    def echo_statistics(self) -> EchoStatistics:
        """What became of the echo; frames leave in whole blocks."""
        blocks = -(-self.echo.latency_frames // self._block)
        added = blocks * self._device_block / self.rates[0]
        return self.echo.statistics(added, self.reference.statistics())


def _resampled(resampler: Resampler | None, block: NDArray[np.int16]) -> NDArray[np.int16]:
    return block if resampler is None else resampler.process(block)


def check_echo(choice: str) -> None:
    """Raises `UsageError`."""
    if choice not in get_args(EchoChoice):
        raise UsageError(f"echo must be one of {', '.join(get_args(EchoChoice))}, not {choice!r}")


def open_captured(choice: str, recording: Line, playing: Line, samplerate: int) -> Captured:
    """What a call sends of what is recorded, with or without the echo of what is played, as `Audio.echo` has it.

    Raises `UsageError`.
    """
    is_heard = recording is playing and recording.is_real
    if choice == "off" or (choice == "auto" and not is_heard):
        return Captured(recording.input_samplerate, samplerate)
    if recording is not playing:
        raise UsageError(
            f"echo={choice!r} takes out of what a microphone hears what a loudspeaker plays, and one of these is no "
            "sound device in this call: name a device as input and output, or leave it out"
        )
    echo = Echo(choice, samplerate, lambda: recording.input_latency + recording.output_latency)
    return EchoFree(
        recording.input_samplerate,
        echo,
        Reference(recording.input_samplerate, recording.output_samplerate),
    )

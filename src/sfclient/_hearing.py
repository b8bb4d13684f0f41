"""What is heard on both sides of a call: levels, a silent microphone, who speaks when, how fast the agent answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, log10
from typing import NamedTuple

import numpy as np

from sfaudio import Level, Meter, MeterStatistics
from sfclient._conversation import Conversation, ConversationStatistics
from sfclient._devices import Line
from sfclient._ear import Ear
from sfclient._events import Event, Speaker
from sfclient._interruption import Interruption
from sfclient._microphone import Microphone, MicrophoneStatistics
from sfclient._recording import Recorder, RecordingStatistics
from sfclient._tap import Tap
from sfclient._voice import VoiceDetector
from sfclient._watch import CallClock

QUIETEST_DBFS = -100.0  # of digital silence; the least that 16 bits can hold is at -90.3

# A longer piece comes from a program that is kept from running: a detector would keep it even longer, since each window
# waits for the GIL anew.
BEHIND_SECONDS = 0.2


class SideLevel(NamedTuple):
    """How loud one side was in the last 0.1 s, in dB relative to full scale: from -100, digital silence, to 0."""

    peak_dbfs: float
    rms_dbfs: float
    """A square wave of full scale has 0, a sine -3."""


class Levels(NamedTuple):
    """How loud both sides are."""

    caller: SideLevel
    """As recorded, whether it is muted or not; without the echo where that is taken out."""
    agent: SideLevel
    """As played."""


@dataclass(frozen=True, slots=True)
class SoundStatistics:
    """What was heard on both sides."""

    caller: MeterStatistics
    """Of all that was recorded, in frames of the device; full scale is 1.0."""
    agent: MeterStatistics
    """Of all that was played, silence included, in frames of the device; full scale is 1.0."""
    microphone: MicrophoneStatistics


class Hearing:
    """Looks at the meters of both sides.

    Times are exact to 10 ms, the blocks of a meter. Those of the agent are as at the ear: the delays of queue and
    device are in them. Those of the caller are of when the computer got the sound; how long a microphone takes for
    that, no system tells reliably. One that hears the loudspeaker takes the agent for the caller; so where the echo is
    taken out of what it hears, the caller is heard in what is left, of `heard_samplerate`, as `heard` is told.
    """

    def __init__(
        self,
        tell: Callable[[Event], None],
        recording: Line,
        playing: Line,
        clock: CallClock,
        voice: VoiceDetector | None = None,
        tap: Tap | None = None,
        heard_samplerate: int | None = None,
        interruption: Interruption | None = None,
    ) -> None:
        self._clock = clock
        self._playing = playing
        self._hears = interruption or voice
        self._tap = tap
        self._tell = tell
        self._conversation = Conversation()
        self._microphone = Microphone(tell)
        self._is_real = recording.is_real
        self._is_lost = False
        self._offset, agent_offset = (clock.now - line.clock() for line in (recording, playing))
        self.recorded = Meter(recording.input_samplerate)
        """Of all that the microphone gives."""
        self.caller = Ear(
            "caller",
            Meter(heard_samplerate) if heard_samplerate else self.recorded,
            self._offset,
            tell,
            self._conversation,
            voice,
        )
        self.agent = Ear(
            "agent", Meter(playing.output_samplerate), agent_offset, tell, self._conversation
        )

    def look(self, now: float) -> None:
        """See `sfclient._watch.Observer`."""
        self.agent.latency = self._playing.output_latency
        for ear in (self.caller, self.agent):
            ear.look()
        self._settle(min(self.caller.settled_until, self.agent.settled_until))
        recorded_until = self.recorded.heard_until
        if self._is_real and not self._is_lost and recorded_until is not None:
            zero_seconds = self.recorded.zero_frames / self.recorded.samplerate
            self._microphone.look(recorded_until + self._offset, zero_seconds)

    def close(self) -> None:
        """Both sides have stopped."""
        for ear in (self.caller, self.agent):
            ear.close()
        self._settle(inf)
        self._hears = None  # which may know the call: a cycle would keep its queues

    def _settle(self, until: float) -> None:
        for fact in self._conversation.settle(until):
            self._tell(fact)

    def device_changed(self, is_there: bool) -> None:
        """A microphone that is lost gives zeros, and no wonder; one that has come back begins anew."""
        self._is_lost = not is_there
        self._microphone.begin(self._clock.now)

    def input_changed(self) -> None:
        self._microphone.changed(self._clock.now)

    def mute(self, muted: bool) -> None:
        self.caller.mute(muted, self._clock.now)

    def heard(self, pcm: bytes, behind: float) -> None:
        """What the microphone heard, without the echo, which ended so many seconds before all that it has given."""
        meter, until = self.caller.meter, self.recorded.heard_until
        if until is not None:
            seconds = len(pcm) // 2 / meter.samplerate
            meter.hear(np.frombuffer(pcm, np.int16), until - behind - seconds)

    def said(self, pcm: bytes, behind: float) -> None:
        """What the caller says, as it is sent, which ended so many seconds before all that the microphone has given."""
        until = (self.recorded.heard_until or 0.0) + self._offset - behind
        hears = self._hears
        if hears is not None and len(pcm) <= 2 * BEHIND_SECONDS * hears.samplerate:
            hears.hear(pcm, until)
        if self._tap is not None:
            self._tap.add("caller", until, pcm)

    def levels(self) -> Levels:
        """Of the last 0.1 s."""
        return Levels(_dbfs(self.caller.meter.level()), _dbfs(self.agent.meter.level()))

    def of_recording(self, recorder: Recorder) -> RecordingStatistics:
        """Its figures, and when it begins."""
        return replace(
            recorder.statistics(),
            begins_at=self.caller.begins_at,
            agent_begins_at=self.agent.begins_at,
        )

    def conversation(self) -> ConversationStatistics:
        return self._conversation.statistics(self.caller.heard_seconds)

    def sound(self) -> SoundStatistics:
        return SoundStatistics(
            self.recorded.statistics(),
            self.agent.meter.statistics(),
            self._microphone.statistics(),
        )

    def spoke_until(self, speaker: Speaker) -> float:
        """When this side was last heard to speak, up to now."""
        return (self.caller if speaker == "caller" else self.agent).loud_until


def _dbfs(level: Level) -> SideLevel:
    return SideLevel(*(max(QUIETEST_DBFS, 20 * log10(max(1e-6, of))) for of in level[:2]))

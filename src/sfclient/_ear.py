"""One side of a call: when speech begins and ends on it, of what its meter and a detector of voices find."""

from collections.abc import Callable
from math import inf

from sfaudio import Meter
from sfclient._conversation import Conversation
from sfclient._events import Event, Speaker, SpeechBegan, SpeechEnded
from sfclient._voice import VoiceDetector

# A beginning is known to a meter when 40 ms were loud, of blocks of 10 ms.
UNKNOWN_SECONDS = 0.05
# After what is loud the detector is sure of a voice; one that it finds later began no earlier than that.
VOICE_KNOWN_SECONDS = 0.25


class Ear:
    """Tells each beginning and end, once, of speech on one side.

    Where there is a detector, what is loud is speech from the first voice in it on; without any voice it is told when
    it is over, and is no part of the conversation. `offset` makes the call's time of the meter's.
    """

    def __init__(
        self,
        speaker: Speaker,
        meter: Meter,
        offset: float,
        tell: Callable[[Event], None],
        conversation: Conversation,
        voice: VoiceDetector | None = None,
    ) -> None:
        self.meter = meter
        self.latency = 0.0
        """Seconds from the meter to the ear."""
        self._speaker = speaker
        self._offset = offset
        self._tell = tell
        self._conversation = conversation
        self._voice = voice
        self.begins_at: float | None = None
        """When the first frame was heard; None before."""
        self.spoke_at: float | None = None
        """When speech was first heard; None before."""
        self.settled_until = -inf
        """Nothing that was before then will be told any more."""
        self._is_muted = False
        self._loud_from: float | None = None
        self._spoke_from: float | None = None
        self._ended_at = -inf  # a device that comes back with less latency would turn back the time
        self._is_speech = False  # what began then, for all that is known

    @property
    def heard_until(self) -> float | None:
        """Up to when all was heard; None before anything was."""
        return self._at(self.meter.heard_until)

    @property
    def heard_seconds(self) -> float:
        """For how long sound has flowed."""
        return (self.heard_until or 0.0) - (self.begins_at or 0.0)

    def look(self) -> None:
        """Tell what is new."""
        if self.begins_at is None:
            self._find_begin()
        # As of before: a callback may hear more meanwhile.
        heard_until, loud_until = self.heard_until, self.loud_until
        for segment in self.meter.read_segments():
            at = self._at(segment.seconds)
            assert at is not None
            if segment.is_beginning:
                self._loud_from = at
                self._look_for_speech()
            else:
                self._ceases(at)
        self._look_for_speech()
        if heard_until is not None:
            self.settled_until = self._settled(heard_until, loud_until)

    def _settled(self, heard_until: float, loud_until: float) -> float:
        if self._spoke_from is not None:
            return loud_until
        if self._loud_from is None or self._is_muted:
            return heard_until - UNKNOWN_SECONDS
        return max(self._loud_from, self._voice_known_until)

    @property
    def _voice_known_until(self) -> float:
        """A voice that is found later did not begin before then."""
        return self._voice.heard_until - VOICE_KNOWN_SECONDS if self._voice else -inf

    def _find_begin(self) -> None:
        until = self.heard_until
        seconds = self.meter.statistics().frames / self.meter.samplerate
        if until is not None and until == self.heard_until:  # or a callback came between
            self.begins_at = max(0.0, until - seconds)  # rounded, it may be before the call began

    def mute(self, muted: bool, now: float) -> None:
        """What is said while it is muted is said to nobody."""
        self.look()  # or what has ended before would be found to go on
        if muted and self._spoke_from is not None:
            self._end(min(now, self.loud_until))
        if self._loud_from is not None:
            self._loud_from = now
        self._is_muted = muted

    def close(self) -> None:
        """There is no more to be heard: what lasts has ended with its last sound."""
        self.look()
        if self._loud_from is not None:
            self._ceases(self.loud_until)

    @property
    def loud_until(self) -> float:
        """When it was loud last, up to now."""
        return self._at(self.meter.speech_until) or 0.0

    def _at(self, seconds: float | None) -> float | None:
        return None if seconds is None else seconds + self._offset + self.latency

    def _look_for_speech(self) -> None:
        """In what is loud now."""
        loud_from = self._loud_from
        if loud_from is None or self._spoke_from is not None or self._is_muted:
            return
        if self.loud_until <= loud_from:  # it was loud when it was muted, and is not any more
            return
        if self._voice is None:
            self._begin(loud_from, None)
        elif (found_at := self._voice.voice_since(loud_from)) is not None:
            self._begin(max(loud_from, found_at - VOICE_KNOWN_SECONDS), True)

    def _ceases(self, at: float) -> None:
        """What is loud has ceased to be, whatever it was."""
        self._look_for_speech()
        loud_from, self._loud_from = self._loud_from, None
        if self._spoke_from is not None:
            self._end(at)
        elif loud_from is not None and loud_from < at and not self._is_muted:
            # No voice was found in it; or none of it came to be sent, as on a network that stalls.
            is_known = self._voice is not None and self._voice.heard_until >= at
            heard_from = loud_from if is_known else max(loud_from, self._voice_known_until)
            self._begin(min(heard_from, at), False if is_known else None)
            self._end(at)

    def _begin(self, at: float, is_voice: bool | None) -> None:
        at = max(at, self._ended_at)
        self._spoke_from = at
        self._is_speech = is_voice is not False
        self._tell(SpeechBegan(self._speaker, is_voice, at=at))
        if self._is_speech:
            if self.spoke_at is None:
                self.spoke_at = at
            self._conversation.began(self._speaker, at)

    def _end(self, at: float) -> None:
        assert self._spoke_from is not None
        at = max(at, self._spoke_from)
        self._tell(SpeechEnded(self._speaker, at - self._spoke_from, at=at))
        if self._is_speech:
            self._conversation.ended(self._speaker, at)
        self._spoke_from = None
        self._ended_at = at

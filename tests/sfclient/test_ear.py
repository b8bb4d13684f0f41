"""One side of a call, of what a meter and a detector of voices find: driven by hand, on a clock of its own."""

import numpy as np
import pytest

from sfaudio import Meter
from sfclient import Interrupted, SpeechBegan, SpeechEnded
from sfclient._conversation import Conversation
from sfclient._ear import Ear
from sfclient._voice import VoiceDetector

from .conftest import noise

RATE = 16_000
BLOCK_SECONDS = 0.02
OFFSET = -1000.0  # of the meter's clock
LOOK_SECONDS = 0.1


class Model:
    """Hears a voice in what is loud and positive only, as `voice` is."""

    def process(self, data):
        return float(np.mean(np.asarray(data)) > 0.2)


def voice(seconds: float) -> np.ndarray:
    return np.abs(np.frombuffer(noise(seconds, RATE), np.int16))


def slam(seconds: float) -> np.ndarray:
    """Loud, and no voice."""
    return np.frombuffer(noise(seconds, RATE), np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.int16)


class Side:
    """A microphone whose sound comes to the meter at once, and to the detector some time later."""

    def __init__(self, *, detects: bool, behind: float = 0.06) -> None:
        self.told: list = []
        self.conversation = Conversation()
        self.voice = VoiceDetector(Model(), RATE) if detects else None
        self.ear = Ear(
            "caller", Meter(RATE), OFFSET, self.told.append, self.conversation, self.voice
        )
        self.now = 0.0
        self._behind = behind
        self._unheard: list[tuple[np.ndarray, float]] = []

    def hear(self, *parts: np.ndarray) -> None:
        sound = np.concatenate(parts)
        step = round(BLOCK_SECONDS * RATE)
        for at in range(0, len(sound), step):
            block = sound[at : at + step]
            self.ear.meter.hear(block, self.now - OFFSET)
            self.now += len(block) / RATE
            self._unheard.append((block, self.now))
            while self.voice and self._unheard and self._unheard[0][1] <= self.now - self._behind:
                heard, until = self._unheard.pop(0)
                self.voice.hear(heard.tobytes(), until)
            if round(self.now / BLOCK_SECONDS) % round(LOOK_SECONDS / BLOCK_SECONDS) == 0:
                self.ear.look()

    @property
    def spans(self) -> list[tuple]:
        """What was told: whether of a voice, from when to when."""
        begins = [event for event in self.told if isinstance(event, SpeechBegan)]
        ends = [event for event in self.told if isinstance(event, SpeechEnded)]
        assert self.told == [event for pair in zip(begins, ends, strict=True) for event in pair]
        for begin, end in zip(begins, ends, strict=True):
            assert end.seconds == pytest.approx(end.at - begin.at)
        return [
            (begin.is_voice, pytest.approx(begin.at, abs=0.011), pytest.approx(end.at, abs=0.011))
            for begin, end in zip(begins, ends, strict=True)
        ]


def test_without_a_detector_what_is_loud_is_speech():
    side = Side(detects=False)
    side.hear(silence(1), slam(0.5), silence(1), voice(0.2))
    side.ear.close()
    assert side.spans == [(None, 1.0, 1.5), (None, 2.5, 2.7)]
    assert side.conversation.statistics(2.7).caller_seconds == pytest.approx(0.7, abs=0.02)


def test_a_voice_is_told_from_what_is_only_loud():
    side = Side(detects=True)
    side.hear(silence(1), voice(0.5), silence(1), slam(0.4), silence(1))
    assert side.spans == [(True, 1.0, 1.5), (False, 2.5, 2.9)]
    assert side.conversation.statistics(4).caller_seconds == pytest.approx(0.5, abs=0.02)


def test_a_voice_is_told_while_it_speaks_and_a_slam_when_it_is_over():
    side = Side(detects=True)
    side.hear(silence(1), voice(0.2))
    assert side.told == [SpeechBegan("caller", True)]
    other = Side(detects=True)
    other.hear(silence(1), slam(1))
    assert other.told == []


def test_a_voice_that_begins_in_noise_begins_where_it_is_found():
    """A click, and then a word: they are one to the meter."""
    side = Side(detects=True)
    side.hear(silence(1), slam(1), voice(0.5), silence(1))
    ((is_voice, _, end),) = side.spans
    assert (is_voice, 2.5) == (True, end)
    assert 1.7 < side.told[0].at <= 2.0


def test_what_no_detector_heard_is_taken_for_speech():
    """Nothing is sent while the network stalls, and so nothing is looked into."""
    side = Side(detects=True, behind=100)
    side.hear(silence(1), voice(0.5), silence(1))
    assert side.spans == [(None, 1.0, 1.5)]


def test_what_is_said_while_muted_is_said_to_nobody():
    side = Side(detects=False)
    side.hear(silence(1), voice(0.5))
    side.ear.mute(True, side.now)
    side.hear(voice(1), silence(1), voice(1), silence(0.1))
    side.ear.mute(False, side.now)
    side.hear(silence(1), voice(0.5), silence(1))
    assert side.spans == [(None, 1.0, 1.5), (None, 5.6, 6.1)]


@pytest.mark.parametrize("detects", [False, True])
def test_who_is_heard_when_unmuted_begins_there(detects):
    side = Side(detects=detects)
    side.ear.mute(True, side.now)
    side.hear(silence(1), voice(1))
    side.ear.mute(False, side.now)
    side.hear(voice(0.5), silence(1))
    assert side.spans == [(True if detects else None, 2.0, 2.5)]


@pytest.mark.parametrize("detects", [False, True])
def test_who_is_unmuted_when_they_have_ceased_has_not_spoken(detects):
    side = Side(detects=detects)
    side.ear.mute(True, side.now)
    side.hear(silence(1), voice(1), silence(0.3))
    side.ear.mute(False, side.now)
    side.hear(silence(1))
    assert side.told == []


@pytest.mark.parametrize("detects", [False, True])
def test_nothing_is_told_before_what_is_settled(detects):
    """Whatever is found later, its time is no earlier: else answers would be taken out of order."""
    side = Side(detects=detects)
    settled = 0.0
    for part in (silence(1.08), voice(0.7), silence(0.6), slam(1), voice(0.3), silence(1), slam(2)):
        for at in range(0, len(part), 320):
            known = len(side.told)
            side.hear(part[at : at + 320])
            for event in side.told[known:]:
                counts = not (isinstance(event, SpeechBegan) and event.is_voice is False)
                if counts and side.ear._is_speech:
                    assert event.at >= settled - 1e-9
            settled = max(settled, side.ear.settled_until)
    assert settled > 5


def test_an_agent_who_goes_on_is_known_to_be_interrupted_at_once():
    """Not only when its speech is over."""
    side = Side(detects=False)
    side.hear(silence(1), voice(2))
    side.conversation.began("agent", 2.5)
    assert side.conversation.settle(side.ear.settled_until) == [Interrupted("agent")]


def test_where_it_begins_is_told_on_the_clock_of_the_call():
    side = Side(detects=False)
    side.now = 3.0
    assert side.ear.begins_at is None
    side.hear(silence(1.5))
    assert side.ear.begins_at == pytest.approx(3.0)
    assert side.ear.heard_seconds == pytest.approx(1.5)


def test_time_does_not_turn_back_when_a_device_comes_back_with_less_latency():
    side = Side(detects=False)
    side.ear.latency = 0.8
    side.hear(silence(1), voice(0.5), silence(0.54))
    side.ear.latency = 0.0
    side.hear(voice(0.5), silence(0.6))
    assert side.spans == [(None, 1.8, 2.3), (None, 2.3, 2.54)]
    side.conversation.settle(10)

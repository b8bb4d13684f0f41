"""When the caller has spoken up over the agent: decided on what is sent, without echo, and without clock or I/O.

Each 10 ms vote. A vote is for the caller if Silero's detector and the pitch both hear a voice, and it is louder than
the room; the one is taken in by coughs with a voice in them, the other by what is left of an echo. A count that leaks
has to reach a threshold: a voice breaks off for an unvoiced consonant, a cough is over.
"""

from collections import deque
from collections.abc import Callable, Collection
from math import ceil, inf
from statistics import fmean
from typing import NamedTuple

import numpy as np

from sfclient._errors import UsageError
from sfclient._events import AgentInterrupted
from sfclient._voice import VoiceDetector, model_rate
from sfclient._voicing import Voicing

FRAME_SECONDS = 0.01
# Of recorded voices over a cancelled echo as loud as they are, with coughs between, these two together find all within
# a few frames, and take one cough group in a hundred for a voice at most. A cough with a voice in it is voiced by 0.7.
LEAST_PROBABILITY = 0.7  # of a voice, as Silero's detector says
LEAST_VOICING = 0.8
ABOVE_FLOOR = 4.0  # in power: 6 dB
LEAK = 0.5  # of the count, in each frame without a vote
VOTES_PER_SECOND = 16.0  # that interrupt, of those asked for: the detector takes its time, and a third is clear vowels
# Two votes, of any cough; and a third of a second of vowels with hardly a breath.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 2.0
REST_SECONDS = 1.0  # after an interruption, in which the agent may learn of it

SMOOTHED_FRAMES = 3  # in a power
# The room's is the least of the last 3 s, of so many parts of so many frames.
FLOOR_PARTS, FLOOR_FRAMES = 30, 10

# More is missing between two pieces than their times jitter: something was not heard.
GAP_SECONDS = 0.1
# After its last sound the agent is heard no more: what waits then may be its next reply. So long `sfaudio.Meter` waits.
AGENT_PAUSE_SECONDS = 0.5

NO_DETECTOR = (
    "interrupt_after needs a detector of voices, which is not installed, or does not run on this system: "
    "pip install 'sfaudio[vad]'"
)


def check_interrupt_after(seconds: float | None, echo: str) -> None:
    """Beside what is done about the echo. Raises `UsageError`."""
    if seconds is None:
        return
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise UsageError(
            f"interrupt_after must be between {SHORTEST_SECONDS:g} and {LONGEST_SECONDS:g} seconds, not {seconds!r}"
        )
    if echo == "gate":
        raise UsageError(
            "interrupt_after has to hear the caller while the agent speaks, when echo='gate' sends silence: "
            "choose echo='cancel'"
        )


class Vote(NamedTuple):
    """Of a frame, for the caller."""

    at: float
    """When it ended, in seconds."""
    probability: float
    voicing: float


class Interruption:
    """Hears what the caller says, in place of the detector that it asks, and finds when he has spoken up.

    `agent_is_heard` is asked at each vote, which else is none. `interrupt` is called at each interruption, with what is
    known of it; `samplerate` is that of what is heard, in Hz.
    """

    def __init__(
        self,
        voice: VoiceDetector,
        interrupt_after: float,
        agent_is_heard: Callable[[], bool],
        interrupt: Callable[[AgentInterrupted], None],
    ) -> None:
        self.samplerate = voice.samplerate
        self._voice = voice
        self._agent_is_heard = agent_is_heard
        self._interrupt = interrupt
        self._needed = VOTES_PER_SECOND * interrupt_after
        self._votes: deque[Vote] = deque(maxlen=ceil(self._needed))  # the last that may be needed
        self._frame_bytes = 2 * round(FRAME_SECONDS * voice.samplerate)
        self._voicing = Voicing(model_rate(voice.samplerate))
        self._loudness = _Loudness()
        self._rests_until = -inf
        self._begin(-inf)

    def _begin(self, at: float) -> None:
        """With what comes next, after nothing."""
        self._heard_until = at
        self._waiting = b""  # less than a frame
        self._recent = np.zeros(self._voicing.frames, np.int16)
        self._count = 0.0

    def hear(self, pcm: bytes, until: float) -> None:
        """PCM16 mono, which ended at `until` in seconds, on the clock of the events."""
        began = until - len(pcm) / 2 / self.samplerate
        if abs(began - self._heard_until) > GAP_SECONDS:
            self._begin(began)
        pcm = self._waiting + pcm
        self._heard_until = until - len(pcm) / 2 / self.samplerate
        for at in range(0, len(pcm) - self._frame_bytes + 1, self._frame_bytes):
            self._heard_until += FRAME_SECONDS
            self._hear_frame(pcm[at : at + self._frame_bytes])
        self._waiting = pcm[len(pcm) - len(pcm) % self._frame_bytes :]

    def _hear_frame(self, pcm: bytes) -> None:
        frame = self._voice.hear(pcm, self._heard_until)
        self._recent = np.concatenate((self._recent, frame))[-self._voicing.frames :]
        is_loud = self._loudness.hear(float(np.mean(np.square(frame, dtype=np.float64))))
        voice, voicing = self._voice.probability, 0.0
        if is_loud and voice >= LEAST_PROBABILITY and self._agent_is_heard():
            voicing = self._voicing.of(self._recent)
        if voicing < LEAST_VOICING or self._heard_until < self._rests_until:
            self._count = max(0.0, self._count - LEAK)
            return
        self._count += 1
        self._votes.append(Vote(self._heard_until, voice, voicing))
        if self._count >= self._needed:
            self._count = 0.0
            self._rests_until = self._heard_until + REST_SECONDS
            self._interrupt(_event(self._votes))


def _event(votes: Collection[Vote]) -> AgentInterrupted:
    """What they tell."""
    moments, probabilities, voicings = zip(*votes, strict=True)
    return AgentInterrupted(
        seconds=moments[-1] - moments[0] + FRAME_SECONDS,
        voice_seconds=len(votes) * FRAME_SECONDS,
        probability=fmean(probabilities),
        voicing=fmean(voicings),
        at=moments[-1],
    )


class _Loudness:
    """Whether it is louder than the room, which is as loud as it was in its quietest moment for a while."""

    def __init__(self) -> None:
        self._powers: deque[float] = deque(maxlen=SMOOTHED_FRAMES)
        self._least: deque[float] = deque(maxlen=FLOOR_PARTS)
        self._frames = 0

    def hear(self, power: float) -> bool:
        """A frame had this mean power. Zeros are no room: a gate, a mute or a device that is lost gives them."""
        self._powers.append(power)
        smooth = sum(self._powers) / len(self._powers)
        if self._frames % FLOOR_FRAMES == 0:
            self._least.append(inf)
        self._frames += 1
        self._least[-1] = min(self._least[-1], smooth or inf)
        return smooth > ABOVE_FLOOR * min(self._least)

"""The clock of a sound device, told from when its callbacks begin. Without I/O.

A callback may be late, but never early: so of each quarter of a second the earliest counts, and a line is fitted to
these that lies low among them (asymmetric least squares: W. K. Newey, J. L. Powell, "Asymmetric least squares
estimation and testing", 1987).
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from sfaudio import StreamPosition

Look = Callable[[], StreamPosition | None]

PIECE_SECONDS = 0.25
PIECES = 240  # a minute: by then the ratio of two clocks is known to a part in a million, and still warms up with them
# Of a piece above the line, to one below it: the first is late, as it may be.
LATE_WEIGHT = 0.1
ROUNDS = 4  # after which the weights change no more
# In seconds squared: crystals differ by some 100 in a million, callbacks are some 0.03 ms off. It holds the slope of
# the first second, which is nearly all noise.
STIFFNESS = 0.1
# Of a clock, to what it claims: none of sound is farther off. One that plays to nobody, as fast as it can, would be.
MOST_SLOPE = 1e-3
# A piece that is so far off the line is late as a whole; so many in a row that agree within half of it, and the device
# has lost frames, or made some up.
STEP_SECONDS = 0.002
STEP_PIECES = 4
SETTLED_PIECES = 12  # after which the line moves by less than 0.03 ms


class DeviceClock:
    """Tells when a device had recorded or played so many frames, and how many it had by then.

    `samplerate` is the one it claims to have, in Hz.
    """

    def __init__(self, samplerate: int) -> None:
        self._samplerate = samplerate
        self._origin: tuple[float, int] | None = None
        self._pieces: deque[tuple[float, float]] = deque(maxlen=PIECES)
        self._began = 0.0
        self._earliest = 0.0, 0.0
        self._off: list[float] = []  # by how much the last pieces were off the line
        self._offset = self._slope = 0.0
        self.steps = 0
        """Times that frames were lost, or made up."""
        self.spread = 0.0
        """Of what was measured around the line, in seconds (RMS)."""

    def see(self, seconds: float, frames: int) -> None:
        """A callback began then, when there were so many frames."""
        if self._origin is None:
            self._origin = seconds, frames
        since, first = self._origin
        age = (frames - first) / self._samplerate
        lateness = seconds - since - age
        if age >= self._began + PIECE_SECONDS:
            self._end_piece(*self._earliest)
            self._began = age
            self._earliest = age, lateness
        elif lateness < self._earliest[1] or age == 0.0:
            self._earliest = age, lateness
        if not self._pieces:
            self._offset = self._earliest[1]

    def _end_piece(self, age: float, lateness: float) -> None:
        off = lateness - self._offset - self._slope * age
        if abs(off) > STEP_SECONDS and len(self._pieces) > 1:
            self._off = [other for other in self._off if abs(other - off) < STEP_SECONDS / 2]
            self._off.append(off)
            if len(self._off) < STEP_PIECES:
                return
            # What was seen before is as true behind the step.
            step = min(self._off, key=abs)
            self._pieces = deque(((at, late + step) for at, late in self._pieces), PIECES)
            self.steps += 1
        self._off = []
        self._pieces.append((age, lateness))
        self._fit()

    def _fit(self) -> None:
        ages, lateness = np.array(self._pieces).T
        weights = np.ones(len(ages))
        for _ in range(ROUNDS):
            mean_age, mean = (
                np.average(ages, weights=weights),
                np.average(lateness, weights=weights),
            )
            aside = ages - mean_age
            covariance = np.sum(weights * aside * (lateness - mean))
            slope = covariance / (np.sum(weights * aside**2) + STIFFNESS)
            self._slope = float(np.clip(slope, -MOST_SLOPE, MOST_SLOPE))
            self._offset = float(mean - self._slope * mean_age)
            off = lateness - self._offset - self._slope * ages
            weights = np.where(off > 0, LATE_WEIGHT, 1.0)
        self.spread = float(np.sqrt(np.mean(off**2)))

    @property
    def is_settled(self) -> bool:
        """Whether it was seen for long enough."""
        return len(self._pieces) >= SETTLED_PIECES

    @property
    def samplerate(self) -> float:
        """As measured, in Hz."""
        return self._samplerate / (1 + self._slope)

    def seconds_at(self, frames: float) -> float | None:
        """When there were so many frames; None before the first callback."""
        if self._origin is None:
            return None
        since, first = self._origin
        return since + self._offset + (1 + self._slope) * (frames - first) / self._samplerate

    def frames_at(self, seconds: float) -> float | None:
        """How many frames there were by then; None before the first callback."""
        if self._origin is None:
            return None
        since, first = self._origin
        return first + (seconds - since - self._offset) * self.samplerate


class ClockPair:
    """Two devices, one that records and one that plays: how much was played by when.

    Each is looked at for how far it is; samplerates are those that they claim to have, in Hz.
    """

    def __init__(
        self, recording: Look, playing: Look, input_samplerate: int, output_samplerate: int
    ) -> None:
        self._looks = recording, playing
        self._recording = DeviceClock(input_samplerate)
        self._playing = DeviceClock(output_samplerate)
        self._claimed = input_samplerate / output_samplerate

    def look(self) -> None:
        """Every now and then: at each block, or a few."""
        recorded, played = (look() for look in self._looks)
        if recorded is not None:
            self._recording.see(recorded.seconds, recorded.input_frames)
        if played is not None:
            self._playing.see(played.seconds, played.output_frames)

    def played_when(self, recorded: int) -> float | None:
        """How much was played when so much was recorded, in frames of what each claims; None if it is not known."""
        seconds = self._recording.seconds_at(recorded)
        return None if seconds is None else self._playing.frames_at(seconds)

    @property
    def ratio(self) -> float:
        """Of what is played to what is recorded meanwhile: 1.0 if the rates are what they claim."""
        return self._playing.samplerate / self._recording.samplerate * self._claimed

    @property
    def is_settled(self) -> bool:
        """Whether both were seen for long enough."""
        return self._recording.is_settled and self._playing.is_settled

    @property
    def spread(self) -> float:
        """Of what was measured, in seconds (RMS)."""
        return float(np.hypot(self._recording.spread, self._playing.spread))

    @property
    def steps(self) -> int:
        """Times that one of them lost frames, or made some up."""
        return self._recording.steps + self._playing.steps

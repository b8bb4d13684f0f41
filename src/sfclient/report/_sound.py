"""What a recording looks like from afar: of each column of a picture the lowest and the highest sample, and the RMS."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfclient._devices import StereoSound, open_stereo
from sfclient._errors import UsageError
from sfclient.report._record import Fields
from sfclient.report._scale import Scale, scale_of

PIECE_FRAMES = 1 << 18  # is read at a time: 1 MiB
SAME_CALL = "give the recording and the record of the same call"

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Of a side of the call: a value for each column that has sound, full scale 1.0."""

    first_column: int
    """Of all columns of the scale, that in which the sound begins."""
    lowest: Values
    highest: Values
    rms: Values


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, as it is drawn on a scale."""

    scale: Scale
    caller: Envelope
    agent: Envelope

    @property
    def peak(self) -> float:
        """The largest sample of both sides."""
        sides = (self.caller, self.agent)
        return max(float(max(side.highest.max(), -side.lowest.min())) for side in sides)


def attempt_recorded(path: Path, record: Fields) -> Fields:
    """Of a call that was redialled, the record of the attempt of which this is the recording, or else of the last. It
    may block.

    Raises `AudioFileError`.
    """
    attempts = record.attempts()
    if not attempts:
        return record
    with open_stereo(path) as stereo:
        for done in range(0, stereo.frames, PIECE_FRAMES):
            stereo.read(min(PIECE_FRAMES, stereo.frames - done))
        crc32 = stereo.crc32
    return next((each for each in attempts if each.number("recording.crc32") == crc32), record)


def read_sound(path: Path, record: Fields) -> Sound:
    """The recording that belongs to a record. It may block.

    Raises `AudioFileError`, or `UsageError` for one of another call.
    """
    with open_stereo(path) as stereo:
        written = record.number("recording.written_frames")
        if written is None:
            raise UsageError(f"the call of the record was not recorded: {path} is of another call")
        if written != stereo.frames:
            raise UsageError(
                f"{path} has {stereo.frames} frames, and the recording of the call had {written:.0f}: {SAME_CALL}"
            )
        begins_at = record.time("recording.begins_at") or 0.0
        agent_begins_at = record.time("recording.agent_begins_at")
        begins = (begins_at, begins_at if agent_begins_at is None else agent_begins_at)
        scale = scale_of(record, max(begins) + stereo.frames / stereo.samplerate)
        caller, agent = (_Looker(stereo, at, scale) for at in begins)
        for done in range(0, stereo.frames, PIECE_FRAMES):
            block = stereo.read(min(PIECE_FRAMES, stereo.frames - done))
            caller.add(done, block[:, 0])
            agent.add(done, block[:, 1])
        is_whole = not record.number("recording.lost_frames")
        if is_whole and record.number("recording.crc32") not in (None, stereo.crc32):
            raise UsageError(
                f"{path} is as long as the recording of the call, but another: {SAME_CALL}"
            )
    return Sound(scale, caller.envelope(), agent.envelope())


class _Looker:
    """Looks at one side of a recording, piece by piece."""

    def __init__(self, stereo: StereoSound, begins_at: float, scale: Scale) -> None:
        seconds = stereo.frames / stereo.samplerate
        self._first = int(begins_at / scale.column_seconds)
        end = max(self._first + 1, ceil((begins_at + seconds) / scale.column_seconds))
        # The frames at which columns begin, and the last of them ends.
        times = np.arange(self._first, end + 1) * scale.column_seconds - begins_at
        bounds = np.ceil(times * stereo.samplerate - 1e-6)
        self._bounds = np.clip(bounds, 0, stereo.frames).astype(np.int64)
        self._bounds[-1] = stereo.frames
        self._lowest, self._highest, self._power = np.zeros((3, end - self._first))

    def add(self, done: int, block: NDArray[np.int16]) -> None:
        """The frames after the first `done` ones. Of a column they may be a part."""
        first = np.searchsorted(self._bounds, done, "right") - 1
        end = np.searchsorted(self._bounds, done + len(block), "left")
        edges = np.clip(self._bounds[first : end + 1] - done, 0, len(block))
        filled = np.flatnonzero(np.diff(edges))
        columns, starts = first + filled, edges[filled]
        lowest, highest = (which.reduceat(block, starts) for which in (np.minimum, np.maximum))
        self._lowest[columns] = np.minimum(self._lowest[columns], lowest)
        self._highest[columns] = np.maximum(self._highest[columns], highest)
        self._power[columns] += np.add.reduceat(np.square(block, dtype=np.float64), starts)

    def envelope(self) -> Envelope:
        rms = np.sqrt(self._power / np.maximum(1, np.diff(self._bounds)))
        return Envelope(self._first, self._lowest / 32768, self._highest / 32768, rms / 32768)

"""What a recording looks like from afar: of each column of a picture the lowest and the highest sample, and the RMS."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfclient._devices import StereoSound, open_stereo
from sfclient._errors import AudioFileError, UsageError
from sfclient.report._record import Fields
from sfclient.report._scale import Scale, scale_of

PIECE_FRAMES = (
    1 << 18
)  # is read at a time, 1 MiB; a column of a call of a day has more, and is read as a whole
RATES = range(1000, 1_000_000)

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Of a side of the call: a value for each column that has sound, full scale 1.0."""

    lowest: Values
    highest: Values
    rms: Values


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, as it is drawn on a scale."""

    scale: Scale
    first_column: int
    """Of all columns of the scale, that in which the recording begins."""
    caller: Envelope
    agent: Envelope
    seconds: float
    """How long it is."""

    @property
    def peak(self) -> float:
        """The largest sample of both sides."""
        sides = (self.caller, self.agent)
        return max(float(max(side.highest.max(), -side.lowest.min())) for side in sides)


def read_sound(path: Path, record: Fields) -> Sound:
    """The recording that belongs to a record. It may block.

    Raises `AudioFileError`, or `UsageError` for one of another call.
    """
    with open_stereo(path) as stereo:
        if stereo.samplerate not in RATES:
            raise AudioFileError(f"{path} has {stereo.samplerate} Hz, which is no rate of a call")
        written = record.number("recording.written_frames")
        if written is None:
            raise UsageError(f"the call of the record was not recorded: {path} is of another call")
        if written != stereo.frames:
            raise UsageError(
                f"{path} has {stereo.frames} frames, and the recording of the call had {written:.0f}: "
                "give the recording and the record of the same call"
            )
        begins_at = record.seconds("recording.begins_at") or 0.0
        seconds = stereo.frames / stereo.samplerate
        scale = scale_of(record, begins_at + seconds)
        sound = _look_at(stereo, begins_at, scale)
        is_whole = not record.number("recording.lost_frames")
        if is_whole and record.number("recording.crc32") not in (None, stereo.crc32):
            raise UsageError(
                f"{path} is as long as the recording of the call, but another: "
                "give the recording and the record of the same call"
            )
    return sound


def _look_at(stereo: StereoSound, begins_at: float, scale: Scale) -> Sound:
    seconds = stereo.frames / stereo.samplerate
    first = int(begins_at / scale.column_seconds)
    last = max(first, int(np.ceil((begins_at + seconds) / scale.column_seconds)) - 1)
    # The frames at which columns begin, and the last of them ends.
    times = np.arange(first + 1, last + 1) * scale.column_seconds - begins_at
    inner = np.ceil(times * stereo.samplerate - 1e-6)
    bounds = np.concatenate(([0], np.clip(inner, 0, stereo.frames), [stereo.frames])).astype(int)
    lowest, highest, rms = (np.zeros((bounds.size - 1, 2), np.float32) for _ in range(3))
    for begin, end, block in _pieces(stereo, bounds):
        frames = np.diff(bounds[begin : end + 1])
        filled = np.flatnonzero(frames)
        if filled.size:
            columns, starts = begin + filled, (bounds[begin:end] - bounds[begin])[filled]
            lowest[columns] = np.minimum.reduceat(block, starts) / 32768.0
            highest[columns] = np.maximum.reduceat(block, starts) / 32768.0
            power = np.add.reduceat(np.square(block, dtype=np.float64), starts)
            rms[columns] = np.sqrt(power / frames[filled, None]) / 32768.0
    caller, agent = (Envelope(lowest[:, side], highest[:, side], rms[:, side]) for side in (0, 1))
    return Sound(scale, first, caller, agent, seconds)


def _pieces(
    stereo: StereoSound, bounds: NDArray[np.int64]
) -> Iterator[tuple[int, int, NDArray[np.int16]]]:
    """Whole columns, some at a time: from which to before which, and their frames."""
    begin, columns = 0, bounds.size - 1
    while begin < columns:
        end = int(np.searchsorted(bounds, bounds[begin] + PIECE_FRAMES, "right")) - 1
        end = min(max(end, begin + 1), columns)
        yield begin, end, stereo.read(int(bounds[end] - bounds[begin]))
        begin = end

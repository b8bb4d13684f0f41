from typing import Self, SupportsFloat, SupportsIndex

from sfaudio._buffers import _Samples, _Whole
from sfaudio._capture import CaptureQueue
from sfaudio._meter import Meter
from sfaudio._pcm import JitterBuffer
from sfaudio._playout import PlayoutEngine
from sfaudio._statistics import StreamStatistics

class StreamCallback:
    def __new__(
        cls,
        capture: CaptureQueue | None = None,
        playout: JitterBuffer | PlayoutEngine | None = None,
        played: CaptureQueue | None = None,
        *,
        capture_meter: Meter | None = None,
        playout_meter: Meter | None = None,
        input_channels: _Whole = 1,
        input_channel: _Whole | None = None,
        output_channels: _Whole = 1,
        output_gain: SupportsFloat | SupportsIndex = 1.0,
        measure_cpu: bool = False,
    ) -> Self: ...
    @property
    def address(self) -> int: ...
    @property
    def userdata(self) -> int: ...
    @property
    def output_gain(self) -> float: ...
    @output_gain.setter
    def output_gain(self, gain: SupportsFloat | SupportsIndex) -> None: ...
    @property
    def idle_seconds(self) -> float | None: ...
    def run(self, indata: _Samples | None, outdata: _Samples | None, flags: int = 0) -> None: ...
    def detach(self) -> bool: ...
    def close(self) -> None: ...
    def statistics(self) -> StreamStatistics: ...
    def cpu_percentile(self, fraction: float) -> float: ...
    def duration_percentile(self, fraction: float) -> float: ...

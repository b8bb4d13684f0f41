import numpy
from numpy.typing import NDArray

from sfaudio._buffers import _Samples, _Whole

class EchoFilter:
    def __new__(cls, samplerate: _Whole, comfort_noise: bool = ...) -> EchoFilter: ...
    @property
    def samplerate(self) -> int: ...
    def process(self, captured: _Samples, played: _Samples) -> NDArray[numpy.float32]: ...

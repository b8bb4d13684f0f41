import numpy
from numpy.typing import NDArray

from sfaudio._buffers import _Samples

def forward(src: _Samples) -> NDArray[numpy.complex64]: ...
def inverse(src: _Samples) -> NDArray[numpy.float32]: ...

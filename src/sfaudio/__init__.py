"""Realtime PCM audio, compiled: exact conversion, queues that never wait, resampling.

- `float32_to_int16`, `int16_to_float32`: exact sample conversion (`_pcm`)
- `JitterBuffer`: from a network task to an audio callback (`_jitter`)
- `CaptureQueue`: from an audio callback to a network task (`_capture`)
- `Resampler`: from one sample rate to another, streaming (`_resample`)

All of it can be used from Cython without the GIL: ``from sfaudio cimport ...`` (see
``__init__.pxd``).
"""

from sfaudio._capture import CaptureQueue
from sfaudio._jitter import JitterBuffer
from sfaudio._pcm import float32_to_int16, int16_to_float32
from sfaudio._resample import Resampler
from sfaudio._statistics import CaptureQueueStatistics, JitterBufferStatistics

__all__ = [
    "CaptureQueue",
    "CaptureQueueStatistics",
    "JitterBuffer",
    "JitterBufferStatistics",
    "Resampler",
    "float32_to_int16",
    "int16_to_float32",
]

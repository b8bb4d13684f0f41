"""Realtime PCM audio, compiled: exact conversion, queues that never wait, resampling.

- `float32_to_int16`, `int16_to_float32`: exact sample conversion; `JitterBuffer`,
  `JitterBufferStatistics`: from a network task to an audio callback (`_pcm`, the heart)
- `PlayoutEngine`, `PlayoutEngineStatistics`: what plays such a buffer without gaps at the least
  delay (`_playout`; its law in `_playout_law`)
- `CaptureQueue`, `CaptureQueueStatistics`: from an audio callback to a network task (`_capture`)
- `Meter`, `MeterStatistics`, `Segment`: how loud it is, and when somebody speaks (`_meter`)
- `EchoCanceller`, `EchoCancellerStatistics`: takes out of what was captured the echo of what was
  played (`_echo`)
- `byteswap_int16`, `to_mono`, `from_mono`, `apply_gain`, `level` (a `Level`): blocks of int16
  (`_blocks`)
- `int16_to_ulaw`, `ulaw_to_int16`, `int16_to_alaw`, `alaw_to_int16`: G.711 (`_g711`)
- `Resampler`, `ResamplerStatistics`: from one sample rate to another, streaming (`_resample`)
- `EchoGate`, `EchoGateStatistics`: silences a microphone while the agent is heard (`_echo_gate`)
- `sfaudio.stream.Stream`, `StreamStatistics`, `StreamPosition`, `StreamError`: a PortAudio stream
  between queues and a device, a `DeviceInfo`, with native callbacks
- `sfaudio.checkup`: whether all of it works here, as ``python -m sfaudio`` tells; `__version__`

What streams is mono, and refuses arrays of several channels: for stereo, have one of each for each channel.
All of it can be used from Cython without the GIL: ``from sfaudio cimport ...`` (see
``sfaudio/__init__.pxd``).
"""

from sfaudio._blocks import apply_gain, byteswap_int16, from_mono, level, to_mono
from sfaudio._capture import CaptureQueue
from sfaudio._echo import EchoCanceller
from sfaudio._echo_gate import EchoGate
from sfaudio._g711 import alaw_to_int16, int16_to_alaw, int16_to_ulaw, ulaw_to_int16
from sfaudio._meter import Meter
from sfaudio._pcm import JitterBuffer, float32_to_int16, int16_to_float32
from sfaudio._playout import PlayoutEngine
from sfaudio._portaudio import DeviceInfo, StreamError
from sfaudio._resample import Resampler
from sfaudio._statistics import (
    CaptureQueueStatistics,
    EchoCancellerStatistics,
    EchoGateStatistics,
    JitterBufferStatistics,
    Level,
    MeterStatistics,
    PlayoutEngineStatistics,
    ResamplerStatistics,
    Segment,
    StreamPosition,
    StreamStatistics,
)
from sfaudio._version import __version__ as __version__

__all__ = [
    "CaptureQueue",
    "CaptureQueueStatistics",
    "DeviceInfo",
    "EchoCanceller",
    "EchoCancellerStatistics",
    "EchoGate",
    "EchoGateStatistics",
    "JitterBuffer",
    "JitterBufferStatistics",
    "Level",
    "Meter",
    "MeterStatistics",
    "PlayoutEngine",
    "PlayoutEngineStatistics",
    "Resampler",
    "ResamplerStatistics",
    "Segment",
    "StreamError",
    "StreamPosition",
    "StreamStatistics",
    "alaw_to_int16",
    "apply_gain",
    "byteswap_int16",
    "float32_to_int16",
    "from_mono",
    "int16_to_alaw",
    "int16_to_float32",
    "int16_to_ulaw",
    "level",
    "to_mono",
    "ulaw_to_int16",
]

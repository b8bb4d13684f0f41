"""What an object is, in a line."""

import numpy as np

from sfaudio import (
    CaptureQueue,
    EchoCanceller,
    EchoGate,
    JitterBuffer,
    Meter,
    PlayoutEngine,
    Resampler,
)
from sfaudio._callback import StreamCallback


def test_an_object_tells_what_it_is_and_how_it_is() -> None:
    playout, capture, meter = JitterBuffer(1000), CaptureQueue(9), Meter(8000)
    engine = PlayoutEngine(playout, samplerate=8000, output_samplerate=48_000)
    playout.write(bytes(40))
    capture.write(bytes(10))
    meter.hear(np.full(80, 16384, np.int16), 0)
    others = Resampler(8000, 16_000), EchoCanceller(), EchoGate(8000)
    assert list(map(repr, (playout, capture, meter, engine, *others))) == [
        "<sfaudio.JitterBuffer: 20 of 1000 frames queued>",
        "<sfaudio.CaptureQueue: 5 of 9 frames queued>",
        "<sfaudio.Meter: 8000 Hz, peak 0.5000, rms 0.5000>",
        "<sfaudio.PlayoutEngine: adaptive, 8000 to 48000 Hz, 20 frames queued>",
        "<sfaudio.Resampler: 8000 to 16000 Hz>",
        "<sfaudio.EchoCanceller: 16000 Hz, searching>",
        "<sfaudio.EchoGate: 8000 Hz, open>",
    ]
    assert repr(StreamCallback(input_channels=2)) == (
        "<sfaudio._callback.StreamCallback: 2 input and 1 output channels, 0 callbacks>"
    )

"""A PortAudio stream between queues and a device, with callbacks that never wait for Python.

::

    capture = CaptureQueue(48_000)
    playout = JitterBuffer(48_000 * 60, prefill=960, fade=240)
    with Stream(capture, playout, samplerate=48_000) as stream:
        playout.write(pcm)              # in one thread
        spoken = capture.read(960)      # in the same, or another
        print(stream.statistics())

sounddevice is imported when a stream is opened: importing this module needs no PortAudio.
"""

import time
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from sfaudio._callback import StreamCallback
from sfaudio._capture import CaptureQueue
from sfaudio._jitter import JitterBuffer
from sfaudio._statistics import StreamStatistics

Device = int | str | None


class Stream:
    """A stream of one device, or of two that share a clock, from when it is made until it is closed.

    Which directions it has is told by the queues: one of `capture` and `playout` at least. Every
    channel is float32 at the device. Several input channels are recorded as their mean; every
    output channel plays the same.

    Threads: PortAudio's own runs the callback, which is the writer of `capture` and `played` and
    the reader of `playout`; the methods are for one thread at a time.

    Parameters
    ----------
    capture, playout, played
        Gets what is recorded; is read for what is played; gets what was played, for a recording.
    samplerate
        In Hz, of the device and the queues.
    blocksize
        Frames of each callback, 0 for what suits the device.
    device
        One for both directions, or a pair of input and output; each an index, a part of a name,
        or None for the default.
    channels
        One number for both directions, or a pair of input and output.
    latency
        In seconds, or ``"low"`` or ``"high"``.
    native
        Whether the callback is native. False has Python called back, which stutters when anything
        else in the process holds the GIL: for where sounddevice lacks the door, and to compare.
    measure_cpu
        See `StreamCallback`; of native callbacks only.

    Raises
    ------
    ValueError
        Neither queue, or no such device.
    OSError
        PortAudio is missing.
    sounddevice.PortAudioError
        The device refuses.
    """

    def __init__(
        self,
        capture: CaptureQueue | None = None,
        playout: JitterBuffer | None = None,
        played: CaptureQueue | None = None,
        *,
        samplerate: float,
        blocksize: int = 0,
        device: Device | tuple[Device, Device] = None,
        channels: int | tuple[int, int] = 1,
        latency: float | str | None = None,
        native: bool = True,
        measure_cpu: bool = False,
    ) -> None:
        if capture is None and playout is None:
            raise ValueError("a stream needs a capture queue, a jitter buffer, or both")
        inputs, outputs = channels if isinstance(channels, tuple) else (channels, channels)
        heard, said = device if isinstance(device, tuple) else (device, device)
        self._callback: StreamCallback | _PythonCallback
        settings: dict[str, Any] = {
            "samplerate": samplerate,
            "blocksize": blocksize,
            "dtype": "float32",
            "latency": latency,
        }
        if capture is not None and playout is not None:
            settings |= {"kind": "duplex", "device": (heard, said), "channels": (inputs, outputs)}
        elif capture is not None:
            settings |= {"kind": "input", "device": heard, "channels": inputs}
        else:
            settings |= {"kind": "output", "device": said, "channels": outputs}
        sounddevice = import_module("sounddevice")
        if native and hasattr(sounddevice, "_StreamBase"):
            self._callback = StreamCallback(
                capture,
                playout,
                played,
                input_channels=inputs,
                output_channels=outputs,
                measure_cpu=measure_cpu,
            )
            self._stream = _open_native(sounddevice, self._callback, settings)
        else:
            self._callback = _PythonCallback(capture, playout, played)
            self._stream = _open_python(sounddevice, self._callback, settings)

    def start(self) -> None:
        """Begin to record and play. Takes as long as the device needs."""
        self._stream.start()

    def close(self) -> None:
        """Stop at once and give the device back. May be called again.

        When the sound server has died, PortAudio may never return from this: call it in a thread
        that may be abandoned, and keep the stream alive for ever.
        """
        self._stream.close()

    def detach(self) -> None:
        """Let the queues alone from the next callback on; see `StreamCallback.detach`."""
        self._callback.detach()

    def __enter__(self) -> "Stream":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def active(self) -> bool:
        """Whether it runs, as far as PortAudio knows."""
        return bool(self._stream.active)

    @property
    def idle_seconds(self) -> float | None:
        """Seconds since the last callback began; None before the first."""
        return self._callback.idle_seconds

    @property
    def samplerate(self) -> float:
        """In Hz, as the device has it."""
        return float(self._stream.samplerate)

    @property
    def input_latency(self) -> float:
        """Seconds from the microphone to the callback, as the device tells."""
        return self._latency(0)

    @property
    def output_latency(self) -> float:
        """Seconds from the callback to the loudspeaker, as the device tells."""
        return self._latency(1)

    def _latency(self, side: int) -> float:
        latency = self._stream.latency
        return float(latency[side] if isinstance(latency, tuple) else latency)

    def statistics(self) -> StreamStatistics:
        """What it has seen of the device."""
        return self._callback.statistics()

    @property
    def callback(self) -> "StreamCallback | _PythonCallback":
        """What PortAudio calls."""
        return self._callback


def _open_native(
    sounddevice: ModuleType, callback: StreamCallback, settings: dict[str, Any]
) -> Any:
    """The door: sounddevice takes the address of a callback, as it does for library authors."""
    return sounddevice._StreamBase(
        callback=callback.address,
        userdata=sounddevice._ffi.cast("void *", callback.userdata),
        wrap_callback=None,
        **settings,
    )


def _open_python(
    sounddevice: ModuleType, callback: "_PythonCallback", settings: dict[str, Any]
) -> Any:
    kind = settings.pop("kind")
    make = {
        "duplex": sounddevice.Stream,
        "input": sounddevice.InputStream,
        "output": sounddevice.OutputStream,
    }[kind]
    return make(callback=getattr(callback, kind), **settings)


class _PythonCallback:
    """What a native callback does, in Python."""

    def __init__(
        self,
        capture: CaptureQueue | None,
        playout: JitterBuffer | None,
        played: CaptureQueue | None,
    ) -> None:
        self._capture = capture
        self._playout = playout
        self._played = played
        self._detached = False
        self._began: float | None = None
        self._durations: list[float] = []
        self._gaps: list[float] = []
        self._counts = dict.fromkeys(
            ("input_frames", "output_frames", "input_overflows", "output_underflows"), 0
        )

    def duplex(self, heard: Any, said: Any, frames: int, _time: Any, flags: Any) -> None:
        began = time.perf_counter()
        if self._began is not None:
            self._gaps.append(began - self._began)
        self._began = began
        if heard is not None and self._capture is not None and not self._detached:
            self._capture.write(np.ascontiguousarray(heard.mean(axis=1, dtype=np.float32)))
            self._counts["input_frames"] += frames
        if said is not None:
            block = np.zeros(frames, np.int16)
            if self._playout is not None and not self._detached:
                self._playout.read_into(block)
            if self._played is not None and not self._detached:
                self._played.write(block)
            said[:] = block[:, None] / np.float32(32768)
            self._counts["output_frames"] += frames
        self._counts["input_overflows"] += bool(flags.input_overflow)
        self._counts["output_underflows"] += bool(flags.output_underflow)
        self._durations.append(time.perf_counter() - began)

    def input(self, heard: Any, frames: int, time: Any, flags: Any) -> None:
        self.duplex(heard, None, frames, time, flags)

    def output(self, said: Any, frames: int, time: Any, flags: Any) -> None:
        self.duplex(None, said, frames, time, flags)

    def detach(self) -> None:
        self._detached = True

    @property
    def idle_seconds(self) -> float | None:
        return None if self._began is None else time.perf_counter() - self._began

    def statistics(self) -> StreamStatistics:
        durations, gaps = sorted(self._durations) or [0.0], sorted(self._gaps) or [0.0]
        return StreamStatistics(
            callbacks=len(self._durations),
            longest_callback=durations[-1],
            p999_callback=durations[int(0.999 * (len(durations) - 1))],
            longest_gap=gaps[-1],
            p999_gap=gaps[int(0.999 * (len(gaps) - 1))],
            **self._counts,
        )

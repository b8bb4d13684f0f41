"""A PortAudio stream between queues and a device, with callbacks that never wait for Python.

`Stream` is the stream, and `Device` what a device is named by::

    capture = CaptureQueue(48_000)
    playout = JitterBuffer(48_000 * 60, prefill=960, fade=240)
    with Stream(capture, playout, samplerate=48_000) as stream:
        playout.write(pcm)              # in one thread
        spoken = capture.read(960)      # in the same, or another
        print(stream.statistics())

`list_devices` tells of each device as a `sfaudio.DeviceInfo`, `list_rates` what it takes, `refresh_devices` has
PortAudio look for devices anew; `portaudio_version` tells of PortAudio itself, and `is_stuck` whether it has failed to
close a stream. What PortAudio refuses is a `sfaudio.StreamError`. sounddevice is imported when it is needed:
importing this module needs no PortAudio.
"""

from __future__ import annotations

import threading
import warnings
from importlib import import_module
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

from sfaudio._another import use_another_portaudio
from sfaudio._buffers import whole_number
from sfaudio._callback import StreamCallback
from sfaudio._capture import CaptureQueue
from sfaudio._meter import Meter
from sfaudio._opened import Opened, exclusively, is_any_hung, leave_behind
from sfaudio._pcm import JitterBuffer
from sfaudio._playout import PlayoutEngine
from sfaudio._portaudio import (
    DeviceInfo,
    failed,
    is_of_jack,
    missing,
    read_devices,
    read_rates,
    read_version,
    refused,
)
from sfaudio._statistics import StreamPosition, StreamStatistics

if TYPE_CHECKING:
    from sfaudio._buffers import _Whole

__all__ = [
    "Device",
    "Stream",
    "is_stuck",
    "list_devices",
    "list_rates",
    "portaudio_version",
    "refresh_devices",
]

Device = int | str | None

_replacing = threading.Lock()  # for two threads that find a PortAudio hung


def _load_sounddevice() -> Any:
    """The module. `StreamError` where it or PortAudio is missing, or does not start."""
    try:
        return import_module("sounddevice")
    except (ImportError, OSError) as error:
        raise missing(error) from None
    except Exception as error:  # its own, which can only be had from it
        raise failed(error) from None


def list_devices() -> list[DeviceInfo]:
    """The devices that PortAudio knows, by their index; see `refresh_devices`. `StreamError` where it is missing."""
    return read_devices(_load_sounddevice())


def list_rates(device: DeviceInfo, kind: Literal["input", "output"]) -> list[int]:
    """Which of 8, 16, 24, 44.1 and 48 kHz a device takes in this direction, in mono or in stereo; in Hz."""
    return read_rates(_load_sounddevice(), device, kind)


def portaudio_version() -> str:
    """As PortAudio tells it. `StreamError` where it is missing."""
    return read_version(_load_sounddevice())


def is_stuck() -> bool:
    """Whether PortAudio has not closed a stream in time, nor since then: its sound server has died.

    Then it cannot be initialised anew, but see `refresh_devices`; a process that ends leaves it alone.
    """
    return is_any_hung()


def refresh_devices() -> bool:
    """Have PortAudio look for devices: it knows those that were there when it was initialised.

    Where it has not closed a stream in time, since its sound server has died, it never would again. On Linux, where
    that happens, it is left behind for a copy of its library, which is asked and opens streams from then on; elsewhere
    start the program anew.

    Takes as long as PortAudio needs. Returns False, and has done nothing, while a stream is open in this process.
    `StreamError` where PortAudio is missing, or does not start; TimeoutError where it hangs in doing this for another
    thread.
    """
    sounddevice = _load_sounddevice()
    with _replacing:
        if is_any_hung() and use_another_portaudio(sounddevice):
            leave_behind()
    with exclusively() as is_any_open:
        if not is_any_open or not sounddevice._initialized:
            if sounddevice._initialized:  # it is not if it is another one, or failed the last time
                sounddevice._terminate()
            try:
                sounddevice._initialize()
            except sounddevice.PortAudioError as error:
                raise failed(error) from None
            return True
        return False


class Stream:
    """A stream of one device, or of two that share a clock, from when it is made until it is closed.

    One that is dropped is closed, with a ResourceWarning; so is at exit what is still open. A
    forked child leaves the stream to its parent.

    Which directions it has is told by the queues: one of `capture` and `playout` at least. Every
    channel is float32 at the device. Of several input channels one is recorded, or their mean;
    every output channel plays the same.

    Threads: PortAudio's own runs the callback. The stream is the writer of `capture`, `played`,
    `reference` and the meters and the reader of `playout` until it is closed or detached; who else tries to be gets
    a RuntimeError. The methods may be called from anywhere.

    Parameters
    ----------
    capture, playout, played
        Gets what is recorded; is read for what is played; gets what was played, for a recording.
        `playout` is a `JitterBuffer`, or a `PlayoutEngine` for speech without gaps.
    reference
        Gets what the loudspeaker gets, after `output_gain`, for an echo canceller: with both directions, as
        many frames in each callback as `capture`.
    samplerate
        In Hz, a whole number, of the device and the queues; an engine's `output_samplerate`.
    blocksize
        Frames of each callback, 0 for what suits the device.
    device
        One for both directions, or a pair of input and output; each an index, a part of a name,
        or None for the default.
    channels
        One number for both directions, or a pair of input and output.
    input_channel
        The input channel that is recorded alone, counted from 1; None for the mean of all.
    capture_meter, playout_meter
        A `Meter` of the stream's `samplerate` each, which hears what is recorded and what is played;
        see `StreamCallback` for its clock.
    output_gain
        See the property.
    latency
        In seconds, or ``"low"`` or ``"high"``.
    native
        Whether PortAudio calls the compiled callback itself. If not, or where sounddevice lacks the
        door for it, Python calls it, which stutters when anything else in the process holds the GIL.
    measure_cpu
        See `StreamCallback`.

    Raises
    ------
    TypeError, ValueError
        Neither queue, a meter of another rate, or a number that is not whole or out of range.
    RuntimeError
        Another stream, or a call under way, has a queue on the same side.
    MemoryError
        There is none for the whole of a capture queue.
    StreamError
        PortAudio is missing, there is no such device, or it refuses: an OSError, which lists the devices.
    TimeoutError
        PortAudio hangs in opening another stream.
    """

    def __init__(
        self,
        capture: CaptureQueue | None = None,
        playout: JitterBuffer | PlayoutEngine | None = None,
        played: CaptureQueue | None = None,
        *,
        reference: CaptureQueue | None = None,
        samplerate: _Whole,
        blocksize: _Whole = 0,
        device: Device | tuple[Device, Device] = None,
        channels: int | tuple[int, int] = 1,
        input_channel: _Whole | None = None,
        capture_meter: Meter | None = None,
        playout_meter: Meter | None = None,
        output_gain: SupportsFloat = 1.0,
        latency: float | str | None = None,
        native: bool = True,
        measure_cpu: bool = False,
    ) -> None:
        if capture is None and playout is None:
            raise ValueError("a stream needs a capture queue, a jitter buffer, or both")
        rate = _whole(samplerate, "samplerate", "Hz", 1)
        if isinstance(playout, PlayoutEngine) and playout.output_samplerate != rate:
            raise ValueError(
                f"samplerate is {rate} Hz, but the engine plays at {playout.output_samplerate} Hz: make it with"
                f" output_samplerate={rate}"
            )
        for meter, name in ((capture_meter, "capture_meter"), (playout_meter, "playout_meter")):
            if meter is not None and meter.samplerate != rate:
                raise ValueError(
                    f"samplerate is {rate} Hz, but {name} is for {meter.samplerate} Hz: make it with"
                    f" Meter({rate})"
                )
        frames = _whole(blocksize, "blocksize", "frames", 0)
        inputs, outputs = (
            _whole(number, name, "channels", 1)
            for number, name in zip(
                channels if isinstance(channels, tuple) else (channels, channels),
                ("input_channels", "output_channels"),
                strict=True,
            )
        )
        if isinstance(latency, str) and latency not in ("low", "high"):
            raise ValueError(f'latency must be seconds, "low" or "high", not {latency!r}')
        devices = device if isinstance(device, tuple) else (device, device)
        ends: dict[str, Any]
        if capture is not None and playout is not None:
            kind, ends = "duplex", {"device": devices, "channels": (inputs, outputs)}
        elif capture is not None:
            kind, ends = "input", {"device": devices[0], "channels": inputs}
        else:
            kind, ends = "output", {"device": devices[1], "channels": outputs}
        self._name = f"{kind}, device {ends['device']!r}, {rate} Hz"
        self._kind = kind
        sounddevice = _load_sounddevice()
        self._callback = StreamCallback(
            capture,
            playout,
            played,
            reference=reference,
            capture_meter=capture_meter,
            playout_meter=playout_meter,
            input_channels=inputs,
            input_channel=input_channel,
            output_channels=outputs,
            output_gain=output_gain,
            measure_cpu=measure_cpu,
        )
        is_native = native and hasattr(sounddevice, "_StreamBase")
        try:
            with exclusively():
                self._stream = (_open_native if is_native else _open_called_by_python)(
                    sounddevice,
                    kind,
                    self._callback,
                    samplerate=rate,
                    blocksize=frames,
                    dtype="float32",
                    latency=latency,
                    **ends,
                )
                of_jack = is_of_jack(sounddevice, self._stream)
                self._opened = Opened(self._stream, self._callback, of_jack=of_jack)
        except BaseException as error:
            self._callback.close()  # nothing was started that could call it
            if isinstance(error, (sounddevice.PortAudioError, ValueError)):
                raise refused(sounddevice, self._name, kind, error) from None
            raise

    def start(self) -> None:
        """Begin to record and play. Takes as long as the device needs.

        RuntimeError if it is closed, `StreamError` if the device does not start.
        """
        sounddevice = _load_sounddevice()
        try:
            self._opened.start()
        except sounddevice.PortAudioError as error:
            raise refused(sounddevice, self._name, self._kind, error) from None

    def close(self) -> None:
        """Stop at once, let the queues alone, and give the device back. May be called again.

        TimeoutError if PortAudio cannot close it, or does not come back within two seconds: its sound
        server has died. Then it is left alone with the stream and its memory; the queues are free.
        """
        if not self._opened.close():
            raise TimeoutError(
                f"PortAudio does not close the stream ({self._name}): its sound server has probably "
                "died. The queues can be used again; for the device, see refresh_devices"
            )

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is None or opened.is_closing or opened.is_closed:
            return
        try:
            warnings.warn(f"never closed: {self!r}", ResourceWarning, stacklevel=2, source=self)
        finally:
            opened.close()

    def __repr__(self) -> str:
        return f"<sfaudio.stream.Stream: {self._name}>"

    def detach(self) -> bool:
        """Let the queues alone from the next callback on; see `StreamCallback.detach`."""
        return self._callback.detach()

    def __enter__(self) -> Stream:
        try:
            self.start()
        except BaseException:
            self._opened.close()
            raise
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
        return self._opened.is_active()

    @property
    def output_gain(self) -> float:
        """The factor on what is played; see `StreamCallback.output_gain`. It may be set while the stream runs."""
        return self._callback.output_gain

    @output_gain.setter
    def output_gain(self, gain: SupportsFloat) -> None:
        self._callback.output_gain = gain

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

    def position(self) -> StreamPosition | None:
        """How far it is; see `StreamCallback.position`."""
        return self._callback.position()

    def statistics(self) -> StreamStatistics:
        """What it has seen of the device."""
        return self._callback.statistics()

    @property
    def callback(self) -> StreamCallback:
        """What is called for each block."""
        return self._callback


def _whole(value: _Whole, name: str, unit: str, least: int) -> int:
    number = whole_number(value, name, unit)
    if number < least:
        raise ValueError(f"{name} must be at least {least} {unit}, not {number}")
    return number


def _open_native(
    sounddevice: ModuleType, kind: str, callback: StreamCallback, **settings: Any
) -> Any:
    """The door: sounddevice takes the address of a callback, as it does for library authors."""
    return sounddevice._StreamBase(
        kind,
        callback=callback.address,
        userdata=sounddevice._ffi.cast("void *", callback.userdata),
        wrap_callback=None,
        **settings,
    )


def _open_called_by_python(
    sounddevice: ModuleType, kind: str, callback: StreamCallback, **settings: Any
) -> Any:
    """Python is called back with one buffer or two, frames, time and flags, and passes the block on."""

    def run(*arguments: Any) -> None:
        *buffers, _frames, _time, flags = arguments
        indata = buffers[0] if kind != "output" else None
        outdata = buffers[-1] if kind != "input" else None
        callback.run(indata, outdata, _bits(flags))

    streams = {
        "duplex": sounddevice.RawStream,
        "input": sounddevice.RawInputStream,
        "output": sounddevice.RawOutputStream,
    }
    return streams[kind](callback=run, **settings)


# By the bits of PaStreamCallbackFlags (portaudio.h).
_FLAGS = (
    "input_underflow",
    "input_overflow",
    "output_underflow",
    "output_overflow",
    "priming_output",
)


def _bits(flags: Any) -> int:
    return sum(getattr(flags, name) << bit for bit, name in enumerate(_FLAGS))

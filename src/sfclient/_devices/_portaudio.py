"""Sound hardware through sounddevice, which is imported when a device is opened: PortAudio may be
missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import trio

from sfclient._devices._interface import Queues
from sfclient._errors import DeviceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLOSE_SECONDS = 2.0
INSTALL = {"linux": "install it (Debian: apt-get install libportaudio2)"}


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device, by index or by a part of its name as `sfclient devices` shows it; None is the
    default."""

    name: int | str | None = None


def load_sounddevice() -> ModuleType:
    """Import sounddevice. Raises `DeviceError` where PortAudio is missing."""
    try:
        import sounddevice
    except OSError as error:
        remedy = INSTALL.get(sys.platform, "install it, or reinstall sounddevice")
        raise DeviceError(f"PortAudio is not there ({error}): {remedy}") from None
    module: ModuleType = sounddevice
    return module


def list_devices() -> list[dict[str, Any]]:
    """What PortAudio knows of every device, as sounddevice gives it, with the name of the host
    API."""
    sounddevice = load_sounddevice()
    apis = sounddevice.query_hostapis()
    return [
        {**device, "hostapi_name": apis[device["hostapi"]]["name"]}
        for device in sounddevice.query_devices()
    ]


class PortAudioLine:
    """A line of one or two PortAudio streams: recorded as float32, as browsers do, played as the
    int16 that came."""

    def __init__(
        self, capture: Device | None, playout: Device | None, rates: tuple[int, int]
    ) -> None:
        sounddevice = load_sounddevice()
        self._failed = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._queues: Queues | None = None
        self._stopping = False
        self._streams: list[Any] = []
        self.capture_samplerate = self.playout_samplerate = 0
        self.playout_latency = 0.0
        try:
            if capture is not None:
                stream = self._open(sounddevice, "input", capture, rates[0], self._record)
                self.capture_samplerate = round(stream.samplerate)
            if playout is not None:
                stream = self._open(sounddevice, "output", playout, rates[1], self._play)
                self.playout_samplerate = round(stream.samplerate)
                self.playout_latency = stream.latency
        except BaseException:
            self.close()
            raise

    def _open(
        self, sounddevice: ModuleType, kind: str, device: Device, samplerate: int, callback: Any
    ) -> Any:
        """Open one stream, at the device's own rate if it refuses the wire's."""
        make = sounddevice.InputStream if kind == "input" else sounddevice.OutputStream
        check = getattr(sounddevice, f"check_{kind}_settings")
        settings = {"channels": 1, "dtype": "float32" if kind == "input" else "int16"}
        try:
            found = sounddevice.query_devices(device.name, kind)
            settings["device"] = found["index"]
            try:
                check(samplerate=samplerate, **settings)
            except sounddevice.PortAudioError:
                samplerate = round(found["default_samplerate"])
            stream = make(
                samplerate=samplerate,
                callback=callback,
                finished_callback=self._finished,
                **settings,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise DeviceError(_refusal(sounddevice, kind, device, error)) from None
        self._streams.append(stream)
        return stream

    async def run(
        self, queues: Queues, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        self._queues = queues
        try:
            for stream in self._streams:
                await trio.to_thread.run_sync(stream.start)
            task_status.started()
            await self._failed.wait()
            raise DeviceError("the sound device stopped: was it unplugged?")
        except load_sounddevice().PortAudioError as error:
            raise DeviceError(f"the sound device does not start: {error}") from None
        finally:
            self._stopping = True
            # PortAudio may never come back from closing a stream whose sound server has died.
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await trio.to_thread.run_sync(self.close, abandon_on_cancel=True)

    def close(self) -> None:
        """Stop at once and give the devices back. May be called again."""
        while self._streams:
            self._streams.pop().close()

    def _record(self, block: NDArray[np.float32], _frames: int, _time: Any, _flags: Any) -> None:
        assert self._queues is not None
        self._queues.capture.write(block)

    def _play(self, block: NDArray[np.int16], _frames: int, _time: Any, _flags: Any) -> None:
        assert self._queues is not None
        self._queues.playout.read_into(block)
        if self._queues.played is not None:
            self._queues.played.write(block)

    def _finished(self) -> None:
        if not self._stopping:
            self._token.run_sync_soon(self._failed.set)


def _refusal(sounddevice: ModuleType, kind: str, device: Device, error: Exception) -> str:
    channels = f"max_{kind}_channels"
    candidates = [
        f"{found['index']} {found['name']}"
        for found in sounddevice.query_devices()
        if found[channels]
    ]
    named = "the default device" if device.name is None else f"device {device.name!r}"
    known = "; ".join(candidates) if candidates else "none at all"
    return f"cannot open {named} for {kind}: {error}. The {kind} devices here: {known}"


@contextmanager
def open_portaudio_line(
    capture: Device | None, playout: Device | None, rates: tuple[int, int]
) -> Iterator[PortAudioLine]:
    """A line from one device and to another, either of which may be missing. Raises
    `DeviceError`."""
    line = PortAudioLine(capture, playout, rates)
    try:
        yield line
    finally:
        line.close()

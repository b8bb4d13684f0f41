"""Sound hardware through PortAudio, with native callbacks; it may be missing, stop, and come back.

sounddevice is imported when a device is opened: `import sfclient` succeeds without PortAudio.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import trio

from sfaudio import StreamError, StreamStatistics
from sfaudio.stream import Stream, is_stuck, refresh_devices
from sfclient._devices._ends import MemoryInput, NullOutput
from sfclient._devices._interface import DeviceChanged, DeviceStatistics, DeviceWaits, Queues
from sfclient._devices._virtual import VirtualLine
from sfclient._errors import DeviceError
from sfclient._spool import in_thread

SILENT_SECONDS = 1.5  # without a callback, after which a device counts as lost
LOOK_SECONDS = 0.25
REOPEN_SECONDS = 1.0  # between tries to get a lost device back
INSTALL = {"linux": "install it (Debian: apt-get install libportaudio2)"}


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device, by index or by a part of its name as `sfclient devices` shows it.

    A part of the name of the host API may follow, after a comma: ``"USB, ALSA"``.
    """

    name: int | str | None = None
    """None is the default device."""
    blocksize: int = 0
    """Frames of each callback; 0 is what suits the device."""
    latency: float | str | None = None
    """In seconds, or ``"low"`` or ``"high"``; None is sounddevice's default."""
    native: bool = True
    """Whether callbacks are native; if not, they stutter when Python is busy."""


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
    """What PortAudio knows of every device, as sounddevice gives it, with the name of the host API."""
    sounddevice = load_sounddevice()
    apis = sounddevice.query_hostapis()
    return [
        {**device, "hostapi_name": apis[device["hostapi"]]["name"]}
        for device in sounddevice.query_devices()
    ]


@dataclass(frozen=True, slots=True)
class _End:
    """One direction of a device, as it will be opened."""

    device: Device
    index: int
    samplerate: int
    channels: int


def _choose(kind: str, device: Device, samplerate: int) -> _End:
    """Find the device, and settings that it takes: mono at the wire's rate if it can.

    Otherwise the rate is the device's own, and mono is made of or spread over two channels.
    """
    sounddevice = load_sounddevice()
    try:
        found = sounddevice.query_devices(device.name, kind)
        own = round(found["default_samplerate"])
        both = min(2, found[f"max_{kind}_channels"])
        for rate, channels in ((samplerate, 1), (samplerate, both), (own, 1), (own, both)):
            check = getattr(sounddevice, f"check_{kind}_settings")
            try:
                check(found["index"], channels, "float32", samplerate=rate)
            except sounddevice.PortAudioError as error:
                refusal = error
            else:
                return _End(device, found["index"], rate, channels)
    except (sounddevice.PortAudioError, ValueError) as error:
        refusal = error
    candidates = [
        f"{found['index']} {found['name']}"
        for found in sounddevice.query_devices()
        if found[f"max_{kind}_channels"]
    ]
    named = "the default device" if device.name is None else f"device {device.name!r}"
    known = "; ".join(candidates) if candidates else "none at all"
    raise DeviceError(
        f"cannot open {named} for {kind}: {refusal}. The {kind} devices here: {known}"
    )


class PortAudioLine(DeviceWaits):
    """A line of one duplex stream where both directions are one device, else of a stream for each.

    A device that no longer calls back is reported and given up; until it, or a new default one, can be
    opened at the same rates, the call goes on with silence.

    Either device may be None. `rates` are those hoped for, in Hz. Raises `DeviceError`.
    """

    is_real = True

    def __init__(
        self, input_device: Device | None, output_device: Device | None, rates: tuple[int, int]
    ) -> None:
        self._wanted = input_device, output_device
        self._input = _choose("input", input_device, rates[0]) if input_device else None
        self._output = _choose("output", output_device, rates[1]) if output_device else None
        if self._input and self._output and self._input.index == self._output.index:
            # One stream has one rate: the microphone's, since what it records is not to be resampled.
            self._output = _choose("output", self._output.device, self._input.samplerate)
        self.input_samplerate = self._input.samplerate if self._input else 0
        self.output_samplerate = self._output.samplerate if self._output else 0
        self._requested_latency = next(end.latency for end in self._wanted if end is not None)
        self._streams: list[Stream] = []
        self._seen: list[StreamStatistics] = []
        self._losses = 0
        self._abandoned = 0
        self._silent_seconds = 0.0
        self._input_latency = self.output_latency = 0.0

    def _open(self, queues: Queues) -> list[Stream]:
        recording, playing = self._input, self._output
        if recording and playing and _share_a_stream(recording, playing):
            return [_stream(recording, playing, queues)]
        streams: list[Stream] = []
        try:
            if recording:
                streams.append(_stream(recording, None, queues))
            if playing:
                streams.append(_stream(None, playing, queues))
        except BaseException:
            _close(streams)
            raise
        return streams

    async def run(
        self,
        queues: Queues,
        device_changed: DeviceChanged,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await self._start(queues)
            task_status.started()
            while True:
                await self._wait_lost()
                self._losses += 1
                device_changed(False)
                began = trio.current_time()
                await self._wait_back(queues, device_changed)
                self._silent_seconds += trio.current_time() - began
                device_changed(True)
        finally:
            await self._give_up()

    async def _start(self, queues: Queues) -> None:
        try:
            self._streams = await in_thread(partial(self._open, queues), undo=_close)
            self._input_latency = self._streams[0].input_latency if self._input else 0.0
            self.output_latency = self._streams[-1].output_latency if self._output else 0.0
            for stream in self._streams:
                await in_thread(stream.start)
        except StreamError as error:
            await self._give_up()
            raise DeviceError(f"the sound device does not start: {error}") from None

    async def _wait_lost(self) -> None:
        """Until a stream has not called back for a while, or PortAudio says that it has stopped."""
        opened = trio.current_time()
        while True:
            await trio.sleep(LOOK_SECONDS)
            for stream in self._streams:
                idle = stream.idle_seconds
                if idle is None:
                    idle = trio.current_time() - opened
                if idle > SILENT_SECONDS or not stream.active:
                    return

    async def _give_up(self) -> None:
        """Let the queues alone, and close the streams; where PortAudio does not come back, go on. Cancelled or not."""
        streams, self._streams = self._streams, []
        with trio.CancelScope(shield=True):
            for stream in streams:
                await trio.to_thread.run_sync(stream.detach)
                self._seen.append(stream.statistics())
            async with (
                trio.open_nursery() as nursery
            ):  # at the same time: each may take two seconds
                for stream in streams:
                    nursery.start_soon(self._close, stream)

    async def _close(self, stream: Stream) -> None:
        abandoned = await trio.to_thread.run_sync(_close, [stream])
        self._abandoned += abandoned

    async def _wait_back(self, queues: Queues, device_changed: DeviceChanged) -> None:
        """Go on with silence until the devices can be opened again."""
        silence = VirtualLine(
            MemoryInput(samplerate=self.input_samplerate) if self._input else None,
            NullOutput() if self._output else None,
            self.input_samplerate,
            self.output_samplerate,
        )
        for stream in self._streams:
            # Its callback may be kept from running.
            while not await trio.to_thread.run_sync(stream.detach):  # noqa: ASYNC110 -- nobody tells us
                await trio.sleep(LOOK_SECONDS)
        while True:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(silence.run, queues, device_changed)
                await self._give_up()
                while not await trio.to_thread.run_sync(self._is_back):  # noqa: ASYNC110 -- nobody tells us
                    await trio.sleep(REOPEN_SECONDS)
                nursery.cancel_scope.cancel()
            with suppress(DeviceError):
                await self._start(queues)
                return

    def _is_back(self) -> bool:
        """Look for the devices: anew, unless another call has streams open."""
        if is_stuck():
            return False
        refresh_devices()
        rates = self.input_samplerate, self.output_samplerate
        ends: list[_End | None] = []
        for kind, device, samplerate in zip(("input", "output"), self._wanted, rates, strict=True):
            try:
                end = _choose(kind, device, samplerate) if device else None
            except DeviceError:
                return False
            if end and end.samplerate != samplerate:
                return False
            ends.append(end)
        self._input, self._output = ends
        return True

    def statistics(self) -> DeviceStatistics:
        """What was seen of the devices since the call began, those that were lost included."""
        streams = [*self._seen, *(stream.statistics() for stream in self._streams)]
        return DeviceStatistics(
            tuple(streams),
            lost=self._losses,
            abandoned=self._abandoned,
            silent_seconds=self._silent_seconds,
            requested_latency=self._requested_latency,
            input_latency=self._input_latency,
            output_latency=self.output_latency,
        )


def _close(streams: list[Stream]) -> int:
    """Returns how many PortAudio did not close in time."""
    abandoned = 0
    for stream in streams:
        try:
            stream.close()
        except TimeoutError:
            abandoned += 1
    return abandoned


def _share_a_stream(recording: _End, playing: _End) -> bool:
    return (recording.index, recording.samplerate) == (playing.index, playing.samplerate)


def _stream(recording: _End | None, playing: _End | None, queues: Queues) -> Stream:
    """Of one direction, or of both; then the settings are the microphone's."""
    settings = recording or playing
    assert settings is not None
    return Stream(
        queues.capture if recording else None,
        queues.playout if playing else None,
        queues.played if playing else None,
        samplerate=settings.samplerate,
        blocksize=settings.device.blocksize,
        device=((recording or settings).index, (playing or settings).index),
        channels=((recording or settings).channels, (playing or settings).channels),
        latency=settings.device.latency,
        native=settings.device.native,
    )

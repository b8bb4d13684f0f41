"""Sound hardware through PortAudio, with native callbacks; it may be missing, stop, and come back.

sounddevice is imported when a device is opened: `import sfclient` succeeds without PortAudio.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import trio

from sfaudio import CaptureQueue, JitterBuffer, StreamStatistics
from sfaudio.stream import Stream
from sfclient._devices._clocked import ClockedLine, MemoryInput, NullOutput
from sfclient._devices._interface import DeviceStatistics, Queues
from sfclient._errors import DeviceError

CLOSE_SECONDS = 2.0  # for PortAudio to close a stream; it never does when the sound server has died
SILENT_SECONDS = 1.5  # without a callback, after which a device counts as lost
LOOK_SECONDS = 0.25
REOPEN_SECONDS = 1.0  # between tries to get a lost device back
INSTALL = {"linux": "install it (Debian: apt-get install libportaudio2)"}

# Streams that PortAudio is closing, which may take for ever: their callbacks need them that long.
_closing: set[Stream] = set()

# The lines that run in this process; they share one PortAudio.
_running: set[PortAudioLine] = set()


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


def is_stuck() -> bool:
    """Whether PortAudio is still closing a stream, so that it would hang at the exit of the process."""
    return bool(_closing)


def _close(stream: Stream) -> None:
    _closing.add(stream)
    stream.close()
    _closing.discard(stream)


@dataclass(frozen=True, slots=True)
class _Side:
    """One direction of a device, as it will be opened."""

    device: Device
    index: int
    samplerate: int
    channels: int


def _choose(kind: str, device: Device, samplerate: int) -> _Side:
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
                return _Side(device, found["index"], rate, channels)
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


class PortAudioLine:
    """A line of one duplex stream where both directions are one device, else of a stream for each.

    A device that no longer calls back is reported and given up; until it, or a new default one, can be
    opened at the same rates, the call goes on with silence.
    """

    def __init__(
        self, capture: Device | None, playout: Device | None, rates: tuple[int, int]
    ) -> None:
        self._wanted = capture, playout
        self._heard = _choose("input", capture, rates[0]) if capture is not None else None
        self._said = _choose("output", playout, rates[1]) if playout is not None else None
        if self._heard and self._said and self._heard.index == self._said.index:
            # One stream has one rate: the microphone's, since what it records is not to be resampled.
            assert playout is not None
            self._said = _choose("output", playout, self._heard.samplerate)
        self.capture_samplerate = self._heard.samplerate if self._heard else 0
        self.playout_samplerate = self._said.samplerate if self._said else 0
        self._requested_latency = next(end.latency for end in self._wanted if end is not None)
        self._streams: list[Stream] = []
        self._seen: list[StreamStatistics] = []
        self._losses = 0
        self._silent_seconds = 0.0
        self._input_latency = self.playout_latency = 0.0

    def _open(
        self, capture: CaptureQueue, playout: JitterBuffer, played: CaptureQueue | None
    ) -> None:
        heard, said = self._heard, self._said
        try:
            if heard and said and (heard.index, heard.samplerate) == (said.index, said.samplerate):
                self._add(heard, said, capture, playout, played)
            else:
                if heard:
                    self._add(heard, heard, capture, None, None)
                if said:
                    self._add(said, said, None, playout, played)
        except load_sounddevice().PortAudioError as error:
            while self._streams:
                self._streams.pop().close()
            raise DeviceError(f"the sound device does not open: {error}") from None

    def _add(
        self,
        heard: _Side,
        said: _Side,
        capture: CaptureQueue | None,
        playout: JitterBuffer | None,
        played: CaptureQueue | None,
    ) -> None:
        stream = Stream(
            capture,
            playout,
            played,
            samplerate=heard.samplerate,
            blocksize=heard.device.blocksize,
            device=(heard.index, said.index),
            channels=(heard.channels, said.channels),
            latency=heard.device.latency,
            native=heard.device.native,
        )
        self._streams.append(stream)

    async def run(
        self, queues: Queues, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        _running.add(self)
        try:
            await self._start(queues)
            task_status.started()
            while True:
                await self._wait_lost()
                self._losses += 1
                queues.device_changed(False)
                began = trio.current_time()
                await self._wait_back(queues)
                self._silent_seconds += trio.current_time() - began
                queues.device_changed(True)
        finally:
            with trio.CancelScope(shield=True):
                await self._give_up()
            _running.discard(self)

    async def _start(self, queues: Queues) -> None:
        self._open(queues.capture, queues.playout, queues.played)
        self._input_latency = self._streams[0].input_latency if self._heard else 0.0
        self.playout_latency = self._streams[-1].output_latency if self._said else 0.0
        try:
            for stream in self._streams:
                await trio.to_thread.run_sync(stream.start)
        except load_sounddevice().PortAudioError as error:
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
        """Let the queues alone, and close the streams; where PortAudio does not come back, go on."""
        streams, self._streams = self._streams, []
        for stream in streams:
            stream.detach()
            self._seen.append(stream.statistics())
            with trio.move_on_after(CLOSE_SECONDS):
                await trio.to_thread.run_sync(_close, stream, abandon_on_cancel=True)

    async def _wait_back(self, queues: Queues) -> None:
        """Go on with silence until the devices can be opened again."""
        silence = ClockedLine(
            MemoryInput(samplerate=self.capture_samplerate) if self._heard else None,
            NullOutput() if self._said else None,
            self.capture_samplerate,
            self.playout_samplerate,
        )
        for stream in self._streams:
            stream.detach()
        while True:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(silence.run, queues)
                await self._give_up()
                while not await trio.to_thread.run_sync(self._is_back):  # noqa: ASYNC110 -- nobody tells us
                    await trio.sleep(REOPEN_SECONDS)
                nursery.cancel_scope.cancel()
            with suppress(DeviceError):
                await self._start(queues)
                return

    def _is_back(self) -> bool:
        """Look for the devices anew: PortAudio knows those that were there when it was initialised.

        That cannot be done again while it holds a dead stream.
        """
        if is_stuck():
            return False
        sounddevice = load_sounddevice()
        if _running == {self}:  # it would close the streams of other calls
            sounddevice._terminate()
            sounddevice._initialize()
        capture, playout = self._wanted
        try:
            heard = (
                _choose("input", capture, self.capture_samplerate) if capture is not None else None
            )
            said = (
                _choose("output", playout, self.playout_samplerate) if playout is not None else None
            )
        except DeviceError:
            return False
        if heard and heard.samplerate != self.capture_samplerate:
            return False
        if said and said.samplerate != self.playout_samplerate:
            return False
        self._heard, self._said = heard, said
        return True

    def statistics(self) -> DeviceStatistics:
        """What was seen of the devices since the call began, those that were lost included."""
        streams = [*self._seen, *(stream.statistics() for stream in self._streams)]
        return DeviceStatistics(
            tuple(streams),
            lost=self._losses,
            silent_seconds=self._silent_seconds,
            requested_latency=self._requested_latency,
            input_latency=self._input_latency,
            output_latency=self.playout_latency,
        )


@contextmanager
def open_portaudio_line(
    capture: Device | None, playout: Device | None, rates: tuple[int, int]
) -> Iterator[PortAudioLine]:
    """A line from one device and to another, either of which may be missing.

    Raises `DeviceError`.
    """
    yield PortAudioLine(capture, playout, rates)

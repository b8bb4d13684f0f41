"""The PortAudio streams of a line: opened, started, looked at, given up, and remembered."""

from __future__ import annotations

import time
from functools import partial

import trio

from sfaudio import StreamError, StreamStatistics
from sfaudio.stream import Stream
from sfclient._devices._choice import HANG_SECONDS, End, Kind
from sfclient._devices._interface import Queues
from sfclient._errors import DeviceError
from sfclient._spool import in_thread, within

SILENT_SECONDS = 1.5  # without a callback, after which a device counts as lost
DETACH_SECONDS = (
    0.25  # between tries to have a callback leave the queues, that is kept from running
)


class Streams:
    """One for both directions where they are one device, else one for each; none before `start` and after `give_up`."""

    def __init__(self) -> None:
        self._open: list[Stream] = []
        self._seen: list[StreamStatistics] = []
        self._started = 0.0
        self.abandoned = 0
        """Streams that PortAudio did not close in time."""
        self.input_latency = self.output_latency = 0.0
        self._gain = 1.0

    @property
    def gain(self) -> float:
        """What is played is multiplied by this."""
        return self._gain

    @gain.setter
    def gain(self, gain: float) -> None:
        for stream in self._open:
            stream.output_gain = gain
        self._gain = gain

    async def start(self, ends: dict[Kind, End], queues: Queues) -> None:
        """Raises `DeviceError`, or TimeoutError when PortAudio hangs."""
        try:
            open_them = partial(_open, ends, queues, self._gain)
            self._open = await in_thread(partial(within, open_them, HANG_SECONDS), undo=_close_all)
            self.gain = self._gain  # it may have been set meanwhile
            if queues.reference is not None:
                recording, playing = self._open[0], self._open[-1]
                queues.reference.begin_devices(
                    queues.capture.statistics().written_frames,
                    None if recording is playing else (recording.position, playing.position),
                )
            for stream in self._open:
                await in_thread(partial(within, stream.start, HANG_SECONDS))
        except StreamError as error:
            await self.give_up()
            raise DeviceError(f"the sound device does not start: {error}") from None
        self.input_latency = self._open[0].input_latency if "input" in ends else 0.0
        self.output_latency = self._open[-1].output_latency if "output" in ends else 0.0
        self._started = time.monotonic()

    def is_any_lost(self) -> bool:
        """Whether one has not called back for a while, or PortAudio says that it has stopped."""
        for stream in self._open:
            idle = stream.idle_seconds
            if idle is None:
                idle = time.monotonic() - self._started
            if idle > SILENT_SECONDS or not stream.active:
                return True
        return False

    async def detach(self) -> None:
        """Have them let the queues alone; where a callback is kept from running, wait for it."""
        for stream in self._open:
            while not await trio.to_thread.run_sync(stream.detach):  # noqa: ASYNC110 -- nobody tells us
                await trio.sleep(DETACH_SECONDS)

    async def give_up(self) -> None:
        """Let the queues alone, and close them; where PortAudio does not come back, go on. Cancelled or not."""
        given_up, self._open = self._open, []
        with trio.CancelScope(shield=True):
            for stream in given_up:
                await trio.to_thread.run_sync(stream.detach)
                self._seen.append(stream.statistics())
            # At the same time: each may take two seconds.
            async with trio.open_nursery() as nursery:
                for stream in given_up:
                    nursery.start_soon(self._close, stream)

    async def _close(self, stream: Stream) -> None:
        abandoned = await trio.to_thread.run_sync(_close_all, [stream])
        self.abandoned += abandoned  # not before: another may be counted meanwhile

    def statistics(self) -> tuple[StreamStatistics, ...]:
        """Of each that was opened, in order."""
        return (*self._seen, *(stream.statistics() for stream in self._open))


def _open(ends: dict[Kind, End], queues: Queues, gain: float) -> list[Stream]:
    recording, playing = ends.get("input"), ends.get("output")
    if recording and playing and _share_a_stream(recording, playing):
        return [_stream(recording, playing, queues, gain)]
    streams: list[Stream] = []
    try:
        if recording:
            streams.append(_stream(recording, None, queues, gain))
        if playing:
            streams.append(_stream(None, playing, queues, gain))
    except BaseException:
        _close_all(streams)
        raise
    return streams


def _close_all(streams: list[Stream]) -> int:
    """Returns how many PortAudio did not close in time."""
    abandoned = 0
    for stream in streams:
        try:
            stream.close()
        except TimeoutError:
            abandoned += 1
    return abandoned


def _share_a_stream(recording: End, playing: End) -> bool:
    return (recording.index, recording.samplerate) == (playing.index, playing.samplerate)


def _stream(recording: End | None, playing: End | None, queues: Queues, gain: float) -> Stream:
    """Of one direction, or of both; then the settings are the microphone's."""
    settings = recording or playing
    assert settings is not None
    return Stream(
        queues.capture if recording else None,
        queues.playout if playing else None,
        queues.played if playing else None,
        reference=queues.reference.queue if playing and queues.reference else None,
        capture_meter=queues.capture_meter if recording else None,
        playout_meter=queues.playout_meter if playing else None,
        input_channel=recording.channel if recording else None,
        output_gain=gain,
        samplerate=settings.samplerate,
        blocksize=settings.device.blocksize,
        device=((recording or settings).index, (playing or settings).index),
        channels=((recording or settings).channels, (playing or settings).channels),
        latency=settings.device.latency,
        native=settings.device.native,
    )

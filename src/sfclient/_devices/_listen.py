"""What a microphone gives, without a call."""

import time

from sfaudio import CaptureQueue, Meter, MeterStatistics, StreamError
from sfaudio.stream import Stream
from sfclient._devices._choice import Device, choose
from sfclient._errors import DeviceError

LISTEN_SECONDS = 1.2  # to each channel: a second of zeros is what tells a silent microphone
USUAL_SAMPLERATE = 48_000
MOST_CHANNELS = 2  # are listened to: of an interface with sixteen, a caller knows which


def listen(device: Device) -> tuple[str, list[MeterStatistics]]:
    """The name of a device, and what each of its first channels gives; it takes a second or two of silence.

    It blocks. Raises `DeviceError`, or TimeoutError when PortAudio hangs.
    """
    end = choose("input", device, USUAL_SAMPLERATE)
    heard = []
    for channel in range(1, min(end.channels, MOST_CHANNELS) + 1):
        meter = Meter(end.samplerate)
        try:
            with Stream(
                CaptureQueue(2 * round(LISTEN_SECONDS * end.samplerate)),
                samplerate=end.samplerate,
                device=end.index,
                channels=end.channels,
                input_channel=channel,
                capture_meter=meter,
            ):
                time.sleep(LISTEN_SECONDS)
        except StreamError as error:
            raise DeviceError(str(error)) from None
        heard.append(meter.statistics())
    return end.name, heard

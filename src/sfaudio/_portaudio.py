"""What PortAudio knows of the devices, and in which words it is told. `stream` imports sounddevice and hands it in."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

INSTALL = {"linux": "install it (Debian: apt-get install libportaudio2)"}
REINSTALL = "reinstall sounddevice, which brings it (pip install --force-reinstall sounddevice)"
JACK = "JACK Audio Connection Kit"  # as PortAudio names this host API
# Of telephones, of the wires of agents, of hardware.
COMMON_RATES = (8_000, 16_000, 24_000, 44_100, 48_000)


class StreamError(OSError):
    """PortAudio is missing, there is no such device, or it refuses. The text tells which devices there are."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device as PortAudio knows it."""

    index: int
    """What `Stream` takes as `device`; it may change when devices come and go."""
    name: str
    """A part of it will do as `device`."""
    hostapi: str
    """The system's sound interface that has it: ``"ALSA"``, ``"Core Audio"``, ``"Windows WASAPI"``, ..."""
    input_channels: int
    """How many it records at most; 0 if it does not."""
    output_channels: int
    """How many it plays at most; 0 if it does not."""
    samplerate: float
    """In Hz, its own."""
    is_default_input: bool
    """Whether it records where no device is named."""
    is_default_output: bool
    """Whether it plays where no device is named."""

    def __str__(self) -> str:
        return f"{self.index} {self.name} ({self.hostapi})"


def missing(error: Exception) -> StreamError:
    """Of what sounddevice said when it was imported, or what Python said where it is not installed."""
    if isinstance(error, ImportError):
        return StreamError(f"sounddevice is not there ({error}): pip install sounddevice")
    return StreamError(f"PortAudio is not there ({error}): {INSTALL.get(sys.platform, REINSTALL)}")


def failed(error: Exception) -> StreamError:
    """Of what PortAudio said when it was to be initialised, or asked for devices."""
    return StreamError(f"PortAudio does not start ({error}): is the sound server well?")


def read_version(sounddevice: Any) -> str:
    return str(sounddevice.get_portaudio_version()[1])


def read_devices(sounddevice: Any) -> list[DeviceInfo]:
    """Raises `StreamError`."""
    try:
        hostapis, devices = sounddevice.query_hostapis(), sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise failed(error) from None
    defaults = [_default(sounddevice, kind) for kind in ("input", "output")]
    return [
        DeviceInfo(
            found["index"],
            found["name"],
            hostapis[found["hostapi"]]["name"],
            found["max_input_channels"],
            found["max_output_channels"],
            found["default_samplerate"],
            *(found["index"] == default for default in defaults),
        )
        for found in devices
    ]


def _default(sounddevice: Any, kind: str) -> int | None:
    try:
        return int(sounddevice.query_devices(kind=kind)["index"])
    except (sounddevice.PortAudioError, ValueError):
        return None


def is_of_jack(sounddevice: Any, stream: Any) -> bool:
    devices = stream.device if isinstance(stream.device, tuple) else (stream.device,)
    hostapis = sounddevice.query_hostapis()
    return any(
        hostapis[sounddevice.query_devices(device)["hostapi"]]["name"] == JACK for device in devices
    )


def refused(sounddevice: Any, stream: str, kind: str, error: Exception) -> StreamError:
    """Of what PortAudio said when a stream of this kind was to be opened or started."""
    devices: list[DeviceInfo] = []
    with suppress(StreamError):
        devices = read_devices(sounddevice)
    known = []
    for end in ("input", "output"):
        if kind in (end, "duplex"):
            names = [str(device) for device in devices if getattr(device, f"{end}_channels")]
            known.append(f"The {end} devices here: {'; '.join(names) or 'none at all'}")
    return StreamError(
        f"PortAudio does not give us the stream ({stream}): {error}. {'. '.join(known)}"
    )


def read_rates(sounddevice: Any, device: DeviceInfo, kind: str) -> list[int]:
    """Which of the common rates it takes, in mono or in stereo."""
    check = getattr(sounddevice, f"check_{kind}_settings")
    both = min(2, getattr(device, f"{kind}_channels"))
    taken = []
    for rate in COMMON_RATES:
        for channels in (1, both):
            try:
                check(device.index, channels, "float32", samplerate=rate)
            except sounddevice.PortAudioError:
                continue
            taken.append(rate)
            break
    return taken

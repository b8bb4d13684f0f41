"""Which sound device is meant, and with which settings it is opened.

sounddevice is imported when a device is looked for: `import sfclient` succeeds without PortAudio.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from sfaudio import DeviceInfo, StreamError, stream
from sfclient._errors import DeviceError

Kind = Literal["input", "output"]

HANG_SECONDS = 10.0  # for PortAudio to look for devices: it takes one at most

_looking = threading.Lock()  # what PortAudio tells of a device is gone when it looks for them anew


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
    channel: int = 1
    """Which input channel is recorded, alone: the mean of two would be half as loud where one has the microphone."""


@dataclass(frozen=True, slots=True)
class End:
    """One direction of a device, as it will be opened."""

    device: Device
    index: int
    name: str
    """As `sfclient devices` shows it."""
    samplerate: int
    channels: int
    channel: int | None = None
    """Which of these is recorded."""


def list_devices() -> list[DeviceInfo]:
    """What PortAudio knows of every device. It may block. Raises `DeviceError`."""
    with _alone():
        return stream.list_devices()


def choose(kind: Kind, device: Device, samplerate: int, *, exactly: bool = False) -> End:
    """Find the device, and settings that it takes: at the wire's rate if it can, and not `exactly` that is asked for.

    It may block. Raises `DeviceError`; TimeoutError if PortAudio hangs in looking for them for another call.
    """
    with _alone():
        return _choose(kind, device, samplerate, exactly)


def choose_all(wanted: dict[Kind, Device], rates: dict[Kind, int]) -> dict[Kind, End]:
    """Of both directions of a call, at these rates in Hz if that can be. As `choose`."""
    with _alone():
        if stream.is_stuck():  # since a call before
            stream.refresh_devices()
    ends = {kind: choose(kind, device, rates[kind]) for kind, device in wanted.items()}
    if len(ends) == 2 and ends["input"].index == ends["output"].index:
        # One stream has one rate: the microphone's, since what it records is not to be resampled.
        ends["output"] = choose("output", wanted["output"], ends["input"].samplerate)
    return ends


def choose_anew(wanted: dict[Kind, Device], rates: dict[Kind, int]) -> dict[Kind, End]:
    """Look for devices, unless another call has streams open, and choose at exactly these rates in Hz.

    It may block. Raises `DeviceError`; TimeoutError if PortAudio hangs in doing this for another call.
    """
    with _alone():
        stream.refresh_devices()
        if stream.is_stuck():
            raise DeviceError("PortAudio does not come back from closing a device")
        return {kind: _choose(kind, device, rates[kind], True) for kind, device in wanted.items()}


@contextmanager
def _alone() -> Iterator[None]:
    if not _looking.acquire(timeout=HANG_SECONDS):
        raise TimeoutError
    try:
        yield
    except StreamError as error:
        raise DeviceError(str(error)) from None
    finally:
        _looking.release()


def _choose(kind: Kind, device: Device, samplerate: int, exactly: bool) -> End:
    known = [each for each in stream.list_devices() if getattr(each, f"{kind}_channels")]
    import sounddevice

    try:
        name = _as_index(device.name)
        if not known or (isinstance(name, int) and name not in [each.index for each in known]):
            raise ValueError("there is none")
        found = sounddevice.query_devices(name, kind)
        own = round(found["default_samplerate"])
        check = getattr(sounddevice, f"check_{kind}_settings")
        for rate in (samplerate,) if exactly else (samplerate, own):
            for channels in _numbers_of_channels(kind, device, found[f"max_{kind}_channels"]):
                try:
                    check(found["index"], channels, "float32", samplerate=rate)
                except sounddevice.PortAudioError as error:
                    refusal = error
                else:
                    channel = device.channel if kind == "input" else None
                    return End(device, found["index"], found["name"], rate, channels, channel)
    except (sounddevice.PortAudioError, ValueError) as error:
        refusal = error
    named = "the default device" if device.name is None else f"device {device.name!r}"
    names = "; ".join(f"{each.index} {each.name}" for each in known) or "none at all"
    told = " ".join(str(refusal).split())  # in one line
    if exactly:
        told += f" (at {samplerate} Hz, with which the call goes on)"
    raise DeviceError(f"cannot open {named} for {kind}: {told}. The {kind} devices here: {names}")


def _numbers_of_channels(kind: Kind, device: Device, most: int) -> list[int]:
    """That are tried, one after the other. Raises ValueError if the device has no such channel.

    Where a microphone has two, both are opened, to record one: of mono, systems would make the mean of them.
    """
    if kind == "output":
        return [1, min(2, most)]
    if not 1 <= device.channel <= most:
        raise ValueError(f"it has {most} input channels, so there is no channel {device.channel}")
    fewest = max(device.channel, min(2, most))
    return [fewest, most, *([1] if device.channel == 1 else [])]


def _as_index(name: int | str | None) -> int | str | None:
    return int(name) if isinstance(name, str) and name.isdecimal() else name

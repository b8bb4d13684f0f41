"""Sound in and out: real devices, WAV files, memory.

- `Audio`: what a user chooses, and `open_lines`: what a call makes of it
- ``_interface``: what a line is to a call
- ``_portaudio``: real devices, the only importer of sounddevice
- ``_virtual``: files and memory, paced by trio's clock; ``_wav``: the files themselves
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sfclient._devices._interface import DeviceStatistics, Line, Queues
from sfclient._devices._portaudio import Device, is_stuck, list_devices, open_portaudio_line
from sfclient._devices._virtual import (
    MemoryInput,
    MemoryOutput,
    NullOutput,
    Sink,
    Source,
    WavInput,
    WavOutput,
    open_virtual_line,
)
from sfclient._devices._wav import WavWriter


@dataclass(frozen=True, slots=True)
class Audio:
    """Where the caller's speech comes from and the agent's goes to.

    Each is a `Device`, or its index or a part of its name; a path ending in ``.wav``; ``"none"``,
    silence or nobody; a `Source` or `Sink`, such as `MemoryInput` and `MemoryOutput`; or None, the
    default device.
    """

    input: Source | Device | Path | str | int | None = None
    output: Sink | Device | Path | str | int | None = None


@contextmanager
def open_lines(
    audio: Audio, input_samplerate: int, output_samplerate: int
) -> Iterator[list[Line]]:
    """Open what `audio` names, at these rates in Hz if possible: one line for both directions, or
    one for each.

    Raises `DeviceError` or `AudioFileError`.
    """
    source = _source(audio.input)
    sink = _sink(audio.output)
    real = (
        source if isinstance(source, Device) else None,
        sink if isinstance(sink, Device) else None,
    )
    virtual = (
        None if isinstance(source, Device) else source,
        None if isinstance(sink, Device) else sink,
    )
    with ExitStack() as stack:
        lines: list[Line] = []
        if real != (None, None):
            rates = input_samplerate, output_samplerate
            lines.append(stack.enter_context(open_portaudio_line(*real, rates)))
        if virtual != (None, None):
            lines.append(stack.enter_context(open_virtual_line(*virtual, output_samplerate)))
        yield lines


def _source(end: Source | Device | Path | str | int | None) -> Source | Device:
    if end == "none":
        return MemoryInput()
    if isinstance(end, str | Path) and _is_wav(end):
        return WavInput(end)
    return _device(end) if isinstance(end, str | Path | int | None) else end


def _sink(end: Sink | Device | Path | str | int | None) -> Sink | Device:
    if end == "none":
        return NullOutput()
    if isinstance(end, str | Path) and _is_wav(end):
        return WavOutput(end)
    return _device(end) if isinstance(end, str | Path | int | None) else end


def _is_wav(end: str | Path) -> bool:
    return str(end).lower().endswith(".wav")


def _device(end: str | Path | int | None) -> Device:
    return Device(str(end) if isinstance(end, Path) else end)


__all__ = [
    "Audio",
    "Device",
    "DeviceStatistics",
    "Line",
    "MemoryInput",
    "MemoryOutput",
    "NullOutput",
    "Queues",
    "Sink",
    "Source",
    "WavInput",
    "WavOutput",
    "WavWriter",
    "is_stuck",
    "list_devices",
    "open_lines",
]

"""Sound in and out: real devices, WAV files, memory.

- `Audio`: what a user chooses, and `open_lines`: what a call makes of it
- ``_interface``: what a line is to a call
- ``_portaudio``: real devices, the only importer of sounddevice
- ``_virtual``: files and memory, paced by trio's clock; ``_wav``: the files themselves
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sfaudio.stream import is_stuck
from sfclient._devices._interface import DeviceStatistics, Line, Queues
from sfclient._devices._portaudio import Device, PortAudioLine, list_devices
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

End = TypeVar("End")


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
def open_lines(audio: Audio, input_samplerate: int, output_samplerate: int) -> Iterator[list[Line]]:
    """Open what `audio` names, at these rates in Hz if possible: one line for both directions, or
    one for each.

    Raises `DeviceError` or `AudioFileError`.
    """
    source = _end(audio.input, MemoryInput, WavInput)
    sink = _end(audio.output, NullOutput, WavOutput)
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
            lines.append(PortAudioLine(*real, (input_samplerate, output_samplerate)))
        if virtual != (None, None):
            lines.append(stack.enter_context(open_virtual_line(*virtual, output_samplerate)))
        yield lines


def _end(
    chosen: End | Device | Path | str | int | None,
    silence: Callable[[], End],
    file: Callable[[str | Path], End],
) -> End | Device:
    if chosen == "none":
        return silence()
    if isinstance(chosen, str | Path) and str(chosen).lower().endswith(".wav"):
        return file(chosen)
    if isinstance(chosen, str | Path | int | None):
        return Device(str(chosen) if isinstance(chosen, Path) else chosen)
    return chosen


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

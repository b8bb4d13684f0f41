"""Sound in and out: real devices, WAV files, memory.

- `Audio`: what a user chooses, and `open_lines`: what a call makes of it
- ``_interface``: what a line is to a call
- ``_portaudio``: real devices, which are changed, lost and found again; ``_choice``: which is meant; ``_streams``: what
  is open; ``_defaults``: which are the default ones
- ``_reference``: what was played while a frame was recorded; ``_played``: that between its frames, ``_device_clock``:
  two devices' clocks
- ``_ends``: where sound comes from and goes to without them: memory, files, nothing
- ``_stream_input``, ``_stream_output``: what a program says, and hears, while it makes or takes it; ``_pieces``: by
  what it gives sound, ``_samples``: as what
- ``_virtual``: the line between these, paced by trio's clock
- ``_wav``: WAV files in, ``_sound_files``: others, ``_shared`` among calls; ``_wav_writer``: WAV files out;
  ``_files``: which files may be either
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Literal, TypeVar

from sfaudio.stream import is_stuck
from sfclient._contexts import frugal_asynccontextmanager
from sfclient._devices._choice import HANG_SECONDS, Device, Kind, list_devices
from sfclient._devices._ends import (
    MemoryInput,
    MemoryOutput,
    NullOutput,
    Sink,
    Source,
    WavInput,
    WavOutput,
)
from sfclient._devices._files import OutputFile, cannot, check_distinct, open_input
from sfclient._devices._interface import DeviceStatistics, DeviceWaits, Line, Queues, Waits
from sfclient._devices._listen import listen
from sfclient._devices._portaudio import HANGS, MOST_VOLUME, PortAudioLine
from sfclient._devices._reference import Reference, ReferenceStatistics
from sfclient._devices._sound_files import file_input, is_sound_file, read_sound
from sfclient._devices._stream_input import StreamInput, StreamInputStatistics
from sfclient._devices._stream_output import (
    Block,
    BlockQueue,
    StreamOutput,
    StreamOutputStatistics,
)
from sfclient._devices._virtual import BLOCK_SECONDS, close_in_time, open_virtual_line
from sfclient._devices._wav import StereoSound, open_stereo
from sfclient._devices._wav_writer import SpooledWav, WavWriter
from sfclient._errors import AudioFileError, DeviceError
from sfclient._spool import in_thread, within

LONGEST_BLOCK_SECONDS = 0.1  # for what is said and heard in a call is late by as much

End = TypeVar("End")

EchoChoice = Literal["auto", "cancel", "gate", "off"]


@dataclass(frozen=True, slots=True)
class Audio:
    """Where the caller's speech comes from and the agent's goes to.

    Each is a `Device`, or its index or a part of its name; a path ending in ``.wav``, or for the input
    in ``.flac``, ``.ogg``, ``.mp3`` and the like, with the extra ``files``; ``"none"``, silence or nobody;
    a `Source` or `Sink`, such as `MemoryInput` and `MemoryOutput`, `StreamInput` and `StreamOutput`; or None, the
    default device.
    """

    input: Source | Device | Path | str | int | None = None
    output: Sink | Device | Path | str | int | None = None
    follow: bool = False
    """Whether a device that becomes the default one takes over, where that was not named. A process beside asks for it
    every two seconds; while another call of this process has a device open, only what it was is found."""
    echo: EchoChoice = "auto"
    """What to do about the agent's voice that comes from the loudspeaker into the microphone, so that the agent does
    not hear, and answer, itself. ``"cancel"``: take it out, so that both may speak at once. ``"gate"``: send silence
    while the agent is heard. ``"auto"``: cancel, and gate while that does not help, where both are sound devices; else
    nothing, so that all that is recorded is sent bit for bit. ``"off"``: nothing."""
    interrupt_after: float | None = None
    """Interrupt the agent, as `Call.flush` does, when the caller has spoken over it for about so many seconds, 0.1 to
    2: 0.25 is quick and seldom wrong, 0.17 quicker and oftener. It takes the extra ``vad``, and a microphone that does
    not hear the agent, by `echo` or by itself; not with ``"gate"``. None: never."""


@frugal_asynccontextmanager
async def open_lines(
    audio: Audio,
    input_samplerate: int,
    output_samplerate: int,
    *outputs: Path,
    chunk_seconds: float = BLOCK_SECONDS,
) -> AsyncGenerator[list[Line], None]:
    """Open what `audio` names, at these rates in Hz if possible: one line for both directions, or
    one for each. Nothing of it is a file that is written as well, be it one of the further `outputs`.

    Without a real device, blocks are as long as a chunk of so many seconds, or as an equal part of a long one.

    Raises `DeviceError`, `AudioFileError` or `UsageError`.
    """
    source = _end(audio.input, MemoryInput, file_input)
    sink = _end(audio.output, NullOutput, _file_output)
    if isinstance(source, WavInput):
        written = [*outputs, *([sink.path] if isinstance(sink, WavOutput) else [])]
        await in_thread(partial(check_distinct, [source.path], written))
    real: dict[Kind, Device] = {}
    if isinstance(source, Device):
        real["input"] = source
    if isinstance(sink, Device):
        real["output"] = sink
    virtual = (
        None if isinstance(source, Device) else source,
        None if isinstance(sink, Device) else sink,
    )
    devices: PortAudioLine | None = None
    if real:
        rates: dict[Kind, int] = {"input": input_samplerate, "output": output_samplerate}
        make = partial(PortAudioLine, real, rates, follow=audio.follow)
        devices = await in_thread(partial(_in_time, make))
    lines: list[Line] = [] if devices is None else [devices]
    try:
        if virtual == (None, None):
            yield lines
            return
        block_seconds = BLOCK_SECONDS if lines else _part(chunk_seconds)
        async with open_virtual_line(*virtual, output_samplerate, block_seconds) as line:
            yield [*lines, line]
    finally:
        if devices is not None:
            devices.close()


def _in_time(make: Callable[[], PortAudioLine]) -> PortAudioLine:
    try:
        return within(make, HANG_SECONDS)
    except TimeoutError:
        raise DeviceError(HANGS) from None


def _part(chunk_seconds: float) -> float:
    return chunk_seconds / ceil(chunk_seconds / LONGEST_BLOCK_SECONDS)


def _end(
    chosen: End | Device | Path | str | int | None,
    silence: Callable[[], End],
    file: Callable[[str | Path], End],
) -> End | Device:
    if chosen == "none":
        return silence()
    if isinstance(chosen, str | Path) and is_sound_file(chosen):
        return file(chosen)
    if isinstance(chosen, str | Path | int | None):
        return Device(str(chosen) if isinstance(chosen, Path) else chosen)
    return chosen


def _file_output(path: str | Path) -> WavOutput:
    if not str(path).lower().endswith(".wav"):
        raise AudioFileError(
            f"cannot write {path}: what the agent says is written as WAV, so name it .wav"
        )
    return WavOutput(path)


__all__ = [
    "HANGS",
    "MOST_VOLUME",
    "Audio",
    "Block",
    "BlockQueue",
    "Device",
    "DeviceStatistics",
    "DeviceWaits",
    "EchoChoice",
    "Kind",
    "Line",
    "MemoryInput",
    "MemoryOutput",
    "NullOutput",
    "OutputFile",
    "Queues",
    "Reference",
    "ReferenceStatistics",
    "Sink",
    "Source",
    "SpooledWav",
    "StereoSound",
    "StreamInput",
    "StreamInputStatistics",
    "StreamOutput",
    "StreamOutputStatistics",
    "Waits",
    "WavInput",
    "WavOutput",
    "WavWriter",
    "cannot",
    "check_distinct",
    "close_in_time",
    "is_sound_file",
    "is_stuck",
    "list_devices",
    "listen",
    "open_input",
    "open_lines",
    "open_stereo",
    "read_sound",
]

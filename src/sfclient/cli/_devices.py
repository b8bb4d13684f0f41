"""``sfclient devices``: what ``--input`` and ``--output`` can name."""

import argparse

from sfaudio import DeviceInfo
from sfclient._devices import list_devices
from sfclient._spool import in_thread
from sfclient.cli._telling import complain, give_out


async def run_devices(_args: argparse.Namespace) -> int:
    """Raises `DeviceError` without PortAudio."""
    devices = await in_thread(list_devices)
    if not devices:
        complain("There are no sound devices.")
    give_out(map(line_of, devices))
    return 0


def line_of(device: DeviceInfo) -> str:
    """With what it is the default of, where nothing is named."""
    text = f"{device.index:3} {device.name} ({device.hostapi}): "
    text += f"{device.input_channels} in, {device.output_channels} out, {device.samplerate:.0f} Hz"
    kinds = {"input": device.is_default_input, "output": device.is_default_output}
    if default := " and ".join(kind for kind, is_default in kinds.items() if is_default):
        text += f", default {default}"
    return text

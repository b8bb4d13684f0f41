"""``sfclient devices``: what ``--input`` and ``--output`` can name."""

import argparse

from sfclient._devices import list_devices
from sfclient.cli._telling import complain, give_out


async def run_devices(_args: argparse.Namespace) -> int:
    """Raises `DeviceError` without PortAudio."""
    devices = list_devices()
    if not devices:
        complain("There are no sound devices.")
    give_out(
        f"{device['index']:3} {device['name']} ({device['hostapi_name']}): "
        f"{device['max_input_channels']} in, {device['max_output_channels']} out, "
        f"{device['default_samplerate']:.0f} Hz"
        for device in devices
    )
    return 0

"""Exit status 3: the sound devices and those that are missing."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sfclient.simulator import open_simulator

from .conftest import KEY, SILENT, first_on_the_path, sfclient

FAKE_SOUNDDEVICE = """
class PortAudioError(Exception):
    pass

InputStream = OutputStream = check_input_settings = check_output_settings = None

DEVICES = [
    {"index": 0, "name": "Desk microphone", "hostapi": 0, "max_input_channels": 1,
     "max_output_channels": 0, "default_samplerate": 44100.0},
    {"index": 1, "name": "Loud speaker", "hostapi": 0, "max_input_channels": 0,
     "max_output_channels": 2, "default_samplerate": 48000.0},
]

def query_hostapis():
    return [{"name": "Fake"}]

def query_devices(device=None, kind=None):
    if kind is None:
        return DEVICES
    if device is None:
        return DEVICES[kind == "output"]
    raise ValueError(f"No {kind} device matching {device!r}")
"""
NO_PORTAUDIO = """
import ctypes.util
find = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if "portaudio" in name else find(name)
"""


class TestDevices:
    @pytest.fixture
    def fake(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "sounddevice.py").write_text(FAKE_SOUNDDEVICE)
        return first_on_the_path(tmp_path)

    @pytest.fixture
    def no_portaudio(self, tmp_path: Path) -> dict[str, str]:
        if sys.platform != "linux":
            pytest.skip("the wheel of sounddevice brings PortAudio along")
        (tmp_path / "sitecustomize.py").write_text(NO_PORTAUDIO)
        return first_on_the_path(tmp_path)

    async def test_devices_are_listed(self, fake: dict[str, str]) -> None:
        done = await sfclient("devices", env=fake, key=None)
        assert done.status == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert re.search(r"\b0\b.*Desk microphone.*Fake.*\b1 in\b.*44100 Hz, default input$", first)
        assert re.search(r"\b1\b.*Loud speaker.*Fake.*\b2 out\b.*48000 Hz, default output$", second)

    @pytest.mark.parametrize(
        ("option", "name", "candidate", "other"),
        [
            ("--input", "tuba", "0 Desk microphone", "Loud speaker"),
            ("--output", "17", "1 Loud speaker", "Desk microphone"),
        ],
    )
    async def test_unknown_device_lists_the_candidates(
        self, option: str, name: str, candidate: str, other: str, fake: dict[str, str]
    ) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                "call", "a", "--base-url", sim.base_url, *SILENT, option, name, env=fake
            )
        assert done.status == 3
        assert name in done.stderr
        assert candidate in done.stderr
        assert other not in done.stderr
        assert not sim.calls

    async def test_no_portaudio_names_the_package(self, no_portaudio: dict[str, str]) -> None:
        version("sounddevice")  # Else it is told that there is none.
        async with open_simulator(key=KEY) as sim:
            for args in (
                ("devices",),
                ("call", "a", "--base-url", sim.base_url),
                ("call", "--session-url", sim.new_session_url(), "--input", "none"),
            ):
                done = await sfclient(*args, env=no_portaudio)
                assert done.status == 3
                assert "libportaudio2" in done.stderr
                assert len(done.stderr.splitlines()) == 1

    async def test_files_need_no_portaudio(self, no_portaudio: dict[str, str]) -> None:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.2),
                env=no_portaudio,
            )
        assert done.status == 0, done.stderr

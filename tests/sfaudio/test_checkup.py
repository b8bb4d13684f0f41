"""What `python -m sfaudio` tells, with and without PortAudio."""

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

import sfaudio
from sfaudio import checkup, stream
from sfaudio.checkup import Finding, check_core, check_portaudio


class PortAudioError(Exception):
    pass


class Sounddevice(ModuleType):
    """With these devices; an index of -1 is no default."""

    PortAudioError = PortAudioError

    def __init__(self, *devices: tuple[str, int, int], default: tuple[int, int]) -> None:
        super().__init__("sounddevice")
        self.devices = [
            {
                "index": index,
                "name": name,
                "hostapi": 0,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 44_100.0,
            }
            for index, (name, inputs, outputs) in enumerate(devices)
        ]
        self.default = dict(zip(("input", "output"), default, strict=True))

    def get_portaudio_version(self) -> tuple[int, str]:
        return 0, "PortAudio V19"

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "ALSA"}]

    def query_devices(self, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        if self.default[kind] < 0:
            raise PortAudioError("Error querying device -1")
        return self.devices[self.default[kind]]

    def check_input_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        """In stereo only."""
        if (channels, samplerate) not in ((2, 16_000), (2, 48_000)):
            raise PortAudioError("Invalid number of channels")

    check_output_settings = check_input_settings


HEADSET = Sounddevice(("HDMI", 0, 8), ("Headset", 2, 2), default=(1, 1))


def test_the_core_is_told_and_tested() -> None:
    findings = {finding.name: finding for finding in check_core()}
    assert [finding.name for finding in findings.values() if not finding.is_good] == []
    assert sfaudio.__version__ in findings["sfaudio"].text
    assert "7 parts" in findings["self-test"].text


@pytest.mark.parametrize("test", checkup._TESTS)
def test_a_part_that_is_wrong_is_named(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is seen to fail when what it tests does something else."""
    spoil = {
        "conversion": ("int16_to_float32", lambda src: src.astype("f4") / 32767),
        "G.711": ("ulaw_to_int16", lambda src: sfaudio.alaw_to_int16(src)),
        "blocks": ("to_mono", lambda src, channels: src[1::2] + 1),
        "queues": ("CaptureQueue", lambda capacity: sfaudio._capture.CaptureQueue(100)),
        "resampler": ("Resampler", lambda *rates: sfaudio._resample.Resampler(48_000, 44_100)),
        "playout engine": (
            "PlayoutEngine",
            lambda queue: sfaudio._playout.PlayoutEngine(sfaudio.JitterBuffer(16_000)),
        ),
        "meter": ("Meter", lambda rate: sfaudio._meter.Meter(48_000)),
    }
    monkeypatch.setattr(sfaudio, *spoil[test])
    (finding,) = (finding for finding in check_core() if not finding.is_good)
    assert finding.text == f"wrong: {test}"
    assert "pip install" in finding.remedy


def test_devices_are_told_with_their_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", HEADSET)
    assert list(map(str, check_portaudio())) == [
        "ok  PortAudio: PortAudio V19",
        "ok  device: 0 HDMI (ALSA), 8 out, 44100 Hz",
        "ok  device: 1 Headset (ALSA), 2 in, 2 out, 44100 Hz",
        "ok  default input: 1 Headset (ALSA), takes 16000, 48000 Hz",
        "ok  default output: 1 Headset (ALSA), takes 16000, 48000 Hz",
    ]
    assert [device.is_default_input for device in stream.list_devices()] == [False, True]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "other"])
def test_no_device_is_a_finding_with_a_remedy(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", Sounddevice(default=(-1, -1)))
    monkeypatch.setattr(sys, "platform", platform)
    portaudio, *ends = check_portaudio()
    assert portaudio.is_good
    for kind, finding in zip(("input", "output"), ends, strict=True):
        assert (finding.name, finding.is_good, finding.text) == (f"default {kind}", False, "none")
        assert "plug one in" in finding.remedy


def test_where_portaudio_is_missing_the_rest_is_told_with_a_remedy() -> None:
    program = (
        "import sys, runpy\n"
        "class Missing:\n"
        "    def find_spec(self, name, *unused):\n"
        "        if name == 'sounddevice': raise OSError('PortAudio library not found')\n"
        "sys.meta_path.insert(0, Missing())\n"
        "sys.platform = 'linux'\n"
        "runpy.run_module('sfaudio', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("ok  ") == 3
    *_, bad, remedy = done.stdout.splitlines()
    assert bad == "BAD PortAudio: cannot be used"
    assert "apt-get install libportaudio2" in remedy


def test_where_sounddevice_is_not_installed_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    (finding,) = check_portaudio()
    assert not finding.is_good
    assert "pip install sounddevice" in finding.remedy


def test_a_finding_is_a_line_and_one_for_its_remedy() -> None:
    assert str(Finding("a", True, "b")) == "ok  a: b"
    assert str(Finding("a", False, "b", "c")) == "BAD a: b\n    c"

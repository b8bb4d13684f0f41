"""Which device is opened, and with which settings; what is said if there is none."""

import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from sfaudio import stream
from sfclient import Device, DeviceError
from sfclient._devices import _choice, list_devices
from sfclient._devices._choice import choose, choose_all, choose_anew


class PortAudio(ModuleType):
    """Stands in for sounddevice."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.devices = [self.device("Desk", inputs=1), self.device("Interface", 2, 2, 44_100.0)]
        self.refused: set[tuple[int, int]] = set()
        """Channels and rates that no device takes."""

    @staticmethod
    def device(name: str, inputs: int = 0, outputs: int = 0, rate: float = 48_000.0) -> Any:
        return {
            "name": name,
            "hostapi": 0,
            "max_input_channels": inputs,
            "max_output_channels": outputs,
            "default_samplerate": rate,
        }

    def query_hostapis(self) -> Any:
        return [{"name": "API"}]

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        listed = [{**each, "index": index} for index, each in enumerate(self.devices)]
        if kind is None:
            return listed
        able = [each for each in listed if each[f"max_{kind}_channels"]]
        if isinstance(device, str):
            able = [each for each in able if device in each["name"]]
        elif device is not None:
            able = [each for each in able if device == each["index"]]
        if not able:
            raise ValueError(f"No {kind} device matching {device!r}")
        return able[0]

    def check_input_settings(
        self, _device: int, channels: int, _kind: str, samplerate: int
    ) -> None:
        if (channels, samplerate) in self.refused:
            raise self.PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    portaudio = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio)
    monkeypatch.setattr(stream, "refresh_devices", lambda: True)
    return portaudio


def test_of_two_input_channels_the_first_is_recorded_alone(portaudio: PortAudio) -> None:
    """Opened as mono, systems would make the mean of them: half as loud, where one has the microphone."""
    end = choose("input", Device("Interface"), 48_000)
    assert (end.channels, end.channel) == (2, 1)
    end = choose("input", Device("Desk"), 48_000)
    assert (end.channels, end.channel) == (1, 1)


def test_another_input_channel_is_recorded_if_that_is_asked_for(portaudio: PortAudio) -> None:
    portaudio.devices.append(portaudio.device("Mixer", inputs=8))
    assert choose("input", Device("Interface", channel=2), 48_000).channel == 2
    end = choose("input", Device("Mixer", channel=5), 48_000)
    assert (end.channels, end.channel) == (5, 5)
    portaudio.refused = {(5, 48_000)}
    end = choose("input", Device("Mixer", channel=5), 48_000)
    assert (end.channels, end.channel) == (8, 5)


@pytest.mark.parametrize("channel", [0, -1, 3])
def test_a_channel_that_is_not_there_is_told(portaudio: PortAudio, channel: int) -> None:
    with pytest.raises(DeviceError, match=f"it has 2 input channels.* no channel {channel}"):
        choose("input", Device("Interface", channel=channel), 48_000)


def test_mono_is_played_where_that_can_be(portaudio: PortAudio) -> None:
    assert choose("output", Device(1), 48_000).channels == 1
    portaudio.refused = {(1, 48_000)}
    assert choose("output", Device(1), 48_000).channels == 2


def test_an_index_may_be_text(portaudio: PortAudio) -> None:
    assert choose("input", Device("1"), 48_000).name == "Interface"
    with pytest.raises(DeviceError, match=r"'17' for input: there is none.*0 Desk; 1 Interface"):
        choose("input", Device("17"), 48_000)


def test_the_rate_of_the_wire_is_taken_or_that_of_the_device(portaudio: PortAudio) -> None:
    assert choose("output", Device(1), 16_000).samplerate == 16_000
    portaudio.refused = {(1, 16_000), (2, 16_000)}
    assert choose("output", Device(1), 16_000).samplerate == 44_100


def test_in_mid_call_no_other_rate_will_do(portaudio: PortAudio) -> None:
    portaudio.refused = {(1, 16_000), (2, 16_000)}
    with pytest.raises(DeviceError, match="at 16000 Hz, with which the call goes on"):
        choose_anew({"output": Device(1)}, {"output": 16_000})


def test_where_there_is_no_device_that_is_said(portaudio: PortAudio) -> None:
    portaudio.devices = []
    with pytest.raises(DeviceError, match="the default device for output: there is none"):
        choose("output", Device(), 48_000)


def test_one_device_for_both_directions_has_one_rate(portaudio: PortAudio) -> None:
    portaudio.refused = {(2, 16_000)}  # of its microphone
    both = {"input": Device(1, channel=2), "output": Device(1)}
    ends = choose_all(both, {"input": 16_000, "output": 16_000})
    assert ends["input"].samplerate == ends["output"].samplerate == 44_100


def test_the_list_tells_which_are_the_default_ones(portaudio: PortAudio) -> None:
    desk, interface = list_devices()
    assert (desk.is_default_input, desk.is_default_output) == (True, False)
    assert (interface.is_default_input, interface.is_default_output) == (False, True)


def test_devices_are_not_looked_for_while_others_are_told_of_them(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PortAudio forgets what it has told of each when it looks for them anew."""
    monkeypatch.setattr(_choice, "HANG_SECONDS", 0.01)
    is_asked, goes_on = threading.Event(), threading.Event()

    def query_hostapis() -> Any:
        is_asked.set()
        goes_on.wait()
        return [{"name": "API"}]

    monkeypatch.setattr(portaudio, "query_hostapis", query_hostapis)
    listing = threading.Thread(target=list_devices)
    listing.start()
    is_asked.wait()
    try:
        with pytest.raises(TimeoutError):
            choose_anew({"input": Device()}, {"input": 48_000})
    finally:
        goes_on.set()
        listing.join()


def test_a_portaudio_that_does_not_start_is_told_as_a_device_error(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query_hostapis() -> None:
        raise portaudio.PortAudioError("PortAudio not initialized")

    monkeypatch.setattr(portaudio, "query_hostapis", query_hostapis)
    for look in (list_devices, lambda: choose("input", Device(), 48_000)):
        with pytest.raises(DeviceError, match=r"does not start \(PortAudio not init"):
            look()

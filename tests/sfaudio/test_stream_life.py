"""A stream is closed once; no error, no interrupt and no PortAudio that hangs leaves its queues held."""

import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from sfaudio import CaptureQueue, JitterBuffer, Meter, StreamError, _opened
from sfaudio.stream import Stream

PATIENCE = 0.05


class RefusedError(Exception):
    """What PortAudio says."""


class PortAudio(ModuleType):
    """Stands in for sounddevice, one that has no door for native callbacks."""

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self._initialized = 1
        self.closes = 0
        self.refuses = False
        self.goes_on = threading.Event()
        self.goes_on.set()
        portaudio = self

        class RawInputStream:
            active = True
            device = 0

            def __init__(self, **settings: object) -> None:
                pass

            def start(self) -> None:
                portaudio.goes_on.wait()
                if portaudio.refuses:
                    raise RefusedError("it is busy")

            def close(self, ignore_errors: bool) -> None:
                portaudio.closes += 1

        def query_devices(device: int | None = None, kind: str | None = None) -> object:
            if device is not None:
                return {"hostapi": 0}
            if kind:
                raise RefusedError
            return portaudio.devices

        self.query_devices = query_devices
        self.query_hostapis = lambda: [{"name": "ALSA"}]
        self.PortAudioError = RefusedError
        self.devices: list[dict[str, object]] = []
        self.RawStream = self.RawOutputStream = self.RawInputStream = RawInputStream


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> Iterator[PortAudio]:
    portaudio = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio)
    monkeypatch.setattr(_opened, "CLOSE_SECONDS", PATIENCE)
    monkeypatch.setattr(_opened, "DEAD_SECONDS", PATIENCE)
    yield portaudio
    portaudio.goes_on.set()


def test_a_block_whose_stream_is_refused_leaves_the_queue_at_once(portaudio: PortAudio) -> None:
    portaudio.refuses = True
    queue = CaptureQueue(9)
    try:
        with Stream(queue, samplerate=48000):
            raise AssertionError
    except StreamError:
        queue.write(bytes(2))  # though the traceback keeps the stream
    assert portaudio.closes == 1


def device(index: int, name: str, inputs: int, outputs: int) -> dict[str, object]:
    return {
        "index": index,
        "name": name,
        "hostapi": 0,
        "max_input_channels": inputs,
        "max_output_channels": outputs,
        "default_samplerate": 48_000.0,
    }


def test_what_portaudio_refuses_is_told_with_the_devices_there_are(portaudio: PortAudio) -> None:
    portaudio.refuses = True
    stream = Stream(CaptureQueue(9), samplerate=48_000, device="USB")
    with pytest.raises(StreamError) as caught:
        stream.start()
    assert str(caught.value) == (
        "PortAudio does not give us the stream (input, device 'USB', 48000 Hz): it is busy."
        " The input devices here: none at all"
    )
    portaudio.devices = [
        device(0, "HDMI", 0, 8),
        device(1, "Headset", 1, 2),
        device(2, "Mic", 1, 0),
    ]
    with pytest.raises(StreamError, match=r"here: 1 Headset \(ALSA\); 2 Mic \(ALSA\)$"):
        stream.start()
    stream.close()


def test_no_such_device_is_told_so_and_leaves_the_queues(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**settings: object) -> None:
        raise ValueError("No output device matching 'USB'")

    monkeypatch.setattr(portaudio, "RawOutputStream", refuse)
    portaudio.devices = [device(0, "HDMI", 0, 8)]
    playout = JitterBuffer(9)
    with pytest.raises(StreamError, match=r"matching 'USB'\. The output devices here: 0 HDMI"):
        Stream(None, playout, samplerate=48_000, device="USB")
    playout.read_into(bytearray(2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency": "lowest"}, 'latency must be seconds, "low" or "high", not \'lowest\''),
        (
            {"capture_meter": Meter(16_000)},
            r"capture_meter is for 16000 Hz: make it with Meter\(48000\)",
        ),
        ({"input_channel": 2}, "input_channel must be between 1 and 1"),
        ({"output_gain": 20}, "output_gain must be between 0 and 16"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    portaudio: PortAudio, settings: dict[str, Any], message: str
) -> None:
    queue = CaptureQueue(9)
    with pytest.raises(ValueError, match=message):
        Stream(queue, samplerate=48_000, **settings)
    queue.write(bytes(2))


def test_a_close_that_was_interrupted_can_be_repeated(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    queue = CaptureQueue(9)
    stream = Stream(queue, samplerate=48000)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.close()
    stream.close()
    queue.write(bytes(2))
    assert portaudio.closes == 1


def test_portaudio_closes_a_stream_once_whoever_asks(portaudio: PortAudio) -> None:
    stream = Stream(CaptureQueue(9), samplerate=48000)
    threads = [threading.Thread(target=stream._opened._close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.close()
    assert portaudio.closes == 1


def test_where_portaudio_hangs_in_starting_a_stream_nobody_else_does(portaudio: PortAudio) -> None:
    stream = Stream(CaptureQueue(9), samplerate=48000)
    portaudio.goes_on.clear()
    starting = threading.Thread(target=stream.start)
    starting.start()
    asking = threading.Thread(target=lambda: (stream.active, _opened._close_all()), daemon=True)
    asking.start()
    asking.join(20 * PATIENCE)
    assert not asking.is_alive()
    assert portaudio._initialized == portaudio.closes == 0  # left alone
    assert not stream.active
    portaudio.goes_on.set()
    starting.join()
    stream._opened._closer.release()  # as if the program went on
    stream.close()


def test_a_program_that_ends_while_a_stream_is_opened_leaves_portaudio_alone(
    portaudio: PortAudio,
) -> None:
    _opened._close_all()
    assert portaudio._initialized == 1
    with _opened.exclusively():
        _opened._close_all()
    assert portaudio._initialized == 0

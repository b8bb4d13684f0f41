"""A PortAudio that hangs in closing a stream is left behind for another one; it does one thing at a time."""

import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from sfaudio import CaptureQueue, _opened, stream
from sfaudio.stream import Stream, is_stuck, refresh_devices

PATIENCE = 0.2


class PortAudio(ModuleType):
    """Stands in for sounddevice, one that has no door for native callbacks."""

    PortAudioError = RuntimeError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self._initialized = 1
        self.initialisations = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.closing = 0
        self.most_closing = 0
        portaudio = self

        class RawInputStream:
            active = True

            def __init__(self, **settings: object) -> None:
                pass

            def start(self) -> None:
                pass

            def close(self) -> None:
                portaudio.closing += 1
                portaudio.most_closing = max(portaudio.closing, portaudio.most_closing)
                portaudio.goes_on.wait()
                portaudio.closing -= 1

        self.RawStream = self.RawOutputStream = self.RawInputStream = RawInputStream

    def _initialize(self) -> None:
        self.initialisations += 1
        self._initialized = 1

    def _terminate(self) -> None:
        self._initialized -= 1


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> Iterator[PortAudio]:
    portaudio = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio)
    monkeypatch.setattr(_opened, "CLOSE_SECONDS", PATIENCE)
    monkeypatch.setattr(_opened, "HANG_SECONDS", PATIENCE)
    yield portaudio
    portaudio.goes_on.set()
    wait_closed()


def wait_closed() -> None:
    for opened in _opened._opened.copy():
        opened._closed.wait(5)


def hung(portaudio: PortAudio) -> None:
    """A stream that is not closed in time."""
    portaudio.goes_on.clear()
    opened = Stream(CaptureQueue(9), samplerate=48000)
    opened.start()
    with pytest.raises(TimeoutError, match="see refresh_devices"):
        opened.close()
    assert is_stuck()


def test_one_that_hangs_is_left_behind_for_another(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use_another(sounddevice: PortAudio) -> bool:
        sounddevice._initialized = 0
        return True

    monkeypatch.setattr(stream, "use_another_portaudio", use_another)
    with Stream(CaptureQueue(9), samplerate=48000) as healthy:
        hung(portaudio)
        assert refresh_devices()
        assert not is_stuck()
        assert portaudio.initialisations == 1
        assert not refresh_devices()  # for a stream is open
        assert healthy.active
        another = Stream(CaptureQueue(9), samplerate=48000)  # though the one that hangs still does
        portaudio.goes_on.set()
        another.close()


def test_where_there_is_no_other_it_is_waited_for(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "use_another_portaudio", lambda sounddevice: False)
    hung(portaudio)
    with pytest.raises(TimeoutError, match="does not come back"):
        refresh_devices()
    with pytest.raises(TimeoutError, match="does not come back"):
        Stream(CaptureQueue(9), samplerate=48000)
    assert is_stuck()
    portaudio.goes_on.set()
    wait_closed()
    assert refresh_devices()
    assert not is_stuck()


def test_streams_are_closed_one_after_the_other(portaudio: PortAudio) -> None:
    """Two of a JACK server that are closed at the same time hang."""
    portaudio.goes_on.clear()
    streams = [Stream(CaptureQueue(9), samplerate=48000) for _ in range(2)]
    threads = [threading.Thread(target=opened._opened._close) for opened in streams]
    for thread in threads:
        thread.start()
    while not portaudio.closing:
        pass
    portaudio.goes_on.set()
    for thread in threads:
        thread.join()
    assert portaudio.most_closing == 1

"""A PortAudio that hangs in closing a stream is left behind for another one; it does one thing at a time."""

import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from sfaudio import CaptureQueue, JitterBuffer, StreamError, _opened, stream
from sfaudio._callback import StreamCallback
from sfaudio.stream import Stream, is_stuck, list_devices, refresh_devices

PATIENCE = 0.2


class PortAudio(ModuleType):
    """Stands in for sounddevice, one that has no door for native callbacks."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self._initialized = 1
        self.initialisations = 0
        self.hostapi = "ALSA"
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.closing = 0
        self.most_closing = 0
        portaudio = self

        class RawInputStream:
            active = True
            device = 0

            def __init__(self, **settings: object) -> None:
                pass

            def start(self) -> None:
                pass

            def close(self, ignore_errors: bool) -> None:
                portaudio.closing += 1
                portaudio.most_closing = max(portaudio.closing, portaudio.most_closing)
                portaudio.goes_on.wait()
                portaudio.closing -= 1

        self.RawStream = self.RawOutputStream = self.RawInputStream = RawInputStream

    def query_hostapis(self) -> list[dict[str, str]]:
        if not self._initialized:
            raise self.PortAudioError("PortAudio not initialized")
        return [{"name": self.hostapi}]

    def query_devices(self, _device: int) -> dict[str, int]:
        return {"hostapi": 0}

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


def test_one_that_cannot_be_initialised_is_told_in_our_words(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise portaudio.PortAudioError("Unanticipated host error")

    monkeypatch.setattr(portaudio, "_initialize", fail)
    with pytest.raises(StreamError, match=r"does not start \(Unanticipated"):
        refresh_devices()
    for again in (refresh_devices, list_devices):  # as what has no devices, not as an older one
        with pytest.raises(StreamError, match="does not start"):
            again()


def test_a_stream_of_the_one_before_runs_while_its_place_is_taken(portaudio: PortAudio) -> None:
    """Another one that is not initialised yet answers nobody."""

    class Asked:
        def __bool__(self) -> bool:
            raise portaudio.PortAudioError("PortAudio not initialized")

    with Stream(CaptureQueue(9), samplerate=48000) as opened:
        opened._stream.active = Asked()
        assert opened.active


def test_what_a_stream_needs_is_kept_when_portaudio_does_not_close_it(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its callback may run still."""
    queue = CaptureQueue(9)
    opened = Stream(queue, samplerate=48000)
    freed: list[bool] = []

    def refuse(ignore_errors: bool) -> None:
        if not ignore_errors:
            raise portaudio.PortAudioError("PortAudio not initialized")

    monkeypatch.setattr(opened._stream, "close", refuse)
    monkeypatch.setattr(opened._opened, "_callback", Kept(opened.callback, freed))
    opened.close()
    queue.write(bytes(2))
    assert not freed


def test_a_stream_of_jack_that_calls_back_no_more_is_left_alone(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server has died: PortAudio would end the process, when asked to close it."""
    monkeypatch.setattr(_opened, "DEAD_SECONDS", 0.05)
    portaudio.hostapi = "JACK Audio Connection Kit"
    closed: list[bool] = []
    playout = JitterBuffer(9)
    opened = Stream(None, playout, samplerate=48000)
    monkeypatch.setattr(opened._stream, "close", closed.append)
    opened.start()
    with pytest.raises(TimeoutError, match="see refresh_devices"):
        opened.close()
    playout.read_into(bytearray(2))
    assert is_stuck()
    assert not closed
    opened._opened._closed.set()
    _opened._opened.clear()


def test_a_device_is_known_to_live_when_its_callback_has_left_the_queues(
    portaudio: PortAudio,
) -> None:
    opened = Stream(CaptureQueue(9), samplerate=48000)
    opened.detach()
    opened.callback.run(bytearray(4), None)
    assert opened.statistics().callbacks == 1
    assert opened.idle_seconds is not None
    opened.close()


class Kept:
    """A callback that tells when what it needs is freed."""

    def __init__(self, callback: StreamCallback, freed: list[bool]) -> None:
        self.detach = callback.detach
        self._freed = freed

    def close(self) -> None:
        self._freed.append(True)


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

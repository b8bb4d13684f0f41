"""A line gives back each stream that it opened, wherever it is cancelled."""

import threading

import pytest
import trio

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
from sfaudio._callback import StreamCallback
from sfclient._devices import _portaudio, _streams
from sfclient._devices._choice import Device, End
from sfclient._devices._interface import Queues

QUEUES = Queues(CaptureQueue(480), PlayoutEngine(JitterBuffer(480)), None)


class LostStream:
    """Its device does not call back."""

    idle_seconds = 99.0
    active = True
    input_latency = output_latency = 0.0

    def __init__(self, cancel: trio.CancelScope) -> None:
        self.callback = StreamCallback()
        self.statistics = self.callback.statistics
        self.cancel = cancel
        self.closes = 0

    def start(self) -> None:
        pass

    def detach(self) -> bool:
        trio.from_thread.run_sync(self.cancel.cancel)
        return True

    def close(self) -> None:
        self.closes += 1


class StuckStream(LostStream):
    """PortAudio closes it when it closes another one as well."""

    closing = threading.Barrier(2, timeout=1.0)

    def close(self) -> None:
        self.closing.wait()
        raise TimeoutError


async def test_a_line_that_is_cancelled_while_it_gives_up_a_lost_stream_closes_it(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    scope = trio.CancelScope()
    stream = LostStream(scope)
    ends = {"output": End(Device(), 0, "a loudspeaker", 48000, 1)}
    monkeypatch.setattr(_portaudio, "choose_all", lambda wanted, rates: ends)
    monkeypatch.setattr(_streams, "_stream", lambda *ends: stream)
    line = _portaudio.PortAudioLine({"output": Device()}, {"output": 48000})
    with scope:
        await line.run(QUEUES, lambda event: None)
    assert scope.cancelled_caught
    assert stream.closes == 1
    assert len(line.statistics().streams) == 1


async def test_the_streams_of_two_devices_are_closed_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    scope = trio.CancelScope()
    ends = {
        kind: End(Device(), index, f"an {kind}", 48000, 1)
        for index, kind in enumerate(("input", "output"))
    }
    monkeypatch.setattr(_portaudio, "choose_all", lambda wanted, rates: ends)
    monkeypatch.setattr(_streams, "_stream", lambda *ends: StuckStream(scope))
    both = {"input": Device(), "output": Device()}
    line = _portaudio.PortAudioLine(both, dict.fromkeys(both, 48000))
    with scope:
        await line.run(QUEUES, lambda event: None)
    assert line.statistics().abandoned == 2

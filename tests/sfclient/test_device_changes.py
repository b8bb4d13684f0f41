"""A line whose devices are changed while it runs: what is asked for, or else what there was before."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import trio
from numpy.typing import NDArray
from trio.testing import MockClock

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine, float32_to_int16
from sfaudio._callback import StreamCallback
from sfclient import (
    Audio,
    Device,
    DeviceChanged,
    DeviceError,
    DeviceLost,
    DeviceReturned,
    UsageError,
)
from sfclient._devices import _portaudio, _streams, open_lines
from sfclient._devices._choice import End, Kind
from sfclient._devices._interface import Queues
from sfclient._devices._reference import Reference

RATE = 48_000


class FakeStream:
    """Has the queues while it is open, as a stream does."""

    active = True
    input_latency = output_latency = 0.0

    def __init__(self, hardware: "Hardware", ends: Any, queues: Queues, gain: float) -> None:
        recording, playing = ends
        self.names = [end.name for end in ends if end]
        self.output_gain = gain
        self._hardware = hardware
        self.callback = self._callback = StreamCallback(
            queues.capture if recording else None,
            queues.playout if playing else None,
            reference=queues.reference.queue if queues.reference and playing else None,
        )
        self.statistics = self._callback.statistics
        self.position = self._callback.position
        self.detach = self._callback.detach

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self._hardware.there.issuperset(self.names) else 99.0

    def start(self) -> None:
        pass

    def close(self) -> None:
        self._callback.close()
        self._hardware.open.remove(self)


class Hardware:
    """Devices by name, which are there or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = {"desk", "speaker", "headset"}
        self.defaults: dict[Kind, str] = {"input": "desk", "output": "speaker"}
        self.open: list[FakeStream] = []
        self.look_seconds = 0.0
        """That it takes to look for devices: meanwhile, a clock that jumps goes on."""
        monkeypatch.setattr(_portaudio, "choose_all", self.choose)
        monkeypatch.setattr(_portaudio, "choose_anew", self.choose)
        monkeypatch.setattr(_streams, "_stream", self.stream)

    def choose(self, wanted: dict[Kind, Device], _rates: Any) -> dict[Kind, End]:
        time.sleep(self.look_seconds)
        ends: dict[Kind, End] = {}
        for kind, device in wanted.items():
            name = str(device.name or self.defaults[kind])
            if name not in self.there:
                raise DeviceError(f"no {name}")
            ends[kind] = End(device, sorted(self.there).index(name), name, RATE, 1)
        return ends

    def stream(self, recording: Any, playing: Any, queues: Queues, gain: float) -> FakeStream:
        opened = FakeStream(self, (recording, playing), queues, gain)
        self.open.append(opened)
        return opened

    @property
    def names(self) -> list[list[str]]:
        """Of the devices of each stream that is open."""
        return [stream.names for stream in self.open]


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> Hardware:
    return Hardware(monkeypatch)


class Running:
    def __init__(self, line: _portaudio.PortAudioLine) -> None:
        self.line = line
        self.told: list[Any] = []
        self.playout = JitterBuffer(RATE)
        self.reference = Reference(RATE, RATE)
        self.queues = Queues(
            CaptureQueue(RATE),
            PlayoutEngine(self.playout, samplerate=RATE),
            None,
            reference=self.reference,
        )
        self.frames = 0

    def take(self) -> NDArray[np.int16]:
        """What was played while what is queued was recorded."""
        frames = len(self.queues.capture.read(RATE)) // 2
        self.frames += frames
        return self.reference.take(self.frames + self.queues.capture.dropped_frames, frames)

    async def until(self, event: Any) -> None:
        while event not in self.told:  # noqa: ASYNC110 -- a clock that jumps
            await trio.sleep(0.1)


def silence() -> PlayoutEngine:
    return PlayoutEngine(JitterBuffer(RATE), samplerate=RATE)


def make_line(*, follow: bool = False) -> _portaudio.PortAudioLine:
    wanted: dict[Kind, Device] = {"input": Device(), "output": Device()}
    rates: dict[Kind, int] = {"input": RATE, "output": RATE}
    return _portaudio.PortAudioLine(wanted, rates, follow=follow)


@asynccontextmanager
async def running(*, follow: bool = False) -> AsyncIterator[Running]:
    run = Running(make_line(follow=follow))
    async with trio.open_nursery() as nursery:
        await nursery.start(run.line.run, run.queues, run.told.append)
        yield run
        nursery.cancel_scope.cancel()
    run.line.close()


async def test_another_device_takes_over_and_what_is_queued_stays(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    async with running() as run:
        assert hardware.names == [["desk"], ["speaker"]]
        run.playout.write(bytes(2 * 4800))
        hardware.look_seconds = 0.02
        await run.line.use("input", "headset")
        assert hardware.names == [["headset"], ["speaker"]]
        await run.line.use("output", "headset")
        assert hardware.names == [["headset", "headset"]]
        assert run.told == [DeviceChanged("input", "headset"), DeviceChanged("output", "headset")]
        assert run.playout.queued_frames == 4800
    assert hardware.names == []
    assert run.line.statistics().lost == 0


async def test_what_cannot_be_opened_leaves_the_one_before(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    async with running() as run:
        with pytest.raises(DeviceError, match="no tuba"):
            await run.line.use("input", "tuba")
        assert hardware.names == [["desk"], ["speaker"]]
        assert run.told == []


async def test_devices_that_vanish_while_they_are_changed_are_lost(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    async with running() as run:
        hardware.there -= {"speaker", "headset"}
        with pytest.raises(DeviceError, match="no headset"):
            await run.line.use("input", "headset")
        await run.until(DeviceLost())
        assert hardware.names == []
        hardware.there.add("speaker")
        await run.until(DeviceReturned())
        assert hardware.names == [["desk"], ["speaker"]]


async def test_another_device_can_be_asked_for_while_one_is_lost(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    async with running() as run:
        hardware.there.remove("desk")
        await run.until(DeviceLost())
        with pytest.raises(DeviceError, match="no tuba"):
            await run.line.use("input", "tuba")
        await run.line.use("input", "headset")
        await run.until(DeviceReturned())
        assert hardware.names == [["headset"], ["speaker"]]
        assert DeviceChanged("input", "headset") in run.told


async def test_the_seconds_of_a_loss_are_counted_while_it_lasts(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    async with running() as run:
        hardware.there.remove("desk")
        await run.until(DeviceLost())
        await trio.sleep(7)
        assert run.line.statistics().silent_seconds == pytest.approx(7, abs=0.2)
    assert run.line.statistics().silent_seconds == pytest.approx(7, abs=0.2)


async def test_a_loss_that_portaudio_hangs_in_ends_the_call_with_what_to_do(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Where no copy of it can take its place."""
    monkeypatch.setattr(_portaudio, "is_stuck", lambda: True)
    line = make_line()
    hardware.there.remove("desk")
    with pytest.raises(DeviceError, match="start that anew, and the program"):
        await line.run(Queues(CaptureQueue(RATE), silence(), None), lambda event: None)
    assert line.statistics().silent_seconds > 10


async def test_a_new_default_device_takes_over_if_it_is_to_be_followed(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def watch_defaults(tell: Any) -> None:
        await tell({"input": "desk", "output": "speaker"})
        assert hardware.names == [["desk"], ["speaker"]]
        hardware.defaults["output"] = "headset"
        await tell({"output": "headset"})  # there is no default input now

    monkeypatch.setattr(_portaudio, "watch_defaults", watch_defaults)
    async with running(follow=True) as run:
        await run.until(DeviceChanged("output", "headset"))
        assert hardware.names == [["desk"], ["headset"]]


async def test_a_device_that_was_named_is_not_left_for_a_default_one(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    is_named, is_told = trio.Event(), trio.Event()

    async def watch_defaults(tell: Any) -> None:
        await is_named.wait()
        await tell({"input": "headset", "output": "speaker"})
        is_told.set()

    monkeypatch.setattr(_portaudio, "watch_defaults", watch_defaults)
    async with running(follow=True) as run:
        await run.line.use("input", "desk")
        is_named.set()
        await is_told.wait()
        assert hardware.names == [["desk"], ["speaker"]]
        assert len(run.line.statistics().streams) == 4  # two, and two when it was named


async def test_a_process_that_cannot_be_started_is_told(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def watch_defaults(_tell: Any) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(_portaudio, "watch_defaults", watch_defaults)
    with pytest.raises(DeviceError, match="cannot be followed"):
        await make_line(follow=True).run(
            Queues(CaptureQueue(RATE), silence(), None), lambda event: None
        )


async def test_devices_and_volume_go_on_over_the_attempts_of_a_call(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    """Who asks for another between two of them gets it in the next."""
    run = Running(make_line())
    run.line.volume = 0.5
    async with trio.open_nursery() as program:
        for chosen in ([["desk"], ["speaker"]], [["headset"], ["speaker"]]):
            async with trio.open_nursery() as attempt:
                await attempt.start(run.line.run, run.queues, run.told.append)
                if chosen == [["headset"], ["speaker"]]:
                    await run.until(DeviceChanged("input", "headset"))
                assert hardware.names == chosen
                assert {stream.output_gain for stream in hardware.open} == {0.5}
                attempt.cancel_scope.cancel()
            assert hardware.names == []
            if chosen == [["desk"], ["speaker"]]:
                program.start_soon(run.line.use, "input", "headset")
    run.line.close()


async def test_devices_that_vanish_between_two_attempts_are_lost_in_the_next(
    hardware: Hardware, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And waited for, as in the midst of a call. Those that were never there are an error."""

    def stream(recording: Any, playing: Any, *others: Any) -> FakeStream:
        for end in filter(None, (recording, playing)):
            if end.name not in hardware.there:
                raise DeviceError(f"no {end.name}")
        return hardware.stream(recording, playing, *others)

    monkeypatch.setattr(_streams, "_stream", stream)
    run = Running(make_line())
    async with trio.open_nursery() as attempt:
        await attempt.start(run.line.run, run.queues, run.told.append)
        attempt.cancel_scope.cancel()
    hardware.there.remove("desk")
    async with trio.open_nursery() as attempt:
        await attempt.start(run.line.run, run.queues, run.told.append)
        await run.until(DeviceLost())
        hardware.there.add("desk")
        await run.until(DeviceReturned())
        assert hardware.names == [["desk"], ["speaker"]]
        attempt.cancel_scope.cancel()
    assert run.line.statistics().lost == 1
    run.line.close()
    fresh = Running(make_line())
    hardware.there.remove("desk")
    with pytest.raises(DeviceError, match="no desk"):
        await fresh.line.run(fresh.queues, fresh.told.append)
    fresh.line.close()


async def test_nothing_is_changed_when_the_call_is_over(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    async with running() as run:
        pass
    with pytest.raises(UsageError, match="the call is over"):
        await run.line.use("input", "headset")


async def test_lines_that_are_closed_are_not_waited_for(hardware: Hardware) -> None:
    async with open_lines(Audio(), RATE, RATE) as (line,):
        pass
    with pytest.raises(UsageError, match="the call is over"):
        await line.use("input", "headset")


async def test_what_could_not_be_changed_to_is_not_what_is_waited_for(
    hardware: Hardware, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(*_opened: Any) -> FakeStream:
        hardware.there -= {"desk", "headset"}
        raise DeviceError("it has gone")

    async with running() as run:
        with monkeypatch.context() as patch:
            patch.setattr(_streams, "_stream", vanish)
            with pytest.raises(DeviceError, match="it has gone"):
                await run.line.use("input", "headset")
            await run.until(DeviceLost())
        hardware.there |= {"desk", "headset"}
        await run.until(DeviceReturned())
        assert hardware.names == [["desk"], ["speaker"]]


async def test_the_volume_that_is_set_while_devices_are_opened_is_theirs(
    hardware: Hardware, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(*settings: Any) -> FakeStream:
        opened = hardware.stream(*settings)
        run.line.volume = 0.25
        return opened

    async with running() as run:
        monkeypatch.setattr(_streams, "_stream", stream)
        await run.line.use("input", "headset")
        assert {stream.output_gain for stream in hardware.open} == {0.25}


async def test_the_volume_outlasts_a_change(hardware: Hardware, autojump_clock: MockClock) -> None:
    async with running() as run:
        run.line.volume = 0.25
        assert {stream.output_gain for stream in hardware.open} == {0.25}
        await run.line.use("output", "headset")
        assert {stream.output_gain for stream in hardware.open} == {0.25}
        for wrong in (-0.1, 17, float("nan"), "loud", None):
            with pytest.raises(UsageError, match="between 0 and 16"):
                run.line.volume = wrong  # type: ignore[assignment]
        assert run.line.volume == 0.25


async def test_the_reference_goes_on_with_each_device(
    hardware: Hardware, autojump_clock: MockClock
) -> None:
    """One stream is paired by counts, two by their clocks; in between is silence."""
    block = np.zeros(480, np.float32)
    async with running() as run:
        hardware.look_seconds = 0.02
        assert not run.take().any()
        assert run.reference.statistics().drift_ppm is None  # nothing was taken yet
        await run.line.use("output", "headset")
        await run.line.use("input", "headset")
        (stream,) = hardware.open
        assert not run.take().any()
        run.playout.write(np.arange(1, 9601, dtype=np.int16))
        outdata = np.empty(9600, np.float32)
        for played in outdata.reshape(20, 480):
            stream.callback.run(block, played)
        assert outdata.any()
        assert (run.take() == float32_to_int16(outdata)).all()
        assert run.reference.changes == 2
        await run.line.use("output", "speaker")
        assert len(hardware.open) == 2
        run.take()
        microphone, _ = hardware.open
        microphone.callback.run(block, None)
        assert not run.take().any()  # the loudspeaker has not called back
        assert run.reference.statistics().drift_ppm == 0.0
        assert run.reference.changes == 3

"""The books of a call: what was counted at both its ends, and on the way, must agree to the frame."""

from typing import Any

from sfclient import Call, CaptureStatistics, PlayoutStatistics, Sink, Source
from sfclient.simulator import SimulatedCall


class CountedSource:
    """A source that counts what it gave."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.samplerate = 0
        self.frames = 0

    def open(self) -> int:
        self.samplerate = self._source.open()
        return self.samplerate

    def read(self, frames: int) -> Any:
        block = self._source.read(frames)
        self.frames += len(block)
        return block


class CountedSink:
    """A sink that counts what it got."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.samplerate = 0
        self.frames = 0

    def open(self, samplerate: int) -> int:
        self.samplerate = self._sink.open(samplerate)
        return self.samplerate

    def write(self, block: Any) -> None:
        self.frames += len(block)
        self._sink.write(block)

    def close(self) -> None:
        self._sink.close()


def check_capture(capture: CaptureStatistics) -> None:
    """At every moment: what was recorded is somewhere."""
    assert capture.captured_frames + capture.ahead_frames == (
        capture.sent_frames
        + capture.in_hand_frames
        + capture.queued_frames
        + capture.dropped_frames
    )


def check_playout(playout: PlayoutStatistics) -> None:
    """At every moment: what was received is somewhere."""
    assert playout.received_frames + playout.ahead_frames == (
        playout.played_frames
        + playout.in_hand_frames
        + playout.queued_frames
        + playout.dropped_frames
    )


def check_books(
    call: Call, simulated: SimulatedCall, source: CountedSource, sink: CountedSink
) -> None:
    """At the end of a call: nothing waits any more, and both ends have counted the same."""
    figures = call.statistics()
    capture, playout, recording = figures.capture, figures.playout, figures.recording
    check_capture(capture)
    check_playout(playout)
    assert capture.queued_frames == playout.queued_frames == playout.in_hand_frames == 0

    # The caller's speech, from the source to the far side.
    recorded = source.frames * simulated.caller_samplerate // source.samplerate
    assert capture.captured_frames == recorded
    arrived = len(simulated.received_audio) // 2
    sent = capture.sent_frames + capture.padded_frames
    assert simulated.ended is not None
    if (simulated.ended.by, simulated.ended.code) == ("client", 1000):
        assert arrived == sent
    else:  # the last of it may be lost on the way
        assert arrived <= sent + capture.in_hand_frames

    # The agent's, from the far side to the sink.
    said = len(simulated.sent_audio) // 2
    if simulated.ended.by == "simulator" and simulated.ended.code != 1006:
        assert playout.received_frames == said
    else:
        assert playout.received_frames <= said
    # In frames of the device, which those of the wire are rounded from.
    queue = call._playout.queue.statistics()
    assert queue.read_frames + queue.padded_frames == sink.frames

    if recording is not None:
        tap = recording.played
        assert recording.caller_frames == recording.agent_frames == tap.queued_frames == 0
        assert tap.written_frames == tap.read_frames + tap.dropped_frames == sink.frames

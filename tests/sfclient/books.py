"""The books of a call: what was counted at both its ends, and on the way, must agree to the frame.

Nothing here asserts, see `queues.py` of the core: what is wrong is told as a list.
"""

from math import gcd
from typing import Any

from sfclient import Call, CaptureStatistics, PlayoutStatistics, Sink, Source
from sfclient.simulator import SimulatedCall


class CountedSource:
    """A source that counts what it gave."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.samplerate = 0
        self.frames = 0

    def __getattr__(self, name: str) -> Any:
        """What a source may have besides."""
        return getattr(self._source, name)

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


def capture_errors(capture: CaptureStatistics) -> list[str]:
    """At every moment: what was recorded is somewhere."""
    waits = capture.in_hand_frames + capture.queued_frames
    here = capture.captured_frames + capture.ahead_frames
    there = capture.sent_frames + waits + capture.dropped_frames
    return _differ("captured, and where it is", here, there)


def playout_errors(playout: PlayoutStatistics) -> list[str]:
    """At every moment: what was received is somewhere."""
    waits = playout.in_hand_frames + playout.queued_frames
    gone = playout.dropped_frames + playout.removed_frames - playout.inserted_frames
    there = playout.played_frames + waits + gone
    return _differ("received, and where it is", playout.received_frames, there)


def errors_at_the_end(
    call: Call, simulated: SimulatedCall, source: CountedSource, sink: CountedSink
) -> list[str]:
    """At the end of a call: nothing waits any more, and both ends have counted the same."""
    figures = call.statistics()
    capture, playout, recording = figures.capture, figures.playout, figures.recording
    errors = capture_errors(capture) + playout_errors(playout)
    waiting = capture.queued_frames, playout.queued_frames, playout.in_hand_frames
    errors += _differ("waiting", waiting, (0, 0, 0))

    # The caller's speech, from the source to the far side.
    given = source.frames * simulated.caller_samplerate // source.samplerate
    errors += _differ("given by the source, and captured", given, capture.captured_frames)
    arrived = len(simulated.received_audio) // 2
    sent = capture.sent_frames + capture.padded_frames
    assert simulated.ended is not None
    if (simulated.ended.by, simulated.ended.code) == ("client", 1000):
        errors += _differ("sent, and arrived", sent, arrived)
    else:  # the last of it may be lost on the way
        errors += _exceed("arrived, and sent", arrived, sent + capture.in_hand_frames)

    # The agent's, from the far side to the sink.
    said = len(simulated.sent_audio) // 2
    if simulated.ended.by == "simulator" and simulated.ended.code != 1006:
        errors += _differ("said by the agent, and received", said, playout.received_frames)
    else:
        errors += _exceed("received, and said by the agent", playout.received_frames, said)
    wire, common = simulated.agent_samplerate, gcd(simulated.agent_samplerate, sink.samplerate)
    up, down = sink.samplerate // common, wire // common
    needed = (sink.frames - 1) * down // up + 1 if sink.frames else 0
    errors += _differ("played, and got by the sink", playout.output_frames, needed)
    heard = playout.played_frames + playout.padded_frames
    heard += playout.concealed_frames - playout.silent_concealed_frames
    # What the adaptive policy pads and conceals is counted when its 10 ms are made.
    ahead = wire // 100 if playout.policy == "adaptive" else 0
    errors += _exceed("played, and what it was", playout.output_frames, heard)
    errors += _exceed("what was played, and played", heard, playout.output_frames + ahead)

    if recording is not None:
        tap = recording.played
        waiting = recording.caller_frames, recording.agent_frames, recording.leaving_frames
        errors += _differ("waiting to be recorded", (*waiting, tap.queued_frames), (0, 0, 0, 0))
        errors += _differ("got by the sink, and by the tap", sink.frames, tap.written_frames)
        played = sink.frames * simulated.caller_samplerate // sink.samplerate
        longest = max(capture.sent_frames + capture.dropped_frames, played + 1)
        recorded = recording.written_frames + recording.lost_frames
        errors += _exceed("sent, and recorded", capture.sent_frames, recorded)
        errors += _exceed("played, and recorded", played, recorded)
        errors += _exceed("recorded, and all there was", recorded, longest)
    return errors


def _differ(what: str, one: object, other: object) -> list[str]:
    return [f"{what}: {one} != {other}"] if one != other else []


def _exceed(what: str, one: int, other: int) -> list[str]:
    return [f"{what}: {one} > {other}"] if one > other else []

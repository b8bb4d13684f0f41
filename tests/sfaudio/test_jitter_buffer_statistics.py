"""What the jitter buffer counts while it plays: underruns and silence."""

from sfaudio import JitterBuffer

from .queues import pcm, play, ramp


def test_each_time_the_queue_runs_empty_while_playing_is_one_underrun() -> None:
    buffer = JitterBuffer(20)
    for _ in range(3):
        play(buffer, 4)
    assert buffer.statistics().underruns == 0  # nothing has played yet
    for times in (1, 2):
        buffer.write(pcm([1, 2]))
        for _ in range(3):
            play(buffer, 4)
        assert buffer.statistics().underruns == times
    buffer.write(pcm(ramp(4)))
    play(buffer, 4)
    assert buffer.statistics().underruns == 2  # just enough
    play(buffer, 4)
    assert buffer.statistics().underruns == 3  # found missing now


def test_running_empty_after_a_drain_is_no_underrun() -> None:
    buffer = JitterBuffer(20)
    buffer.write(pcm(ramp(6)))
    play(buffer, 4)
    buffer.drain()
    assert play(buffer, 4) == [5, 6, 0, 0]
    assert buffer.statistics().underruns == 0
    buffer.write(pcm([7]))
    play(buffer, 4)
    assert buffer.statistics().underruns == 1  # that came after the drain


def test_padded_frames_count_the_silence_and_nothing_else() -> None:
    buffer = JitterBuffer(20, prefill=2)
    play(buffer, 3)
    buffer.write(pcm([0, 0]))  # silence that was written is no padding
    play(buffer, 5)
    statistics = buffer.statistics()
    assert (statistics.padded_frames, statistics.read_frames) == (6, 2)

"""Gaps in the arrival of speech, told from the ends of sentences: times and messages, no network."""

from itertools import accumulate

import numpy as np
import pytest

from sfclient._arrivals import Arrivals, Gap

MESSAGE = 0.02
LOUD = np.full(320, 3000, np.int16).tobytes()
SILENT = bytes(640)


def paced(seconds: float, begin: float = 0.0) -> list[float]:
    """When the messages of a sender in real time come."""
    return [begin + MESSAGE * each for each in range(round(seconds / MESSAGE))]


def held_back(times: list[float], begin: float, end: float) -> list[float]:
    """What a network does that lets nothing through for a while, and loses nothing."""
    return [end if begin < time < end else time for time in times]


def gaps_of(
    times: list[float], pcm: bytes = LOUD, *, ran: float = 1.0, dry: bool = True
) -> Arrivals:
    arrivals = Arrivals()
    for time in times:
        arrivals.arrived(time, ran * time, pcm, MESSAGE, dry)
    return arrivals


class TestGaps:
    @pytest.mark.parametrize("seconds", [0.1, 0.3, 1.0, 17.0])
    def test_what_was_held_back_in_speech_came_late(self, seconds: float) -> None:
        times = held_back(paced(30), 1.99, 1.99 + seconds)
        (gap,) = gaps_of(times).take_gaps()
        assert gap == pytest.approx((2.0, seconds - 0.01))

    def test_steady_speech_has_none(self) -> None:
        jitter = np.random.default_rng(1).uniform(0, 0.04, 1500)
        times = list(accumulate((np.array(paced(30)) + jitter).tolist(), max))
        assert gaps_of(times).take_gaps() == []

    @pytest.mark.parametrize(
        ("pause", "ahead"), [(0.1, 0), (0.3, 0), (0.3, 10), (1.0, 0), (1.0, 10), (5.0, 10)]
    )
    def test_end_of_a_sentence_is_none(self, pause: float, ahead: int) -> None:
        """The agent sends nothing in a pause, and some messages at once when he goes on."""
        more = paced(2, 3 + pause)
        times = paced(3) + [max(more[0], time - ahead * MESSAGE) for time in more]
        arrivals = gaps_of(times + paced(2, times[-1] + pause + MESSAGE))
        assert arrivals.take_gaps() == []
        assert arrivals.underruns == 0

    def test_pause_of_the_agent_within_a_stall_hides_none(self) -> None:
        times = held_back(paced(3) + paced(5, 3.5), 2.0, 5.0)
        (gap,) = gaps_of(times).take_gaps()
        assert gap == pytest.approx((2.0, 3.0), abs=1.1 * MESSAGE)

    def test_what_is_sent_far_ahead_is_never_late(self) -> None:
        """A sentence at once, a pause, a longer one at once."""
        assert gaps_of([0.0] * 20 + [2.0] * 400 + [15.0] * 900).take_gaps() == []

    def test_stall_that_comes_back_for_a_moment_is_one(self) -> None:
        times = [3.0 if 2.2 < time < 3.0 else time for time in paced(10)]
        times = [2.5 if 1.99 < time < 2.21 else time for time in times]
        (gap,) = gaps_of(times).take_gaps()
        assert gap == pytest.approx((2.0, 1.0))

    def test_each_of_several_is_found(self) -> None:
        times = paced(20)
        for begin in (2, 5, 12):
            times = held_back(times, begin, begin + 0.5)
        assert [round(gap.at) for gap in gaps_of(times).take_gaps()] == [2, 5, 12]

    def test_nobody_misses_silence(self) -> None:
        arrivals = gaps_of(held_back(paced(10), 2, 3), SILENT)
        assert arrivals.take_gaps() == []

    def test_time_in_which_the_program_did_not_run_is_none(self) -> None:
        assert gaps_of(held_back(paced(10), 2, 3), ran=0.0).take_gaps() == []

    def test_slower_clock_of_the_sender_is_no_lateness(self) -> None:
        times = [1.0009 * time for time in paced(120)]
        (gap,) = gaps_of(held_back(times, 60, 60.5)).take_gaps()
        assert gap.seconds == pytest.approx(0.5, abs=MESSAGE)

    @pytest.mark.parametrize("dry", [True, False])
    def test_gap_is_an_underrun_if_nothing_was_queued(self, dry: bool) -> None:
        assert gaps_of(held_back(paced(10), 2, 3), dry=dry).underruns == dry

    def test_is_told_once(self) -> None:
        arrivals = gaps_of(held_back(paced(10), 2, 3))
        assert len(arrivals.take_gaps()) == 1
        assert arrivals.take_gaps() == []


class TestWaiting:
    def test_how_long_what_is_played_has_waited(self) -> None:
        arrivals = gaps_of(paced(2))
        assert arrivals.waited(2.0, 0.5) == pytest.approx(0.5)
        assert arrivals.waited(2.2, 0.5) == pytest.approx(0.7)
        assert arrivals.waited(2.2, 0.1) == pytest.approx(0.3)

    def test_nothing_has_when_all_is_played(self) -> None:
        arrivals = gaps_of(paced(2))
        assert arrivals.waited(2.0, 0.0) is None

    def test_what_was_played_is_forgotten(self) -> None:
        arrivals = gaps_of(paced(60))
        arrivals.waited(60.0, 0.1)
        assert len(arrivals._batches) <= 6

    def test_many_messages_at_once_are_one(self) -> None:
        assert len(gaps_of([0.001 * (each // 1000) for each in range(9000)])._batches) == 1

    def test_whether_something_loud_waits(self) -> None:
        arrivals = Arrivals()
        arrivals.listens = True
        for time in paced(1):
            arrivals.arrived(time, time, LOUD, MESSAGE, False)
        arrivals.arrived(1.0, 1.0, bytes(32_000), 1.0, False)
        assert not arrivals.is_loud(1.0)
        assert arrivals.is_loud(1.1)


def test_gap_has_names() -> None:
    assert Gap(1.0, 2.0)._fields == ("at", "seconds")

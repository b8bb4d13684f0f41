"""What is told of several workers together is as true as of one."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient.testing.load import Distribution, Tally
from sfclient.testing.load._tally import PERCENTILES

EXACT = 1.0 / 1000  # of a value: what a distribution distinguishes

times = st.lists(st.floats(1e-3, 3000), min_size=1, max_size=60)


def distribution_of(seconds: list[float]) -> Distribution:
    distribution = Distribution()
    for each in seconds:
        distribution.note(each)
    return distribution


def ranked(seconds: list[float], percent: float) -> float:
    """The value of the nearest rank, from all raw samples."""
    rank = max(1, int(percent / 100 * len(seconds) + 0.5))
    return sorted(seconds)[rank - 1]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(times, min_size=1, max_size=4))
def test_percentiles_of_what_was_merged_are_those_of_all_samples(
    workers: list[list[float]],
) -> None:
    merged = Distribution()
    for samples in workers:
        merged.merge(Distribution(distribution_of(samples).encode()))
    everything = [seconds for samples in workers for seconds in samples]
    assert len(merged) == len(everything)
    for percent, seconds in merged.percentiles().items():
        assert seconds == pytest.approx(ranked(everything, percent), rel=EXACT, abs=2e-6)


def test_a_slow_worker_is_not_averaged_away() -> None:
    fast, slow = distribution_of([0.1] * 99), distribution_of([5.0] * 3)
    fast.merge(slow)
    found = fast.percentiles()
    assert found[95.0] == pytest.approx(0.1, rel=EXACT)
    assert found[99.0] == pytest.approx(5.0, rel=EXACT)


def test_a_distribution_of_nothing_tells_nothing() -> None:
    empty = Distribution()
    assert (len(empty), empty.percentiles()) == (0, {})


def test_what_is_beyond_an_hour_counts_as_one() -> None:
    found = distribution_of([7200.0, -1.0]).percentiles()
    assert found[100.0] == pytest.approx(3600.0, rel=EXACT)


def test_a_tally_is_the_same_when_it_was_sent() -> None:
    tally = Tally()
    for seconds in np.random.default_rng(1).exponential(0.5, 500):
        tally.note("response", float(seconds))
    tally.note("passed")
    sent = pickle.dumps(tally)
    assert len(sent) < 6000
    came = pickle.loads(sent)
    assert came.record() == tally.record()
    came.merge(tally)
    assert (came.counts["passed"], len(came.times["response"])) == (2, 1000)


def test_each_percentile_has_its_name_in_the_record() -> None:
    tally = Tally()
    tally.note("gap", 0.2)
    (gap,) = tally.record()["times"].values()
    assert list(gap) == ["count", "p50", "p90", "p95", "p99", "max", "histogram"]
    assert len(PERCENTILES) == 5

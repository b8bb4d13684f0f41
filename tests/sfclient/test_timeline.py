"""What waited to be heard, moment by moment."""

import tracemalloc

import numpy as np
import pytest
import trio

from sfclient import Timeline
from sfclient._timeline import MOST_STEPS
from sfclient.simulator import SimulatedCall

from .conftest import exactly

MESSAGE = np.full(320, 3000, np.int16).tobytes()


class Line:
    output_latency = 0.05


class Network:
    queued_seconds = 0.0
    delay_seconds: float | None = None


def look(timeline: Timeline, network: Network, now: float, queued: float, delay) -> None:
    network.queued_seconds, network.delay_seconds = queued, delay
    timeline.look(now)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def timeline(network) -> Timeline:
    return Timeline(network, Line())


def test_delay_is_as_at_the_ear(timeline, network) -> None:
    look(timeline, network, 3.0, 0.1, 0.2)
    look(timeline, network, 3.1, 0.0, None)
    assert timeline.begins_at == 3.0
    assert timeline.queued_seconds == [0.1, 0.0]
    assert timeline.delay_seconds == [0.25, None]


def test_steps_in_which_nobody_looked_are_filled(timeline, network) -> None:
    for now, queued in ((0.0, 1.0), (0.104, 2.0), (0.196, 3.0), (0.5, 4.0), (0.601, 5.0)):
        look(timeline, network, now, queued, None)
    assert timeline.queued_seconds == [1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 5.0]


def test_a_step_is_told_once(timeline, network) -> None:
    for now in (0.0, 0.01, 0.1):
        look(timeline, network, now, now, None)
    assert timeline.queued_seconds == [0.0, 0.1]


def test_long_call_has_longer_steps_and_loses_no_peak(timeline, network) -> None:
    peak = 20_001
    for step in range(5 * MOST_STEPS):
        look(timeline, network, 0.1 * step, float(step == peak), 0.0 if step == peak else None)
    assert MOST_STEPS / 2 <= len(timeline.queued_seconds) <= MOST_STEPS
    assert len(timeline.delay_seconds) == len(timeline.queued_seconds)
    assert timeline.step_seconds == pytest.approx(0.8)
    assert timeline.begins_at == pytest.approx(0.35)
    (at,) = np.flatnonzero(timeline.queued_seconds)
    middle = timeline.begins_at + at * timeline.step_seconds
    assert abs(middle - 0.1 * peak) <= timeline.step_seconds / 2
    assert timeline.delay_seconds[at] == 0.05
    assert sum(delay is not None for delay in timeline.delay_seconds) == 1


def test_computer_that_slept_for_months_costs_no_memory(timeline, network) -> None:
    look(timeline, network, 0.0, 1.0, 2.0)
    tracemalloc.start()
    look(timeline, network, 1e7, 0.0, None)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 100 * MOST_STEPS
    assert timeline.queued_seconds[0] == 1.0
    end = timeline.begins_at + (len(timeline.queued_seconds) - 1) * timeline.step_seconds
    assert end == pytest.approx(1e7, abs=timeline.step_seconds)


@exactly
async def test_call_keeps_one_if_asked(hold, fast_clock) -> None:
    async def speak_ahead(call: SimulatedCall) -> None:
        await call.client_ready()
        await trio.sleep(1)
        await call.send_audio(MESSAGE * 100)  # two seconds
        await call.wait_ended()

    async with hold(speak_ahead, timeline=True) as held:
        await trio.sleep(5)
    timeline, times = held.call.timeline, held.call.statistics().times
    queued, delay = np.array(timeline.queued_seconds), np.array(timeline.delay_seconds, float)
    at = timeline.begins_at + timeline.step_seconds * np.arange(len(queued))
    assert len(queued) == pytest.approx((times.ended - timeline.begins_at) / 0.1, abs=2)
    since = at - times.first_agent_audio
    heard = (since > 0.2) & (since < 1.8)
    assert np.allclose(queued[heard], 2 - since[heard], atol=0.15)
    assert np.allclose(delay[heard], since[heard], atol=0.15)
    assert np.isnan(delay[(since < -0.1) | (since > 2.3)]).all()


@exactly
async def test_call_keeps_none_unasked(hold, fast_clock) -> None:
    async with hold() as held:
        assert held.call.timeline is None

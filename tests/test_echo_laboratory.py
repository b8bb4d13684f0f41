"""The laboratory of echo (`benchmarks/echo.py`) makes echoes as it says, and counts them right."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RATE = 16_000


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its modules by name; a test is skipped where one needs the extra `bench`, and it is missing."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def module(name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            pytest.skip(str(error))

    return module


def white(seconds: float, level: float = 0.1) -> Any:
    rng = np.random.default_rng(1)
    return (level * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def scene_of(room: Any, echo: Any) -> Any:
    nothing = np.zeros_like(echo)
    return room("echo_scenes").Scene(nothing, nothing, echo, nothing, ways=())


def test_an_echo_is_as_late_and_as_loud_as_its_way_says(room: Any) -> None:
    rooms = room("echo_rooms")
    click = np.zeros(RATE, np.float32)
    click[1000] = 1.0
    heard = rooms.echo_of(click, [rooms.Way(delay=0.25, below=6.0)])
    arrived = 1000 + 4000 + 0.5 / 343 * RATE  # half a metre
    assert abs(int(np.argmax(np.abs(heard))) - arrived) < 3
    sound = white(2)
    power = np.mean(rooms.echo_of(sound, [rooms.Way(delay=0.0, below=6.0)]) ** 2)
    assert power == pytest.approx(np.mean(sound**2) * 10**-0.6, rel=0.01)


def test_another_device_has_nothing_of_what_was_played_before(room: Any) -> None:
    rooms = room("echo_rooms")
    before = rooms.Way(delay=0.1)
    then = rooms.Way(delay=0.3, seed=1, begins=1.0, is_fresh=True)
    heard = rooms.echo_of(white(2), [before, then])
    assert heard[RATE - 160 : RATE].any()
    assert np.abs(heard[RATE : RATE + 4800]).max() < 1e-6
    assert heard[RATE + 4900 :].any()


def test_a_clock_that_is_fast_gains_on_the_other(room: Any) -> None:
    rooms = room("echo_rooms")
    time = np.arange(10 * RATE) / RATE
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    late = rooms.drifted(tone, 100.0)[9 * RATE : 9 * RATE + 1600]
    expected = np.sin(2 * np.pi * 440 * (time / 1.0001))[9 * RATE : 9 * RATE + 1600]
    np.testing.assert_allclose(late, expected, atol=1e-3)


def test_erle_is_what_is_left_of_an_echo(room: Any) -> None:
    score = room("echo_score")
    echo = white(3)
    scene = scene_of(room, echo)
    assert score.erle(scene, 0.1 * echo, 0, 1) == pytest.approx(20.0, abs=0.01)
    assert score.erle(scene, 0 * echo, 0, 1) == score.BEST_ERLE
    assert score.erle_by_second(scene, echo) == pytest.approx([0, 0, 0])


def test_time_to_25_db_counts_when_it_lasts(room: Any) -> None:
    score = room("echo_score")
    echo = white(12)
    scene = scene_of(room, echo)
    out = echo.copy()
    out[1 * RATE : 2 * RATE] *= 0.01  # for a second only
    out[4 * RATE :] *= 0.01
    assert score.time_to(25.0, scene, out, 0.0) == pytest.approx(4.0, abs=0.05)
    assert score.time_to(25.0, scene, out, 4.0) == 0.0
    assert score.time_to(25.0, scene, echo, 0.0) == float("inf")


def test_an_echo_begins_when_it_can_be_heard(room: Any) -> None:
    score = room("echo_score")
    echo = white(2, level=1e-4)
    echo[RATE:] *= 100
    assert score.onset(scene_of(room, echo)) == 1.0
    assert score.onset(scene_of(room, 0 * echo)) == float("inf")


def test_a_queue_that_is_fed_by_arrival_loses_no_message_and_plays_none_late(room: Any) -> None:
    rivals = room("echo_rivals")
    played = np.repeat(np.arange(1, 101, dtype=np.float32), 320)
    popped = rivals.popped(played, RATE)[::320]
    messages = popped[popped > 0]
    np.testing.assert_array_equal(np.diff(messages), np.ones(len(messages) - 1))
    assert (popped[popped > 0] >= np.arange(1, 101)[popped > 0]).all()


def test_a_figure_holds_by_what_is_judged_and_tells_the_worst(room: Any) -> None:
    figures = room("echo_figures")
    took = [1.0] * 94 + [9.0] * 5 + [float("inf")]
    figure = figures.Figure("took", "s", "at most", {"ours": took}, 2.0)
    assert (figure.is_good, figure.of("ours"), figure.of("webrtc")) == (True, "1 (never)", "-")
    strict = figures.Figure("took", "s", "at most", {"ours": took}, 2.0, figures.p95)
    assert not strict.is_good
    assert figures.p95(took[1:]) == 9.0
    assert figures.median([1.0, 2.0, float("inf"), float("inf")]) == float("inf")
    assert "FAULT" in figures.table([strict])


def test_a_flush_is_timed_to_the_last_frame_that_sounds(room: Any) -> None:
    interruptions = room("echo_interruptions")
    silenced = interruptions.silence(white(6), 3.001)
    assert silenced.is_whole
    assert silenced.at == pytest.approx(3.01 + 0.005, abs=0.0005)

"""The laboratory of playout (`benchmarks/playout.py`) counts what was played, and counts it right."""

import importlib
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def speech(traces: Any, pattern: str, seconds_each: float = 0.5) -> Any:
    """A hoarse voice where the pattern has an S, silence where it has a dash."""
    frames = round(16_000 * seconds_each)
    rng = np.random.default_rng(1)
    period = np.resize(rng.normal(0, 4000, 128), frames) + rng.normal(0, 300, frames)
    parts = [period if letter == "S" else np.zeros(frames) for letter in pattern]
    spoken = np.repeat([letter == "S" for letter in pattern], frames // 160)
    return traces.Speech(np.concatenate(parts).astype(np.int16), spoken)


def test_positions_told_by_the_log_are_those_that_the_engine_counts(room: Any) -> None:
    traces, players = room("playout_traces"), room("playout_players")
    arrivals = traces.stalled(traces.cellular_like(12, 0), [(3000, 700), (8000, 400)])
    laid = traces.Trace("stall", arrivals).lay(speech(traces, "SS-SSSS-"), 0)
    watched = players.watch_engine(laid)
    now = watched.played.now
    arrived = 20.0 * np.searchsorted(laid.arrivals, now, "right")
    counted = arrived - [state.queued for state in watched.states]
    assert {piece[0] for piece in watched.pieces} >= {"play", "remove", "insert", "conceal", "cut"}
    np.testing.assert_array_equal(watched.played.position[1:], counted)


def test_what_the_law_of_a_fifo_plays_is_what_the_jitter_buffer_plays(room: Any) -> None:
    traces, players, laws = room("playout_traces"), room("playout_players"), room("playout_laws")
    arrivals = traces.stalled(traces.paced(6), [(3000, 700)])
    laid = traces.Trace("stall", arrivals).lay(speech(traces, "S"), 0)
    by_law = players.play_law(laid, laws.Primed(60.0))
    by_buffer = players.play_buffer(laid, 60)
    blocks = min(len(by_law.sounded), len(by_buffer.sounded))
    np.testing.assert_array_equal(by_law.sounded[:blocks], by_buffer.sounded[:blocks])
    np.testing.assert_array_equal(by_law.position[:blocks], by_buffer.position[:blocks])


class Hasty:
    """A law that plays 13 ms in 10, as long as there are 10."""

    def block(self, now: float, head: float, position: float) -> float | None:
        return 13.0 if head - position >= 10 else None


def test_what_is_left_of_a_block_is_played_before_silence(room: Any) -> None:
    traces, players = room("playout_traces"), room("playout_players")
    laid = traces.Trace("paced", traces.paced(1)).lay(speech(traces, "S"), 0)
    by_law = players.play_law(laid, Hasty())
    np.testing.assert_array_equal(by_law.position[:6], [0, 13, 26, 39, 52, 60])
    np.testing.assert_array_equal(by_law.sounded[:5], [True, True, True, True, False])


def played(score: Any, sounds: str) -> Any:
    """A letter for each block of 10 ms: x sounds, a dash is silence."""
    sounded = np.array([letter == "x" for letter in sounds])
    position = np.append([0.0], 10.0 * np.cumsum(sounded))
    return score.Played(100.0, position, sounded, np.zeros(len(sounded), bool))


def laid_out(traces: Any, pattern: str) -> Any:
    arrivals = 100.0 + np.zeros(25 * len(pattern))
    return traces.Trace("burst", arrivals, is_ahead=True).lay(speech(traces, pattern), 0)


@pytest.mark.parametrize(
    ("sounds", "gaps", "underruns"),
    [
        ("-----xxxxxxxxxx", [], 0),  # before the first sound nothing is missing
        ("xxxxxxxxxx-----xxxxx", [50.0], 1),
        ("xxxxx---xxxx--xxxxx", [50.0], 2),  # 40 ms of playing do not end it
        ("xxxxx---xxxxx--xxxxx", [30.0, 20.0], 2),
        ("xxxxx---", [30.0], 1),
    ],
)
def test_an_interruption_ends_when_50_ms_have_played(
    room: Any, sounds: str, gaps: list[float], underruns: int
) -> None:
    traces, score = room("playout_traces"), room("playout_score")
    found = score.account(laid_out(traces, "S"), played(score, sounds))
    assert (found.gaps, found.underruns) == (gaps, underruns)
    assert found.interrupted_ms == sum(gaps)


def test_a_turn_that_begins_late_is_no_interruption(room: Any) -> None:
    traces, score = room("playout_traces"), room("playout_score")
    laid = laid_out(traces, "S-S")
    found = score.account(laid, played(score, "x" * 100 + "-" * 30 + "x" * 50))
    assert found.gaps == []
    assert (found.percentile(50), found.percentile(99)) == (0.0, 300.0)
    found = score.account(laid, played(score, "x" * 102 + "-" * 30 + "x" * 48))
    assert found.gaps == [300.0]


def test_the_json_has_what_was_promised(room: Any) -> None:
    traces, score = room("playout_traces"), room("playout_score")
    found = score.account(laid_out(traces, "S"), played(score, "x" * 50))
    (row,) = score.rows_of({("burst", "adaptive"): found})
    assert list(row) == [
        "trace", "policy", "minutes", "interruptions_per_min", "interruptions_150_per_min", "underruns_per_min",
        "delay_mean_ms", "delay_p50_ms", "delay_p95_ms", "delay_p99_ms", "concealed_percent", "stretched_percent",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "two or more times"),
        ("20\n", "two or more times"),
        ("20\n40\nlate\n", "'late'"),
        ("20 40\n60 80\n", "'20 40'"),
        ("20\nnan\n", "two or more times"),
        ("20\n60\n40\n", "none before another"),
    ],
)
def test_a_trace_that_is_none_is_named(room: Any, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(SystemExit, match=rf"bad\.txt is no trace.*{told}"):
        room("playout_traces").recorded(tmp_path)


def test_speech_that_is_none_is_named(room: Any, tmp_path: Path) -> None:
    traces = room("playout_traces")
    with pytest.raises(SystemExit, match=r"none\.wav is no WAV file"):
        traces.speech_of(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(SystemExit, match=r"text\.wav is no WAV file"):
        traces.speech_of(tmp_path / "text.wav")
    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    with pytest.raises(SystemExit, match=r"quiet\.wav holds no speech"):
        traces.speech_of(tmp_path / "quiet.wav")


def test_what_is_stretched_in_a_pause_is_none_of_the_speech(room: Any) -> None:
    """For the engine, whose log does not know what is speech, as for the laws."""
    traces, score = room("playout_traces"), room("playout_score")
    all_stretched = played(score, "x" * 100)._replace(stretched=np.ones(100, bool))
    assert score.account(laid_out(traces, "S-"), all_stretched).stretched_ms == 30 * 50

"""Voices that are played faster, slower, or across gaps: no click, and the same pitch."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sfaudio._stretch import Stretcher

from .playout_reference import Samples, conceal
from .stretched_voices import (
    HELLO,
    pitch_ratios,
    read,
    spoken,
    steps_at_gaps,
    steps_at_joints,
    stretch,
)

RECORDED = Path(__file__).parents[2] / "build" / "recorded-speech"
LANGUAGES = ("en", "es", "fr", "it", "ru")

Voice = tuple[Samples, int]


@pytest.fixture(scope="module", params=["hello", "en-us+m3", "en-us+f2", "de+f4"])
def voice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Voice:
    if request.param == "hello":
        return read(HELLO)
    return spoken(request.param, tmp_path_factory.mktemp("voice"))


def check_steps(steps: NDArray[np.float64]) -> None:
    """Zeros without a fade would be 3.7 to 5.3. A fade adds a slope of its own, seldom where it is steepest."""
    assert steps.max() <= 1.05
    assert np.percentile(steps, 98) <= 1.001


def check_stretched(x: Samples, samplerate: int, *, faster: bool) -> None:
    y, joints, refused = stretch(x, samplerate, faster=faster)
    assert len(joints) > refused
    assert len(y) < 0.9 * len(x) if faster else len(y) > 1.1 * len(x)
    check_steps(steps_at_joints(x, y, joints, samplerate))
    ratios = pitch_ratios(x, y, joints, samplerate)
    assert len(ratios) > 50
    assert abs(np.median(ratios) - 1) < 0.005
    assert np.percentile(abs(ratios - 1), 90) < 0.03


@pytest.mark.parametrize("faster", [True, False], ids=["faster", "slower"])
def test_a_voice_is_stretched_without_a_step_and_keeps_its_pitch(
    voice: Voice, faster: bool
) -> None:
    check_stretched(*voice, faster=faster)


@pytest.mark.parametrize("gap", [0.01, 0.05, 0.06, 0.08])
def test_a_gap_is_concealed_without_a_step(voice: Voice, gap: float) -> None:
    check_steps(steps_at_gaps(*voice, gap))


def test_a_concealment_of_a_voice_is_that_of_numpy(voice: Voice) -> None:
    x, samplerate = voice
    of = Stretcher(samplerate)
    for end in range(of.block + of.lag_max, len(x), 5 * of.block + 3):
        assert np.array_equal(of.conceal(x[:end]), conceal(x[:end], of))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_recorded_speech_is_stretched_and_concealed_likewise(language: str) -> None:
    path = RECORDED / f"{language}.npz"
    if not path.exists():
        pytest.skip("benchmarks/recorded_speech.py fetches it")
    with np.load(path) as prompts:
        x = np.concatenate([prompts[name] for name in prompts.files[::16]])
    for faster in (True, False):
        check_stretched(x, 16000, faster=faster)
    check_steps(steps_at_gaps(x, 16000))

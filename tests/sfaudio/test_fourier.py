"""The Fourier transform: as numpy's, in single precision."""

import numpy as np
import pytest

from sfaudio._fourier import forward, inverse

POINTS = (160, 320, 2, 4, 8, 10, 20, 200, 256)


def noise(points: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(points).standard_normal(points).astype(np.float32)


@pytest.mark.parametrize("points", POINTS)
def test_a_spectrum_is_that_of_numpy(points: int) -> None:
    samples = noise(points)
    assert np.abs(forward(samples) - np.fft.rfft(samples)).max() < 1e-6 * points**0.5


@pytest.mark.parametrize("points", POINTS)
def test_the_inverse_gives_the_samples_back(points: int) -> None:
    spectrum = np.fft.rfft(noise(points)).astype(np.complex64)
    assert np.abs(inverse(spectrum.view(np.float32)) - noise(points)).max() < 1e-6


def test_a_tone_is_in_its_bin_alone() -> None:
    spectrum = forward(np.cos(2 * np.pi * 7 * np.arange(320) / 320).astype(np.float32))
    assert spectrum.argmax() == 7
    assert abs(spectrum[7] - 160) < 1e-3
    assert np.delete(np.abs(spectrum), 7).max() < 1e-4


@pytest.mark.parametrize("points", [0, 1, 3, 6, 14, 322, 640])
def test_other_numbers_of_points_are_refused(points: int) -> None:
    with pytest.raises(ValueError, match=f"src is for {points} points"):
        forward(np.zeros(points, np.float32))
    with pytest.raises(ValueError, match="twice a product of 2s and 5s is needed, up to 320"):
        inverse(np.zeros(points + 2, np.float32))

"""The sample conversions of the agents, in numpy: none of it is shared with the client."""

import math
import wave
from os import PathLike, fspath

import numpy as np
import numpy.typing as npt

CALLER_SAMPLERATE = 48_000
AGENT_SAMPLERATE = 16_000

_FACTOR = CALLER_SAMPLERATE // AGENT_SAMPLERATE
# Odd, and half of it a multiple of 3: the filter delays by 48 samples, exactly 16 of the output.
_TAPS = 97
_SHIFT = 20


class UnreadableWavError(ValueError):
    """A WAV file is missing, or holds something else than PCM."""


def _lowpass() -> npt.NDArray[np.int64]:
    """A linear-phase low-pass for 48 kHz with gain 1 at DC, as integers of `_SHIFT` bits.

    A sinc under a Kaiser window: flat to 5.8 kHz, 70 dB down from 8 kHz on, where the 16 kHz
    signal would fold over. Integers make the sums exact, so that the way in which the audio is
    cut cannot change a single sample.
    """
    n = np.arange(_TAPS) - _TAPS // 2
    cutoff = 6_900 / (CALLER_SAMPLERATE / 2)
    ideal = cutoff * np.sinc(cutoff * n) * np.kaiser(_TAPS, 6.76)
    taps: npt.NDArray[np.int64] = np.rint(ideal / ideal.sum() * (1 << _SHIFT)).astype(np.int64)
    taps[_TAPS // 2] += (1 << _SHIFT) - taps.sum()  # what rounding lost
    return taps


_LOWPASS = _lowpass()


class Decimator:
    """PCM16 mono from 48 to 16 kHz, piece by piece, 1 ms late. Whole samples only."""

    def __init__(self) -> None:
        # What the next output needs of the past; silence came before the first sample.
        self._pending = np.zeros(_TAPS - 1, dtype="<i2")

    def feed(self, pcm: bytes) -> bytes:
        """The output that has become complete: a third of what came in, give or take a sample."""
        samples = np.concatenate((self._pending, np.frombuffer(pcm, dtype="<i2")))
        outputs = max(0, math.ceil((len(samples) - _TAPS + 1) / _FACTOR))
        self._pending = samples[outputs * _FACTOR :]
        if not outputs:
            return b""
        sums = np.convolve(samples.astype(np.int64), _LOWPASS, "valid")[::_FACTOR]
        rounded = (sums + (1 << (_SHIFT - 1))) >> _SHIFT
        return rounded.clip(-32768, 32767).astype("<i2").tobytes()


def read_wav(path: str | PathLike[str]) -> bytes:
    """A WAV file as PCM16 mono 16 kHz: mixed down and resampled, or bit for bit if it is that.

    Reads PCM of 8 to 32 bit with any number of channels and any rate. Raises `UnreadableWavError`.
    """
    try:
        with wave.open(fspath(path), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            samplerate = file.getframerate()
            data = file.readframes(file.getnframes())
        if width > 4 or not samplerate:
            raise wave.Error(f"it says {8 * width} bit at {samplerate} Hz")
    except (OSError, EOFError, wave.Error) as exc:
        reason = getattr(exc, "strerror", None) or str(exc) or "it is cut short"
        raise UnreadableWavError(
            f"cannot read {fspath(path)} ({reason}): give a WAV file with PCM samples, such as "
            f"`ffmpeg -i IN -c:a pcm_s16le OUT.wav` makes"
        ) from exc
    data = data[: len(data) - len(data) % (width * channels)]
    if (width, channels, samplerate) == (2, 1, AGENT_SAMPLERATE):
        return data
    mono = _to_int32(data, width).reshape(-1, channels).mean(axis=1)
    return _to_pcm16(_resample(mono, samplerate, AGENT_SAMPLERATE) / 65536)


def resample(pcm: bytes, samplerate: int, to_samplerate: int) -> bytes:
    """PCM16 mono at another rate, all at once; bit for bit if the rates are equal."""
    if samplerate == to_samplerate:
        return pcm
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    return _to_pcm16(_resample(samples, samplerate, to_samplerate))


def _to_pcm16(samples: npt.NDArray[np.float64]) -> bytes:
    return np.rint(samples).clip(-32768, 32767).astype("<i2").tobytes()


def _to_int32(data: bytes, width: int) -> npt.NDArray[np.int32]:
    """PCM of `width` bytes a sample at the scale of 32 bit."""
    raw = np.frombuffer(data, dtype=np.uint8).reshape(-1, width)
    wide = np.zeros((len(raw), 4), dtype=np.uint8)
    wide[:, 4 - width :] = raw
    if width == 1:
        wide[:, 3] ^= 0x80  # 8 bit alone is unsigned
    return wide.view("<i4").reshape(-1)


def _resample(
    samples: npt.NDArray[np.float64], samplerate: int, to_samplerate: int
) -> npt.NDArray[np.float64]:
    """From `samplerate` to `to_samplerate`, all at once by its spectrum."""
    if samplerate == to_samplerate or not len(samples):
        return samples
    common = math.gcd(samplerate, to_samplerate)
    up, down = to_samplerate // common, samplerate // common
    # The transform takes the signal for a loop: some silence keeps the end from the beginning.
    # A power of two times `down` makes both lengths whole and the transform fast.
    loops = 1 << math.ceil(math.log2((len(samples) + samplerate) / down))
    spectrum = np.fft.rfft(samples, loops * down)
    resampled = np.fft.irfft(spectrum[: loops * up // 2 + 1], loops * up) * (up / down)
    return resampled[: round(len(samples) * up / down)]

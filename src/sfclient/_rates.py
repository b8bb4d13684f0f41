"""Between the sample rate of a device and that of the wire: a resampler, and counts that still add up."""

from collections.abc import Iterable
from itertools import accumulate, pairwise

from sfaudio import Resampler
from sfclient._errors import UsageError


def resampler_between(samplerate_in: int, samplerate_out: int) -> Resampler | None:
    """None if the rates are the same. Raises `UsageError` for rates that cannot be resampled."""
    if samplerate_in == samplerate_out:
        return None
    try:
        return Resampler(samplerate_in, samplerate_out)
    except ValueError as error:
        raise UsageError(f"the sound cannot be resampled: {error}") from None


def at_rate(counts: Iterable[int], samplerate: int, new_samplerate: int) -> list[int]:
    """Counts of frames that follow each other in time, at another rate.

    What is rounded, down, is each moment between two of them: so the sum is that of the rounded sum.
    """
    moments = accumulate(counts, initial=0)
    return [
        after - before
        for before, after in pairwise(moment * new_samplerate // samplerate for moment in moments)
    ]

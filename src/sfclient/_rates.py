"""Between the sample rate of a device and that of the wire: a resampler, and counts that still add up."""

from collections.abc import Iterable
from itertools import accumulate, pairwise

from sfaudio import Resampler
from sfclient._errors import UsageError


def whole_rate(samplerate: object, what: str) -> int:
    """A rate in Hz, of whatever type as long as it is whole. Raises `UsageError` that names `what` told it."""
    try:
        whole = int(samplerate)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if whole <= 0 or whole != samplerate or isinstance(samplerate, bool):
        raise UsageError(f"{what} is {samplerate!r}: give a whole number of Hz, such as 48000")
    return int(whole)


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

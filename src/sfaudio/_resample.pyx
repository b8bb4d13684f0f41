# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""A streaming resampler: polyphase FIR, short delay, nothing held back, the same bits in any chunking.

The prototype is a Kaiser-windowed sinc (J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window
function", 1974), split into one row of coefficients for each of the `samplerate_out / gcd` phases that an output
frame can have between two input frames (R. E. Crochiere, L. R. Rabiner, "Multirate Digital Signal Processing", 1983,
ch. 3).
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int16_t, int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from sfaudio._buffers cimport acquire_mono, check_apart, in_range
from sfaudio._kernels cimport float32_to_int16_symmetric, int16_samples_to_float32
from sfaudio._owners cimport CALL, NEW, give_back, hold

import math

import numpy

from sfaudio._statistics import ResamplerStatistics


cdef extern from *:
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "_fir.h" nogil:
    enum:
        SF_FIR_LANES
    float sf_dot(const float *a, const float *b, size_t taps)


# The filter, in frames of the lower of the two rates. 48 taps hold 1.5 ms at 16 kHz and stop all images of what lies
# below 0.43 of the rate by 96 dB; at 8 kHz the limit on the delay leaves 32.
TAPS = 48
LONGEST_SECONDS = 0.004
STOPBAND_DB = 96.0

cdef enum:
    STEP = 256  # frames taken at a time
    LARGEST_RATIO = 64  # of the rates, so most output frames that end at one input frame


cdef struct resampler:
    uint64_t user  # the owner word
    float *rows  # [up][taps], each row in the order of the history it meets
    Py_ssize_t up
    Py_ssize_t down
    Py_ssize_t taps
    float *history  # [taps + STEP], oldest first
    Py_ssize_t phase  # of the next output frame
    Py_ssize_t skip  # input frames to come before the one that it ends at; -1: it is held back, and ends at the last
    int64_t taken
    int64_t given
    int64_t padded
    int64_t ahead  # of all that was before the last reset, or came out of `drain`, in frames of input / up


def _coefficients(samplerate_in, samplerate_out, lower_taps):
    """Rows of coefficients, float64 [up][taps], each row oldest frame first and of unit gain at 0 Hz."""
    common = math.gcd(samplerate_in, samplerate_out)
    up = samplerate_out // common
    lower = min(samplerate_in, samplerate_out)
    taps = math.floor(lower_taps * samplerate_in / lower)
    time = (numpy.arange(taps * up) - (taps * up - 1) / 2) / up  # in input frames
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    prototype = numpy.sinc(time * lower / samplerate_in) * numpy.kaiser(taps * up, beta)
    rows = prototype.reshape(taps, up).T[:, ::-1]
    return rows / rows.sum(axis=1, keepdims=True)


cdef Py_ssize_t resampler_output_frames(resampler *state, Py_ssize_t frames) noexcept nogil:
    if frames <= state.skip:
        return 0
    # Output k ends at input frame skip + (phase + k * down) // up: count the k for which that is below `frames`.
    return ((frames - state.skip) * state.up - state.phase + state.down - 1) // state.down


cdef Py_ssize_t resampler_input_frames(resampler *state, Py_ssize_t frames) noexcept nogil:
    if frames <= 0:
        return 0
    return state.skip + (state.phase + (frames - 1) * state.down) // state.up + 1


cdef Py_ssize_t _run(resampler *state, Py_ssize_t frames, float *out, Py_ssize_t most) noexcept nogil:
    """Filter the `frames` frames that follow the history; then they are history. Gives `most` frames at most."""
    cdef Py_ssize_t given = min(most, resampler_output_frames(state, frames))
    # Local, so that it stays in a register: through memory, the way from one frame to the next takes a quarter longer.
    cdef Py_ssize_t phase = state.phase
    cdef Py_ssize_t i
    for i in range(given):
        out[i] = sf_dot(state.rows + phase * state.taps, state.history + 1 + state.skip, <size_t> state.taps)
        phase += state.down
        state.skip += phase // state.up
        phase %= state.up
    state.phase = phase
    state.skip -= frames
    state.taken += frames
    state.given += given
    memmove(state.history, state.history + frames, state.taps * sizeof(float))
    return given


cdef Py_ssize_t _resample(
    resampler *state, const void *src, Py_ssize_t frames, void *out, Py_ssize_t most, bint is_float
) noexcept nogil:
    """Give `most` frames at most; the input must be no more than what they need: only its last frame is held back."""
    cdef float filtered[STEP + LARGEST_RATIO]
    cdef float *fresh = state.history + state.taps
    # As many input frames as surely fit the scratch when they, and what was held back, have become output frames.
    cdef Py_ssize_t longest = max(1, min(STEP, (STEP - 1) * state.down // state.up))
    cdef Py_ssize_t at = 0, given = 0
    cdef Py_ssize_t step, count
    while at < frames or state.skip < 0 and given < most:
        step = min(frames - at, longest)
        if is_float:
            memcpy(fresh, <const float *> src + at, step * sizeof(float))
        else:
            int16_samples_to_float32(<const int16_t *> src + at, fresh, step)
        count = _run(state, step, filtered, most - given)
        if is_float:
            memcpy(<float *> out + given, filtered, count * sizeof(float))
        else:
            float32_to_int16_symmetric(filtered, <int16_t *> out + given, count)
        at += step
        given += count
    return given


cdef Py_ssize_t resample_float32(resampler *state, const float *src, Py_ssize_t frames, float *out) noexcept nogil:
    return _resample(state, src, frames, out, PY_SSIZE_T_MAX, True)


cdef Py_ssize_t resample_int16(resampler *state, const int16_t *src, Py_ssize_t frames, int16_t *out) noexcept nogil:
    return _resample(state, src, frames, out, PY_SSIZE_T_MAX, False)


cdef Py_ssize_t resample_some_int16(
    resampler *state, const int16_t *src, Py_ssize_t frames, int16_t *out, Py_ssize_t most
) noexcept nogil:
    return _resample(state, src, frames, out, most, False)


cdef void resampler_forget(resampler *state) noexcept nogil:
    memset(state.history, 0, state.taps * sizeof(float))
    state.ahead += state.skip * state.up + state.phase
    state.phase = 0
    state.skip = 0


cdef Py_ssize_t _count(object frames) except -1:
    # Times any rate, it still fits 64 bits.
    return <Py_ssize_t> in_range(frames, "frames", "frames", 0, 1 << 40)


cdef int resampler_hold(resampler *state, const char *holder) except -1:
    return hold(&state.user, holder, "this Resampler")


cdef void resampler_release(resampler *state) noexcept nogil:
    give_back(&state.user)


cdef class Resampler:
    """Resampler(samplerate_in, samplerate_out, *, taps=None)\n--\n
    Converts a mono stream from one sample rate to another as it comes.

    Threads: one at a time; a second one gets a RuntimeError, which names who has it. Streaming allocates nothing but
    the arrays that `process` returns.

    Every output frame is given as soon as the last input frame it depends on is there, so nothing is held back but
    the delay of the filter, at most 2 ms, and what `process` was not asked for. Frequencies up to 0.43 of the lower
    rate (0.40 at 8 kHz) pass, with images and aliases of them more than 90 dB below; what lies between there and half
    the rate is rolled off. The same input gives the same bits in any chunking. That is as it suits playout; with more
    `taps` the filter is sharper and slower.

    Parameters
    ----------
    samplerate_in, samplerate_out
        In Hz, whole numbers from 1,000 to 768,000 with a ratio of at most 64 and at most 1,024 phases
        (``samplerate_out / gcd``).
    taps
        How long the filter is, in frames of the lower rate, 16 to 512; None for 48, or 4 ms where that is less. It
        delays by half of that, and what it rolls off is narrower the longer it is.

    Raises
    ------
    TypeError, ValueError
        A rate, the ratio of the two, or `taps` is out of range.
    """

    def __cinit__(self, samplerate_in, samplerate_out, *, taps=None):
        self.state = <resampler *> calloc(1, sizeof(resampler))
        if self.state == NULL:
            raise MemoryError
        self.state.user = <uintptr_t> NEW
        samplerate_in = in_range(samplerate_in, "samplerate_in", "Hz", 1000, 768_000)
        samplerate_out = in_range(samplerate_out, "samplerate_out", "Hz", 1000, 768_000)
        common = math.gcd(samplerate_in, samplerate_out)
        if max(samplerate_in, samplerate_out) > LARGEST_RATIO * min(samplerate_in, samplerate_out):
            raise ValueError(f"the ratio of {samplerate_in} Hz to {samplerate_out} Hz is over {LARGEST_RATIO}")
        if samplerate_out // common > 1024:
            raise ValueError(
                f"{samplerate_in} Hz to {samplerate_out} Hz takes {samplerate_out // common} phases: at most 1024"
            )
        if taps is None:
            taps = min(TAPS, LONGEST_SECONDS * min(samplerate_in, samplerate_out))
        else:
            taps = in_range(taps, "taps", "frames", 16, 512)
        rows = _coefficients(samplerate_in, samplerate_out, taps)
        up, taps = rows.shape
        # The lanes beyond the filter meet frames older than it needs: zeros, which add no delay.
        padded = numpy.zeros((up, -(-taps // SF_FIR_LANES) * SF_FIR_LANES), numpy.float32)
        padded[:, -taps:] = rows
        cdef const float[:, ::1] view = padded
        self.samplerate_in = samplerate_in
        self.samplerate_out = samplerate_out
        self.state.up = up
        self.state.down = samplerate_in // common
        self.state.taps = view.shape[1]
        self.state.rows = <float *> calloc(view.shape[0] * view.shape[1], sizeof(float))
        self.state.history = <float *> calloc(self.state.taps + STEP, sizeof(float))
        if self.state.rows == NULL or self.state.history == NULL:
            raise MemoryError
        memcpy(self.state.rows, &view[0, 0], view.shape[0] * view.shape[1] * sizeof(float))
        self._filter_taps = taps
        resampler_release(self.state)

    def __dealloc__(self):
        if self.state != NULL:
            free(self.state.rows)
            free(self.state.history)
            free(self.state)

    @property
    def delay(self):
        """The group delay of the filter, in seconds, the same at all frequencies."""
        return self._delay()

    cdef double _delay(self):
        return (self._filter_taps - 1.0 / self.state.up) / (2.0 * self.samplerate_in)

    def output_frames(self, frames):
        """How many frames the next `frames` frames of input will give, with those that are held back."""
        cdef Py_ssize_t count = _count(frames)
        resampler_hold(self.state, CALL)
        count = resampler_output_frames(self.state, count)
        resampler_release(self.state)
        return count

    def input_frames(self, frames):
        """How many frames of input the next `frames` frames of output need."""
        cdef Py_ssize_t count = _count(frames)
        resampler_hold(self.state, CALL)
        count = resampler_input_frames(self.state, count)
        resampler_release(self.state)
        return count

    def process(self, src, frames=None):
        """Resample the next frames of the stream.

        Parameters
        ----------
        src
            A buffer of int16 or float32 samples, or of raw bytes of int16.
        frames
            How many frames to give; None for all that `src` makes. What the last frame of `src` makes beyond is held
            back for the next call. What they need beyond `src` is silence at their end, counted as `padded_frames`.

        Returns
        -------
        A new `numpy.ndarray` of the type of `src`. Without `frames`, it has a frame more or less than
        ``len(src) * samplerate_out / samplerate_in``, none perhaps.

        Raises
        ------
        TypeError, ValueError
            As `int16_to_float32` for its `src`; `frames` is no whole number from 0 to 2**40; `src` has more than
            ``input_frames(frames)``. Nothing was taken.
        """
        cdef Py_buffer view
        cdef Py_ssize_t wanted = -1 if frames is None else _count(frames)  # before a pointer into `src` is taken
        cdef Py_ssize_t came = acquire_mono(src, &view, c"*", False, "src")
        try:
            resampler_hold(self.state, CALL)
            try:
                return self._process(&view, came, wanted)
            finally:
                resampler_release(self.state)
        finally:
            PyBuffer_Release(&view)

    cdef object _process(self, Py_buffer *src, Py_ssize_t came, Py_ssize_t wanted):
        """A new array of `wanted` frames; -1 for all that come of `src`."""
        cdef Py_buffer view
        cdef bint is_float = src.itemsize == 4
        cdef Py_ssize_t given, needed
        if wanted < 0:
            wanted = resampler_output_frames(self.state, came)
        else:
            needed = resampler_input_frames(self.state, wanted)
            if came > needed:
                raise ValueError(f"src has {came} frames, but {wanted} of output need {needed}: give those")
        out = numpy.empty(wanted, numpy.float32 if is_float else numpy.int16)
        acquire_mono(out, &view, c"f" if is_float else c"h", True, "out")
        given = _resample(self.state, src.buf, came, view.buf, wanted, is_float)
        PyBuffer_Release(&view)
        if given < wanted:
            out[given:] = 0
            self.state.padded += wanted - given
        return out

    def process_into(self, src, out):
        """Resample into `out`, of the same type as `src`, and return how many frames it got. Nothing is allocated.

        ValueError if `out` has less room than ``output_frames(len(src))``, or shares memory with `src`; then nothing
        was taken.
        """
        cdef Py_buffer view, target
        cdef Py_ssize_t came = acquire_mono(src, &view, c"*", False, "src")
        cdef bint is_float = view.itemsize == 4
        cdef Py_ssize_t room, due
        try:
            room = acquire_mono(out, &target, c"f" if is_float else c"h", True, "out")
            try:
                check_apart(&view, &target, False)
                resampler_hold(self.state, CALL)
                due = resampler_output_frames(self.state, came)
                if room >= due:
                    _resample(self.state, view.buf, came, target.buf, due, is_float)
                resampler_release(self.state)
            finally:
                PyBuffer_Release(&target)
        finally:
            PyBuffer_Release(&view)
        if room < due:
            raise ValueError(f"out has room for {room} frames, but {due} are due")
        return due

    def drain(self, dtype="int16"):
        """The end of the stream: what is held back, and `delay` of it from the filter, as int16 or float32 samples.

        TypeError if `dtype` is neither of the two.
        """
        if numpy.dtype(dtype) not in (numpy.int16, numpy.float32):
            raise TypeError(f"dtype must be int16 or float32, not {dtype!r}")
        silence = numpy.zeros(math.ceil(self._delay() * self.samplerate_in), dtype)
        cdef Py_buffer view
        cdef Py_ssize_t frames = acquire_mono(silence, &view, c"*", False, "silence")
        try:
            resampler_hold(self.state, CALL)
            try:
                out = self._process(&view, frames, -1)
                self.state.taken -= frames
                self.state.ahead += frames * self.state.up
            finally:
                resampler_release(self.state)
        finally:
            PyBuffer_Release(&view)
        return out

    def __repr__(self):
        return f"<sfaudio.Resampler: {self.samplerate_in} to {self.samplerate_out} Hz>"

    def reset(self):
        """Forget the stream so far, and what was held back: what comes next begins after silence."""
        resampler_hold(self.state, CALL)
        resampler_forget(self.state)
        resampler_release(self.state)

    def statistics(self):
        """A snapshot of the counters, as `ResamplerStatistics`."""
        cdef resampler *state = self.state
        resampler_hold(state, CALL)
        cdef int64_t taken = state.taken, given = state.given, padded = state.padded
        cdef int64_t ahead = state.ahead + state.skip * state.up + state.phase
        resampler_release(state)
        return ResamplerStatistics(
            input_frames=taken,
            output_frames=given,
            padded_frames=padded,
            ahead_ticks=ahead * math.gcd(self.samplerate_in, self.samplerate_out),
        )

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""Waveform operations on int16: remove or insert a pitch period, conceal a gap, lengthen a pause, cross-fade.

Periods are removed and inserted where a waveform resembles itself one lag later, and faded over that lag (WSOLA:
W. Verhelst, M. Roelands, "An overlap-add technique based on waveform similarity", ICASSP 1993; as NetEq's accelerate
and preemptive expand do). A gap is filled with the last period, again and again (ITU-T G.711, appendix I).

All weights come from one table of a raised cosine, and every mix is rounded to nearest, halves up. So numpy gives the
same bits, and fading a signal into itself changes nothing.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport M_PI, cos, lround, sqrt
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset

from sfaudio._buffers cimport acquire, in_range
from sfaudio._kernels cimport measure_level

import numpy


cdef extern from "_fir.h" nogil:
    enum:
        SF_FIR_LANES
    float sf_dot(const float *a, const float *b, size_t taps)


cdef enum:
    COARSE_RATE = 4000  # Hz. The coarse search looks at voices of up to 400 Hz, whose formants matter little.
    LARGEST_COARSE = 124  # frames: block and lag_max at less than 5 kHz, which is 4 kHz after rounding `decimate`
    RISE_BITS = 10  # of the table's index
    MORE_BITS = 10  # for the place between two of its entries

cdef double ALIKE = 0.7  # Normalised correlation. From 0.5 to 0.8 no difference was measured on recorded speech.
cdef double QUIET = 0.004  # Root mean square, -48 dB of full scale: there no joint is heard.
cdef double VOICED = 0.5  # Below it what is looped is noise, and a longer loop buzzes less.
cdef double NO_POWER = 1e-9 * 32768.0 ** 4  # A product of energies so small is silence, which resembles nothing.


cdef int stretcher_begin(stretcher *of, object samplerate) except -1:
    cdef Py_ssize_t rate = <Py_ssize_t> in_range(samplerate, "samplerate", "Hz", 8000, 48_000)
    if rate % 100:
        raise ValueError(f"samplerate must be a multiple of 100 Hz, for blocks of 10 ms, not {rate}")
    _scale_to(of, rate)
    return 0


cdef void _scale_to(stretcher *of, Py_ssize_t rate) noexcept nogil:
    of.block = rate // 100
    of.lag_min = rate // 400
    of.lag_max = rate * 3 // 200
    of.fade = rate // 200
    of.history = rate * 3 // 50
    of.conceal = rate * 3 // 50
    of.decimate = (rate + COARSE_RATE // 2) // COARSE_RATE


# ---- fades

cdef int32_t _rise[(1 << RISE_BITS) + 1]  # a raised cosine from 0 to 2**30


cdef void _fill_table() noexcept:
    cdef int i
    for i in range((1 << RISE_BITS) + 1):
        _rise[i] = <int32_t> lround((1 << 29) * (1 - cos(M_PI * i / (1 << RISE_BITS))))


_fill_table()


cdef inline uint32_t _stride(Py_ssize_t frames) noexcept nogil:
    """Half the way from one frame of a fade to the next, where 2**32 is the whole fade. Frame i lies at 2 i + 1."""
    return <uint32_t> ((<int64_t> 1 << 31) // frames)


cdef inline int32_t _weight(uint32_t at) noexcept nogil:
    """Of what comes, from 0 to 2**15, at this part of 2**32 of a fade."""
    cdef uint32_t i = at >> 32 - RISE_BITS
    cdef int32_t more = <int32_t> (at >> 32 - RISE_BITS - MORE_BITS & (1 << MORE_BITS) - 1)
    return _rise[i] + ((_rise[i + 1] - _rise[i]) * more >> MORE_BITS) + (1 << 14) >> 15


cdef inline int16_t _mixed(int32_t before, int32_t after, int32_t weight) noexcept nogil:
    return <int16_t> (before * ((1 << 15) - weight) + after * weight + (1 << 14) >> 15)


cdef void cross_fade(const int16_t *before, const int16_t *after, int16_t *out, Py_ssize_t frames) noexcept nogil:
    cdef uint32_t stride = _stride(max(frames, 1))
    cdef Py_ssize_t i
    for i in range(frames):
        out[i] = _mixed(before[i], after[i], _weight((2 * <uint32_t> i + 1) * stride))


cdef void fade_out(int16_t *samples, Py_ssize_t frames) noexcept nogil:
    cdef uint32_t stride = _stride(max(frames, 1))
    cdef Py_ssize_t i
    for i in range(frames):
        samples[i] = _mixed(samples[i], 0, _weight((2 * <uint32_t> i + 1) * stride))


# ---- pitch periods

cdef double mean_square(const int16_t *x, Py_ssize_t frames) noexcept nogil:
    return measure_level(x, frames).sum_squares / (32768.0 * 32768.0 * frames)


cdef double _energy(const float *x, Py_ssize_t frames) noexcept nogil:
    cdef double sum_squares = 0
    cdef Py_ssize_t i
    for i in range(frames):
        sum_squares += <double> x[i] * x[i]
    return sum_squares


cdef Py_ssize_t _most_alike(
    const float *x, Py_ssize_t window, Py_ssize_t least, Py_ssize_t most, double no_power, double *likeness
) noexcept nogil:
    """The lag from `least` to `most` by which `window` frames resemble what follows. x is followed by LANES zeros."""
    cdef float target[LARGEST_BLOCK + SF_FIR_LANES]
    cdef Py_ssize_t taps = (window + SF_FIR_LANES - 1) // SF_FIR_LANES * SF_FIR_LANES
    # Of whole numbers, and exact: it does not drift as the window moves on.
    cdef double of_target = _energy(x, window)
    cdef double energy = _energy(x + least, window)
    cdef double alike
    cdef Py_ssize_t best = least
    cdef Py_ssize_t lag
    memcpy(target, x, window * sizeof(float))
    memset(target + window, 0, (taps - window) * sizeof(float))
    likeness[0] = -2
    for lag in range(least, most + 1):
        alike = sf_dot(target, x + lag, <size_t> taps) / sqrt(of_target * energy + no_power)
        if alike > likeness[0]:
            likeness[0] = alike
            best = lag
        energy += <double> x[lag + window] * x[lag + window] - <double> x[lag] * x[lag]
    return best


cdef Py_ssize_t best_lag(
    const stretcher *of, const int16_t *x, Py_ssize_t frames, double *likeness
) noexcept nogil:
    cdef float fine[LARGEST_BLOCK + LARGEST_LAG + SF_FIR_LANES]
    cdef float coarse[LARGEST_COARSE + SF_FIR_LANES]
    cdef Py_ssize_t step = of.decimate
    cdef Py_ssize_t most = min(frames - of.block, of.lag_max)
    cdef Py_ssize_t window = of.block // step
    cdef Py_ssize_t i, j, lag
    cdef int32_t total
    for i in range(of.block + most):
        fine[i] = x[i]
    memset(fine + of.block + most, 0, SF_FIR_LANES * sizeof(float))
    for i in range(window + most // step):
        total = 0
        for j in range(i * step, (i + 1) * step):
            total += x[j]
        coarse[i] = <float> total
    memset(coarse + window + most // step, 0, SF_FIR_LANES * sizeof(float))
    lag = step * _most_alike(
        coarse, window, of.lag_min // step, most // step, NO_POWER * step * step * step * step, likeness
    )
    return _most_alike(fine, of.block, max(of.lag_min, lag - step), min(most, lag + step), NO_POWER, likeness)


cdef bint may_operate(const stretcher *of, const int16_t *x, double likeness) noexcept nogil:
    return likeness >= ALIKE or mean_square(x, of.block) < QUIET * QUIET


cdef void remove_period(const int16_t *x, Py_ssize_t lag, int16_t *out) noexcept nogil:
    cross_fade(x, x + lag, out, lag)


cdef void insert_period(const int16_t *x, Py_ssize_t lag, int16_t *out) noexcept nogil:
    memcpy(out, x, lag * sizeof(int16_t))
    cross_fade(x + lag, x, out + lag, lag)


# ---- from what was played

cdef Py_ssize_t _lag_before(const stretcher *of, const int16_t *end, double *likeness) noexcept nogil:
    """The lag by which the last 10 ms resemble what was before them: a search ahead, in time turned round."""
    cdef int16_t turned[LARGEST_BLOCK + LARGEST_LAG]
    cdef Py_ssize_t i
    for i in range(of.block + of.lag_max):
        turned[i] = end[-1 - i]
    return best_lag(of, turned, of.block + of.lag_max, likeness)


cdef void conceal_gap(const stretcher *of, const int16_t *end, int16_t *out) noexcept nogil:
    cdef double likeness
    cdef Py_ssize_t lag = _lag_before(of, end, &likeness)
    if likeness < VOICED:
        lag = of.lag_max
    # What would click at each turn of the loop is spread over it: all of it at its first frame, none at its last.
    cdef const int16_t *last = end - 1
    cdef int64_t step = last[0] - last[-lag]
    cdef int64_t part = (1 << 24) // (lag - 1)
    cdef int64_t looped
    cdef Py_ssize_t i
    for i in range(lag):
        looped = end[i - lag] + (step * part * (lag - 1 - i) + (1 << 23) >> 24)
        out[i] = <int16_t> min(max(looped, -32768), 32767)
    for i in range(lag, of.conceal):
        out[i] = out[i - lag]
    fade_out(out, of.conceal)


cdef void mirror(
    const stretcher *of, const int16_t *history, Py_ssize_t step, Py_ssize_t frames, int16_t *out
) noexcept nogil:
    cdef Py_ssize_t last = of.history - 1
    cdef Py_ssize_t at = (step + 1) % (2 * last)  # on the way from the end to the beginning and back
    cdef Py_ssize_t i
    for i in range(frames):
        out[i] = history[last - at if at < last else at - last]
        at += 1
        if at == 2 * last:
            at = 0


# ---- for the tests and the laboratory

cdef object _copied(object src, Py_ssize_t least):
    """The samples of `src`, aligned, and safe from other threads; ValueError if there are fewer than `least`."""
    cdef Py_buffer view
    cdef Py_ssize_t came = acquire(src, &view, c"h", False, "src")
    out = numpy.empty(came, numpy.int16)
    cdef int16_t[::1] copy = out
    memcpy(&copy[0], view.buf, came * sizeof(int16_t))
    PyBuffer_Release(&view)
    if came < least:
        raise ValueError(f"src has {came} samples, but {least} are looked at: give it those")
    return out


cdef class Stretcher:
    """Stretcher(samplerate)\n--\n
    The operations at one rate, from Python. Internal.

    Threads: any, at any time. Samples are C-contiguous buffers of int16, or raw bytes of them; what is returned is a
    new array.

    Parameters
    ----------
    samplerate
        In Hz: a multiple of 100, from 8,000 to 48,000.

    Raises
    ------
    TypeError, ValueError
        The rate is out of range; in methods, `src` is no such buffer or too short, or a number is out of range.
    """

    def __cinit__(self, samplerate):
        stretcher_begin(&self.of, samplerate)

    @property
    def block(self):
        """10 ms in frames."""
        return self.of.block

    @property
    def lag_min(self):
        """2.5 ms in frames: the shortest period that is looked for."""
        return self.of.lag_min

    @property
    def lag_max(self):
        """15 ms in frames: the longest period that is looked for, removed or inserted."""
        return self.of.lag_max

    @property
    def fade(self):
        """5 ms in frames: how long it takes to resume, to cut and to flush."""
        return self.of.fade

    @property
    def history(self):
        """60 ms in frames: what `mirror` looks at, and what `conceal` gives."""
        return self.of.history

    def best_lag(self, src):
        """The lag by which the first 10 ms resemble what follows, and the likeness.

        Of ``block + lag_max`` samples, or of fewer, at least ``block + lag_min``, with lags that they have room for.
        """
        cdef const int16_t[::1] x = _copied(src, self.of.block + self.of.lag_min)
        cdef double likeness
        cdef Py_ssize_t lag = best_lag(&self.of, &x[0], x.shape[0], &likeness)
        return lag, likeness

    def may_operate(self, src):
        """Whether that is alike enough, or quiet enough, to remove or insert a period here."""
        cdef const int16_t[::1] x = _copied(src, self.of.block + self.of.lag_min)
        cdef double likeness
        best_lag(&self.of, &x[0], x.shape[0], &likeness)
        return may_operate(&self.of, &x[0], likeness)

    def remove(self, src, lag):
        """`lag` samples in place of the first ``2 * lag``. The lag is from 1 to `lag_max`."""
        cdef Py_ssize_t period = <Py_ssize_t> in_range(lag, "lag", "frames", 1, self.of.lag_max)
        cdef const int16_t[::1] x = _copied(src, 2 * period)
        out = numpy.empty(period, numpy.int16)
        cdef int16_t[::1] y = out
        remove_period(&x[0], period, &y[0])
        return out

    def insert(self, src, lag):
        """``2 * lag`` samples in place of the first `lag`; as many are looked at."""
        cdef Py_ssize_t period = <Py_ssize_t> in_range(lag, "lag", "frames", 1, self.of.lag_max)
        cdef const int16_t[::1] x = _copied(src, 2 * period)
        out = numpy.empty(2 * period, numpy.int16)
        cdef int16_t[::1] y = out
        insert_period(&x[0], period, &y[0])
        return out

    def conceal(self, src):
        """60 ms that go on from the end of `src` and fade to nothing; ``block + lag_max`` samples are looked at."""
        cdef const int16_t[::1] x = _copied(src, self.of.block + self.of.lag_max)
        out = numpy.empty(self.of.conceal, numpy.int16)
        cdef int16_t[::1] y = out
        conceal_gap(&self.of, &x[0] + x.shape[0], &y[0])
        return out

    def mirror(self, src, step, frames):
        """`frames` of the last 60 ms of `src`, back and forth from its end; `step` were before."""
        cdef Py_ssize_t before = <Py_ssize_t> in_range(step, "step", "frames", 0, 1 << 40)
        cdef Py_ssize_t wanted = <Py_ssize_t> in_range(frames, "frames", "frames", 0, 1 << 20)
        cdef const int16_t[::1] x = _copied(src, self.of.history)
        out = numpy.empty(wanted, numpy.int16)
        cdef int16_t[::1] y = out
        mirror(&self.of, &x[0] + x.shape[0] - self.of.history, before, wanted, &y[0])
        return out

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The Fourier transform of real samples, in single precision.

Pairs of samples are taken for complex numbers, whose transform, of half as many points, is taken apart by symmetry. It
is in stages of radix 4, 2 and 5 that put their results in order as they go (T. G. Stockham, "High-speed convolution
and correlation", AFIPS 1966), so that all inner loops go through memory in steps of one.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.string cimport memcpy
from libc.math cimport M_PI, cos, sin

from sfaudio._buffers cimport acquire_mono

import numpy


cdef enum:
    MOST_HALF = MOST_POINTS // 2

cdef extern from *:
    """
    static const float COS_72 = 0.309016994374947424f, SIN_72 = 0.951056516295153572f;
    static const float COS_144 = -0.809016994374947424f, SIN_144 = 0.587785252292473129f;
    """
    const float COS_72, SIN_72, COS_144, SIN_144


# So many complex numbers.
cdef struct points:
    float re[MOST_HALF]
    float im[MOST_HALF]


cdef bint fourier_begin(fourier *of, int points) noexcept nogil:
    cdef int rest = points // 2
    cdef int k
    if points < 2 or points > MOST_POINTS or points % 2:
        return False
    of.points = points
    of.stages = 0
    while rest > 1:
        k = 4 if rest % 4 == 0 else 2 if rest % 2 == 0 else 5
        if rest % k:
            return False
        of.radices[of.stages] = k
        of.stages += 1
        rest //= k
    for k in range(points):
        of.cosines[k] = <float> cos(2 * M_PI * k / points)
        of.sines[k] = <float> sin(2 * M_PI * k / points)
    return True


# ---- stages
#
# Each takes transforms of `radix * apart` points, `side` of them side by side, for `radix` times as many of `apart`
# points: x[q + side * (p + apart * k)] for all k are combined, turned, and go to y[q + side * (radix * p + k)].

cdef void _by_two(const fourier *of, int apart, int side, const points *x, points *y) noexcept nogil:
    cdef Py_ssize_t p, q, a, b, out
    cdef float c, s, re, im
    for p in range(apart):
        c, s = of.cosines[2 * side * p], of.sines[2 * side * p]
        a = side * p
        b = a + side * apart
        out = 2 * a
        for q in range(side):
            re, im = x.re[a + q] - x.re[b + q], x.im[a + q] - x.im[b + q]
            y.re[out + q] = x.re[a + q] + x.re[b + q]
            y.im[out + q] = x.im[a + q] + x.im[b + q]
            y.re[out + side + q] = c * re + s * im
            y.im[out + side + q] = c * im - s * re


cdef void _by_four(const fourier *of, int apart, int side, const points *x, points *y) noexcept nogil:
    cdef Py_ssize_t p, q, at, out
    cdef Py_ssize_t step = side * apart
    cdef float c1, s1, c2, s2, c3, s3
    cdef float even_re, even_im, odd_re, odd_im, skew_re, skew_im, turn_re, turn_im
    for p in range(apart):
        c1, s1 = of.cosines[2 * side * p], of.sines[2 * side * p]
        c2, s2 = of.cosines[4 * side * p], of.sines[4 * side * p]
        c3, s3 = of.cosines[6 * side * p], of.sines[6 * side * p]
        for q in range(side):
            at = side * p + q
            out = 4 * side * p + q
            even_re, even_im = x.re[at] + x.re[at + 2 * step], x.im[at] + x.im[at + 2 * step]
            skew_re, skew_im = x.re[at] - x.re[at + 2 * step], x.im[at] - x.im[at + 2 * step]
            odd_re, odd_im = x.re[at + step] + x.re[at + 3 * step], x.im[at + step] + x.im[at + 3 * step]
            turn_re, turn_im = x.im[at + step] - x.im[at + 3 * step], x.re[at + 3 * step] - x.re[at + step]
            y.re[out] = even_re + odd_re
            y.im[out] = even_im + odd_im
            y.re[out + side] = c1 * (skew_re + turn_re) + s1 * (skew_im + turn_im)
            y.im[out + side] = c1 * (skew_im + turn_im) - s1 * (skew_re + turn_re)
            y.re[out + 2 * side] = c2 * (even_re - odd_re) + s2 * (even_im - odd_im)
            y.im[out + 2 * side] = c2 * (even_im - odd_im) - s2 * (even_re - odd_re)
            y.re[out + 3 * side] = c3 * (skew_re - turn_re) + s3 * (skew_im - turn_im)
            y.im[out + 3 * side] = c3 * (skew_im - turn_im) - s3 * (skew_re - turn_re)


cdef inline void _turned(const fourier *of, Py_ssize_t by, float re, float im, points *y, Py_ssize_t at) noexcept nogil:
    y.re[at] = of.cosines[by] * re + of.sines[by] * im
    y.im[at] = of.cosines[by] * im - of.sines[by] * re


cdef void _by_five(const fourier *of, int apart, int side, const points *x, points *y) noexcept nogil:
    cdef Py_ssize_t p, q, at, out, turn
    cdef Py_ssize_t step = side * apart
    cdef float sum1_re, sum1_im, sum2_re, sum2_im, difference1_re, difference1_im, difference2_re, difference2_im
    cdef float near_re, near_im, far_re, far_im, skew1_re, skew1_im, skew2_re, skew2_im
    for p in range(apart):
        turn = 2 * side * p
        for q in range(side):
            at = side * p + q
            out = 5 * side * p + q
            sum1_re, sum1_im = x.re[at + step] + x.re[at + 4 * step], x.im[at + step] + x.im[at + 4 * step]
            sum2_re, sum2_im = x.re[at + 2 * step] + x.re[at + 3 * step], x.im[at + 2 * step] + x.im[at + 3 * step]
            difference1_re = x.re[at + step] - x.re[at + 4 * step]
            difference1_im = x.im[at + step] - x.im[at + 4 * step]
            difference2_re = x.re[at + 2 * step] - x.re[at + 3 * step]
            difference2_im = x.im[at + 2 * step] - x.im[at + 3 * step]
            near_re = x.re[at] + COS_72 * sum1_re + COS_144 * sum2_re
            near_im = x.im[at] + COS_72 * sum1_im + COS_144 * sum2_im
            far_re = x.re[at] + COS_144 * sum1_re + COS_72 * sum2_re
            far_im = x.im[at] + COS_144 * sum1_im + COS_72 * sum2_im
            skew1_re = SIN_72 * difference1_im + SIN_144 * difference2_im
            skew1_im = -SIN_72 * difference1_re - SIN_144 * difference2_re
            skew2_re = SIN_144 * difference1_im - SIN_72 * difference2_im
            skew2_im = -SIN_144 * difference1_re + SIN_72 * difference2_re
            y.re[out] = x.re[at] + sum1_re + sum2_re
            y.im[out] = x.im[at] + sum1_im + sum2_im
            _turned(of, turn, near_re + skew1_re, near_im + skew1_im, y, out + side)
            _turned(of, 2 * turn, far_re + skew2_re, far_im + skew2_im, y, out + 2 * side)
            _turned(of, 3 * turn, far_re - skew2_re, far_im - skew2_im, y, out + 3 * side)
            _turned(of, 4 * turn, near_re - skew1_re, near_im - skew1_im, y, out + 4 * side)


cdef points *_transform(const fourier *of, points *x, points *y) noexcept nogil:
    """All stages, to and fro; where the result is."""
    cdef int apart = of.points // 2
    cdef int side = 1
    cdef int stage
    for stage in range(of.stages):
        apart //= of.radices[stage]
        if of.radices[stage] == 4:
            _by_four(of, apart, side, x, y)
        elif of.radices[stage] == 2:
            _by_two(of, apart, side, x, y)
        else:
            _by_five(of, apart, side, x, y)
        side *= of.radices[stage]
        x, y = y, x
    return x


# ---- between half as many complex numbers and real ones

cdef void fourier_forward(const fourier *of, const float *samples, spectrum *out) noexcept nogil:
    cdef points first, second
    cdef points *z
    cdef int half = of.points // 2
    cdef Py_ssize_t k, other
    cdef float even_re, even_im, odd_re, odd_im
    for k in range(half):
        first.re[k] = samples[2 * k]
        first.im[k] = samples[2 * k + 1]
    z = _transform(of, &first, &second)
    out.re[0], out.im[0] = z.re[0] + z.im[0], 0
    out.re[half], out.im[half] = z.re[0] - z.im[0], 0
    for k in range(1, half):
        other = half - k
        even_re, even_im = 0.5 * (z.re[k] + z.re[other]), 0.5 * (z.im[k] - z.im[other])
        odd_re, odd_im = 0.5 * (z.im[k] + z.im[other]), 0.5 * (z.re[other] - z.re[k])
        out.re[k] = even_re + of.cosines[k] * odd_re + of.sines[k] * odd_im
        out.im[k] = even_im + of.cosines[k] * odd_im - of.sines[k] * odd_re


cdef void fourier_inverse(const fourier *of, const spectrum *src, float *samples) noexcept nogil:
    cdef points first, second
    cdef points *z
    cdef int half = of.points // 2
    cdef float scale = <float> 1.0 / of.points
    cdef Py_ssize_t k, other
    cdef float even_re, even_im, odd_re, odd_im, turned_re, turned_im
    for k in range(half):
        other = half - k
        even_re, even_im = src.re[k] + src.re[other], src.im[k] - src.im[other]
        odd_re, odd_im = src.re[k] - src.re[other], src.im[k] + src.im[other]
        turned_re = of.cosines[k] * odd_re - of.sines[k] * odd_im
        turned_im = of.cosines[k] * odd_im + of.sines[k] * odd_re
        # With real and imaginary part changed for each other, the transform is its own inverse.
        first.im[k] = even_re - turned_im
        first.re[k] = even_im + turned_re
    z = _transform(of, &first, &second)
    for k in range(half):
        samples[2 * k] = scale * z.im[k]
        samples[2 * k + 1] = scale * z.re[k]


# ---- for tests

cdef int _begin(fourier *of, Py_ssize_t points) except -1:
    if points > MOST_POINTS or not fourier_begin(of, <int> points):
        raise ValueError(f"src is for {points} points: twice a product of 2s and 5s is needed, up to {MOST_POINTS}")
    return 0


def forward(src):
    """The spectrum of float32 samples, complex64 of half as many bins and one.

    ValueError if there is no such transform; TypeError, ValueError for what is no float32 of one channel.
    """
    cdef Py_buffer view
    cdef fourier of
    cdef spectrum bins
    cdef float samples[MOST_POINTS]
    cdef Py_ssize_t count = acquire_mono(src, &view, c"f", False, "src")
    try:
        _begin(&of, count)
        memcpy(samples, view.buf, count * sizeof(float))  # from any address
    finally:
        PyBuffer_Release(&view)
    fourier_forward(&of, samples, &bins)
    cdef Py_ssize_t k
    return numpy.array([complex(bins.re[k], bins.im[k]) for k in range(count // 2 + 1)], numpy.complex64)


def inverse(src):
    """The samples of a spectrum, whose real and imaginary parts are float32 in turn. Raises as `forward`."""
    cdef Py_buffer view
    cdef fourier of
    cdef spectrum bins
    cdef float samples[MOST_POINTS + 2]
    cdef Py_ssize_t k
    cdef Py_ssize_t count = acquire_mono(src, &view, c"f", False, "src") - 2
    try:
        _begin(&of, count)
        memcpy(samples, view.buf, (count + 2) * sizeof(float))  # from any address
    finally:
        PyBuffer_Release(&view)
    for k in range(count // 2 + 1):
        bins.re[k] = samples[2 * k]
        bins.im[k] = samples[2 * k + 1]
    fourier_inverse(&of, &bins, samples)
    return numpy.array([samples[k] for k in range(count)], numpy.float32)

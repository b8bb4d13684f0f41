"""The room's noise, and noise like it. For `_echo_filter`, not for others.

Minimum statistics (R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
statistics", 2001) of fixed smoothing and bias. While the agent is heard the least of long ago is not given up: what is
left of an echo, and two who talk at once, have no pauses.
"""

from libc.math cimport sqrtf
from libc.stdint cimport uint32_t

from sfaudio._echo_constants cimport MINIMA, MINIMUM_BIAS, MINIMUM_BLOCKS, NOISE_KEPT, NOTHING, UNKNOWN
from sfaudio._fourier cimport MOST_BINS, spectrum


cdef struct echo_noise:
    bint heard  # at all
    float smooth[MOST_BINS]
    float least[MINIMA][MOST_BINS]
    int at  # of these, the newest
    int blocks  # of it
    float power[MOST_BINS]
    uint32_t random


cdef inline void noise_begin(echo_noise *of) noexcept nogil:
    """Of zeros."""
    cdef Py_ssize_t k
    cdef int m
    for m in range(MINIMA):
        for k in range(MOST_BINS):
            of.least[m][k] = UNKNOWN


cdef inline void noise_hear(echo_noise *of, const float *power, Py_ssize_t bins, bint is_agent_silent) noexcept nogil:
    """A block's powers."""
    cdef float least
    cdef Py_ssize_t k
    cdef int m
    for k in range(bins):
        of.smooth[k] = (NOISE_KEPT * of.smooth[k] + (1 - NOISE_KEPT) * power[k] if of.heard else power[k]) + NOTHING
        of.least[of.at][k] = min(of.least[of.at][k], of.smooth[k])
        least = UNKNOWN
        for m in range(MINIMA):
            least = min(least, of.least[m][k])
        of.power[k] = MINIMUM_BIAS * least
    of.heard = True
    of.blocks += is_agent_silent
    if of.blocks >= MINIMUM_BLOCKS:
        of.blocks = 0
        of.at = (of.at + 1) % MINIMA
        for k in range(bins):
            of.least[of.at][k] = UNKNOWN


cdef inline float _random(echo_noise *of) noexcept nogil:
    """Even in -1 to 1 (W. H. Press et al., "Numerical Recipes": the quick generator)."""
    of.random = of.random * 1664525 + 1013904223
    return (<float> (of.random >> 8) - (1 << 23)) / (1 << 23)


cdef inline void noise_fill(echo_noise *of, const float *gain, Py_ssize_t bins, spectrum *out) noexcept nogil:
    """As much of it as the gains took."""
    cdef float size
    cdef Py_ssize_t k
    for k in range(bins):
        size = sqrtf(<float> 1.5 * of.power[k] * (1 - gain[k] * gain[k]))  # an even number has a third of the power
        out.re[k] += size * _random(of)
        out.im[k] += size * _random(of)

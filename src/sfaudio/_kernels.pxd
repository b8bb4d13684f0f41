"""What is done to samples, for Cython: exact, without the GIL, and without an include directory.

Sample pointers need no more than the alignment malloc gives; source and destination must not overlap, but where both
are int16 and as long as each other they may be the same.
"""

from libc.stdint cimport int16_t, uint32_t, uint64_t


# float32 to int16 by the rule a browser client applies: clamp, times 32768 or 32767, truncate.
cdef void float32_to_int16_wire(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil
# float32 to int16 that undoes int16_to_float32: times 32768, round to nearest even, saturate.
cdef void float32_to_int16_symmetric(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil
cdef void int16_samples_to_float32(const int16_t *src, float *dst, Py_ssize_t frames) noexcept nogil

cdef void byteswap_samples(const int16_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil
# Interleaved to mono, the mean of each frame with halves rounded up; and mono to every channel. channels >= 1.
cdef void mix_to_mono(const int16_t *src, int16_t *dst, Py_ssize_t frames, int channels) noexcept nogil
cdef void spread_mono(const int16_t *src, int16_t *dst, Py_ssize_t frames, int channels) noexcept nogil
# Times gain, which is finite; rounded to nearest even, saturated. Returns how many samples were saturated.
cdef Py_ssize_t scale_samples(const int16_t *src, int16_t *dst, Py_ssize_t samples, float gain) noexcept nogil


cdef struct sample_level:
    uint64_t sum_squares
    uint64_t clipped  # samples at either end of the range: -32768 or 32767
    uint32_t peak  # of the absolute values, so up to 32768

cdef sample_level measure_level(const int16_t *src, Py_ssize_t samples) noexcept nogil

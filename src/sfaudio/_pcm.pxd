"""PCM conversion for Cython: exact, without the GIL, and without an include directory.

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


# ---- for the other modules of sfaudio

cdef enum:
    # Below this many samples the work takes less time than giving up the GIL and fighting to get it back.
    RELEASE_GIL_FROM = 16384

# Fill `view` with the samples of `obj`, whose type `code` is 'f' float32, 'h' int16 or '*' either (then
# `view.itemsize` tells); raw bytes count as what is wanted, under '*' as int16. Returns how many there are; `view` must
# be released. TypeError or ValueError say what came and what was wanted.
cdef Py_ssize_t acquire_samples(
    object obj, Py_buffer *view, char code, bint writable, str name
) except -1


# One pass over a block. An operation reads `frames` frames of `src`, of `src_channels` samples each, and writes as many
# of `out_channels` samples to `out`.
cdef struct block:
    Py_buffer src
    Py_buffer out
    Py_ssize_t frames
    int src_channels
    int out_channels
    float gain
    Py_ssize_t clipped

ctypedef void (*operation)(block *io) noexcept nogil

# Acquire both buffers, check that they go together, run, release. Only the channels, and what the operation itself
# reads, must be set in `io`. The codes are 'f' or 'h'. Returns `out`, or a new array in place of None.
cdef object process(block *io, operation run, object src, char src_code, object out, char out_code)

"""PCM conversion for Cython: exact, without the GIL, and without an include directory.

Sample pointers need no more than the alignment malloc gives; source and destination must not overlap.
"""

from libc.stdint cimport int16_t


# float32 to int16 by the rule a browser client applies: clamp, times 32768 or 32767, truncate.
cdef void float32_to_int16_wire(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil
# float32 to int16 that undoes int16_to_float32: times 32768, round to nearest even, saturate.
cdef void float32_to_int16_symmetric(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil
cdef void int16_samples_to_float32(const int16_t *src, float *dst, Py_ssize_t frames) noexcept nogil

# Fill `view` with the samples of `obj`, whose type `code` is 'f' float32, 'h' int16 or '*' either (then
# `view.itemsize` tells); raw bytes count as what is wanted, under '*' as int16. Returns how many there are; `view` must
# be released. TypeError or ValueError say what came and what was wanted.
cdef Py_ssize_t acquire_samples(
    object obj, Py_buffer *view, char code, bint writable, str name
) except -1

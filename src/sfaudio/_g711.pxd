"""G.711 for Cython: mu-law and A-law by table, exact, without the GIL.

A code is a byte. Sample pointers need no more than the alignment malloc gives; source and destination must not overlap.
The tables are filled at import and only read from then on: any number of threads may encode and decode.
"""

from libc.stdint cimport int16_t, uint8_t


cdef void ulaw_encode_samples(const int16_t *src, uint8_t *dst, Py_ssize_t samples) noexcept nogil
cdef void ulaw_decode_samples(const uint8_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil
cdef void alaw_encode_samples(const int16_t *src, uint8_t *dst, Py_ssize_t samples) noexcept nogil
cdef void alaw_decode_samples(const uint8_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil

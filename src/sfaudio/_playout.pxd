"""The playout engine for Cython: no GIL, no lock, no allocation, no system call, bounded work.

The pointer is borrowed: keep the PlayoutEngine alive for as long as a thread uses it. The function checks nothing: hold
the engine for as long as a thread without the GIL uses it, and calls from Python are refused meanwhile.
"""

from libc.stdint cimport int16_t


cdef struct playout_engine

# Reader's thread: fill `out` with `frames` frames at the device's rate.
cdef void engine_read_int16(playout_engine *engine, int16_t *out, Py_ssize_t frames) noexcept nogil

# With the GIL: be its only reader until it is released; as those of a playout_queue.
cdef int engine_hold_reader(playout_engine *engine, const char *holder) except -1
cdef void engine_release_reader(playout_engine *engine) noexcept nogil


cdef class PlayoutEngine:
    cdef playout_engine *engine
    cdef readonly object queue
    cdef object resampler
    cdef readonly object policy
    cdef readonly int samplerate
    cdef readonly int output_samplerate

"""The meter for Cython: no GIL, no lock, no allocation. Each function names the thread that may call it.

The pointer is borrowed: keep the Meter alive for as long as a thread uses it. These functions check nothing: hold the
writer's side for as long as a thread without the GIL uses it, and calls from Python are refused meanwhile.
"""

from libc.stdint cimport int16_t


cdef struct sound_meter

# Writer's thread: hear a block, whose first frame sounds at `seconds`.
cdef void meter_hear_int16(sound_meter *meter, const int16_t *block, Py_ssize_t frames, double seconds) noexcept nogil
cdef void meter_hear_float32(sound_meter *meter, const float *block, Py_ssize_t frames, double seconds) noexcept nogil

# With the GIL: be the only writer until it is released; as those of a playout_queue.
cdef int meter_hold_writer(sound_meter *meter, const char *holder) except -1
cdef void meter_release_writer(sound_meter *meter) noexcept nogil


cdef class Meter:
    cdef sound_meter *meter
    cdef readonly int samplerate

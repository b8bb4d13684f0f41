"""The resampler for Cython: no GIL, no allocation. One thread at a time may use one resampler.

The pointer is borrowed: keep the Resampler alive for as long as a thread uses it. These functions check nothing: hold
it for as long as a thread without the GIL uses it, and calls from Python are refused meanwhile.
"""

from libc.stdint cimport int16_t


cdef struct resampler

# How many frames the next `frames` frames of input will give; how many of input the next `frames` of output need.
cdef Py_ssize_t resampler_output_frames(resampler *state, Py_ssize_t frames) noexcept nogil
cdef Py_ssize_t resampler_input_frames(resampler *state, Py_ssize_t frames) noexcept nogil
# Take all `frames` of input; `out` has room for what resampler_output_frames told. Returns how many were given.
cdef Py_ssize_t resample_int16(resampler *state, const int16_t *src, Py_ssize_t frames, int16_t *out) noexcept nogil
cdef Py_ssize_t resample_float32(resampler *state, const float *src, Py_ssize_t frames, float *out) noexcept nogil
# The same, but `most` frames at most, for input of no more than those need: its last frame is held back in part.
cdef Py_ssize_t resample_some_int16(
    resampler *state, const int16_t *src, Py_ssize_t frames, int16_t *out, Py_ssize_t most
) noexcept nogil
# Forget the stream so far: what comes next begins after silence.
cdef void resampler_forget(resampler *state) noexcept nogil

# With the GIL: be its only user until it is released; as those of a playout_queue.
cdef int resampler_hold(resampler *state, const char *holder) except -1
cdef void resampler_release(resampler *state) noexcept nogil


cdef class Resampler:
    cdef resampler *state
    cdef readonly int samplerate_in
    cdef readonly int samplerate_out
    cdef Py_ssize_t _filter_taps  # of the filter itself, without those that fill the last lanes
    cdef object _process(self, Py_buffer *src, Py_ssize_t came, Py_ssize_t wanted)
    cdef double _delay(self)

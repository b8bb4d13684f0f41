"""The capture queue for Cython: no GIL, no lock, no allocation. Each function names the thread that may call it.

The pointer is borrowed: keep the CaptureQueue alive for as long as a thread uses its queue. These functions check
nothing: hold a side for as long as a thread without the GIL uses it, and calls from Python are refused meanwhile. The
writer's side must be held: that is when the queue gets its memory, which the writer finds allocated and touched.
"""

from libc.stdint cimport int16_t


cdef struct capture_queue

# Writer's thread: queue a block, over the oldest frames if need be. float32 is converted by the wire rule.
cdef void capture_write_int16(capture_queue *queue, const int16_t *block, Py_ssize_t frames) noexcept nogil
cdef void capture_write_float32(capture_queue *queue, const float *block, Py_ssize_t frames) noexcept nogil
# Reader's thread: move up to `frames` of the oldest frames to `out`. Returns how many.
cdef Py_ssize_t capture_read(capture_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil

# With the GIL: be the only one on a side until it is released; as those of a playout_queue. MemoryError if the writer's
# is asked for and there is no memory for the whole ring.
cdef int capture_hold_writer(capture_queue *queue, const char *holder) except -1
cdef int capture_hold_reader(capture_queue *queue, const char *holder) except -1
cdef void capture_release_writer(capture_queue *queue) noexcept nogil
cdef void capture_release_reader(capture_queue *queue) noexcept nogil


cdef class CaptureQueue:
    cdef capture_queue *queue

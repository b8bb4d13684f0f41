"""The playout queue for Cython: no GIL, no lock. Each function names the thread that may call it.

The pointer is borrowed: keep the JitterBuffer alive for as long as a thread uses its queue. These functions check
nothing: hold a side for as long as a thread without the GIL uses it, and calls from Python are refused meanwhile.

The writer's side allocates memory for what is queued, and frees it; the reader's never does, and makes no system call.
"""

from libc.stdint cimport int16_t

from sfaudio._queue cimport playout_queue


# Reader's thread: fill `out` with `frames` frames, silence where the queue has none. Returns how many were queued.
cdef Py_ssize_t playout_read_int16(playout_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil
cdef Py_ssize_t playout_read_float32(playout_queue *queue, float *out, Py_ssize_t frames) noexcept nogil
# Writer's thread: queue little-endian PCM16 bytes, split anywhere. Returns how many bytes were taken: fewer than all if
# the queue is full, or there is no memory. These three free the memory of what was played.
cdef Py_ssize_t playout_write(playout_queue *queue, const unsigned char *data, Py_ssize_t length) noexcept nogil
cdef void playout_flush(playout_queue *queue) noexcept nogil
cdef void playout_drain(playout_queue *queue) noexcept nogil

# Both sides' at once: throw away what is queued.
cdef void playout_abort(playout_queue *queue) noexcept nogil

# With the GIL: be the only one on a side until it is released, which whoever holds it must do. `holder` is a literal
# that names you in the error of others: b"the mixer of example". RuntimeError if somebody has it.
cdef int playout_hold_writer(playout_queue *queue, const char *holder) except -1
cdef int playout_hold_reader(playout_queue *queue, const char *holder) except -1
cdef void playout_release_writer(playout_queue *queue) noexcept nogil
cdef void playout_release_reader(playout_queue *queue) noexcept nogil


cdef class JitterBuffer:
    cdef playout_queue *queue

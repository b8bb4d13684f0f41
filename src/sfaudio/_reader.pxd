"""For a reader of the playout queue that decides itself what becomes of each frame, in Cython: no GIL, no lock.

It minds what the writer asks for, and pads what is missing. What `_pcm.pxd` says of a side of the queue holds.
"""

from libc.stdint cimport int16_t, uint64_t

from sfaudio._queue cimport playout_queue


cdef struct playout_marks:
    uint64_t tail  # the next frame to be read
    uint64_t head  # and the first that is not there yet
    uint64_t flush_to  # what lies before it is to be thrown away
    uint64_t drain_to  # what lies before it is to be played without waiting for more

# The reader's counters, which belong together only if it is not at work.
cdef struct playout_counts:
    uint64_t tail
    uint64_t read
    uint64_t dropped
    uint64_t padded
    uint64_t underruns

# Reader's thread. Frames that are looked at, taken or dropped must be there: between `tail` and `head`.
cdef playout_marks playout_look(playout_queue *queue) noexcept nogil
cdef void playout_peek(playout_queue *queue, uint64_t position, int16_t *out, Py_ssize_t frames) noexcept nogil
cdef void playout_take(playout_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil
cdef void playout_drop(playout_queue *queue, Py_ssize_t frames) noexcept nogil
# From anywhere.
cdef playout_counts playout_count(playout_queue *queue) noexcept nogil

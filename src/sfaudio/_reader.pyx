# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""A door to the playout queue for a reader that decides itself what becomes of each frame, such as the engine."""

from libc.stdint cimport int16_t, uint64_t
from libc.string cimport memcpy

from sfaudio._queue cimport playout_queue
from sfaudio._ring cimport sf_fence_release, sf_load_acquire, sf_load_relaxed, sf_store_relaxed, sf_store_release
from sfaudio._segments cimport frame_at, run_at


cdef playout_marks playout_look(playout_queue *queue) noexcept nogil:
    cdef playout_marks marks
    marks.drain_to = sf_load_acquire(&queue.drain_to)
    marks.flush_to = sf_load_acquire(&queue.flush_to)
    marks.head = sf_load_acquire(&queue.head)
    marks.tail = queue.tail
    return marks


cdef playout_counts playout_count(playout_queue *queue) noexcept nogil:
    cdef playout_counts counts
    counts.tail = sf_load_relaxed(&queue.tail)
    counts.read = sf_load_relaxed(&queue.read)
    counts.dropped = sf_load_relaxed(&queue.dropped)
    counts.padded = sf_load_relaxed(&queue.padded)
    counts.underruns = sf_load_relaxed(&queue.underruns)
    return counts


cdef void playout_peek(playout_queue *queue, uint64_t position, int16_t *out, Py_ssize_t frames) noexcept nogil:
    cdef uint64_t end = position + <uint64_t> frames
    while position < end:
        frames = run_at(&queue.ring, position, end)
        memcpy(out, frame_at(&queue.ring, position), frames * sizeof(int16_t))
        out += frames
        position += <uint64_t> frames


cdef void _advance(playout_queue *queue, uint64_t *counter, Py_ssize_t frames) noexcept nogil:
    sf_store_relaxed(&queue.sequence, queue.sequence + 1)
    sf_fence_release()
    sf_store_relaxed(counter, counter[0] + <uint64_t> frames)
    sf_store_release(&queue.tail, queue.tail + <uint64_t> frames)
    sf_store_release(&queue.sequence, queue.sequence + 1)


cdef void playout_take(playout_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil:
    playout_peek(queue, queue.tail, out, frames)
    _advance(queue, &queue.read, frames)


cdef void playout_drop(playout_queue *queue, Py_ssize_t frames) noexcept nogil:
    _advance(queue, &queue.dropped, frames)

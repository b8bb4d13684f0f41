"""How far a stream is: a callback tells it, and whoever looks sees what belongs together. For `_callback` alone."""

from libc.stdint cimport uint64_t

from sfaudio._ring cimport sf_fence_acquire, sf_fence_release, sf_load_acquire, sf_load_relaxed
from sfaudio._ring cimport sf_store_relaxed, sf_store_release


cdef struct stream_position:
    uint64_t sequence  # odd while it changes, as of a queue
    uint64_t began  # in nanoseconds
    uint64_t input_frames
    uint64_t output_frames


cdef inline void tell_position(
    stream_position *at, uint64_t began, uint64_t recorded, uint64_t played
) noexcept nogil:
    sf_store_relaxed(&at.sequence, at.sequence + 1)
    sf_fence_release()
    sf_store_relaxed(&at.began, began)
    sf_store_relaxed(&at.input_frames, recorded)
    sf_store_relaxed(&at.output_frames, played)
    sf_store_release(&at.sequence, at.sequence + 1)


cdef inline bint look_at_position(const stream_position *at, stream_position *seen) noexcept nogil:
    """Whether it was not changed meanwhile. Its sequence is 0 before it is told for the first time."""
    seen.sequence = sf_load_acquire(&at.sequence)
    seen.began = sf_load_relaxed(&at.began)
    seen.input_frames = sf_load_relaxed(&at.input_frames)
    seen.output_frames = sf_load_relaxed(&at.output_frames)
    sf_fence_acquire()
    return seen.sequence % 2 == 0 and sf_load_relaxed(&at.sequence) == seen.sequence

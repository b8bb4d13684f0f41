"""What the rings share: atomics and sizes. For the modules of this package, not for others to cimport."""

from cpython.number cimport PyNumber_Index
from libc.stdint cimport int16_t, uint64_t


cdef extern from "_atomics.h" nogil:
    uint64_t sf_load_relaxed(const uint64_t *at)
    uint64_t sf_load_acquire(const uint64_t *at)
    void sf_store_relaxed(uint64_t *at, uint64_t value)
    void sf_store_release(uint64_t *at, uint64_t value)
    void sf_fence_acquire()
    void sf_fence_release()
    void sf_store_samples(int16_t *ring, const int16_t *src, size_t n)
    void sf_load_samples(int16_t *dst, const int16_t *ring, size_t n)


cdef enum:
    LARGEST_FRAMES = 1 << 30


cdef inline uint64_t ring_frames(uint64_t capacity) noexcept nogil:
    """The least power of two that holds `capacity` frames."""
    cdef uint64_t frames = 1
    while frames < capacity:
        frames *= 2
    return frames


cdef inline uint64_t frames_in_range(object frames, str name, uint64_t least, uint64_t most) except? 0:
    """An argument that counts frames, checked."""
    try:
        frames = PyNumber_Index(frames)
    except TypeError:
        raise TypeError(f"{name} must be a whole number of frames, not {frames!r}") from None
    if not least <= frames <= most:
        raise ValueError(f"{name} must be between {least} and {most} frames, not {frames}")
    return frames

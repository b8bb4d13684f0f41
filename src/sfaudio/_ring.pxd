"""What the queues share: atomics and limits. For the modules of this package, not for others to cimport."""

from libc.stdint cimport int16_t, uint64_t


cdef extern from "_atomics.h" nogil:
    uint64_t sf_load_relaxed(const uint64_t *at)
    uint64_t sf_load_acquire(const uint64_t *at)
    void sf_store_relaxed(uint64_t *at, uint64_t value)
    void sf_store_release(uint64_t *at, uint64_t value)
    uint64_t sf_load_ordered(const uint64_t *at)
    uint64_t sf_exchange(uint64_t *at, uint64_t value)
    void sf_fence_acquire()
    void sf_fence_release()
    void sf_store_samples(int16_t *ring, const int16_t *src, size_t n)
    void sf_load_samples(int16_t *dst, const int16_t *ring, size_t n)


cdef enum:
    LARGEST_FRAMES = 1 << 30
    # Looks at counters until none changes meanwhile: a millisecond of them, for a reader that changes them without a
    # pause, then some 0.1 ms apart, for one that was interrupted in the middle.
    LOOKS_AT_ONCE = 10000
    LOOKS = LOOKS_AT_ONCE + 500

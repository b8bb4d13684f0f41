"""How long things took: a histogram that a callback adds to, with eight buckets an octave. For `_callback` alone."""

from libc.stdint cimport uint64_t

from sfaudio._ring cimport sf_load_relaxed, sf_store_relaxed


cdef enum:
    BUCKETS = 320  # 8 for each of 40 octaves: up to 18 minutes in nanoseconds


cdef struct histogram:
    uint64_t counts[BUCKETS]
    uint64_t longest


cdef inline Py_ssize_t _bucket(uint64_t nanoseconds) noexcept nogil:
    """Values below 8 have a bucket each, those above the three bits that follow their highest one."""
    cdef Py_ssize_t octave = 0
    while nanoseconds >= 16:
        nanoseconds >>= 1
        octave += 1
    if nanoseconds >= 8:
        octave += 1
        nanoseconds -= 8
    return min(octave * 8 + <Py_ssize_t> nanoseconds, BUCKETS - 1)


cdef inline void record(histogram *into, uint64_t nanoseconds) noexcept nogil:
    cdef uint64_t *count = &into.counts[_bucket(nanoseconds)]
    sf_store_relaxed(count, count[0] + 1)
    if nanoseconds > into.longest:
        sf_store_relaxed(&into.longest, nanoseconds)


cdef inline double _upper_edge(Py_ssize_t bucket) noexcept:
    if bucket < 8:
        return (bucket + 1) / 1e9
    return <double> (<uint64_t> (bucket % 8 + 9) << (bucket // 8 - 1)) / 1e9


cdef inline double longest_seconds(const histogram *of) noexcept:
    return <double> sf_load_relaxed(&of.longest) / 1e9


cdef inline double percentile(const histogram *of, double fraction) noexcept:
    """The upper edge of the bucket that holds this fraction of the values, in seconds; at most an eighth too much."""
    cdef uint64_t total = 0, seen = 0
    cdef Py_ssize_t bucket
    for bucket in range(BUCKETS):
        total += sf_load_relaxed(&of.counts[bucket])
    for bucket in range(BUCKETS):
        seen += sf_load_relaxed(&of.counts[bucket])
        if total and <double> seen >= fraction * <double> total:
            return min(_upper_edge(bucket), longest_seconds(of))
    return 0.0

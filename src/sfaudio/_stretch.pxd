"""What is done to a waveform so that speech lasts shorter or longer, or ends softly. For `_playout`, not for others.

Nothing here knows a queue or a law. All is bounded, allocates nothing, and may run in a callback. What is written is
exact integer arithmetic, the same on every machine; only the choice of a lag is made with floats. `of` is read only,
so that any threads may share it. Where no more is said, `out` shares no memory with what is read.
"""

from libc.stdint cimport int16_t


# In frames at 48 kHz, the largest rate: for arrays in structs.
cdef enum:
    LARGEST_BLOCK = 480
    LARGEST_LAG = 720


# What depends on the rate, in frames.
cdef struct stretcher:
    Py_ssize_t block  # 10 ms; so many are compared in a search, too
    Py_ssize_t lag_min  # 2.5 ms
    Py_ssize_t lag_max  # 15 ms
    Py_ssize_t fade  # 5 ms: a resume, a cut, a flush
    Py_ssize_t history  # 60 ms of output, for `mirror`; `conceal` needs block + lag_max of it
    Py_ssize_t conceal  # 60 ms
    Py_ssize_t decimate  # frames to one of the coarse search

# With the GIL. TypeError, ValueError: no whole multiple of 100 Hz from 8,000 to 48,000.
cdef int stretcher_begin(stretcher *of, object samplerate) except -1

# The lag by which the 10 ms at x resemble best what follows, and how much (-1 to 1). Reads block + lag_max or `frames`,
# which are block + lag_min at least: then only lags that they have room for are found.
cdef Py_ssize_t best_lag(
    const stretcher *of, const int16_t *x, Py_ssize_t frames, double *likeness
) noexcept nogil
# Whether an operation here will not be heard: alike enough, or quiet. Reads block.
cdef bint may_operate(const stretcher *of, const int16_t *x, double likeness) noexcept nogil

# Reads 2 lag, writes lag: go on at x + 2 lag. The lag may be that of two periods: from 1 to lag_max.
cdef void remove_period(const int16_t *x, Py_ssize_t lag, int16_t *out) noexcept nogil
# Reads 2 lag, writes 2 lag: go on at x + lag.
cdef void insert_period(const int16_t *x, Py_ssize_t lag, int16_t *out) noexcept nogil

# Writes `conceal` frames, which go on from what was played (block + lag_max before `end` are read) and fade to nothing.
cdef void conceal_gap(const stretcher *of, const int16_t *end, int16_t *out) noexcept nogil
# Writes `frames` of the history, played back and forth from its end; `step` were before. It holds `of.history`.
cdef void mirror(
    const stretcher *of, const int16_t *history, Py_ssize_t step, Py_ssize_t frames, int16_t *out
) noexcept nogil

# From one to the other in `frames`, a raised cosine; `out` may be either of them.
cdef void cross_fade(const int16_t *before, const int16_t *after, int16_t *out, Py_ssize_t frames) noexcept nogil
# To silence in `frames`, in place.
cdef void fade_out(int16_t *samples, Py_ssize_t frames) noexcept nogil

# The mean power of `frames` (at least one), where 1.0 is that of full scale.
cdef double mean_square(const int16_t *x, Py_ssize_t frames) noexcept nogil


cdef class Stretcher:
    cdef stretcher of
